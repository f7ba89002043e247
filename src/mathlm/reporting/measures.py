"""One problem's marks to a figure: accuracy, maj@k, pass@k; and the interval over problems.

Which estimator a figure gets stands here once, for the report and for `mathlm compare`.
Everything but "correct" counts as wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from mathlm.reporting.verdicts import Mark, is_right
from mathlm.stats import Interval, bootstrap, maj_at_k, pass_at_k, pass_curve, votes_of, wilson
from mathlm.stats.intervals import Floats


def accuracy(marks: Sequence[Mark]) -> float:
    """The share of right samples (avg@n)."""
    return sum(map(is_right, marks)) / len(marks)


def majority_curve(marks: Sequence[Mark]) -> Floats:
    """The expected score of a vote over 1, 2, … samples of one problem."""
    return maj_at_k(votes_of([m.equivalence_class for m in marks], [is_right(m) for m in marks]))


def passing_curve(marks: Sequence[Mark]) -> Floats:
    """The chance that one of 1, 2, … samples of one problem is right."""
    return pass_curve(len(marks), sum(map(is_right, marks)))


def measure(marks: Sequence[Mark], metric: str) -> float:
    """The figure of one problem: `accuracy`, `maj@K` or `pass@K`, K up to the samples there are."""
    if metric == "accuracy":
        return accuracy(marks)
    kind, _, number = metric.partition("@")
    k = int(number)
    if kind == "maj":
        return float(majority_curve(marks)[k - 1])
    return pass_at_k(len(marks), sum(map(is_right, marks)), k)


def interval_of(values: Sequence[float], confidence: float) -> Interval:
    """The mean over problems: Wilson's interval for right/wrong, else a bootstrap of problems.

    Values that are all the same have no spread to resample; then Wilson's interval of as many
    problems stands in.
    """
    distinct = set(values)
    if distinct <= {0.0, 1.0}:
        return wilson(int(sum(values)), len(values), confidence)
    if len(distinct) == 1:
        (value,) = distinct
        near = wilson(round(value * len(values)), len(values), confidence)
        return Interval(value, min(near.low, value), max(near.high, value), len(values))
    return bootstrap(values, confidence=confidence)
