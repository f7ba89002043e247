"""Confidence intervals of one figure: Wilson's for a share, a clustered bootstrap for the rest.

Not here: comparisons of two systems (`paired`) and estimators over repeated samples (`sampling`).
Sources: Wilson 1927 (score interval); Efron and Tibshirani 1993, chapter 13 (percentile
bootstrap); Davison and Hinkley 1997, section 3.8 (resampling whole clusters); Abramowitz and Stegun
1964, 26.5.8 and 26.7.1 (Student's t by the incomplete beta function).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_CELLS = 2_000_000
"""Numbers held at once while resampling: sets the peak memory (16 MB), never the result."""
_NORMAL_FROM = 50_000
"""Clusters of ever different values from which the normal interval stands in: it is the same."""


@dataclass(frozen=True)
class Interval:
    """A figure with its confidence interval; `n` is the number of independent items (clusters)."""

    value: float
    low: float
    high: float
    n: int


def quantile(probability: float) -> float:
    """The standard normal quantile."""
    return NormalDist().inv_cdf(probability)


def two_sided(confidence: float) -> float:
    """How many standard errors a two-sided interval of that confidence reaches to each side."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    return quantile(0.5 + confidence / 2)


def student_p(t: float, freedom: float) -> float:
    """The two-sided p-value of Student's t."""
    return _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def student_two_sided(confidence: float, freedom: float) -> float:
    """How many standard errors a two-sided interval reaches, by Student's t."""
    low, high = two_sided(confidence), two_sided(confidence)
    while student_p(high, freedom) > 1 - confidence:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_p(middle, freedom) > 1 - confidence else (low, middle)
    return high


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    logs = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(logs + a * math.log(x) + b * math.log1p(-x)) / a
    value = 0.0
    for m in range(200, 0, -1):  # backwards: term 2m, then term 2m - 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m - 1) * (a + b + m - 1) * x / ((a + 2 * m - 2) * (a + 2 * m - 1))
        value = odd / (1 + even / (1 + value))
    return front / (1 + value)


def wilson(k: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a share, `k` of `n`; of no items it is 0 within [0, 1]."""
    if not 0 <= k <= n:
        raise ValueError(f"cannot have {k} successes of {n}")
    z = two_sided(confidence)
    if n == 0:
        return Interval(0.0, 0.0, 1.0, 0)
    share = k / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if k == 0 else max(0.0, centre - half)
    high = 1.0 if k == n else min(1.0, centre + half)
    return Interval(share, low, high, n)


def cluster_indices(clusters: Sequence[Hashable]) -> tuple[npt.NDArray[np.int64], int]:
    """Each item's cluster as a number in order of first appearance, and how many there are."""
    numbers: dict[Hashable, int] = {}
    indices = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    return np.asarray(indices, dtype=np.int64), len(numbers)


def cluster_sums(values: Sequence[float], clusters: Sequence[Hashable] | None) -> Floats:
    """The sum of the values of each cluster, in order of first appearance; alone without any."""
    array = np.asarray(values, dtype=np.float64)
    if clusters is None:
        return array
    if len(clusters) != len(array):
        raise ValueError(f"{len(array)} values but {len(clusters)} cluster names")
    indices, number = cluster_indices(clusters)
    return np.bincount(indices, weights=array, minlength=number).astype(np.float64)


def generator(seed: int) -> np.random.Generator:
    """A counter-based generator: the same stream for a seed on every machine."""
    return np.random.Generator(np.random.Philox(key=seed))


def _resampled_ratios(tops: Floats, bottoms: Floats, *, resamples: int, seed: int) -> Floats:
    """Ratios of sums over clusters drawn with replacement, one for each resample.

    Where few values repeat, how often each is drawn is drawn at once (multinomial): the same
    distribution at a fraction of the cost.
    """
    random, number = generator(seed), len(tops)
    pairs, counts = np.unique(np.stack([tops, bottoms]), axis=1, return_counts=True)
    if len(counts) * 8 <= number:
        drawn = random.multinomial(number, counts / number, size=resamples)
        return np.asarray((drawn @ pairs[0]) / (drawn @ pairs[1]))
    rows = max(1, _CELLS // max(1, number))
    ratios = np.empty(resamples)
    for start in range(0, resamples, rows):
        stop = min(start + rows, resamples)
        chosen = random.integers(0, number, size=(stop - start, number))
        ratios[start:stop] = tops[chosen].sum(axis=1) / bottoms[chosen].sum(axis=1)
    return ratios


def _normal_ends(tops: Floats, bottoms: Floats, confidence: float) -> tuple[float, float]:
    """The delta method's interval of a ratio of sums."""
    value = tops.sum() / bottoms.sum()
    spread = float(np.std(tops - value * bottoms, ddof=1)) / float(bottoms.mean())
    half = two_sided(confidence) * spread / math.sqrt(len(tops))
    return float(value - half), float(value + half)


def bootstrap_ratio(
    tops: Sequence[float],
    bottoms: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The percentile interval of sum(tops) / sum(bottoms), as of bits per byte over documents.

    Items of one cluster are drawn together. Bottoms must be positive.
    """
    top = cluster_sums(tops, clusters)
    bottom = cluster_sums(bottoms, clusters)
    if len(top) != len(bottom):
        raise ValueError(f"{len(top)} numerators but {len(bottom)} denominators")
    if len(top) == 0:
        raise ValueError("no items: there is nothing to estimate")
    if bottom.min() <= 0:
        raise ValueError("denominators must be positive")
    tail = (1 - confidence) / 2
    two_sided(confidence)
    if len(top) >= _NORMAL_FROM:
        low, high = _normal_ends(top, bottom, confidence)
    else:
        ratios = _resampled_ratios(top, bottom, resamples=resamples, seed=seed)
        low, high = np.quantile(ratios, [tail, 1 - tail])
    value = float(top.sum() / bottom.sum())
    return Interval(value, min(float(low), value), max(float(high), value), len(top))


def bootstrap(
    values: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The percentile interval of the mean; items of one cluster (problem) are drawn together.

    With values that are all equal its width is zero: take `wilson` for shares near 0 or 1.
    """
    return bootstrap_ratio(
        values,
        np.ones(len(values)).tolist(),
        clusters=clusters,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )
