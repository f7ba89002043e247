"""How far a verifier's scores can be trusted: area under the ROC curve, calibration error.

Not here: the scores themselves. Sources: Mann and Whitney 1947 and DeLong et al. 1988 (the area
and its variance from placements); Naeini et al. 2015 (expected calibration error, equal bins).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mathlm.stats.intervals import Floats, Interval, two_sided


@dataclass(frozen=True)
class Bin:
    """One bin of scores: its bounds, the mean score, the share that was right, the items."""

    low: float
    high: float
    score: float
    accuracy: float
    n: int


@dataclass(frozen=True)
class Calibration:
    """The expected calibration error, the largest one, and the bins that hold items."""

    error: float
    largest: float
    bins: tuple[Bin, ...]
    n: int


def _placements(values: Floats, against: Floats) -> Floats:
    """For each value the share of `against` below it, equal ones counting a half."""
    ordered = np.sort(against)
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + up_to) / (2 * len(ordered)), dtype=np.float64)


def auc(scores: Sequence[float], labels: Sequence[bool], confidence: float = 0.95) -> Interval:
    """The chance that a right item scores above a wrong one (ties half), DeLong's interval.

    Raises ValueError where one of the two kinds is missing.
    """
    values, right = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    good, bad = values[right], values[~right]
    if not len(good) or not len(bad):
        raise ValueError("right and wrong items are both needed")
    by_good = _placements(good, bad)
    by_bad = 1 - _placements(bad, good)
    value = float(by_good.mean())
    spread = sum(float(part.var(ddof=1)) / len(part) for part in (by_good, by_bad) if len(part) > 1)
    half = two_sided(confidence) * math.sqrt(spread)
    return Interval(value, max(0.0, value - half), min(1.0, value + half), len(values))


def ece(scores: Sequence[float], labels: Sequence[bool], bins: int = 15) -> Calibration:
    """The mean gap between score and accuracy over equal bins of [0, 1], weighted by items."""
    values, right = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if not len(values) or len(values) != len(right):
        raise ValueError("as many labels as scores are needed, at least one")
    if values.min() < 0 or values.max() > 1:
        raise ValueError("scores must be probabilities within [0, 1]")
    places = np.minimum((values * bins).astype(np.int64), bins - 1)
    found = []
    for place in np.unique(places):
        inside = places == place
        score, accuracy = float(values[inside].mean()), float(right[inside].mean())
        found.append(
            Bin(int(place) / bins, (int(place) + 1) / bins, score, accuracy, int(inside.sum()))
        )
    gaps = [abs(part.score - part.accuracy) for part in found]
    error = sum(gap * part.n for gap, part in zip(gaps, found, strict=True)) / len(values)
    return Calibration(error, max(gaps), tuple(found), len(values))
