"""Majority votes: maj@k for every k from n samples of a problem, ties and abstentions included.

Not here: which answers are the same (grading's equivalence classes) and intervals over problems
(`intervals.bootstrap` of the per-problem values). maj@k is the expectation over all subsets of k
of the n samples (Wang et al. 2022 introduced the vote; harnesses take one subset or resample).
A tie is decided by a fair draw among the leading classes.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mathlm.stats.intervals import Floats, generator

_MAX_EXACT = 1000
"""Above it the numbers of subsets leave the range of a double: resampled instead."""
_RESAMPLES = 2000
"""Standard error of a resampled value: at most 0.011 for one problem, far less for a mean."""


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
    abstain = 0
    for name, is_right in zip(classes, right, strict=True):
        if name is None:
            abstain += 1
        else:
            members.setdefault(name, []).append(is_right)
    return Votes(
        tuple(len(group) for group in members.values()),
        tuple(sum(group) / len(group) for group in members.values()),
        abstain,
    )


def maj_at_k(votes: Votes) -> Floats:
    """The expected score of a majority vote over k samples, for every k: shape [n], k = 1 first.

    Exact over all subsets of k samples without replacement for n ≤ 1000, else over 2,000 random
    orders of the samples. Ties are decided by a fair draw among the leading classes; samples
    without an answer are drawn but do not vote; a subset without any vote scores 0.
    The array is shared and read-only.
    """
    if any(count < 1 for count in votes.counts) or votes.abstain < 0:
        raise ValueError("every class needs at least one vote")
    classes = sorted(zip(votes.counts, votes.values, strict=True), reverse=True)
    return _curve(tuple(classes), votes.abstain)


@lru_cache(maxsize=8192)
def _curve(classes: tuple[tuple[int, float], ...], abstain: int) -> Floats:
    """maj@k of classes (count, value) in falling order; many problems share one such pattern."""
    n = sum(count for count, _ in classes) + abstain
    if n > _MAX_EXACT:
        curve = _resampled(classes, abstain)
    else:
        total = np.zeros(n + 1)
        wins: dict[int, Floats] = {}
        for index, (count, value) in enumerate(classes):
            if value:
                if count not in wins:
                    others = [c for i, (c, _) in enumerate(classes) if i != index]
                    wins[count] = _wins(count, others, abstain)
                total += value * wins[count]
        curve = np.minimum(total[1:] / _binomials(n)[1:], 1.0)
    curve.flags.writeable = False
    return curve


@lru_cache(maxsize=2048)
def _binomials(n: int) -> Floats:
    """C(n, 0) … C(n, n)."""
    return np.array([float(math.comb(n, i)) for i in range(n + 1)])


def _wins(leader: int, others: Sequence[int], abstain: int) -> Floats:
    """For every k the number of subsets that one class wins, a tie of m counting 1 / m.

    `others` fall. The leader has j votes, no rival more: summed over j. Rivals with fewer than
    j samples are free to take any number of votes, the strong ones at most j.
    """
    n = leader + sum(others) + abstain
    wins = np.zeros(n + 1)
    strongest = others[0] if others else 0
    last = min(leader, strongest)
    j = 1
    while j <= last:  # over stretches of j with the same strong rivals
        strong = [count for count in others if count >= j]
        stop = min(last, strong[-1])
        ways = np.zeros(stop * (len(strong) + 1) + 1)
        for votes in range(j, stop + 1):
            shared = _shared(strong, votes)
            ways[votes : votes + len(shared)] += _binomials(leader)[votes] * shared
        free = _binomials(n - leader - sum(strong))
        product = np.convolve(ways, free)[: n + 1]
        wins[: len(product)] += product
        j = stop + 1
    if leader > strongest:  # more votes than any rival has samples: the rest is free
        first = strongest + 1
        rest = np.convolve(_binomials(leader)[first:], _binomials(n - leader))
        wins[first : first + len(rest)] += rest
    return wins


def _shared(counts: Sequence[int], j: int) -> Floats:
    """Ways [s] to draw s samples of rivals, none above j votes; t of them at j: 1 / (t + 1)."""
    table = np.zeros((2, j + 1))  # [t, s], of the first rival
    table[0, :j] = _binomials(counts[0])[:j]
    table[1, j] = _binomials(counts[0])[j]
    for count in counts[1:]:
        below, tied = _binomials(count)[:j], _binomials(count)[j]
        ties, size = table.shape
        grown = np.zeros((ties + 1, size + j))
        if j <= ties:
            for i, ways in enumerate(below):
                grown[:ties, i : i + size] += ways * table
        else:
            for t in range(ties):
                grown[t, : size + j - 1] = np.convolve(table[t], below)
        grown[1:, j:] += tied * table
        table = grown
    return np.asarray((1.0 / np.arange(1, len(table) + 1)) @ table)


def _resampled(classes: Sequence[tuple[int, float]], abstain: int) -> Floats:
    """The mean over random orders, vote by vote: the same expectation, with noise."""
    values = np.array([value for _, value in classes])
    labels = np.repeat(np.arange(len(classes) + 1), [*(c for c, _ in classes), abstain])
    orders = generator(0).permuted(np.tile(labels, (_RESAMPLES, 1)), axis=1)
    counts = np.zeros((_RESAMPLES, len(classes) + 1), dtype=np.int64)
    rows = np.arange(_RESAMPLES)
    curve = np.empty(len(labels))
    for k in range(len(labels)):
        counts[rows, orders[:, k]] += 1
        votes = counts[:, :-1]
        leading = (votes == votes.max(axis=1, keepdims=True)) & (votes > 0)
        number = leading.sum(axis=1)
        curve[k] = np.mean(leading @ values / np.maximum(number, 1))
    return curve
