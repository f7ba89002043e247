"""The same answers under several grading policies: scores side by side, who differs on what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from mathlm.reporting.inputs import Evaluation
from mathlm.reporting.measures import accuracy, interval_of
from mathlm.reporting.verdicts import Mark, is_right

Row = dict[str, Any]
_MOST_RULES = 12
"""Pairs of rules shown for each pair of policies."""


def policy_scores(evaluations: Sequence[Evaluation], confidence: float) -> list[Row]:
    """Accuracy of every task and solver under every policy, where there are several policies."""
    rows = []
    for evaluation in evaluations:
        if len(evaluation.by_policy) < 2:
            continue
        for task, solver in _groups(evaluation):
            for policy, solvers in evaluation.by_policy.items():
                problems = solvers.get(solver, {}).get(task)
                if not problems:
                    continue
                values = [accuracy(marks) for marks in problems.values()]
                interval = interval_of(values, confidence)
                right = sum(sum(map(is_right, marks)) for marks in problems.values())
                rows.append(
                    {
                        "model": evaluation.model, "task": task, "solver": solver,
                        "policy": policy, "value": interval.value, "low": interval.low,
                        "high": interval.high, "n": interval.n, "correct": right,
                        "answers": sum(map(len, problems.values())),
                    }
                )  # fmt: skip
    return rows


def policy_pairs(evaluations: Sequence[Evaluation]) -> list[Row]:
    """For each two policies the answers that only one accepts, and the rules that part them."""
    rows = []
    for evaluation in evaluations:
        for task, solver in _groups(evaluation):
            for first, second in combinations(evaluation.by_policy, 2):
                both = list(_paired(evaluation, (task, solver), first, second))
                apart = Counter((x, y) for x, y in both if is_right(x) != is_right(y))
                if not both:
                    continue
                only_first = sum(n for (x, _), n in apart.items() if is_right(x))
                rows.append(
                    {
                        "model": evaluation.model, "task": task, "solver": solver,
                        "policy": first, "other": second, "answers": len(both),
                        "only_policy": only_first,
                        "only_other": sum(apart.values()) - only_first,
                        "rules": _rules(apart),
                    }
                )  # fmt: skip
    return rows


def _rules(apart: Counter[tuple[Mark, Mark]]) -> list[Row]:
    """What each policy said, by rule and status, the most frequent first."""
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for (x, y), number in apart.items():
        counts[x.status, x.rule, y.status, y.rule] += number
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    names = ("status", "rule", "other_status", "other_rule")
    return [{**dict(zip(names, key, strict=True)), "n": n} for key, n in order[:_MOST_RULES]]


def _groups(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Tasks and solvers of an evaluation under any policy."""
    found: dict[tuple[str, str], None] = {}
    for solvers in evaluation.by_policy.values():
        for solver, tasks in solvers.items():
            found.update(dict.fromkeys((task, solver) for task in tasks))
    return list(found)


def _paired(
    evaluation: Evaluation, group: tuple[str, str], first: str, second: str
) -> Iterator[tuple[Mark, Mark]]:
    """The marks of both policies on the same answers; samples and classes do not matter here."""
    task, solver = group
    left = evaluation.by_policy[first].get(solver, {}).get(task, {})
    right = evaluation.by_policy[second].get(solver, {}).get(task, {})
    for problem, marks in left.items():
        others = {mark.sample: mark for mark in right.get(problem, ())}
        for mark in marks:
            if (other := others.get(mark.sample)) is not None:
                yield mark, other


def disputed(evaluation: Evaluation) -> dict[tuple[str, str, str], set[int]]:
    """Samples that policies do not agree about, by solver, task and problem."""
    found: dict[tuple[str, str, str], set[int]] = {}
    first, *others = evaluation.by_policy or [""]
    for other in others:
        for task, solver in _groups(evaluation):
            left = evaluation.by_policy[first].get(solver, {}).get(task, {})
            right = evaluation.by_policy[other].get(solver, {}).get(task, {})
            for problem, marks in left.items():
                said = {mark.sample: is_right(mark) for mark in right.get(problem, ())}
                for mark in marks:
                    if said.get(mark.sample, is_right(mark)) != is_right(mark):
                        found.setdefault((solver, task, problem), set()).add(mark.sample)
    return found
