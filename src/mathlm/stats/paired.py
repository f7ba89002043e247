"""Two systems on the same items: McNemar, sign flips, and what a set could have detected.

Not here: intervals of one system (`intervals`). A difference is always second minus first.
Sources: McNemar 1947 and the exact binomial form; Agresti and Min 2005 (adjusted interval of a
paired difference); Good 2005, chapter 3 (sign-flip permutation); Connor 1987 (sample size for
McNemar's test).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from mathlm.stats.intervals import (
    Floats,
    bootstrap_ratio,
    cluster_sums,
    generator,
    quantile,
    two_sided,
)

_EXACT_CLUSTERS = 14
"""Up to this many clusters all sign patterns are gone through (16,384) instead of sampled."""
_CELLS = 2_000_000
_ROUNDING = 1e-9
"""Relative slack by which a permuted sum equals the observed one: sums differ in their order."""


@dataclass(frozen=True)
class Comparison:
    """Second minus first with its interval, the p-value, the test's name, the number of items."""

    difference: float
    low: float
    high: float
    p_value: float
    test: str
    n: int


def binomial_two_sided(k: int, n: int) -> float:
    """The exact two-sided p-value of `k` heads in `n` throws of a fair coin; 1 for no throws."""
    if not 0 <= k <= n:
        raise ValueError(f"cannot have {k} heads in {n} throws")
    term = tail = 1
    for i in range(min(k, n - k)):
        term = term * (n - i) // (i + 1)
        tail += term
    return float(min(1.0, 2 * tail / 2**n))


def mcnemar_exact(b: int, c: int, n: int | None = None, confidence: float = 0.95) -> Comparison:
    """McNemar's exact test on paired right/wrong items.

    `b` items only the first has right, `c` only the second, of `n` in all (default b + c).
    The interval is Agresti and Min's, which adds half an item to each cell.
    """
    total = b + c if n is None else n
    if min(b, c) < 0 or b + c > total:
        raise ValueError(f"{b} + {c} discordant items do not fit into {total}")
    if total == 0:
        return Comparison(0.0, -1.0, 1.0, 1.0, "mcnemar_exact", 0)
    only_first, only_second, items = b + 0.5, c + 0.5, total + 2
    centre = (only_second - only_first) / items
    spread = math.sqrt(only_first + only_second - items * centre * centre) / items
    half = two_sided(confidence) * spread
    return Comparison(
        (c - b) / total,
        max(-1.0, centre - half),
        min(1.0, centre + half),
        binomial_two_sided(b, b + c),
        "mcnemar_exact",
        total,
    )


def _share_as_extreme(sums: Floats, *, resamples: int, seed: int) -> float:
    """The share of sign patterns whose absolute sum reaches the observed one."""
    sums = sums[sums != 0]
    number = len(sums)
    observed = abs(float(sums.sum())) * (1 - _ROUNDING)
    if number <= _EXACT_CLUSTERS:
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=number)))
        return float(np.mean(np.abs(signs @ sums) >= observed)) if number else 1.0
    random, hits = generator(seed), 0
    sizes, counts = np.unique(np.abs(sums), return_counts=True)
    rows = max(1, _CELLS // len(sizes))
    for start in range(0, resamples, rows):
        shape = (min(rows, resamples - start), len(sizes))
        # of items of one size only the number that keeps its sign matters
        flips = 2 * random.binomial(counts, 0.5, size=shape) - counts
        hits += int(np.sum(np.abs(flips @ sizes) >= observed))
    return (hits + 1) / (resamples + 1)


def paired_permutation(
    first: Sequence[float],
    second: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    weights: Sequence[float] | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """The sign-flip test of a mean paired difference, with a bootstrap interval.

    Items of one cluster flip together. With `weights` (bytes of a document) the figure is
    sum(second - first) / sum(weights), as for bits per byte.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} items of the first but {len(second)} of the second")
    if not len(first):
        raise ValueError("no items: there is nothing to compare")
    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    interval = bootstrap_ratio(
        differences.tolist(),
        [1.0] * len(first) if weights is None else weights,
        clusters=clusters,
        confidence=confidence,
        seed=seed,
    )
    sums = cluster_sums(differences.tolist(), clusters)
    p_value = _share_as_extreme(sums, resamples=resamples, seed=seed)
    return Comparison(
        interval.value, interval.low, interval.high, p_value, "permutation", interval.n
    )


def compare(
    first: Sequence[float],
    second: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """The test that fits: McNemar's for single right/wrong items, else the permutation test."""
    repeated = clusters is not None and len(set(clusters)) < len(clusters)
    binary = {*first, *second} <= {0.0, 1.0}
    if repeated or not binary or len(first) != len(second):
        return paired_permutation(
            first, second, clusters=clusters, confidence=confidence, seed=seed
        )
    b = sum(1 for x, y in zip(first, second, strict=True) if x > y)
    c = sum(1 for x, y in zip(first, second, strict=True) if y > x)
    return mcnemar_exact(b, c, len(first), confidence)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: at most `alpha` false alarms in the whole family (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def minimum_detectable_difference(
    n: int, discordant: float, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """The smallest true difference that McNemar's test on `n` items finds with that power.

    `discordant` is the share of items on which the two differ. Where even a difference as large
    as that share would be missed, the answer is infinite: the set is too small.
    """
    if n <= 0 or not 0.0 <= discordant <= 1.0:
        raise ValueError(f"need items and a share, not n={n}, discordant={discordant}")
    z_alpha, z_beta = quantile(1 - alpha / 2), quantile(power)

    def missing(d: float) -> float:
        spread = z_alpha * math.sqrt(discordant) + z_beta * math.sqrt(discordant - d * d)
        return spread - d * math.sqrt(n)

    low, high = 0.0, discordant
    if missing(high) > 0 or discordant == 0:
        return math.inf
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if missing(middle) > 0 else (low, middle)
    return high


def minimum_detectable_shift(
    n: int, deviation: float, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """The same for a mean of `n` paired differences whose standard deviation is `deviation`."""
    if n <= 0 or deviation < 0:
        raise ValueError(f"need items and a deviation, not n={n}, deviation={deviation}")
    return (quantile(1 - alpha / 2) + quantile(power)) * deviation / math.sqrt(n)
