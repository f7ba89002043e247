"""The caller's end of a zygote: starts it by exec, sends programs, hands reports to futures.

Any thread and any event loop may use it: a reader thread resolves `concurrent.futures` futures.
Not here: what a report means (result), and sessions.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mathlm.core.errors import MachineError
from mathlm.solving.sandbox.inside.confine import Limits
from mathlm.solving.sandbox.result import Level

PRELOAD = (
    *("math", "cmath", "random", "statistics", "fractions", "decimal", "itertools", "functools"),
    *("collections", "re", "json", "string", "datetime", "heapq", "bisect", "operator", "copy"),
    *("typing", "dataclasses", "time", "textwrap", "traceback", "tempfile", "threading"),
    *("numpy", "sympy"),
)
_FRAME = struct.Struct(">I")
_START_S = 120.0
_LATE_S = 30.0
"""So long after its time limit a program must have been reported, or the zygote is not well."""
_PACKAGES = ("mathlm", "mathlm.solving", "mathlm.solving.sandbox")
# Empty stand-ins for our packages: the zygote must not import mathlm, pydantic and the rest.
_BOOTSTRAP = """
import json, sys, types
config = json.loads(sys.argv[1])
for name, path in config["packages"].items():
    sys.modules[name] = package = types.ModuleType(name)
    package.__path__ = [path]
sys.path.extend(path for path in config["site"] if path not in sys.path)
from mathlm.solving.sandbox.inside.zygote import main
main(config)
"""


def _environment() -> dict[str, str]:
    """All that the zygote inherits: one thread for NumPy, one heap, a fixed order of hashes."""
    environment = {
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "LC_ALL": "C.UTF-8",
        "MALLOC_ARENA_MAX": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "VECLIB_MAXIMUM_THREADS": "1",
    }
    if "LD_LIBRARY_PATH" in os.environ:  # some installations' Python starts only with it
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return environment


def _site() -> list[str]:
    """Folders of packages that a program may use and that an isolated Python might not find."""
    specs = [find_spec(name) for name in ("sympy", "mpmath", "numpy")]
    return sorted({str(Path(s.origin).parent.parent) for s in specs if s is not None and s.origin})


def _config(descriptor: int, maximum: str) -> str:
    here = Path(__file__).resolve().parent
    folders = (here.parents[1], here.parents[0], here)
    return json.dumps(
        {
            "socket": descriptor,
            "packages": dict(zip(_PACKAGES, map(str, folders), strict=True)),
            "site": _site(),
            "readable": _site(),
            "preload": PRELOAD,
            "maximum": maximum,
            "caller": f"{os.getpid()}-{os.urandom(8).hex()}",  # makes its command line its own
        }
    )


@dataclass
class _Job:
    """One program on its way."""

    message: dict[str, Any]
    future: Future[dict[str, Any]] = field(default_factory=Future)
    sent: float = 0.0
    tries: int = 0


class Client:
    """One zygote process and the programs that are with it; at most `workers` run at a time."""

    def __init__(self, *, workers: int, maximum: str) -> None:
        self.workers, self.maximum = workers, maximum
        self.level: Level = "rlimits"
        self.failed: dict[str, str] = {}
        self._lock = threading.RLock()
        self._waiting: deque[_Job] = deque()
        self._running: dict[int, _Job] = {}
        self._next = 0
        self._closed = False
        self._socket, self._process = self._spawn()

    def _spawn(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """Start a zygote and wait until it says how far it could shut itself in."""
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-s", "-B", "-c", _BOOTSTRAP]
        process = subprocess.Popen(
            [*command, _config(theirs.fileno(), self.maximum)],
            pass_fds=(theirs.fileno(),),
            env=_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal is ours to handle, not its
        )
        theirs.close()
        ours.settimeout(_START_S)
        hello = _receive(ours)
        if hello is None or "broken" in hello:
            ours.close()
            process.kill()
            process.wait()
            raise MachineError(f"the sandbox did not start: {(hello or {}).get('broken', 'died')}")
        self.level, self.failed = hello["level"], hello["failed"]
        self.zygote_pid = int(hello["pid"])
        threading.Thread(
            target=self._listen, args=(ours, process), name="sandbox", daemon=True
        ).start()
        return ours, process

    def submit(self, limits: Limits, **message: Any) -> Future[dict[str, Any]]:
        """A future of the zygote's report on a request; cancelling it kills the program."""
        with self._lock:
            if self._closed:
                raise MachineError("the sandbox is closed")
            self._next += 1
            job = _Job({**message, "id": self._next, "limits": asdict(limits)})
            self._waiting.append(job)
            self._dispatch()
        job.future.add_done_callback(lambda future: self._cancelled(job, future))
        return job.future

    def forget(self, session: int) -> None:
        """Let a session's state go."""
        with self._lock:
            if not self._closed:
                self._send({"op": "close", "session": session})

    def _cancelled(self, job: _Job, future: Future[dict[str, Any]]) -> None:
        if future.cancelled():
            with self._lock:
                if job.message["id"] in self._running:
                    self._send({"op": "stop", "id": job.message["id"]})

    def _dispatch(self) -> None:
        while self._waiting and len(self._running) < self.workers:
            job = self._waiting.popleft()
            if job.future.cancelled():
                continue
            job.sent, job.tries = time.monotonic(), job.tries + 1
            self._running[job.message["id"]] = job
            self._send(job.message)

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        try:
            self._socket.sendall(_FRAME.pack(len(data)) + data)
        except OSError:
            return  # the reader thread sees the same end and starts over

    def _listen(self, connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
        """The reader thread: until the zygote's end."""
        connection.settimeout(1.0)
        while True:
            try:
                report = _receive(connection, self._overdue)
            except OSError:
                report = None
            if report is None:
                break
            self._deliver(report)
        connection.close()
        process.kill()
        process.wait()
        self._start_over()

    def _overdue(self) -> bool:
        now = time.monotonic()
        with self._lock:
            limits = [(job.sent, job.message["limits"]) for job in self._running.values()]
        return any(now > sent + limit["timeout_s"] + _LATE_S for sent, limit in limits)

    def _deliver(self, report: dict[str, Any]) -> None:
        with self._lock:
            job = self._running.pop(report["id"], None)
            self._dispatch()
        if job is not None and job.future.set_running_or_notify_cancel():
            job.future.set_result(report)

    def _start_over(self) -> None:
        """After the zygote died: a new one, every program in flight once more, then an error."""
        failed: list[_Job] = []
        with self._lock:
            lost = list(self._running.values())
            self._running.clear()
            again = [job for job in lost if job.tries < 2]
            failed = [job for job in lost if job.tries >= 2]
            if not self._closed:
                try:
                    self._socket, self._process = self._spawn()
                except (MachineError, OSError):
                    self._closed = True
            self._waiting.extendleft(reversed(again))
            if self._closed:
                failed += self._waiting
                self._waiting.clear()
            self._dispatch()
        for job in failed:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(MachineError("the sandbox's zygote died"))

    def close(self) -> None:
        """End the zygote and everything it runs."""
        with self._lock:
            self._closed = True
            connection, process = self._socket, self._process
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        process.wait()


def _receive(connection: socket.socket, late: Any = None) -> dict[str, Any] | None:
    """One message; None at the end of the connection, or when `late()` says to give up."""

    def take(count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            try:
                chunk = connection.recv(min(count - len(data), 1 << 20))
            except TimeoutError:
                if late is None or late():
                    return None
                continue
            if not chunk:
                return None
            data += chunk
        return data

    head = take(_FRAME.size)
    body = take(_FRAME.unpack(head)[0]) if head is not None else None
    return json.loads(body) if body is not None else None
