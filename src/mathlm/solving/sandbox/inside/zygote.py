"""The zygote: a clean interpreter with SymPy loaded that forks once for every program.

It is started by exec (never forked from a process with threads or CUDA), has one thread, holds no
secrets, and never runs a line of a program itself. It reads streams, keeps the clock and kills
from outside. Not here: the final status, which the caller's side makes of what this reports.

Frames both ways: four bytes of length (big endian), then JSON. The end of the caller's socket, or
the caller's death, ends everything.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import socket
import struct
import sys
import traceback
from typing import Any

from mathlm.solving.sandbox.inside import folders, init, program, syscalls, turns
from mathlm.solving.sandbox.inside import ground as grounds
from mathlm.solving.sandbox.inside.runs import Host, Run
from mathlm.solving.sandbox.inside.watch import Proc

_FRAME = struct.Struct(">I")
_IDLE_S = 0.5
_WATCH_S = 0.05
_HUGE = 2**21
# Once here instead of in every program: SymPy's lazy imports, its tables and its caches.
_WARM = """
from sympy import *
x, y = symbols("x y")
solve(x**2 - 3*x + 1, x)
solve((Eq(x + y, 3), Eq(x - y, 1)), (x, y))
simplify((x**2 - 4) / (x - 2))
simplify(sin(x)**2 + cos(x)**2)
integrate(x * sin(x), (x, 0, 1))
factor(x**2 - y**2), expand((x + y)**3), diff(x**2 * sin(x), x), limit(sin(x) / x, x, 0)
N(sqrt(2)), nsimplify("0.5"), Matrix([[1, 2], [3, 4]]).inv(), latex(x**2 / 3), srepr(x + 1)
"""


class Channel:
    """The frames to and from the caller; writing never blocks the clock."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.setblocking(False)
        self._incoming, self._outgoing = bytearray(), bytearray()

    def send(self, message: dict[str, Any]) -> None:
        """Queue one message."""
        data = json.dumps(message).encode()
        self._outgoing += _FRAME.pack(len(data)) + data
        self.push()

    def push(self) -> None:
        """Write what the socket takes now."""
        while self._outgoing:
            try:
                sent = self.socket.send(self._outgoing)
            except BlockingIOError:
                return
            del self._outgoing[:sent]

    def waiting(self) -> bool:
        """Whether something is still to be written."""
        return bool(self._outgoing)

    def receive(self) -> list[dict[str, Any]] | None:
        """Whole messages that have come; None at the end of the connection."""
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return []
        if not data:
            return None
        self._incoming += data
        messages = []
        while len(self._incoming) >= _FRAME.size:
            (length,) = _FRAME.unpack_from(self._incoming)
            if len(self._incoming) < _FRAME.size + length:
                break
            messages.append(json.loads(self._incoming[_FRAME.size : _FRAME.size + length]))
            del self._incoming[: _FRAME.size + length]
        return messages


class Zygote:
    """The loop over the caller's socket, the programs' streams and the clock."""

    def __init__(self, channel: Channel, host: Host) -> None:
        self.channel, self.host = channel, host
        self.selector = selectors.DefaultSelector()
        self.runs: dict[int, Run | turns.Turn] = {}
        self.states: dict[int, turns.State] = {}
        self.caller = os.getppid()
        self.selector.register(channel.socket, selectors.EVENT_READ, None)

    def serve(self) -> None:
        """Work until the caller goes away."""
        while self._turn():
            pass
        for run in self.runs.values():
            run.stop("killed", "the caller went away")
        for run in list(self.runs.values()):
            if isinstance(run, Run):
                run.give_up()

    def _turn(self) -> bool:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE * self.channel.waiting())
        self.selector.modify(self.channel.socket, wanted, None)
        for key, events in self.selector.select(self._pause()):
            if key.data is not None:
                self._read(key.fd, key.data)
                continue
            if events & selectors.EVENT_WRITE:
                self.channel.push()
            if events & selectors.EVENT_READ and not self._obey():
                return False
        for run in list(self.runs.values()):
            run.look()
            if run.overdue() or run.finished():
                self._end(run)
        return os.getppid() == self.caller

    def _pause(self) -> float:
        if not self.runs:
            return _IDLE_S
        return min(_WATCH_S, *(max(0.0, run.time_left()) for run in self.runs.values()), _IDLE_S)

    def _obey(self) -> bool:
        messages = self.channel.receive()
        for message in messages or []:
            {
                "run": self._start,
                "open": self._open,
                "turn": self._turn_of,
                "close": self._close,
                "stop": self._stop,
            }[message["op"]](message)
        return messages is not None

    def _stop(self, message: dict[str, Any]) -> None:
        if message["id"] in self.runs:
            self.runs[message["id"]].stop("killed", "cancelled")

    def _start(self, message: dict[str, Any]) -> None:
        try:
            self._add(Run.start(self.host, message))
        except OSError as error:
            self.channel.send({"id": message["id"], "refused": str(error)})

    def _open(self, message: dict[str, Any]) -> None:
        try:
            state = turns.first_state(self.host, message)
        except OSError as error:
            self.channel.send({"id": message["id"], "refused": str(error)})
            return
        state.tree.number = -message["id"]  # its report, at its end, answers nobody
        self.states[message["id"]] = state
        self._add(state.tree)
        self.channel.send({"id": message["id"]})

    def _turn_of(self, message: dict[str, Any]) -> None:
        try:
            self._add(turns.Turn.start(self.states[message["session"]], message))
        except (KeyError, OSError):
            self.channel.send({"id": message["id"], "refused": "the session is over"})

    def _close(self, message: dict[str, Any]) -> None:
        state = self.states.pop(message["session"], None)
        if state is not None:
            state.control.close()
            self._end_session(state.tree)

    def _end_session(self, tree: Run) -> None:
        """End a session that has no state and no turn left; tidy up one that has no turn left."""
        if any(isinstance(run, turns.Turn) and run.tree is tree for run in self.runs.values()):
            return
        known = [state for state in self.states.values() if state.tree is tree]
        if not known:
            tree.stop("killed", "closed")
        elif tree.stopped_at is None:
            turns.sweep(tree, known)

    def _add(self, run: Run | turns.Turn) -> None:
        self.runs[run.number] = run
        self._watch(run)

    def _watch(self, run: Run | turns.Turn) -> None:
        """Listen to streams that are not listened to yet."""
        listened = self.selector.get_map()
        for descriptor in run.streams:
            if descriptor not in listened:
                self.selector.register(descriptor, selectors.EVENT_READ, run)

    def _forget(self, run: Run | turns.Turn, descriptor: int) -> None:
        self.selector.unregister(descriptor)
        run.close(descriptor)

    def _read(self, descriptor: int, run: Run | turns.Turn) -> None:
        if descriptor not in run.streams:
            return  # closed by an earlier event of the same round
        if not run.read(descriptor):
            self._forget(run, descriptor)
        if run.finished():
            self._end(run)
        else:
            self._watch(run)

    def _end(self, run: Run | turns.Turn) -> None:
        for descriptor in list(run.streams):
            self._forget(run, descriptor)
        del self.runs[run.number]
        if isinstance(run, turns.Turn):
            state = run.state()
            if state is not None:
                self.states[run.number] = state
            self.channel.send({**run.report(), "state": state is not None})
            self._end_session(run.tree)
            return
        self.channel.send(run.report())
        for number in [n for n, state in self.states.items() if state.tree is run]:
            self.states.pop(number).control.close()
        if run.orphaned:
            others = [other.pid for other in self.runs.values() if isinstance(other, Run)]
            init.kill_below(Proc(self.host.proc), os.getpid(), others)


def preload(names: list[str]) -> None:
    """Import what programs use most; a module that is not installed is left out."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    program.seed()
    if "sympy" in sys.modules:
        exec(_WARM, {})


def forget_ourselves() -> None:
    """Take our modules from the interpreter's table: a program finds none of them."""
    for name in list(sys.modules):
        if name == "mathlm" or name.startswith("mathlm."):
            del sys.modules[name]


def use_huge_pages(proc: Proc) -> None:
    """Put the heap into huge pages where the kernel can: a fork then copies far fewer entries."""
    for start, end in proc.heap():
        first, last = -(-start // _HUGE) * _HUGE, end // _HUGE * _HUGE
        for area in range(first, last, _HUGE):
            syscalls.collapse(area, _HUGE)


def main(config: dict[str, Any]) -> None:
    """Serve the caller at the other end of descriptor `config["socket"]` until it goes away."""
    channel = Channel(socket.socket(fileno=config["socket"]))
    try:
        preload(config["preload"])
        sys.path[:] = [path for path in sys.path if path]
        proc = os.open("/proc", os.O_RDONLY | os.O_CLOEXEC) if syscalls.IS_LINUX else -1
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        ground, failed = grounds.explore(config["readable"], proc, maximum=config["maximum"])
        own = Proc(proc).private_bytes(os.getpid()) if syscalls.IS_LINUX else 0
        host = Host(ground, proc, null, *os.pipe(), private_bytes=own)
        if not ground.namespaces:
            folders.sweep()
            init.become_subreaper()
    except Exception:  # noqa: BLE001  (whatever goes wrong must reach the caller in words)
        channel.send({"broken": traceback.format_exc()})
        return
    forget_ourselves()
    gc.collect()
    gc.freeze()
    if syscalls.IS_LINUX:
        use_huge_pages(Proc(proc))
    gc.disable()
    channel.send({"level": ground.level, "failed": failed, "pid": os.getpid()})
    Zygote(channel, host).serve()
