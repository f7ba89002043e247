"""The one pool of killable worker processes, for work that may crash, hang or balloon.

A segfault, a hang inside C, a memory balloon or `os._exit` in a worker is the outcome of the item
that did it, never the end of the run: the worker's process group is killed, a fresh one takes
over, and the rest of the group goes on. Workers die with their parent even when it is SIGKILLed:
a small guard process holds the other end of a pipe and kills the groups when the pipe closes.
Not here: the sandbox for programs that a model wrote (`mathlm.solving.sandbox`), which also takes
away files and network. Values come back as pickles, so the function must be our own code.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pickle import loads
from typing import Any, Literal

from mathlm.core.errors import MachineError, UserError
from mathlm.core.worker import HEADER, send

OutcomeStatus = Literal["done", "timeout", "memory", "crashed", "error"]

_START_TIMEOUT_S = 120.0
_POLL_S = 0.25
_GUARD = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    sign, pid = line[0], int(line[1:])
    groups.add(pid) if sign == "+" else groups.discard(pid)
for pid in groups:
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass
"""


@dataclass(frozen=True)
class Outcome:
    """What became of one item: its value, or why there is none."""

    status: OutcomeStatus
    value: Any = None
    detail: str = ""
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        """Whether the function returned."""
        return self.status == "done"

    def exception(self) -> UserError | MachineError:
        """What to raise where there must be a value: the error that the function raised, if so."""
        kind, _, message = self.detail.partition(": ")
        if self.status == "error" and kind == "UserError":
            return UserError(message)
        if self.status == "error":
            return MachineError(message if kind == "MachineError" else self.detail)
        return MachineError(f"{self.status}, {self.detail}")


class _Guard:
    """Kills the registered process groups when this process ends, however it ends."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
            bufsize=1,
        )
        self._lock = threading.Lock()

    def tell(self, sign: Literal["+", "-"], pid: int) -> None:
        """Add or remove a process group."""
        pipe = self._process.stdin
        assert pipe is not None
        with self._lock, contextlib.suppress(OSError, ValueError):
            pipe.write(f"{sign}{pid}\n")
            pipe.flush()

    def close(self) -> None:
        """End the guard, which kills what is still registered."""
        pipe = self._process.stdin
        assert pipe is not None
        with self._lock, contextlib.suppress(OSError):
            pipe.close()
        self._process.wait()


@dataclass(frozen=True)
class _Settings:
    function: str
    prepare: str | None
    options: dict[str, Any]
    timeout_s: float
    memory_mib: int
    max_items: int


class _Died(Exception):
    """The worker ended or was killed while it worked on an item."""

    def __init__(self, status: OutcomeStatus, detail: str) -> None:
        super().__init__(detail)
        self.status: OutcomeStatus = status
        self.detail = detail


class _Stopped(Exception):
    """Nobody wants the outcomes any more."""


class _Worker:
    """One child process in its own group."""

    def __init__(self, settings: _Settings, guard: _Guard) -> None:
        self._settings = settings
        self._guard = guard
        read_end, write_end = os.pipe()
        self._results = read_end
        self._buffer = bytearray()
        self.served = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mathlm.core.worker", str(write_end)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(write_end,),
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        os.close(write_end)
        guard.tell("+", self._process.pid)
        try:
            named = (settings.function, settings.prepare)
            self._send((*named, settings.options, sys.path, settings.memory_mib))
            self._receive(_START_TIMEOUT_S, threading.Event())
        except _Died as died:
            self.close()
            raise MachineError(
                f"a worker for {settings.function} did not start: {died.detail}"
            ) from None

    def serve(self, items: Sequence[Any], stop: threading.Event) -> Iterator[Outcome]:
        """Outcomes of the items in order; raises `_Died` at the item on which the worker died."""
        self._send(items)
        for _ in items:
            status, value, detail, seconds = self._receive(self._settings.timeout_s, stop)
            self.served += 1
            yield Outcome(status, value, detail, seconds)

    def kill(self) -> None:
        """Kill the process group; `close` still has to follow."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the process group and wait for the process."""
        self.kill()
        self._process.wait()
        self._guard.tell("-", self._process.pid)
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        if self._results >= 0:
            os.close(self._results)
            self._results = -1

    def _send(self, message: object) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        try:
            send(pipe, message)  # type: ignore[arg-type]
        except OSError as error:
            raise _Died("crashed", f"the worker has gone: {error}") from None

    def _receive(self, timeout_s: float, stop: threading.Event) -> Any:
        deadline = time.monotonic() + timeout_s
        while True:
            if len(self._buffer) >= HEADER.size:
                (size,) = HEADER.unpack_from(self._buffer)
                if len(self._buffer) >= HEADER.size + size:
                    message = loads(bytes(self._buffer[HEADER.size : HEADER.size + size]))
                    del self._buffer[: HEADER.size + size]
                    return message
            if stop.is_set():
                raise _Stopped
            self._fill(deadline, timeout_s)

    def _fill(self, deadline: float, timeout_s: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _Died("timeout", f"over {timeout_s:g} s")
        poller = select.poll()  # unlike select.select it takes descriptors over 1023
        poller.register(self._results, select.POLLIN)
        if poller.poll(min(left, _POLL_S) * 1000):
            chunk = os.read(self._results, 1 << 16)
            if not chunk:
                raise self._ended()
            self._buffer += chunk
        elif self._resident_mib() > self._settings.memory_mib + 256:
            raise _Died("memory", f"over {self._settings.memory_mib} MiB resident")

    def _ended(self) -> _Died:
        code = self._process.wait()
        if code >= 0:
            return _Died("crashed", f"the worker exited with code {code}")
        name = signal.Signals(-code).name
        return _Died("memory" if name == "SIGKILL" else "crashed", f"the worker died of {name}")

    def _resident_mib(self) -> int:
        """Resident memory; 0 where the system does not tell cheaply (the address limit remains)."""
        try:
            with open(f"/proc/{self._process.pid}/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
        except OSError:
            return 0


class _Seat:
    """A place for one worker; its worker changes when one dies."""

    def __init__(self) -> None:
        self.worker: _Worker | None = None


class Pool:
    """Workers that call `function` ("module:function") on items: thread-safe, lazy, in order.

    `timeout_s` and `memory_mib` (on top of what the imports take) hold for each item. `options`
    are keyword arguments for every call. A worker is replaced after `max_items` items. `prepare`
    is called with the options once in each worker, before the limits count: imports, models.
    """

    def __init__(
        self,
        function: str,
        *,
        workers: int = 1,
        timeout_s: float = 60.0,
        memory_mib: int = 2048,
        options: dict[str, Any] | None = None,
        prepare: str | None = None,
        max_items: int = 20_000,
    ) -> None:
        limits = (timeout_s, memory_mib, max_items)
        self._settings = _Settings(function, prepare, options or {}, *limits)
        self._workers = max(1, workers)
        self._seats: queue.SimpleQueue[_Seat] = queue.SimpleQueue()
        for _ in range(self._workers):
            self._seats.put(_Seat())
        self._guard: _Guard | None = None
        self._lock = threading.Lock()
        self._open: set[_Worker] = set()
        self._closed = threading.Event()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, item: Any) -> Outcome:
        """The outcome of one item; blocks until a worker is free."""
        with self.session() as run:
            return run(item)

    @contextlib.contextmanager
    def session(self) -> Iterator[Callable[[Any], Outcome]]:
        """`run` for items that build on one another: all in one process, as long as it lives."""
        seat = self._seats.get()
        try:
            yield lambda item: self._run_items([item], seat, self._closed)[0]
        finally:
            self._seats.put(seat)

    def map(self, items: Iterable[Any], *, group: int = 1) -> Iterator[Outcome]:
        """Outcomes in the items' order, lazily; `group` items travel together."""
        remaining = iter(items)
        groups = iter(lambda: list(itertools.islice(remaining, max(1, group))), [])
        waiting: deque[Future[list[Outcome]]] = deque()
        stop = threading.Event()
        with ThreadPoolExecutor(self._workers) as threads:
            try:
                for batch in itertools.islice(groups, 2 * self._workers):
                    waiting.append(threads.submit(self._run_group, batch, stop))
                while waiting:
                    yield from waiting.popleft().result()
                    for batch in itertools.islice(groups, 1):
                        waiting.append(threads.submit(self._run_group, batch, stop))
            finally:
                stop.set()
                for future in waiting:
                    future.cancel()

    def close(self) -> None:
        """Kill every worker and end the guard; work under way ends with `MachineError`."""
        self._closed.set()
        with self._lock:
            workers, self._open = self._open, set()
        for worker in workers:
            worker.kill()
        # Those at work are waited for by the thread that they serve; the idle ones here.
        with contextlib.suppress(queue.Empty):
            while True:
                seated = self._seats.get_nowait().worker
                if seated is not None and seated in workers:
                    seated.close()
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    def _run_group(self, items: Sequence[Any], stop: threading.Event) -> list[Outcome]:
        seat = self._seats.get()
        try:
            return self._run_items(items, seat, stop)
        finally:
            self._seats.put(seat)

    def _run_items(self, items: Sequence[Any], seat: _Seat, stop: threading.Event) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            while len(outcomes) < len(items):
                seat.worker = worker = self._fresh(seat.worker)
                if not self._serve(worker, items[len(outcomes) :], outcomes, stop):
                    self._discard(worker)
        except _Stopped:
            self._discard(seat.worker)
            raise MachineError("the work was given up before its end") from None
        return outcomes

    def _serve(
        self, worker: _Worker, items: Sequence[Any], outcomes: list[Outcome], stop: threading.Event
    ) -> bool:
        """Append outcomes until all items are served (True) or the worker must go (False)."""
        served_before = worker.served
        try:
            for outcome in worker.serve(items, stop):
                outcomes.append(outcome)
                if outcome.status == "memory":  # what it holds may not be free again
                    return False
        except _Died as died:
            if self._closed.is_set():
                raise MachineError("the pool was closed while it worked") from None
            # An earlier item may have broken the worker: the suspect is tried alone in a new one.
            alone = worker.served == 0 and served_before == 0
            if alone or died.status == "timeout":
                outcomes.append(Outcome(died.status, None, died.detail, self._settings.timeout_s))
            return False
        return True

    def _fresh(self, worker: _Worker | None) -> _Worker:
        if worker is not None and worker in self._open:
            if worker.served < self._settings.max_items:
                return worker
            self._discard(worker)
        with self._lock:
            if self._closed.is_set():
                raise MachineError("the pool is closed")
            if self._guard is None:
                self._guard = _Guard()
            guard = self._guard
        fresh = _Worker(self._settings, guard)
        with self._lock:
            self._open.add(fresh)
        return fresh

    def _discard(self, worker: _Worker | None) -> None:
        with self._lock:
            if worker is not None:
                self._open.discard(worker)
        if worker is not None:
            worker.close()
