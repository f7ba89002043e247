"""Estimators over repeated samples of a problem: pass@k and avg@k.

Not here: majority votes (`voting`) and intervals over problems (`intervals.bootstrap` of the
per-problem values that these functions give). Source: Chen et al. 2021, section 2.1 (unbiased
pass@k).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mathlm.stats.intervals import Floats


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that k of n samples, drawn without replacement, hold one of the c right ones.

    Raises ValueError for k > n: no unbiased estimate exists.
    """
    if not 0 <= c <= n:
        raise ValueError(f"cannot have {c} right of {n}")
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {k} samples, there are {n}")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def pass_curve(n: int, c: int) -> Floats:
    """pass@k for every k up to n: shape [n], k = 1 first."""
    if not 0 <= c <= n:
        raise ValueError(f"cannot have {c} right of {n}")
    drawn = np.arange(n)
    return np.asarray(1.0 - np.cumprod(np.maximum(n - c - drawn, 0) / (n - drawn)))


def avg_at_k(right: Sequence[bool], k: int | None = None) -> float:
    """The mean over the first k samples (default all): the expected score of one sample."""
    number = len(right) if k is None else k
    if not 1 <= number <= len(right):
        raise ValueError(f"avg@{number} needs at least {number} samples, there are {len(right)}")
    return sum(right[:number]) / number
