"""The `solve` stage: problems and a model to completions.

Loads the model of a finished stage (or of a path), puts every task's problems to every solver and
writes `problems.jsonl`, `completions.jsonl` and `meta.json`. A killed run generates only what is
missing; so does one with more samples. Not here: how solvers work, and any judgement of answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mathlm.core.errors import MachineError, UserError
from mathlm.core.progress import Task as Counted
from mathlm.core.records import Completion, Problem
from mathlm.core.stage import StageContext
from mathlm.core.storage import write_json, write_jsonl
from mathlm.solving.config import SolveConfig, SolverConfig
from mathlm.solving.engines.make import model_place, open_engine
from mathlm.solving.engines.protocol import Sampling
from mathlm.solving.services import Services, Solver, Tool
from mathlm.solving.solvers import SOLVERS
from mathlm.solving.solvers.asking import Asking
from mathlm.solving.store import CompletionStore, Key
from mathlm.tasks import TASKS, Prompt

_IN_FLIGHT = 4
"""Solvers under way for each of the engine's rows: some wait for a tool while others fill them."""
SandboxFactory = Callable[[SolveConfig, int], Any]


@dataclass(frozen=True)
class _Job:
    """One completion to be made."""

    key: Key
    problem: Problem
    solver: Solver


def run(
    context: StageContext, config: SolveConfig, *, sandbox: SandboxFactory | None = None
) -> None:
    """Fill the stage's directory; `sandbox` makes the runner of programs (default: ours)."""
    model_place(context, config)  # a missing model is said before any work
    problems = _problems(config, context.seed)
    with contextlib.ExitStack() as stack:
        tool, level, left_out = _tool(config, sandbox or _our_sandbox, context.workers)
        if tool is not None:
            stack.callback(tool.close)
        solvers = {name: c for name, c in sorted(config.solvers.items()) if name not in left_out}
        write_jsonl(context.directory / "problems.jsonl", problems)
        jobs = [_job(*wanted, config) for wanted in _wanted(problems, solvers)]
        store = CompletionStore(context.directory)
        if store.torn:
            context.progress.say(f"  {store.torn} line(s) torn by a kill are made again")
        missing = [job for job in jobs if job.key not in store]
        if missing:
            _generate(context, config, missing, store=store, tool=tool)
        store.merge(job.key for job in jobs)
    write_json(context.directory / "meta.json", _meta(context, config, level, left_out))


def _problems(config: SolveConfig, seed: int) -> list[Problem]:
    problems = []
    for name in config.tasks:
        loaded = TASKS[name].load(config.split, config.limit, seed)
        if not loaded:
            raise UserError(f"task '{name}' has no problems in its split '{config.split}'")
        problems += [problem.model_copy(update={"task": name}) for problem in loaded]
    return problems


def _wanted(
    problems: Sequence[Problem], solvers: Mapping[str, SolverConfig]
) -> Iterator[tuple[Problem, str, int]]:
    """(problem, solver, sample) in the order of the file."""
    for problem in problems:
        for name, solver in solvers.items():
            for sample in range(solver.samples):
                yield problem, name, sample


def _job(problem: Problem, name: str, sample: int, config: SolveConfig) -> _Job:
    settings = config.solvers[name]
    prompt = _prompt(problem.task, name, settings)
    sampling = Sampling(
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        min_p=settings.min_p,
        repetition_penalty=settings.repetition_penalty,
        stops=settings.stops,
    )
    shots = prompt.shot_count if settings.shots is None else settings.shots
    how = Asking(name=name, prompt=prompt, shots=shots, sampling=sampling)
    solver = partial(SOLVERS[settings.kind], how=how)
    return _Job((problem.task, problem.id, name, sample), problem, solver)


def _prompt(task: str, name: str, settings: SolverConfig) -> Prompt:
    prompt = TASKS[task].prompt(settings.kind)
    try:
        prompt.check_shots(prompt.shot_count if settings.shots is None else settings.shots)
    except ValueError as error:
        raise UserError(f"solver '{name}', task '{task}': {error}") from None
    return prompt


def _our_sandbox(config: SolveConfig, workers: int) -> Any:
    from mathlm.solving.sandbox import Limits, Sandbox

    return Sandbox(
        workers=workers,
        limits=Limits(timeout_s=config.program_timeout_s),
        minimum_level=config.sandbox_minimum,
    )


def _tool(
    config: SolveConfig, make: SandboxFactory, workers: int
) -> tuple[Any, str | None, dict[str, str]]:
    """The runner of programs where a solver needs one, its level, and why solvers are left out."""
    needing = sorted(name for name, solver in config.solvers.items() if solver.kind == "program")
    if not needing:
        return None, None, {}
    try:
        tool = make(config, workers)
        level, failed = tool.level, tool.failed
    except MachineError as error:
        return None, None, dict.fromkeys(needing, str(error))
    levels = ("rlimits", "landlock", "full")
    if levels.index(level) >= levels.index(config.sandbox_minimum):
        return tool, level, {}
    tool.close()
    why = "; ".join(f"{layer}: {reason}" for layer, reason in sorted(failed.items()))
    reason = f"the sandbox reaches level {level} here, {config.sandbox_minimum} is asked for"
    return None, level, dict.fromkeys(needing, f"{reason} ({why})" if why else reason)


def _generate(
    context: StageContext,
    config: SolveConfig,
    jobs: Sequence[_Job],
    *,
    store: CompletionStore,
    tool: Tool | None,
) -> None:
    """Make the missing completions with a model that is loaded for it."""
    with open_engine(context, config) as engine:
        services = Services(engine=engine, seed=context.seed, sandbox=tool)
        with store, context.progress.task("solve", len(jobs), "completions") as counted:
            asyncio.run(_solve_all(jobs, services, config, store=store, counted=counted))


async def _solve_all(
    jobs: Sequence[_Job],
    services: Services,
    config: SolveConfig,
    *,
    store: CompletionStore,
    counted: Counted,
) -> None:
    """Run the jobs, so many at a time that the engine's rows stay full."""
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:  # one iterator for all workers: each takes the next job
            answers = await job.solver(job.problem, job.key[3], services)
            store.add([_stored(answer, logprobs=config.logprobs) for answer in answers])
            counted.advance()

    workers = [asyncio.ensure_future(work()) for _ in range(config.max_rows * _IN_FLIGHT)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()


def _stored(answer: Completion, *, logprobs: bool) -> Completion:
    """A completion as the file has it: no clocks, log-probabilities only where asked for."""
    segments = tuple(
        segment.model_copy(
            update={"logprobs": tuple(round(p, 4) for p in segment.logprobs) if logprobs else ()}
        )
        for segment in answer.segments
    )
    cost = answer.cost.model_copy(update={"seconds": 0.0})
    return answer.model_copy(update={"segments": segments, "cost": cost})


def _meta(
    context: StageContext, config: SolveConfig, level: str | None, left_out: Mapping[str, str]
) -> dict[str, Any]:
    label, _ = model_place(context, config)
    solvers = {
        name: settings.model_dump(mode="json")
        for name, settings in sorted(config.solvers.items())
        if name not in left_out
    }
    return {
        "model": label,
        "solvers": solvers,
        "tasks": list(config.tasks),
        "split": config.split,
        "sandbox_level": level,
        "left_out": [{"solver": name, "reason": left_out[name]} for name in sorted(left_out)],
    }
