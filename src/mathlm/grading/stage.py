"""The `grade` stage: problems and completions to verdicts, under one or more policies.

Writes `verdicts.jsonl` (ordered by policy, then as the completions) and `meta.json`. Verdicts hold
no clocks; seconds go to `logs/`. A killed run is graded again from the start: it ends in the same
bytes, and answers take microseconds. A solve stage that still runs is graded as far as it has come
(`unfinished` in `meta.json`). Not here: the rules (`grader`, `policies`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from mathlm.core.errors import UserError
from mathlm.core.records import Completion, Problem, Verdict
from mathlm.core.stage import StageContext
from mathlm.core.storage import read_json, read_jsonl, write_json, write_jsonl
from mathlm.grading.completions import Answered, answered, choice_of
from mathlm.grading.config import GradeConfig
from mathlm.grading.endings import endings, remarks
from mathlm.grading.grader import judge
from mathlm.grading.journal import read_answers
from mathlm.grading.taskcheck import ceilings, describe_ceiling, golds_by_task
from mathlm.grading.verdicts import grade_all

Key = tuple[str, str]


def run(context: StageContext, config: GradeConfig) -> None:
    """Fill the stage's directory."""
    source = context.input("completions")
    problems = {(p.task, p.id): p for p in read_jsonl(source / "problems.jsonl", Problem)}
    completions, finished = read_answers(source, problems)
    ended = endings(completions)
    for remark in remarks(ended):
        context.progress.say(f"  {remark}")
    limits = ceilings(golds_by_task(list(problems.values())), config.policies)
    for policy, tasks in limits.items():
        for task, (right, total) in tasks.items():
            if right < total:
                context.progress.say(f"  {describe_ceiling(task, policy, right, total)}")
    started = time.perf_counter()
    verdicts: list[Verdict] = []
    for policy in config.policies:
        with context.progress.task(f"grade ({policy})", len(completions), "answers") as counted:
            for verdict in regrade(problems, completions, policy, workers=config.workers):
                verdicts.append(verdict)
                counted.advance()
    write_jsonl(context.directory / "verdicts.jsonl", verdicts)
    meta = _meta(source, config, finished=finished)
    write_json(context.directory / "meta.json", {**meta, "ceilings": limits, "endings": ended})
    _log(context.directory, time.perf_counter() - started, len(verdicts))


def _meta(source: Path, config: GradeConfig, *, finished: bool) -> dict[str, object]:
    copied = read_json(source / "meta.json") if (source / "meta.json").is_file() else {}
    kept = {key: copied[key] for key in ("model", "solvers", "tasks", "left_out") if key in copied}
    state = {} if finished else {"unfinished": True}
    return {**kept, "policies": list(config.policies), **state}


def _log(directory: Path, seconds: float, number: int) -> None:
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    line = json.dumps({"verdicts": number, "seconds": round(seconds, 3)})
    (directory / "logs" / "grading.json").write_text(line + "\n", encoding="utf-8")


def regrade(
    problems: dict[Key, Problem],
    completions: Sequence[Completion],
    policy: str,
    *,
    workers: int = 1,
) -> Iterator[Verdict]:
    """Verdicts of completions in their order, with the class of equivalent answers."""
    asked = [_problem(problems, completion) for completion in completions]
    found = [
        choice_of(problem, answered(completion))
        for problem, completion in zip(asked, completions, strict=True)
    ]
    pairs = [
        (problem.answer or "", (item.listed if policy == "default" else None) or item.text)
        for problem, item in zip(asked, found, strict=True)
    ]
    by_task: dict[str, list[int]] = {}
    for index, completion in enumerate(completions):
        by_task.setdefault(completion.task, []).append(index)
    verdicts: list[Verdict | None] = [None] * len(completions)
    for task, indices in by_task.items():
        graded = grade_all([pairs[i] for i in indices], policy=policy, task=task, workers=workers)
        for index, verdict in zip(indices, graded, strict=True):
            verdicts[index] = _finish(verdict, completions[index], found[index], policy)
    return _classed([verdict for verdict in verdicts if verdict is not None])


def _problem(problems: dict[Key, Problem], completion: Completion) -> Problem:
    problem = problems.get((completion.task, completion.problem_id))
    if problem is None or problem.answer is None:
        why = "is not in problems.jsonl" if problem is None else "has no gold answer"
        raise UserError(f"problem {completion.problem_id} of task {completion.task} {why}")
    return problem


def _finish(verdict: Verdict, completion: Completion, found: Answered, policy: str) -> Verdict:
    changes: dict[str, object] = {
        "problem_id": completion.problem_id,
        "task": completion.task,
        "solver": completion.solver,
        "sample_index": completion.sample_index,
        "seconds": 0.0,
    }
    if found.status is not None:
        rule = "program" if found.from_program else "none"
        changes |= {"status": found.status, "rule": rule, "reason": found.reason,
                    "answer": None, "normal_answer": None}  # fmt: skip
    return verdict.model_copy(update=changes)


def _classed(verdicts: Sequence[Verdict]) -> Iterator[Verdict]:
    """The verdicts with the number of their class within (task, problem, solver)."""
    classes: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.answer is None or verdict.status == "no_answer":
            yield verdict
            continue
        known = classes.setdefault((verdict.task, verdict.problem_id, verdict.solver), [])
        place = next((i for i, other in enumerate(known) if same_class(other, verdict)), None)
        if place is None:
            place = len(known)
            known.append(verdict)
        yield verdict.model_copy(update={"equivalence_class": place})


def same_class(first: Verdict, second: Verdict) -> bool:
    """Whether two answers to one problem count as one vote: both right, or equal to each other."""
    if (first.status == "correct") != (second.status == "correct"):
        return False
    if first.status == "correct" or first.answer == second.answer:
        return True
    judgement = judge(first.answer or "", second.answer or "")
    return judgement is not None and judgement.status == "correct"


__all__ = ["regrade", "run", "same_class"]
