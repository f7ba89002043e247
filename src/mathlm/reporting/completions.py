"""Completions in one pass: the texts that are wanted, what all of them cost, verifiers' scores.

Not here: which are wanted (`browser`). Every line is read, only the wanted ones are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from mathlm.core.errors import UserError
from mathlm.core.records import Completion
from mathlm.core.storage import read_lines
from mathlm.reporting.inputs import Evaluation
from mathlm.reporting.verdicts import is_right


class Key(NamedTuple):
    """One completion of an evaluation."""

    solver: str
    task: str
    problem: str
    sample: int


@dataclass
class Spent:
    """What the completions of a task by a solver cost, and how they ended."""

    n: int = 0
    prompt_tokens: int = 0
    model_tokens: int = 0
    forced_tokens: int = 0
    tool_calls: int = 0
    finish: Counter[str] = field(default_factory=Counter)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one completion."""
        cost = row.get("cost") or {}
        self.n += 1
        self.prompt_tokens += int(cost.get("prompt_tokens", 0))
        self.model_tokens += int(cost.get("model_tokens", 0))
        self.forced_tokens += int(cost.get("forced_tokens", 0))
        self.tool_calls += int(cost.get("tool_calls", 0))
        self.finish[str(row.get("finish_reason", "unknown"))] += 1


@dataclass
class ScoredAnswers:
    """A verifier's scores on graded answers."""

    scores: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class Scan:
    """What one pass over an evaluation's completions found."""

    spent: dict[tuple[str, str], Spent] = field(default_factory=dict)
    """By task and solver."""
    scored: dict[tuple[str, str, str], ScoredAnswers] = field(default_factory=dict)
    """By task, solver and the score's name."""
    found: dict[Key, Completion] = field(default_factory=dict)


def scan(evaluation: Evaluation, wanted: Collection[Key]) -> Scan:
    """Read all completions of an evaluation; nodes of a search tree but its answers are skipped."""
    result = Scan()
    for row, line, place in _rows(evaluation):
        if row.get("parent") is not None:
            continue
        key = Key(row["solver"], row["task"], row["problem_id"], row["sample_index"])
        result.spent.setdefault((key.task, key.solver), Spent()).add(row)
        if row.get("scores"):
            _add_scores(result, evaluation, key, row["scores"])
        if key in wanted and key not in result.found:
            try:
                result.found[key] = Completion.model_validate_json(line)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                raise UserError(f"{place}: {first['loc']}: {first['msg']}") from None
    return result


def _rows(evaluation: Evaluation) -> Iterator[tuple[dict[str, Any], bytes, str]]:
    path = evaluation.solve / "completions.jsonl"
    for number, line in read_lines(path):
        if not line.strip():
            continue
        place = f"{path}, line {number + 1}"
        try:
            row = from_json(line, cache_strings="all")
            named = {"solver", "task", "problem_id", "sample_index"} <= row.keys()
        except (ValueError, AttributeError) as error:
            raise UserError(f"{place}: {str(error)[:120]}") from None
        if not named:
            raise UserError(f"{place} names no solver, task, problem_id and sample_index")
        yield row, line, place


def _add_scores(
    result: Scan, evaluation: Evaluation, key: Key, scores: Mapping[str, float]
) -> None:
    marks = evaluation.marks.get(key.solver, {}).get(key.task, {}).get(key.problem, ())
    mark = next((mark for mark in marks if mark.sample == key.sample), None)
    if mark is None:
        return
    for name, score in scores.items():
        into = result.scored.setdefault((key.task, key.solver, name), ScoredAnswers())
        into.scores.append(float(score))
        into.right.append(is_right(mark))
        into.problems.append(key.problem)
