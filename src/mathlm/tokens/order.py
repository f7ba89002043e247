"""Two orders with random access and no state: weighted turns of sources, a seeded permutation.

Turns: Tijdeman, "The chairman assignment problem" (1980): among n sources with given weights, at
every prefix each source's count is within 1 - 1/(2n - 2) of its share. GPT-NeoX takes the source
that is furthest behind instead (`BlendableDataset`), which keeps no such bound. Permutation: a
Feistel network with cycle walking (Black and Rogaway 2002), so that an epoch over a billion
windows costs no memory and any place in it can be asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from mathlm.core.errors import UserError

PERIOD_LIMIT = 1 << 20
"""Longest cycle of turns; weights with a larger common denominator are rounded to this one."""

_ROUNDS = 6
_MASK = (1 << 64) - 1


def whole_weights(weights: Mapping[str, float]) -> dict[str, int]:
    """Integers in the proportion of the weights, by sorted name; their sum is the cycle's length.

    A weight counts as the decimal number that is written (0.1 is one tenth). The proportion is
    exact unless the cycle would exceed `PERIOD_LIMIT`; then each share is off by at most one in
    `PERIOD_LIMIT`, and no source is lost. Sources of weight 0 are left out.
    """
    for name, weight in weights.items():
        if not 0 <= weight < float("inf"):
            raise UserError(f"weight of {name} is {weight}: weights are finite and not negative")
    shares = {name: Fraction(str(weights[name])) for name in sorted(weights) if weights[name] > 0}
    if not shares:
        raise UserError("a mixture needs a source with a weight above 0")
    unit = lcm(*(share.denominator for share in shares.values()))
    whole = {name: int(share * unit) for name, share in shares.items()}
    divisor = gcd(*whole.values())
    whole = {name: number // divisor for name, number in whole.items()}
    return whole if sum(whole.values()) <= PERIOD_LIMIT else _rounded(whole, PERIOD_LIMIT)


def _rounded(whole: Mapping[str, int], total: int) -> dict[str, int]:
    """Largest remainders, with at least 1 for every name."""
    parts = sum(whole.values())
    spare = total - len(whole)
    least = {name: 1 + number * spare // parts for name, number in whole.items()}
    left = total - sum(least.values())
    by_remainder = sorted(whole, key=lambda name: (-(whole[name] * spare % parts), name))
    return {name: number + (name in by_remainder[:left]) for name, number in least.items()}


def turns(weights: Sequence[int]) -> NDArray[np.uint16]:
    """Which source has its turn at each step of one cycle: [sum(weights)].

    After a whole cycle every source has had exactly its weight, so cycles can be joined.
    """
    number, period = len(weights), sum(weights)
    if number == 1:
        return np.zeros(period, dtype=np.uint16)
    # everything is scaled by (2n - 2) * period, so that the arithmetic is exact
    scale = 2 * number - 2
    debt = [0] * number
    chosen = np.empty(period, dtype=np.uint16)
    for step in range(period):
        best, best_deadline = -1, 0.0
        for source, weight in enumerate(weights):
            debt[source] += scale * weight
            if debt[source] < period:
                continue
            deadline = ((scale - 1) * period - debt[source]) / weight
            if best < 0 or deadline < best_deadline:
                best, best_deadline = source, deadline
        debt[best] -= scale * period
        chosen[step] = best
    return chosen


def _mix(value: int) -> int:
    """A bijective mix of 64 bits (the finaliser of SplitMix64)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def key_of(*parts: object) -> int:
    """64 bits that depend on every part, the same on every machine and Python."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest(), "little")


def permuted(position: int, size: int, key: int) -> int:
    """The image of `position` under the permutation of `range(size)` that `key` picks."""
    if not 0 <= position < size:
        raise IndexError(f"position {position} of {size}")
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = position >> half, position & mask
        for turn in range(_ROUNDS):
            left, right = right, left ^ (_mix(key + (turn << 48) + right & _MASK) & mask)
        position = left << half | right
        if position < size:
            return position
