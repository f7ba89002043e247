"""Memorisation: whether items that stand in a corpus are solved more often than others.

Accuracy of hit and of other items by level, with intervals, Fisher's test, and over all levels
together (Mantel-Haenszel): the table of Llemma's section on memorisation with the intervals that
it lacks. Not here: which items stand in the corpus (`overlap`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mathlm.reporting import words
from mathlm.reporting.inputs import Evaluation
from mathlm.reporting.measures import accuracy, interval_of
from mathlm.reporting.overlap import Overlap
from mathlm.stats import Difference, fisher_exact, mantel_haenszel, welch

Row = dict[str, Any]
ALL = "all levels"


def memorisation(
    evaluations: Sequence[Evaluation], overlap: Overlap, confidence: float
) -> list[Row]:
    """Accuracy of hit and other items by level, and over all levels: a row a task and level."""
    rows: list[Row] = []
    tasks_hit = {task for task, _ in overlap.items}
    for evaluation in evaluations:
        for solver, tasks in evaluation.marks.items():
            for task in tasks:
                if task in tasks_hit:
                    rows += _task_rows(evaluation, (task, solver), overlap, confidence)
    return rows


def _task_rows(
    evaluation: Evaluation, group: tuple[str, str], overlap: Overlap, confidence: float
) -> Iterator[Row]:
    task, solver = group
    strata: dict[str, tuple[list[float], list[float]]] = {}
    for problem, marks in evaluation.marks[solver][task].items():
        info = evaluation.problems.get((task, problem))
        level = (info.level if info else None) or "no level"
        side = 0 if (task, problem) in overlap.items else 1
        strata.setdefault(level, ([], []))[side].append(accuracy(marks))
    head = {"model": evaluation.model, "task": task, "solver": solver}
    for level in sorted(strata, key=words.natural):
        hit, other = strata[level]
        yield {**head, "level": level, **_figures(hit, other, confidence)}
    hit, other = ([v for found in strata.values() for v in found[side]] for side in (0, 1))
    whole = {**head, "level": ALL, **_figures(hit, other, confidence)}
    binary = all(value in (0.0, 1.0) for value in (*hit, *other))
    common = None
    if binary and len(strata) > 1:
        tables = [(int(sum(a)), len(a), int(sum(b)), len(b)) for a, b in strata.values()]
        common = mantel_haenszel(tables, confidence)
    if common is not None:
        whole |= _test(common)
    yield whole


def _figures(hit: Sequence[float], other: Sequence[float], confidence: float) -> Row:
    row: Row = {}
    for name, values in (("hit", hit), ("other", other)):
        interval = interval_of(values, confidence) if values else None
        row |= {
            f"{name}_n": len(values),
            name: interval.value if interval else None,
            f"{name}_low": interval.low if interval else None,
            f"{name}_high": interval.high if interval else None,
        }
    if not hit or not other:
        return {**row, "difference": None, "low": None, "high": None, "p_value": None, "test": None}
    if all(value in (0.0, 1.0) for value in (*hit, *other)):
        counts = int(sum(hit)), len(hit), int(sum(other)), len(other)
        return {**row, **_test(fisher_exact(*counts, confidence=confidence))}
    return {**row, **_test(welch(hit, other, confidence))}


def _test(found: Difference) -> Row:
    return {
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
        "test": found.test,
    }
