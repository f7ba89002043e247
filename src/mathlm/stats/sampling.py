"""Estimators over repeated samples of a problem: pass@k, avg@k, maj@k, and whence they vary.

Not here: which answers are the same (grading's equivalence classes) and intervals over problems
(`intervals.bootstrap` of the per-problem values that these functions give). Sources: Chen et al.
2021, section 2.1 (unbiased pass@k); maj@k here is the exact expectation over all subsets of k of
the n samples, ties shared evenly, which no harness gives; Searle et al. 1992, chapter 3 (one-way
random effects).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from mathlm.stats.intervals import Floats

_MAX_SAMPLES = 1000
"""Above it the numbers of subsets leave the range of a double."""


@dataclass(frozen=True)
class Votes:
    """The votes for one problem: counts by class of answers, each class's value, abstentions."""

    counts: tuple[int, ...]
    values: tuple[float, ...]
    """1 for a right class, 0 for a wrong one (a share where its members' verdicts differ)."""
    abstain: int = 0
    """Samples without an answer: they are drawn but do not vote."""

    @property
    def n(self) -> int:
        """The number of samples."""
        return sum(self.counts) + self.abstain


def votes_of(classes: Sequence[Hashable | None], right: Sequence[bool]) -> Votes:
    """Votes from each sample's class (None: no answer) and whether it was judged right."""
    members: dict[Hashable, list[bool]] = {}
    for name, is_right in zip(classes, right, strict=True):
        if name is not None:
            members.setdefault(name, []).append(is_right)
    return Votes(
        tuple(len(group) for group in members.values()),
        tuple(sum(group) / len(group) for group in members.values()),
        sum(1 for name in classes if name is None),
    )


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that k of n samples, drawn without replacement, hold one of the c right ones.

    Raises ValueError for k > n: no unbiased estimate exists.
    """
    if not 0 <= c <= n:
        raise ValueError(f"cannot have {c} right of {n}")
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {k} samples, there are {n}")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def avg_at_k(right: Sequence[bool], k: int | None = None) -> float:
    """The mean over the first k samples (default all): the expected score of one sample."""
    number = len(right) if k is None else k
    if not 1 <= number <= len(right):
        raise ValueError(f"avg@{number} needs at least {number} samples, there are {len(right)}")
    return sum(right[:number]) / number


def _multiply(table: Floats, shift: int, coefficients: Floats) -> Floats:
    """The product of a table [votes, ties] with a polynomial in votes that starts at `shift`."""
    result = np.zeros_like(table)
    rows = len(table)
    for power, coefficient in enumerate(coefficients, start=shift):
        if power < rows:
            result[power:] += coefficient * table[: rows - power]
    return result


def _combinations(n: int, top: int) -> Floats:
    """Binomial coefficients C(n, 0) … C(n, top)."""
    return np.array([float(math.comb(n, i)) for i in range(top + 1)])


def _rivals(others: Sequence[int], abstain: int, j: int) -> Floats:
    """Ways [s, t] to draw s samples beside a leader's j: no rival above j votes, t rivals at j."""
    free = sum(count for count in others if count < j) + abstain
    strong = [count for count in others if count >= j]
    size = free + sum(strong) + 1
    table = np.zeros((size, len(strong) + 1))
    table[: free + 1, 0] = _combinations(free, free)
    for count in strong:
        below = _multiply(table, 0, _combinations(count, j - 1))
        tied = _multiply(table, j, np.array([float(math.comb(count, j))]))
        below[:, 1:] += tied[:, :-1]
        table = below
    return table


def _wins(leader: int, others: Sequence[int], abstain: int) -> Floats:
    """For every k the number of subsets that one class wins, a tie of m counting 1 / m."""
    n = leader + sum(others) + abstain
    wins = np.zeros(n + 1)
    for j in range(1, leader + 1):
        table = _rivals(others, abstain, j)
        shared = table @ (1.0 / np.arange(1, table.shape[1] + 1))
        wins[j : j + len(shared)] += math.comb(leader, j) * shared
    return wins


def maj_at_k(votes: Votes) -> Floats:
    """The expected score of a majority vote over k samples, for every k: shape [n], k = 1 first.

    Exact over all subsets of k samples without replacement. A tie is decided by a fair draw
    among the leading classes; samples without an answer are drawn but do not vote; a subset
    without any vote scores 0. For n ≤ 1000 (ValueError above).
    """
    n = votes.n
    if n > _MAX_SAMPLES:
        raise ValueError(f"maj@k is exact up to {_MAX_SAMPLES} samples, there are {n}")
    if any(count < 1 for count in votes.counts) or votes.abstain < 0:
        raise ValueError("every class needs at least one vote")
    total = np.zeros(n + 1)
    by_count: dict[int, Floats] = {}
    for index, (count, value) in enumerate(zip(votes.counts, votes.values, strict=True)):
        if value:
            if count not in by_count:
                others = votes.counts[:index] + votes.counts[index + 1 :]
                by_count[count] = _wins(count, others, votes.abstain)
            total += value * by_count[count]
    curve: Floats = total[1:] / _combinations(n, n)[1:]
    return np.minimum(curve, 1.0)


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
