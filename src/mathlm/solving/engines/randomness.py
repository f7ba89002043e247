"""Counter-based random numbers: a pure function of (seed, problem, sample, branch, position).

Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011): the key comes from a hash of the request's identity, the counter is the position of the
token, so that a draw does not depend on what was drawn before it, in which order, or beside whom.
Not a generator with state, and not torch's: torch's streams depend on the shape of the batch.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_ROUNDS = 10


def stream_key(seed: int, problem_id: str, sample_index: int, branch: tuple[int, ...]) -> int:
    """The 64-bit key of a request's stream."""
    identity = json.dumps([seed, problem_id, sample_index, list(branch)], ensure_ascii=True)
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "little")


def philox4x32(counter: tuple[U64, U64, U64, U64], key: tuple[U64, U64]) -> tuple[U64, ...]:
    """Four 32-bit words (in uint64 arrays) for each counter and key, element by element."""
    a, b, c, d = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        first, second = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (
            (second >> _SHIFT) ^ b ^ k0,
            second & _LOW,
            (first >> _SHIFT) ^ d ^ k1,
            first & _LOW,
        )
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return a, b, c, d


def uniforms(keys: U64, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """One number in [0, 1) with 53 random bits for each stream key and token position."""
    zero = np.zeros_like(keys)
    counter = positions.astype(np.uint64)
    high, low, _, _ = philox4x32((counter, zero, zero, zero), (keys & _LOW, keys >> _SHIFT))
    bits = ((high << _SHIFT) | low) >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53
