"""`mathlm.solve`: a task's problems, a model and a solver, in one call.

Not here: runs that survive a kill and keep their completions (the `solve` stage).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from mathlm.core.errors import UserError
from mathlm.core.records import Completion, Problem
from mathlm.solving.binding import PROGRAMS, bind
from mathlm.solving.config import SolverConfig
from mathlm.solving.engines.protocol import Engine
from mathlm.solving.running import IN_FLIGHT, SESSIONS
from mathlm.solving.services import Answer, Same, Services, Solver, Tool
from mathlm.tasks import TASKS

_ROWS = 256


def solve(
    task: str,
    model: str | Engine,
    *,
    limit: int | None = None,
    seed: int = 0,
    sandbox: Tool | None = None,
    answer: Answer | None = None,
    same: Same | None = None,
    **settings: Any,
) -> list[tuple[Problem, list[Completion]]]:
    """The test problems of a task, each with its completions, one a sample.

    `model` is a folder or an engine; `settings` are those of a solver in a recipe (kind, samples,
    temperature, max_tokens, prompt, …; default: one greedy chain of thought). Programs run in
    `sandbox`, or in one that is started for them. `answer` and `same` are for `mode="agreement"`
    (`mathlm.grading.completions.answer_of`, `mathlm.grading.verdicts.same_answers`). Not for use
    inside a running event loop. Raises UserError for a wrong task, setting or prompt.
    """
    if task not in TASKS:
        raise UserError(f"no task '{task}'; there are {', '.join(TASKS)}")
    try:
        config = SolverConfig(**{"kind": "cot", **settings})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"solve: {where}: {first['msg']}") from None
    bound = bind("solve", config, TASKS[task])
    problems = TASKS[task].load("test", limit, seed)
    with _engine(model) as engine, _box(sandbox, needed=config.kind in PROGRAMS) as box:
        services = Services(engine=engine, seed=seed, sandbox=box, answer=answer, same=same,
                            sessions=asyncio.Semaphore(SESSIONS))  # fmt: skip
        made = asyncio.run(_all(problems, bound.solver, services, samples=config.samples))
    return [
        (problem, made[row * config.samples : (row + 1) * config.samples])
        for row, problem in enumerate(problems)
    ]


async def _all(
    problems: list[Problem], solver: Solver, services: Services, *, samples: int
) -> list[Completion]:
    places = asyncio.Semaphore(_ROWS * IN_FLIGHT)

    async def one(problem: Problem, sample: int) -> Completion:
        async with places:
            return (await solver(problem, sample, services))[0]

    return await asyncio.gather(*(one(p, sample) for p in problems for sample in range(samples)))


@contextlib.contextmanager
def _engine(model: str | Engine) -> Iterator[Engine]:
    """The engine, loaded for this call where a folder is given."""
    if not isinstance(model, str):
        yield model
        return
    from mathlm.models import load_model, load_tokenizer
    from mathlm.solving.engines.local import LocalEngine

    engine = LocalEngine(load_model(model), load_tokenizer(model), max_rows=_ROWS)
    try:
        yield engine
    finally:
        engine.close()


@contextlib.contextmanager
def _box(sandbox: Tool | None, *, needed: bool) -> Iterator[Tool | None]:
    """The sandbox, started for this call where programs need one."""
    if sandbox is not None or not needed:
        yield sandbox
        return
    from mathlm.solving.sandbox import Sandbox

    box = Sandbox()
    try:
        yield box
    finally:
        box.close()
