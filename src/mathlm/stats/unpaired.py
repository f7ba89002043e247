"""Two groups of different items: Fisher's exact test, Newcombe's interval, strata together.

For shares of right answers on items that stand in a corpus and on items that do not. Not here:
two systems on the same items (`paired`). A difference is always first minus second. Sources:
Fisher 1935 (two-sided: tables as or less likely than the observed one); Newcombe 1998, method 10;
Welch 1947; Mantel and Haenszel 1959 with Sato's 1989 variance (common difference over strata).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mathlm.stats.intervals import student_p, student_two_sided, two_sided, wilson

_SLACK = 1 + 1e-9


@dataclass(frozen=True)
class Difference:
    """First minus second share with its interval and p-value; `test` names the test."""

    difference: float
    low: float
    high: float
    p_value: float
    test: str
    n: tuple[int, int]


def fisher_exact(a: int, n: int, b: int, m: int, *, confidence: float = 0.95) -> Difference:
    """`a` right of `n` against `b` right of `m`: Fisher's p-value, Newcombe's interval."""
    if not (0 <= a <= n and 0 <= b <= m):
        raise ValueError(f"cannot have {a} of {n} and {b} of {m}")
    first, second = wilson(a, n, confidence), wilson(b, m, confidence)
    gap = first.value - second.value
    if not n or not m:
        return Difference(gap, -1.0, 1.0, 1.0, "fisher_exact", (n, m))
    low = gap - math.hypot(first.value - first.low, second.high - second.value)
    high = gap + math.hypot(first.high - first.value, second.value - second.low)
    return Difference(
        gap, max(-1.0, low), min(1.0, high), _fisher(a, n, b, m), "fisher_exact", (n, m)
    )


def _fisher(a: int, n: int, b: int, m: int) -> float:
    """The share of tables with the same margins that are no likelier than the observed one."""
    right = a + b
    logs = {
        i: -math.lgamma(i + 1)
        - math.lgamma(n - i + 1)
        - math.lgamma(right - i + 1)
        - math.lgamma(m - right + i + 1)
        for i in range(max(0, right - m), min(n, right) + 1)
    }
    highest = max(logs.values())
    weights = {i: math.exp(value - highest) for i, value in logs.items()}
    limit = weights[a] * _SLACK
    return min(1.0, sum(w for w in weights.values() if w <= limit) / sum(weights.values()))


def welch(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> Difference:
    """Two means of scores that are no plain right or wrong: Welch's t."""
    if not first or not second:
        raise ValueError("no items: there is nothing to compare")
    sizes, parts = (len(first), len(second)), []
    for values in (first, second):
        if len(values) > 1:
            variance = float(np.var(np.asarray(values), ddof=1))
            parts.append((variance / len(values), len(values) - 1))
    gap = sum(first) / len(first) - sum(second) / len(second)
    variance = sum(part for part, _ in parts)
    if len(parts) < 2 or not variance:
        return Difference(gap, -1.0, 1.0, 1.0, "welch", sizes)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    half = student_two_sided(confidence, freedom) * math.sqrt(variance)
    p_value = student_p(gap / math.sqrt(variance), freedom)
    return Difference(gap, max(-1.0, gap - half), min(1.0, gap + half), p_value, "welch", sizes)


def mantel_haenszel(
    strata: Sequence[tuple[int, int, int, int]], confidence: float = 0.95
) -> Difference | None:
    """The common difference of shares over strata (a, n, b, m), so that their mix does not count.

    Weights n·m / (n + m), Sato's variance, a normal interval and test. None where no stratum has
    items of both groups.
    """
    used = [(a, n, b, m) for a, n, b, m in strata if n and m]
    weight = sum(n * m / (n + m) for _, n, _, m in used)
    if not weight:
        return None
    gap = sum((a * m - b * n) / (n + m) for a, n, b, m in used) / weight
    p_parts = sum(
        (n * n * b - m * m * a + n * m * (m - n) / 2) / (n + m) ** 2 for a, n, b, m in used
    )
    q_parts = sum((a * (m - b) + b * (n - a)) / (2 * (n + m)) for a, n, b, m in used)
    variance = max(0.0, (gap * p_parts + q_parts) / weight**2)
    error = math.sqrt(variance)
    half = two_sided(confidence) * error
    p_value = math.erfc(abs(gap) / error / math.sqrt(2)) if error else float(gap == 0)
    sizes = (sum(n for _, n, _, _ in used), sum(m for *_, m in used))
    low, high = max(-1.0, gap - half), min(1.0, gap + half)
    return Difference(gap, low, high, p_value, "mantel_haenszel", sizes)
