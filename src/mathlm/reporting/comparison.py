"""Two systems on the same problems: rows of a table, and what can and cannot be concluded.

Each side is one run or several (seeds). A figure is compared problem by problem; where a side has
several runs the spread between them is part of the error (`stats.compare_seeds`). Several tasks
are a family of tests: Holm's adjustment says which differences hold over all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mathlm.core.errors import UserError
from mathlm.reporting.measures import measure
from mathlm.reporting.verdicts import ByPolicy, Mark
from mathlm.stats import (
    Comparison,
    SeedComparison,
    compare,
    compare_seeds,
    holm,
    minimum_detectable_difference,
    minimum_detectable_shift,
)

ALL = "all tasks"
LEVEL = 0.05
_TESTS = {
    "mcnemar_exact": "McNemar's exact test",
    "permutation": "paired permutation test",
    "seeds": "t test over problems and seeds",
}
Runs = Sequence[Mapping[str, Mapping[str, Sequence[Mark]]]]
"""For each run: task → problem → marks."""


@dataclass(frozen=True)
class Pair:
    """A policy and a solver of each side."""

    policies: tuple[str, str]
    solvers: tuple[str, str]

    def named(self, names: tuple[str, str]) -> str:
        """One name where both sides agree."""
        return names[0] if names[0] == names[1] else " / ".join(names)


@dataclass(frozen=True)
class Row:
    """One comparison: a task (or all of them), one policy and solver, one metric."""

    task: str
    pair: Pair
    metric: str
    first: float
    second: float
    comparison: Comparison
    detectable: float
    """The smallest difference that this many problems would likely have shown (power 0.8)."""
    samples: tuple[int, int]
    """The most samples a problem has on each side, over all runs."""
    seeds: SeedComparison | None = None
    adjusted: float = 1.0
    """The p-value after Holm's adjustment over the tasks of its family."""
    family: int = 1

    @property
    def interval(self) -> tuple[float, float]:
        """Of the difference; with the seeds' spread where a side has several runs."""
        found = self.seeds or self.comparison
        return found.low, found.high

    @property
    def p_value(self) -> float:
        """Of the difference, before any adjustment."""
        return (self.seeds or self.comparison).p_value

    @property
    def test(self) -> str:
        """The test that gave it."""
        return "seeds" if self.seeds else self.comparison.test

    @property
    def holds(self) -> bool:
        """Whether a difference is shown: by the adjusted test and by the interval."""
        low, high = self.interval
        return self.adjusted <= LEVEL and not low <= 0 <= high


def compare_runs(
    first: Sequence[ByPolicy], second: Sequence[ByPolicy], pairs: Sequence[Pair]
) -> list[Row]:
    """Rows by pair, metric and task (then all tasks together), on problems that all runs have."""
    rows: list[Row] = []
    for pair in pairs:
        sides = [
            [run[policy][solver] for run in runs]
            for runs, policy, solver in zip(
                (first, second), pair.policies, pair.solvers, strict=True
            )
        ]
        rows += _pair_rows(pair, *sides)
    if not rows:
        raise UserError(_nothing_shared(first, second, pairs))
    return rows


def _nothing_shared(
    first: Sequence[ByPolicy], second: Sequence[ByPolicy], pairs: Sequence[Pair]
) -> str:
    shown = []
    for runs, side in ((first, 0), (second, 1)):
        tasks = runs[0][pairs[0].policies[side]][pairs[0].solvers[side]]
        task = next(iter(tasks))
        shown.append(f"{next(iter(tasks[task]))} of task '{task}'")
    return f"the two share no problem: the first has {shown[0]} …, the second {shown[1]} …"


def _pair_rows(pair: Pair, first: Runs, second: Runs) -> Iterator[Row]:
    common: dict[str, list[str]] = {}
    runs = [*first, *second]
    for task in runs[0]:
        if all(task in run for run in runs):
            shared = [name for name in runs[0][task] if all(name in run[task] for run in runs)]
            if shared:
                common[task] = shared
    if not common:
        return
    keys = [(task, name) for task, names in common.items() for name in names]
    fewest = min(len(run[task][name]) for run in runs for task, name in keys)
    metrics = ["accuracy", *([f"maj@{fewest}", f"pass@{fewest}"] if fewest > 1 else [])]
    for metric in metrics:
        groups = [(task, [(task, name) for name in common[task]]) for task in sorted(common)]
        rows = [_row(task, pair, metric, group=g, sides=(first, second)) for task, g in groups]
        adjusted = holm([row.p_value for row in rows])
        for row, value in zip(rows, adjusted, strict=True):
            yield replace(row, adjusted=value, family=len(rows))
        if len(groups) > 1:
            whole = _row(ALL, pair, metric, group=keys, sides=(first, second))
            yield replace(whole, adjusted=whole.p_value)


def _row(
    task: str,
    pair: Pair,
    metric: str,
    *,
    group: Sequence[tuple[str, str]],
    sides: tuple[Runs, Runs],
) -> Row:
    figures = [[[measure(run[t][p], metric) for t, p in group] for run in runs] for runs in sides]
    first, second = (
        [sum(column) / len(column) for column in zip(*runs, strict=True)] for runs in figures
    )
    gaps = [y - x for x, y in zip(first, second, strict=True)]
    means = [[sum(run) / len(run) for run in runs] for runs in figures]
    counts = [max(sum(len(run[t][p]) for run in runs) for t, p in group) for runs in sides]
    return Row(
        task,
        pair,
        metric,
        sum(first) / len(first),
        sum(second) / len(second),
        compare(first, second),
        _detectable(gaps),
        (counts[0], counts[1]),
        compare_seeds(means[0], means[1], gaps),
    )


def _detectable(gaps: Sequence[float]) -> float:
    if all(gap in (-1.0, 0.0, 1.0) for gap in gaps):
        return minimum_detectable_difference(len(gaps), sum(map(abs, gaps)) / len(gaps))
    mean = sum(gaps) / len(gaps)
    spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / max(1, len(gaps) - 1))
    return minimum_detectable_shift(len(gaps), spread)


def sentence(row: Row, names: tuple[str, str]) -> str:
    """What can and what cannot be concluded from one row."""
    low, high = row.interval
    gap = f"{100 * abs(row.comparison.difference):.1f} points"
    where = f"{row.comparison.n} problems"
    if max(row.samples) > 1:
        where += f" × {' and '.join(dict.fromkeys(map(str, row.samples)))} samples"
    p_value = f"p = {row.p_value:.2g}"
    if row.family > 1:
        p_value += f", {row.adjusted:.2g} after Holm over {row.family} tasks"
    facts = f"95 % interval {100 * low:+.1f} to {100 * high:+.1f}; {_TESTS[row.test]}, {p_value}"
    what = "" if row.metric == "accuracy" else f" in {row.metric}"
    if row.holds:
        better, worse = names[::-1] if row.comparison.difference > 0 else names
        text = f"{better} is better than {worse}{what} by {gap} ({facts}) on {where}."
    elif not row.comparison.difference and row.comparison.p_value == 1 and low == -high:
        text = (
            f"{names[0]} and {names[1]} score the same{what} on {where}"
            f" (95 % interval of the difference {100 * low:+.1f} to {100 * high:+.1f})."
        )
    else:
        text = (
            f"Which of {names[0]} and {names[1]} is better{what} cannot be concluded: they differ"
            f" by {gap} ({facts}); on {where} {_reach(row)}."
        )
    return text + _about_seeds(row)


def _reach(row: Row) -> str:
    if math.isinf(row.detectable):
        return "no difference of this kind could have been shown"
    return f"only a difference of {100 * row.detectable:.1f} points or more would likely show"


def _about_seeds(row: Row) -> str:
    if row.seeds is None:
        return ""
    shown = ["one run" if d is None else f"± {100 * d:.1f}" for d in row.seeds.deviations]
    single = " The spread of a single run's seed is unknown." if "one run" in shown else ""
    return (
        f" Runs vary by {shown[0]} (A) and {shown[1]} (B) points; of the difference's standard"
        f" error {100 * row.seeds.error_problems:.1f} come from the problems and"
        f" {100 * row.seeds.error_seeds:.1f} from the seeds.{single}"
    )


def conclusions(rows: Sequence[Row], names: tuple[str, str]) -> list[str]:
    """A sentence for each conclusion: all tasks together, what holds by task, and the rest."""
    said: list[str] = []
    groups: dict[tuple[Pair, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.pair, row.metric), []).append(row)
    many = len({pair for pair, _ in groups}) > 1
    for (pair, _), own in groups.items():
        label = " ".join(part for part in (*_labels(pair),) if part) if many else ""
        said += [f"{label}: {text}" if label else text for text in _of_group(own, names)]
    if len(groups) > 1:
        said.append(
            "Solvers, policies and metrics are not adjusted for one another: which of them counts"
            " should be settled before looking."
        )
    return said


def _labels(pair: Pair) -> tuple[str, str]:
    policy = pair.named(pair.policies)
    return pair.named(pair.solvers), "" if policy == "default" else f"({policy})"


def _of_group(own: Sequence[Row], names: tuple[str, str]) -> Iterator[str]:
    tasks = [row for row in own if row.task != ALL]
    if len(tasks) == 1:
        yield sentence(tasks[0], names)
        return
    for row in sorted(own, key=lambda row: row.task != ALL):
        if row.task == ALL or row.holds:
            yield f"{row.task}: {sentence(row, names)}"
    open_ones = [row for row in tasks if not row.holds]
    if open_ones:
        lost = sum(row.p_value <= LEVEL for row in open_ones)
        luck = f" ({lost} had p ≤ {LEVEL} alone: among {len(tasks)} tasks that may be luck)"
        listed = ", ".join(row.task for row in open_ones)
        what = "" if own[0].metric == "accuracy" else f" in {own[0].metric}"
        yield (f"by task no difference{what} can be concluded for {listed}{luck if lost else ''}.")


def as_json(row: Row, names: tuple[str, str]) -> dict[str, Any]:
    """A row with its sentence, as `mathlm compare --json` prints it."""
    low, high = row.interval
    found: dict[str, Any] = {
        "task": row.task,
        "solver": row.pair.named(row.pair.solvers),
        "policy": row.pair.named(row.pair.policies),
        "metric": row.metric,
        "first": row.first,
        "second": row.second,
        "difference": row.comparison.difference,
        "low": low,
        "high": high,
        "p_value": row.p_value,
        "p_holm": row.adjusted,
        "family": row.family,
        "test": row.test,
        "n": row.comparison.n,
        "samples": list(row.samples),
        "detectable": None if math.isinf(row.detectable) else row.detectable,
        "conclusion": sentence(row, names),
    }
    if row.seeds is not None:
        found["seeds"] = {
            "deviations": list(row.seeds.deviations),
            "error_problems": row.seeds.error_problems,
            "error_seeds": row.seeds.error_seeds,
            "freedom": row.seeds.freedom,
        }
    return found
