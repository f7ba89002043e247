"""How far a verifier's scores can be trusted: area under the ROC curve, calibration error.

Not here: the scores themselves. Sources: Mann and Whitney 1947 and DeLong et al. 1988
(the area and its variance from placements); Obuchowski 1997 (the same with clusters); Naeini et
al. 2015 (expected calibration error, equal bins).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from mathlm.stats.intervals import Floats, Interval, cluster_indices, two_sided


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


def auc(
    scores: Sequence[float],
    labels: Sequence[bool],
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Interval:
    """The chance that a right item scores above a wrong one (ties half), with its interval.

    DeLong's variance; with `clusters` (problems of repeated samples) Obuchowski's. Raises
    ValueError where one of the two kinds is missing.
    """
    values, right = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    good, bad = values[right], values[~right]
    if not len(good) or not len(bad):
        raise ValueError("right and wrong items are both needed")
    names, number = cluster_indices(range(len(values)) if clusters is None else clusters)
    by_good, by_bad = _placements(good, bad), 1 - _placements(bad, good)
    value = float(by_good.mean())
    gaps = [
        np.bincount(names[kind], weights=placed - value, minlength=number)
        for kind, placed in ((right, by_good), (~right, by_bad))
    ]
    sizes, parts = (len(good), len(bad)), []
    for kind, gap, size in zip((right, ~right), gaps, sizes, strict=True):
        groups = len(np.unique(names[kind]))
        parts.append(groups / max(1, groups - 1) * float(gap @ gap) / size**2)
    both = number / max(1, number - 1) * float(gaps[0] @ gaps[1]) / (sizes[0] * sizes[1])
    half = two_sided(confidence) * math.sqrt(max(0.0, sum(parts) + 2 * both))
    return Interval(value, max(0.0, value - half), min(1.0, value + half), number)


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
