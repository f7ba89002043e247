"""Sessions on the zygote's side: which states wait, and the clock of each turn.

Not here: what happens in the processes (states). A session's processes live below one init, which
is a `Run` without an end of its own.
"""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
import struct
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mathlm.solving.sandbox.inside import init
from mathlm.solving.sandbox.inside.confine import Limits
from mathlm.solving.sandbox.inside.runs import MAX_MESSAGE, Host, Run, close_all, pipes
from mathlm.solving.sandbox.inside.watch import Proc

_START_S = 10.0
_CREDENTIALS = struct.Struct("3i")
_TOLD_S = 0.5
_LOST_S = 5.0
"""How long after its end was asked for a turn's streams are kept."""


@dataclass
class State:
    """A process that waits after a turn (or before the first)."""

    tree: Run
    control: socket.socket
    pid: int
    """As the host counts."""


def greeting(connection: socket.socket) -> tuple[int, int]:
    """The process that greets: its id as the host counts, by the kernel's word, and by its own.

    (0, 0) at the end of the connection, which has SO_PASSCRED; raises BlockingIOError where
    nothing has come yet. The process may have died since.
    """
    data, ancillary, _, _ = connection.recvmsg(32, socket.CMSG_SPACE(_CREDENTIALS.size))
    for _, kind, content in ancillary if data.isdigit() else ():
        if kind == socket.SCM_CREDENTIALS:
            return int(_CREDENTIALS.unpack(content[: _CREDENTIALS.size])[0]), int(data)
    return 0, 0


def first_state(host: Host, message: dict[str, Any]) -> State:
    """Start a session; raises OSError where the machine has no room for it."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    ours.settimeout(_START_S)
    try:
        tree = Run.start(host, message, control=theirs.fileno())
        pid, _ = greeting(ours)
        if not pid:
            tree.stop("killed", "the session did not start")
            raise OSError("the session did not start")
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    ours.setblocking(False)
    return State(tree, ours, pid)


@dataclass
class Turn:
    """One turn from its request to its report; looks to the zygote like a `Run`."""

    number: int
    tree: Run
    limits: Limits
    control: socket.socket
    streams: dict[int, str]
    token: str
    pid: int | None = None
    started: float = field(default_factory=time.monotonic)
    stopped_at: float | None = None
    reason: str = ""
    note: str = ""
    over: bool = False
    died_at: float | None = None
    inner_pid: int = 0
    data: dict[str, bytearray] = field(default_factory=dict)
    orphaned: bool = False

    @classmethod
    def start(cls, state: State, message: dict[str, Any]) -> Turn:
        """Ask a waiting state to fork for one turn; raises OSError where it cannot be asked."""
        inner, outer = pipes(("stdout", "stderr", "message"))
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.setblocking(False)
        token = os.urandom(16).hex()
        try:
            with nameless_file(message["code"]) as code:
                wanted = array.array("i", [*inner.values(), theirs.fileno(), code])
                state.control.sendmsg(
                    [token.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, wanted)]
                )
        except OSError:
            close_all(*outer.values())
            ours.close()
            raise
        finally:
            close_all(*inner.values())
            theirs.close()
        streams = {descriptor: name for name, descriptor in outer.items()}
        streams[ours.fileno()] = "control"
        limits = Limits(**message["limits"])
        return cls(message["id"], state.tree, limits, ours, streams, token)

    def read(self, descriptor: int) -> bool:
        """Take what a stream holds; False at its end."""
        name = self.streams[descriptor]
        if name == "control":
            return self._meet()
        if name == "process":
            self.died_at = time.monotonic()
            self._drain()
            return False
        try:
            chunk = os.read(descriptor, 65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._keep(name, chunk)
        return bool(chunk)

    def _keep(self, name: str, chunk: bytes) -> None:
        held = self.data.setdefault(name, bytearray())
        held += chunk
        limit = MAX_MESSAGE if name == "message" else self.limits.output_kib * 1024
        if len(held) > limit:
            del held[limit:]
            self.stop("output", f"more than {limit // 1024} KiB of {name}")
        if name == "message" and held.endswith(b"\n"):
            if self.pid is None:  # its greeting came first, but is read in the same round
                with contextlib.suppress(OSError):
                    self.pid, self.inner_pid = greeting(self.control)
            self.over = True
            self._drain()

    def _meet(self) -> bool:
        """Learn the turn's process id from the kernel, and watch for its end."""
        if self.pid is not None:
            return False  # it says nothing more, or has closed its end
        try:
            pid, self.inner_pid = greeting(self.control)
        except BlockingIOError:
            return True
        except OSError:
            pid = 0
        self.pid = pid or None
        if self.pid is None:
            self.over = True
            return False
        try:
            self.streams[os.pidfd_open(self.pid)] = "process"
        except OSError:  # it is dead already
            self.died_at = time.monotonic()
        return True

    def _drain(self) -> None:
        """Take what is in the pipes already: children of the turn may hold them open for ever."""
        for descriptor, name in list(self.streams.items()):
            if name in ("stdout", "stderr"):
                os.set_blocking(descriptor, False)
                with contextlib.suppress(OSError):
                    while chunk := os.read(descriptor, 65536):
                        self._keep(name, chunk)

    def finished(self) -> bool:
        """Whether there is nothing more to come."""
        if self.over or self.died_at is None:
            return self.over
        told = self.inner_pid in self.tree.exits  # by init, a moment after the death
        return told or time.monotonic() > self.died_at + _TOLD_S

    def close(self, descriptor: int) -> None:
        """Give up a stream; the control socket stays with the state that the turn becomes."""
        if self.streams.pop(descriptor) != "control":
            os.close(descriptor)

    def time_left(self) -> float:
        """Seconds until this turn wants attention."""
        until = self.started + self.limits.timeout_s
        if self.stopped_at is not None:
            until = self.stopped_at + _LOST_S
        return until - time.monotonic()

    def look(self) -> None:
        """Enforce the clock."""
        if self.stopped_at is None and self.time_left() <= 0:
            self.stop("timeout", f"no end within {self.limits.timeout_s:g} s")

    def stop(self, reason: str, note: str) -> None:
        """Kill the turn's process and what is below it; the first reason stays."""
        if self.stopped_at is not None:
            return
        self.stopped_at, self.reason, self.note = time.monotonic(), reason, note
        if self.pid is None:
            self.over = True
            return
        init.kill_group(self.pid)
        for pid in Proc(self.tree.host.proc).tree(self.pid):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def overdue(self) -> bool:
        """Whether killing it has taken so long that its streams are given up."""
        return self.stopped_at is not None and (self.finished() or self.time_left() <= 0)

    def state(self) -> State | None:
        """The state that it has become, unless it was stopped or died."""
        if self.stopped_at is None and self.pid and self.data.get("message", b"").endswith(b"\n"):
            return State(self.tree, self.control, self.pid)
        self.control.close()
        return None

    def report(self) -> dict[str, Any]:
        """What the caller is told."""
        text = {
            name: bytes(self.data.get(name, b"")).decode("utf-8", "replace")
            for name in ("stdout", "stderr", "message")
        }
        text["message"] = text["message"] if self.over else ""
        status = self.tree.exits.pop(self.inner_pid, 0)
        return {
            "id": self.number,
            "reason": self.reason,
            "note": self.note,
            "seconds": time.monotonic() - self.started,
            "token": self.token,
            "exit": f"{status} 0",
            **text,
        }


@contextlib.contextmanager
def nameless_file(text: str) -> Iterator[int]:
    """A descriptor from which `text` can be read, of a file that has no name."""
    data = text.encode("utf-8", "surrogatepass")
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("code", os.MFD_CLOEXEC)
    else:
        descriptor, name = tempfile.mkstemp()
        os.unlink(name)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def sweep(tree: Run, known: list[State]) -> None:
    """Kill what finished turns of a session have left running, save its waiting states."""
    proc = Proc(tree.host.proc)
    init.kill_below(proc, tree.pid, {state.pid for state in known}, through=True)
