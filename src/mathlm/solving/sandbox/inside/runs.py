"""One program as the zygote sees it: processes, streams, clock, and why it was stopped.

Not here: what the program does to itself (confine, program) and what its report means (result).
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mathlm.solving.sandbox.inside import confine, folders, init, jail, program, states, syscalls
from mathlm.solving.sandbox.inside.confine import Ground, Limits
from mathlm.solving.sandbox.inside.ground import NAMESPACES
from mathlm.solving.sandbox.inside.watch import Proc

MAX_MESSAGE = 2**20
_CHUNK = 65536
_KILL_WAIT_S = 5.0
_SESSION_SHARE = 4
"""All states of a session together may hold so many times the memory of one program."""
_SESSION_STATES = 128
_LOOK_S = 0.05
_YOUNG_S = 0.1
"""A program younger than this is not looked at: most have ended by then."""


@dataclass(frozen=True)
class Host:
    """What all programs of a zygote share: the ground, and descriptors of its own."""

    ground: Ground
    proc: int
    null: int
    lifeline: int
    """Read end of a pipe of which only the zygote holds the write end."""
    lifeline_write: int
    private_bytes: int = 0
    """What the zygote itself holds, and every fork of it seems to."""
    owner: tuple[int, int] = field(default_factory=lambda: (os.geteuid(), os.getegid()))
    """The zygote's user and group, whom a new user namespace knows only by number."""


@dataclass
class Run:
    """A program from its fork to its report."""

    number: int
    pid: int
    limits: Limits
    host: Host
    streams: dict[int, str]
    folder: str | None
    token: str
    started: float = field(default_factory=time.monotonic)
    stopped_at: float | None = None
    reason: str = ""
    note: str = ""
    session: bool = False
    """Not one program but the processes of a session, which has no clock of its own."""
    exits: dict[int, int] = field(default_factory=dict)
    """Of a session: exit status of every process that ended, by its id in the namespace."""
    next_look: float = 0.0
    orphaned: bool = False
    """Its init had to be killed before it had killed what it adopted."""
    data: dict[str, bytearray] = field(default_factory=dict)

    @classmethod
    def start(cls, host: Host, message: dict[str, Any], *, control: int = -1) -> Run:
        """Fork one program, or the first state of a session if it has a `control` socket.

        Raises OSError where the machine has no room for it.
        """
        limits = Limits(**message["limits"])
        folder = None if host.ground.namespaces else folders.make(host.ground.become)
        inner, outer = pipes(("stdout", "stderr", "message", "exit"))
        token = os.urandom(16).hex()
        try:
            room = _process_room(host, limits) + (_SESSION_STATES if control >= 0 else 0)
            pid = syscalls.clone(NAMESPACES) if host.ground.namespaces else os.fork()
        except OSError:
            close_all(*inner.values(), *outer.values())
            if folder:
                folders.remove(folder)
            raise
        if pid == 0:
            place = folder or jail.TEMPORARY
            code = message.get("code", "")
            _be_init(Inner(host, limits, code, inner, place, room, token, control))
        close_all(*inner.values())
        streams = {descriptor: name for name, descriptor in outer.items()}
        run = cls(message["id"], pid, limits, host, streams, folder, token)
        run.session = control >= 0
        return run

    def read(self, descriptor: int) -> bool:
        """Take what a stream holds; False at its end."""
        try:
            chunk = os.read(descriptor, _CHUNK)
        except OSError:
            return False
        name = self.streams[descriptor]
        held = self.data.setdefault(name, bytearray())
        held += chunk
        if self.session and name == "exit":
            self._note_exits(held)
        limit = MAX_MESSAGE if name in ("message", "exit") else self.limits.output_kib * 1024
        if len(held) > limit:
            del held[limit:]
            self.stop("output", f"more than {limit // 1024} KiB of {name}")
        return bool(chunk)

    def _note_exits(self, lines: bytearray) -> None:
        whole, separator, rest = lines.rpartition(b"\n")
        for line in whole.split(b"\n") if separator else ():
            pid, status = line.split()
            self.exits[int(pid)] = int(status)
        lines[:] = rest

    def close(self, descriptor: int) -> None:
        """Give up a stream."""
        del self.streams[descriptor]
        os.close(descriptor)

    def finished(self) -> bool:
        """Whether there is nothing more to come."""
        return not self.streams

    def time_left(self) -> float:
        """Seconds until this run wants attention."""
        until = math.inf if self.session else self.started + self.limits.timeout_s
        if self.stopped_at is not None:
            until = self.stopped_at + _KILL_WAIT_S
        return until - time.monotonic()

    def look(self) -> None:
        """Enforce the clock, and what no limit of the kernel covers."""
        if self.stopped_at is not None:
            return
        age = time.monotonic() - self.started
        if self.time_left() <= 0:
            self.stop("timeout", f"no end within {self.limits.timeout_s:g} s")
        elif age >= _YOUNG_S and syscalls.IS_LINUX and time.monotonic() >= self.next_look:
            looked = time.monotonic()
            self._look_at_memory()
            if self.folder and folders.size(self.folder) > self.limits.disk_mib * 2**20:
                self.stop("output", f"more than {self.limits.disk_mib} MiB in its folder")
            # a look costs little, but at many processes not nothing: a tenth of the time at most
            now = time.monotonic()
            self.next_look = now + max(_LOOK_S, 9 * (now - looked))

    def _look_at_memory(self) -> None:
        proc, allowed_mib = Proc(self.host.proc), self.limits.memory_mib
        allowed_mib *= _SESSION_SHARE if self.session else 1
        allowed = allowed_mib * 2**20
        inside = proc.tree(self.pid)[1:]
        if len(inside) < 2:
            return  # one process is held by its own limit
        # what they share with one another counts for each: look closer only if it is much
        base = self.host.private_bytes
        if sum(max(0, proc.private_bytes(pid) - base) for pid in inside) <= allowed:
            return
        if sum(proc.proportional_bytes(pid) for pid in inside) > allowed:
            self.stop("memory", f"{len(inside)} processes hold over {allowed_mib} MiB")

    def stop(self, reason: str, note: str) -> None:
        """Kill everything of this run; the first reason stays."""
        if self.stopped_at is not None:
            return
        self.stopped_at, self.reason, self.note = time.monotonic(), reason, note
        # init as pid 1 takes its namespace with it; without one it must kill what it adopted
        self._signal(signal.SIGKILL if self.host.ground.namespaces else signal.SIGTERM)

    def _signal(self, number: int) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def overdue(self) -> bool:
        """Whether killing it has taken so long that its streams are given up."""
        return self.stopped_at is not None and self.time_left() <= 0

    def give_up(self) -> None:
        """Make sure init is gone and its folder removed."""
        deadline = time.monotonic() + _KILL_WAIT_S
        while True:
            ended, _ = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > deadline:
                self._signal(signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self.orphaned = not self.host.ground.namespaces
                break
            time.sleep(0.0005)
        if self.folder:
            folders.remove(self.folder)

    def report(self) -> dict[str, Any]:
        """What the caller is told; ends the run."""
        seconds = time.monotonic() - self.started
        self.give_up()
        text = {
            name: bytes(self.data.get(name, b"")).decode("utf-8", "replace")
            for name in ("stdout", "stderr", "message", "exit")
        }
        return {
            "id": self.number,
            "reason": self.reason,
            "note": self.note,
            "seconds": seconds,
            "token": self.token,
            **text,
        }


@dataclass(frozen=True)
class Inner:
    """What the processes of one run need to know."""

    host: Host
    limits: Limits
    code: str
    streams: dict[str, int]
    folder: str
    room: int
    """The kernel's limit on processes of this user."""
    token: str
    control: int


def pipes(names: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Write ends for the program's side and read ends for ours, by name."""
    pairs = {name: os.pipe() for name in names}
    inner = {name: write for name, (_, write) in pairs.items()}
    return inner, {name: read for name, (read, _) in pairs.items()}


def close_all(*descriptors: int) -> None:
    """Close all of them."""
    for descriptor in descriptors:
        os.close(descriptor)


def _process_room(host: Host, limits: Limits) -> int:
    """RLIMIT_NPROC: per namespace, or above what the user already runs; 0 where unknown."""
    if host.ground.namespaces:
        return limits.processes + 1  # init
    if not syscalls.IS_LINUX:
        return 0
    uid = host.ground.become if host.ground.become is not None else os.geteuid()
    return 0 if uid == 0 else limits.processes + 1 + Proc(host.proc).tasks_of(uid)


def _refuse(inner: Inner, descriptor: int, error: Exception) -> None:
    text = f"{type(error).__name__}: {error}"
    program.send(descriptor, {"token": inner.token, "status": "refused", "error": text})


def _be_init(inner: Inner) -> None:
    """Everything the first process of a run does; never returns."""
    try:
        host = inner.host
        os.close(host.lifeline_write)
        if host.ground.namespaces:
            init.prepare(inner.limits, host.proc, owner=host.owner)
        init.oversee(
            lambda: _be_program(inner),
            inner.streams["exit"],
            host.lifeline,
            namespaces=host.ground.namespaces,
            session=inner.control >= 0,
        )
    except Exception as error:  # noqa: BLE001  (told to the caller; there is nobody else to tell)
        _refuse(inner, inner.streams["message"], error)
    finally:
        os._exit(70)


def _be_program(inner: Inner) -> None:
    """Everything the program's own process does; never returns."""
    os.setsid()
    confine.reset_signals()
    streams = inner.streams
    names = ("stdout", "stderr", "message")
    wanted = [inner.host.null, *(streams[name] for name in names)]
    confine.take_descriptors(wanted + [inner.control] * (inner.control >= 0))
    try:
        confine.confine(inner.host.ground, inner.limits, folder=inner.folder, processes=inner.room)
    except Exception as error:  # noqa: BLE001  (a layer that does not hold: nothing may run)
        _refuse(inner, 3, error)
        os._exit(73)
    if inner.control >= 0:
        states.begin(inner.folder, 4)
    program.run_and_leave(inner.code, inner.folder, 3, token=inner.token)
