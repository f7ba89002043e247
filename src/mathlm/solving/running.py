"""Many solvers at once over one engine: what they make is kept as it comes, what fails is counted.

Not here: which completions are wanted (`wanted`), where they are kept (`store`).
"""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mathlm.core.errors import MachineError, UserError
from mathlm.core.progress import Task as Counted
from mathlm.core.records import Completion
from mathlm.core.storage import disk_errors
from mathlm.solving.binding import Bound
from mathlm.solving.config import SolveConfig
from mathlm.solving.services import Services
from mathlm.solving.store import CompletionStore
from mathlm.solving.wanted import Job

IN_FLIGHT = 4
"""Solvers under way for each of the engine's rows: some wait for a tool while others fill them."""
SESSIONS = 128
"""Most sandbox sessions open at a time: each is a process that waits."""


@dataclass
class Failures:
    """Completions that the machine could not make, with a limit on their number."""

    directory: Path
    limit: int
    made: dict[int, Completion] = field(default_factory=dict)
    """By place: what the file says of them unless a later run makes them."""
    first: str = ""

    def note(self, job: Job, error: Exception) -> None:
        """Count one, write why to `logs/errors.jsonl`; MachineError beyond the limit."""
        why = f"{type(error).__name__}: {error}"
        self.first = self.first or why
        self.made[job.place] = Completion(
            problem_id=job.problem.id,
            task=job.problem.task,
            solver=job.solver,
            sample_index=job.sample,
            segments=(),
            finish_reason="error",
            key=job.key,
        )
        entry = {"task": job.problem.task, "problem_id": job.problem.id, "solver": job.solver,
                 "sample_index": job.sample, "error": why}  # fmt: skip
        logs = self.directory / "logs"
        with disk_errors(logs):
            logs.mkdir(parents=True, exist_ok=True)
            with open(logs / "errors.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        if len(self.made) > self.limit:
            raise MachineError(self._too_many("more than max_errors allows")) from error

    def _too_many(self, why: str) -> str:
        return (
            f"{len(self.made)} completions could not be made, {why}; the first: {self.first}"
            f" (all in {self.directory}/logs/errors.jsonl; finished work is kept)"
        )

    def check(self, done: int) -> None:
        """Refuse to call a run finished in which nothing worked."""
        if self.made and not done:
            raise MachineError(self._too_many("and none was"))

    def count(self) -> dict[str, int]:
        """How many by solver."""
        return dict(sorted(Counter(completion.solver for completion in self.made.values()).items()))


@dataclass
class Limits:
    """What a run may spend before it stops."""

    tokens: int | None
    minutes: float | None
    spent: int = 0
    started: float = field(default_factory=time.monotonic)

    def check(self, answers: Iterable[Completion]) -> None:
        """Count what was made; MachineError when a limit is reached."""
        self.spent += sum(answer.cost.model_tokens for answer in answers)
        minutes = (time.monotonic() - self.started) / 60
        if self.tokens is not None and self.spent >= self.tokens:
            reached = f"run_tokens = {self.tokens}"
        elif self.minutes is not None and minutes >= self.minutes:
            reached = f"run_minutes = {self.minutes:g}"
        else:
            return
        raise MachineError(f"stopped by {reached}; what is made is kept, run again to go on")


def run_until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """`asyncio.run`, which SIGTERM ends as Ctrl-C does: by KeyboardInterrupt, tasks put away."""
    if threading.current_thread() is not threading.main_thread():
        asyncio.run(work)
        return
    before = signal.getsignal(signal.SIGTERM)

    async def main() -> None:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await task

    try:
        asyncio.run(main())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, before)


async def solve_all(
    jobs: Iterable[Job],
    services: Services,
    config: SolveConfig,
    *,
    bound: Mapping[tuple[str, str], Bound],
    store: CompletionStore,
    failures: Failures,
    counted: Counted,
) -> None:
    """Run the jobs, so many at a time that the engine's rows stay full.

    Raises MachineError when too many fail, or when a limit of the run is reached.
    """
    waiting = iter(jobs)
    limits = Limits(config.run_tokens, config.run_minutes)

    async def work() -> None:
        for job in waiting:  # one iterator for all workers: each takes the next job
            solver = bound[job.problem.task, job.solver].solver
            try:
                answers = await solver(job.problem, job.sample, services)
            except UserError:
                raise
            except Exception as error:  # noqa: BLE001  (the item boundary)
                failures.note(job, error)
                counted.advance(note=f"{len(failures.made)} failed")
                continue
            store.add(job.place, [_stored(a, job.key, logprobs=config.logprobs) for a in answers])
            counted.advance()
            limits.check(answers)

    workers = [asyncio.ensure_future(work()) for _ in range(config.max_rows * IN_FLIGHT)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def _stored(answer: Completion, key: str, *, logprobs: bool) -> Completion:
    """A completion as the file has it: no clocks, log-probabilities only where asked for."""
    segments = tuple(
        segment.model_copy(
            update={"logprobs": tuple(round(p, 4) for p in segment.logprobs) if logprobs else ()}
        )
        for segment in answer.segments
    )
    cost = answer.cost.model_copy(update={"seconds": 0.0})
    return answer.model_copy(update={"segments": segments, "cost": cost, "key": key})
