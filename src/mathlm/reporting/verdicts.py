"""Verdicts from files, compactly: what counts of each, by policy, solver, task and problem.

Reads `verdicts.jsonl` of a grade stage, and the lines of `mathlm grade --json` (`id` for the
problem; task, solver and sample where they are given). A million verdicts take some tens of MB:
equal marks are one object. Not here: texts of answers (`browser`) and any estimate.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic_core import from_json

from mathlm.core.errors import UserError
from mathlm.core.records import Status
from mathlm.core.storage import read_lines

STATUSES = tuple(get_args(Status))


class Mark(NamedTuple):
    """What counts of one verdict."""

    sample: int
    status: str
    equivalence_class: int | str | None
    rule: str = ""


Marks = dict[str, dict[str, list[Mark]]]
"""By task and problem id, in the order of the samples."""
BySolver = dict[str, Marks]
ByPolicy = dict[str, BySolver]


class Line(NamedTuple):
    """A verdict's place and mark."""

    policy: str
    solver: str
    task: str
    problem: str
    mark: Mark


def is_right(mark: Mark) -> bool:
    """Whether a sample counts."""
    return mark.status == "correct"


def read_verdict_lines(path: Path) -> Iterator[Line]:
    """The verdicts of a file in its order; a line that is none is the user's mistake."""
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            row = from_json(line, cache_strings="all")
            yield _line(row)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"{type(error).__name__}: {error}"[:120]
            raise UserError(f"{path}, line {number + 1} is no verdict ({what})") from None


def _line(row: dict[str, Any]) -> Line:
    problem = row["problem_id"] if "problem_id" in row else row["id"]
    status = row["status"]
    if status not in STATUSES:
        raise ValueError(f"status {status!r} is none of {', '.join(STATUSES)}")
    # lines of other programs may not number the samples: then their order does (`read_marks`)
    unnumbered = 0 if "problem_id" in row else -1
    sample = int(row.get("sample_index", row.get("sample", unnumbered)))
    mark = Mark(sample, status, _class_of(row), str(row.get("rule") or ""))
    solver = str(row.get("solver") or "")
    if "stage" in row:  # `mathlm grade --run --json` has several stages in one file
        solver = f"{row['stage']}/{solver}"
    task, policy = str(row.get("task") or ""), str(row.get("policy") or "default")
    return Line(policy, solver, task, str(problem), mark)


def _class_of(row: dict[str, Any]) -> int | str | None:
    """The class of equivalent answers; where a file has none, right ones are one class."""
    if (known := row.get("equivalence_class")) is not None:
        return int(known)
    answer = row.get("answer")
    if row["status"] == "no_answer" or answer is None:
        return None
    if row["status"] == "correct":
        return "right"
    return str(row.get("normal_answer") or answer)[:200]


def read_marks(path: Path) -> ByPolicy:
    """All verdicts of a file, by policy, solver, task and problem; samples in order."""
    found: ByPolicy = {}
    known: dict[Mark, Mark] = {}
    names: dict[str, str] = {}
    for policy, solver, task, problem, mark in read_verdict_lines(path):
        problems = found.setdefault(policy, {}).setdefault(solver, {}).setdefault(task, {})
        samples = problems.setdefault(names.setdefault(problem, problem), [])
        if mark.sample < 0:
            mark = mark._replace(sample=len(samples))  # noqa: PLW2901
        samples.append(known.setdefault(mark, mark))
    for solvers in found.values():
        for marks in solvers.values():
            for group in marks.values():
                for samples in group.values():
                    if len(samples) > 1:
                        samples.sort(key=lambda mark: mark.sample)
    return found
