"""The `solve` stage: problems and a model to completions.

Loads the model of a finished stage (or of a path), puts every task's problems to every solver and
writes `problems.jsonl`, `completions.jsonl` and `meta.json`. A killed run generates only what is
missing; so does one with more samples. Under torchrun every process has a model of its own (one a
GPU) and a share of the problems. Not here: how solvers work (`solvers`), how many run at
once (`running`), where completions are kept (`store`), and any judgement of answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathlm.core.errors import MachineError, UserError
from mathlm.core.records import Problem
from mathlm.core.stage import StageContext
from mathlm.core.storage import write_json, write_jsonl
from mathlm.core.world import World, alone, meeting, open_world
from mathlm.solving.binding import PROGRAMS, Bound, bind
from mathlm.solving.config import SolveConfig
from mathlm.solving.engines.make import Secret, model_key, model_place, open_engine
from mathlm.solving.running import SESSIONS, Failures, run_until_stopped, solve_all
from mathlm.solving.services import Answer, Same, Services
from mathlm.solving.store import COMPLETIONS, JOURNAL, CompletionStore
from mathlm.solving.wanted import Job, Wanted
from mathlm.tasks import TASKS, Found, Where

SandboxFactory = Callable[[SolveConfig, int], Any]


@dataclass(frozen=True)
class Wiring:
    """What the stage is handed of other packages; None where it has to do without."""

    sandbox: SandboxFactory | None = None
    """Makes the runner of programs; None: ours."""
    answer: Answer | None = None
    """Grading's reading of answers, for solvers that compare some."""
    same: Same | None = None
    check: Callable[[Sequence[Problem], Path], Iterable[str]] = lambda problems, directory: ()
    """Checks the gold answers before any work, keeps what it found in the stage's directory and
    says it in lines."""
    secret: Secret = lambda name: None
    """The value of an environment variable: a server's key."""


def run(context: StageContext, config: SolveConfig, wiring: Wiring = Wiring()) -> None:
    """Fill the stage's directory."""
    model_place(context, config)  # a missing model is said before any work
    if config.engine != "local":  # a server: one process is enough
        if not context.follows:
            _run(context, config, wiring, world=alone(), gather=lambda value: [value])
        return
    with open_world(config.device) as world, meeting(world) as gather:
        _run(context, config, wiring, world=world, gather=gather)


def _run(
    context: StageContext,
    config: SolveConfig,
    wiring: Wiring,
    *,
    world: World,
    gather: Callable[[Any], list[Any]],
) -> None:
    """One process's share of the problems; the first one merges what all of them made."""
    bound = {
        (task, name): bind(name, settings, TASKS[task], config.prompts)
        for task in config.tasks
        for name, settings in config.solvers.items()
    }
    found = found_problems(config, context.seed)
    problems = _problems(config, found)
    if world.first:
        for line in wiring.check(problems, context.directory):
            context.progress.say(f"  {line}")
    with contextlib.ExitStack() as stack:
        workers = max(1, context.workers // world.size)
        tool, level, left_out = _tool(config, wiring.sandbox or _our_sandbox, workers)
        if tool is not None:
            stack.callback(tool.close)
        if world.first:
            write_jsonl(context.directory / "problems.jsonl", problems)
        wanted = _wanted(context, config, problems, bound=bound, left_out=left_out)
        store = _store(context, config, wanted, world)
        failures = Failures(context.directory, config.max_errors)
        gather(None)  # nobody writes before all have read what is there
        share = wanted.share(world.rank, world.size)
        missing = sum(job.place not in store for job in share)
        if missing:
            with open_engine(context, config, wiring.secret, world) as engine:
                services = Services(
                    engine=engine,
                    seed=context.seed,
                    sandbox=tool,
                    sessions=asyncio.Semaphore(SESSIONS),
                    answer=wiring.answer,
                    same=wiring.same,
                )
                share = wanted.share(world.rank, world.size)
                jobs = (job for job in share if job.place not in store)
                _generate(context, config, (missing, jobs), services=services, bound=bound,
                          store=store, failures=failures)  # fmt: skip
        for made in gather(failures.made):
            failures.made.update(made)
        if not world.first:
            return
        if world.size > 1:
            store = _store(context, config, wanted, world)
        store.merge(failures.made)
    meta = _meta(context, config, level, left_out=left_out)
    data = {name: {"state": one.state, "sha256": one.sha256} for name, one in found.items()}
    write_json(context.directory / "meta.json", {**meta, "data": data, "errors": failures.count()})


def found_problems(config: SolveConfig, seed: int) -> dict[str, Found]:
    """The problems of each task and where they come from; `UserError` where there are none."""
    where = Where(data=config.data, check=config.check_data, download=config.download)
    if len(config.tasks) > 1 and config.data is not None and Path(config.data).is_file():
        raise UserError(
            f"data = {config.data} is one file for {len(config.tasks)} tasks: give a folder laid"
            " out as MATHLM_DATA/benchmarks, or one task"
        )
    found = {
        name: TASKS[name].find(config.split, config.limit, seed, where) for name in config.tasks
    }
    for name, one in found.items():
        if not one.problems:
            raise UserError(f"task '{name}' has no problems in its split '{config.split}'")
    return found


def _problems(config: SolveConfig, found: Mapping[str, Found]) -> list[Problem]:
    """The problems of all tasks, or of one shard: every n-th of them."""
    problems = [
        problem.model_copy(update={"task": name})
        for name, one in found.items()
        for problem in one.problems
    ]
    if config.shard is None:
        return problems
    first, step = map(int, config.shard.split("/"))
    return problems[first - 1 :: step]


def _wanted(
    context: StageContext,
    config: SolveConfig,
    problems: list[Problem],
    *,
    bound: Mapping[tuple[str, str], Bound],
    left_out: Mapping[str, str],
) -> Wanted:
    """The completions that the stage is to have, with the hash of what decides each."""
    fixed = ("device", "dtype", "deterministic", "logprobs", "program_timeout_s")
    decides = {name: getattr(config, name) for name in fixed}
    base = json.dumps([model_key(context, config), context.seed, decides])
    samples = {
        name: c.samples for name, c in sorted(config.solvers.items()) if name not in left_out
    }
    return Wanted(
        problems,
        samples,
        lambda problem, name: bound[problem.task, name].fingerprint(problem, base),
    )


def _store(
    context: StageContext, config: SolveConfig, wanted: Wanted, world: World
) -> CompletionStore:
    """What is there already, here and in folders to reuse."""
    folders = [Path(folder) for folder in config.reuse]
    for folder in folders:
        if not ((folder / COMPLETIONS).is_file() or (folder / JOURNAL).is_dir()):
            raise UserError(f"reuse: {folder} has no completions (name the solve stage's folder)")
    writer = (config.shard or "1/1").replace("/", "-of-")
    if world.size > 1:
        writer = f"{writer}.{world.rank + 1}-of-{world.size}"
    store = CompletionStore(
        context.directory, len(wanted), wanted.number, writer=writer, reuse=folders
    )
    if store.torn:
        context.progress.say(f"  {store.torn} line(s) torn by a kill are made again")
    if 0 < store.found < len(wanted):
        context.progress.say(f"  {store.found} of {len(wanted)} completions are there already")
    return store


def _generate(
    context: StageContext,
    config: SolveConfig,
    jobs: tuple[int, Iterable[Job]],
    *,
    services: Services,
    bound: Mapping[tuple[str, str], Bound],
    store: CompletionStore,
    failures: Failures,
) -> None:
    """Make the missing completions."""
    missing, wanted = jobs
    with store, context.progress.task("solve", missing, "completions") as counted:
        run_until_stopped(
            solve_all(
                wanted,
                services,
                config,
                bound=bound,
                store=store,
                failures=failures,
                counted=counted,
            )
        )
    failures.check(store.found)


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
    needing = sorted(name for name, solver in config.solvers.items() if solver.kind in PROGRAMS)
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


def _meta(
    context: StageContext, config: SolveConfig, level: str | None, *, left_out: Mapping[str, str]
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
