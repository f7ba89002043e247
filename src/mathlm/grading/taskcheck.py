"""The self-check of a task's gold answers, before a run, and the ceilings of other policies.

A gold answer that a policy finds wrong against itself can never score, whatever the model says;
the ceiling is the share of those that can. Not here: the mutations (`selfcheck`) and where golds
come from (`mathlm.tasks`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mathlm.core.records import Problem
from mathlm.core.storage import write_json
from mathlm.grading.selfcheck import self_check
from mathlm.grading.verdicts import grade_all

FILE = "selfcheck.json"
SHOWN = 20
"""Failures that are kept in full for a task."""


class Misjudged(BaseModel):
    """A gold answer, or a mutation of one, that `default` does not judge as it must."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mutation: str
    gold: str
    answer: str
    status: str
    rule: str


class TaskCheck(BaseModel):
    """What the self-check found of one task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    golds: int
    digest: str
    """Of the gold answers and of the grading rules."""
    failures: int
    """Verdicts under `default` that are not as they must be."""
    misjudged: tuple[Misjudged, ...]
    """The first of them."""


def _rules() -> str:
    """A digest of the source of the rules: a changed rule makes every check void."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def golds_by_task(problems: Sequence[Problem]) -> dict[str, list[str]]:
    """The gold answers of each task, in order; problems without one are left out."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        if problem.answer is not None:
            found.setdefault(problem.task, []).append(problem.answer)
    return found


def check_golds(task: str, golds: Sequence[str]) -> TaskCheck:
    """Every gold answer against itself and its mutations under `default`."""
    failures = list(self_check(golds, task=task))
    shown = tuple(
        Misjudged(mutation=f.mutation, gold=f.gold, answer=f.answer, status=f.status, rule=f.rule)
        for f in failures[:SHOWN]
    )
    return TaskCheck(
        task=task,
        golds=len(golds),
        digest=_digest(golds, _rules()),
        failures=len(failures),
        misjudged=shown,
    )


def _digest(golds: Sequence[str], rules: str) -> str:
    text = json.dumps([list(golds), rules])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def check_problems(problems: Sequence[Problem], directory: Path) -> list[str]:
    """A line for each task whose check fails; all checks are kept in `directory`/selfcheck.json.

    What stands there of the same gold answers under the same rules is not done again.
    """
    rules = _rules()
    kept = {check.task: check for check in read_checks(directory)}
    checks = []
    for task, golds in golds_by_task(problems).items():
        before = kept.get(task)
        if before is not None and before.digest == _digest(golds, rules):
            checks.append(before)
        else:
            checks.append(check_golds(task, golds))
    write_json(directory / FILE, [check.model_dump(mode="json") for check in checks])
    return [f"self-check FAILED, {describe_check(c)}" for c in checks if c.failures]


def read_checks(directory: Path) -> list[TaskCheck]:
    """The checks of a solve stage's folder; none where it has none that can be read."""
    try:
        found = json.loads((directory / FILE).read_text(encoding="utf-8"))
        return [TaskCheck.model_validate(check) for check in found]
    except (OSError, ValueError, ValidationError):
        return []


def ceilings(
    golds: Mapping[str, Sequence[str]], policies: Sequence[str]
) -> dict[str, dict[str, tuple[int, int]]]:
    """By policy and task: gold answers that are right against themselves, and all of them."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for policy in policies:
        for task, answers in golds.items():
            pairs = [(answer, answer) for answer in answers]
            right = sum(v.status == "correct" for v in grade_all(pairs, policy=policy, task=task))
            found.setdefault(policy, {})[task] = (right, len(answers))
    return found


def describe_check(check: TaskCheck) -> str:
    """One line on a check, for the terminal."""
    if not check.failures:
        return f"{check.task}: {check.golds:,} gold answers judged as they must be"
    first = check.misjudged[0]
    return (
        f"{check.task}: {check.failures} wrong verdicts on {check.golds:,} gold answers and their"
        f" mutations; first: gold {first.gold[:60]!r}, {first.mutation} {first.answer[:60]!r} is"
        f" {first.status} by {first.rule}"
    )


def describe_ceiling(task: str, policy: str, right: int, total: int) -> str:
    """One line on a ceiling below all of the gold answers."""
    return (
        f"{task} under {policy}: {total - right} of {total:,} gold answers cannot score; no model"
        f" can have more than {100 * right / total:.1f} %"
    )
