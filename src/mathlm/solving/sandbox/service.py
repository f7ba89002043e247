"""`Sandbox`: programs that a model wrote, run shut in, many at a time; and `sandbox()` for one.

Not here: how a program is confined (`inside/`), and what an answer is worth (grading).
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from dataclasses import replace
from types import TracebackType
from typing import Self

from mathlm.core.errors import MachineError, UserError
from mathlm.solving.sandbox.client import Client
from mathlm.solving.sandbox.inside.confine import LEVELS, Limits
from mathlm.solving.sandbox.result import Level, ProgramResult, judge


class Sandbox:
    """Runs programs in a zygote's forks, at most `workers` at a time.

    Use it as an async context, or call `close`. Every program gets a fresh interpreter state.
    Below `minimum_level` nothing runs: every result is `refused`. `maximum_level` is for tests of
    the weaker levels. May be called from any thread and any event loop; a process forked from
    this one starts a zygote of its own.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        limits: Limits | None = None,
        minimum_level: Level = "landlock",
        maximum_level: Level = "full",
    ) -> None:
        self.workers = workers or os.cpu_count() or 1
        self.limits = limits or Limits()
        self.minimum_level, self.maximum_level = minimum_level, maximum_level
        self._client: Client | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def start(self) -> Client:
        """The running zygote's client, started at the first call (about a second)."""
        with self._lock:
            if self._client is None or self._owner != os.getpid():
                self._client = Client(workers=self.workers, maximum=self.maximum_level)
                self._owner = os.getpid()
            return self._client

    @property
    def level(self) -> Level:
        """The level reached on this machine; starts the zygote."""
        return self.start().level

    @property
    def failed(self) -> dict[str, str]:
        """Layers that this machine does not offer, and what its kernel said."""
        return dict(self.start().failed)

    def _refusal(self, client: Client) -> ProgramResult | None:
        if LEVELS.index(client.level) >= LEVELS.index(self.minimum_level):
            return None
        missing = "; ".join(f"{name}: {why}" for name, why in client.failed.items())
        return ProgramResult(
            status="refused",
            error=f"level {client.level} is below {self.minimum_level} ({missing})",
            level=client.level,
        )

    async def run(self, program: str, limits: Limits | None = None) -> ProgramResult:
        """How `program` ended; waits for a free worker. Cancelling kills the program.

        Raises MachineError where the zygote cannot be started or died twice over this program.
        """
        client = self._client
        if client is None or self._owner != os.getpid():
            client = await asyncio.to_thread(self.start)
        refusal = self._refusal(client)
        if refusal is not None:
            return refusal
        report = await asyncio.wrap_future(
            client.submit(limits or self.limits, op="run", code=program)
        )
        return judge(report, client.level)

    def run_blocking(self, program: str, limits: Limits | None = None) -> ProgramResult:
        """The same for callers without an event loop."""
        client = self.start()
        refusal = self._refusal(client)
        if refusal is not None:
            return refusal
        report = client.submit(limits or self.limits, op="run", code=program).result()
        return judge(report, client.level)

    async def open(self, limits: Limits | None = None) -> Session:
        """A session before its first turn; `limits` hold for every turn.

        Raises UserError below `minimum_level`, MachineError where the machine has no room.
        """
        client = await asyncio.to_thread(self.start)
        refusal = self._refusal(client)
        if refusal is not None:
            raise UserError(f"no sandboxed sessions here: {refusal.error}")
        limits = limits or self.limits
        report = await asyncio.wrap_future(client.submit(limits, op="open"))
        if "refused" in report:
            raise MachineError(f"no session could be opened: {report['refused']}")
        return Session(client, limits, report["id"])

    def close(self) -> None:
        """End the zygote and every program that still runs."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None and self._owner == os.getpid():
            client.close()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)


class Session:
    """An interpreter after some turns of a tool loop; running a turn makes another session.

    The old one stays as it was, so that a search can go on from any point as often as it likes.
    Turns may run at the same time, also from one session. Files in the private folder are shared
    by all sessions that come from one `Sandbox.open`.
    """

    def __init__(
        self, client: Client, limits: Limits, number: int, result: ProgramResult | None = None
    ) -> None:
        self._client, self._limits, self._number = client, limits, number
        self.alive = True
        """False where the turn had to be killed: nothing can be run from here."""
        self.result = result
        """How the turn that led here ended; None before the first."""

    async def run(self, code: str, *, timeout_s: float | None = None) -> Session:
        """The session after `code`; its `result` tells how that ended and names all variables.

        As in a notebook, the value of a last line that is an expression is printed.
        """
        if not self.alive:
            raise UserError("the session is over: its last turn was killed, or it was closed")
        limits = replace(self._limits, timeout_s=timeout_s or self._limits.timeout_s)
        future = self._client.submit(limits, op="turn", session=self._number, code=code)
        report = await asyncio.wrap_future(future)
        result = judge(report, self._client.level)
        after = Session(self._client, self._limits, report["id"], result)
        after.alive = bool(report.get("state"))
        return after

    def close(self) -> None:
        """Let this state go, as dropping its last reference does; those after it stay."""
        if self.alive:
            self.alive = False
            self._client.forget(self._number)

    def __del__(self) -> None:
        self.close()


_shared: dict[str, Sandbox] = {}
_shared_lock = threading.Lock()


def _shared_sandbox(minimum_level: Level) -> Sandbox:
    with _shared_lock:
        if minimum_level not in _shared:
            _shared[minimum_level] = Sandbox(minimum_level=minimum_level)
            atexit.register(_shared[minimum_level].close)
        return _shared[minimum_level]


def sandbox(
    program: str,
    *,
    timeout_s: float = 10.0,
    memory_mib: int = 1024,
    processes: int = 64,
    file_mib: int = 64,
    output_kib: int = 64,
    minimum_level: Level = "landlock",
) -> ProgramResult:
    """How one Python program ended, run shut in; one zygote serves all calls of this process.

    `timeout_s` is wall clock; `file_mib` bounds each file, `output_kib` each of stdout and stderr.
    A machine that cannot reach `minimum_level` gives `refused`. Raises UserError for a limit that
    is not positive, MachineError where no zygote can be started.
    """
    limits = Limits(
        timeout_s=timeout_s,
        memory_mib=memory_mib,
        processes=processes,
        file_mib=file_mib,
        output_kib=output_kib,
    )
    for name in ("timeout_s", "memory_mib", "processes", "file_mib", "output_kib"):
        if not getattr(limits, name) > 0:
            raise UserError(f"{name} must be positive, not {getattr(limits, name)}")
    return _shared_sandbox(minimum_level).run_blocking(program, limits)
