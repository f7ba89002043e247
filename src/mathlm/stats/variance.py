"""Where a score's variance comes from: problems, samples, and runs with other seeds.

Sources: Searle et al. 1992, chapter 3 (one-way random effects); Welch 1947 and Satterthwaite 1946
(unequal variances, their degrees of freedom).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mathlm.stats.intervals import student_p, student_two_sided


@dataclass(frozen=True)
class VarianceSplit:
    """Where a score's variance comes from, and the standard error of the mean by each part."""

    problems: float
    """Variance between problems' true means."""
    samples: float
    """Variance between samples (seeds) of one problem."""
    error_problems: float
    """Standard error of the mean that more problems would lower."""
    error_samples: float
    """Standard error of the mean that more samples would lower."""
    n_problems: int
    n_samples: int


def variance_split(scores: Sequence[Sequence[float]]) -> VarianceSplit:
    """One-way random-effects analysis: one row of samples a problem, of equal or unequal length.

    With one sample a problem the two parts cannot be told apart: all variance goes to problems.
    """
    rows = [np.asarray(row, dtype=np.float64) for row in scores if len(row)]
    if len(rows) < 2:
        raise ValueError("at least two problems are needed")
    lengths = np.array([len(row) for row in rows], dtype=np.float64)
    total, means = lengths.sum(), np.array([row.mean() for row in rows])
    grand = float((lengths * means).sum() / total)
    within = sum(float(((row - mean) ** 2).sum()) for row, mean in zip(rows, means, strict=True))
    freedom = total - len(rows)
    samples = within / freedom if freedom > 0 else 0.0
    between = float((lengths * (means - grand) ** 2).sum()) / (len(rows) - 1)
    size = float((total - (lengths**2).sum() / total) / (len(rows) - 1))
    problems = max(0.0, (between - samples) / size)
    share = float((lengths**2).sum() / total**2)
    return VarianceSplit(
        problems,
        samples,
        math.sqrt(problems * share),
        math.sqrt(samples / float(total)),
        len(rows),
        int(total),
    )


@dataclass(frozen=True)
class SeedComparison:
    """Two systems of several runs (seeds) each: the difference over new problems and new seeds."""

    difference: float
    low: float
    high: float
    p_value: float
    deviations: tuple[float | None, float | None]
    """The runs' standard deviations on the same problems; None for a single run."""
    error_problems: float
    """Standard error of the difference that more problems would lower."""
    error_seeds: float
    """Standard error of the difference that more runs would lower."""
    freedom: float


def compare_seeds(
    first: Sequence[float],
    second: Sequence[float],
    gaps: Sequence[float],
    confidence: float = 0.95,
) -> SeedComparison | None:
    """The mean difference with the spread over seeds in its error; None with one run each.

    `first` and `second` are the runs' means on the same problems, `gaps` the problems' differences
    of the means over runs. The error of problems holds a part of the seeds' noise too, so that
    the interval errs to the wide side. A side of one run adds nothing: its seeds' share is unknown.
    """
    parts = [(float(np.var(gaps, ddof=1)) / len(gaps), len(gaps) - 1.0)] if len(gaps) > 1 else []
    deviations: list[float | None] = []
    for runs in (first, second):
        deviations.append(float(np.std(runs, ddof=1)) if len(runs) > 1 else None)
        if len(runs) > 1:
            parts.append((float(np.var(runs, ddof=1)) / len(runs), len(runs) - 1.0))
    if deviations == [None, None] or len(gaps) < 2:
        return None
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / freedom for part, freedom in parts)
    freedom = variance**2 / spread if spread else float(len(gaps) - 1)
    error, difference = math.sqrt(variance), float(np.mean(second) - np.mean(first))
    half = student_two_sided(confidence, freedom) * error
    p_value = student_p(difference / error, freedom) if error else float(difference == 0)
    return SeedComparison(
        difference,
        max(-1.0, difference - half),
        min(1.0, difference + half),
        p_value,
        (deviations[0], deviations[1]),
        math.sqrt(parts[0][0]),
        math.sqrt(max(0.0, variance - parts[0][0])),
        freedom,
    )
