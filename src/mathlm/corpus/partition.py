"""Equal keys among all documents, found with little memory: one range of the keys at a time.

The runs of `fingerprints.py` hold their keys in ascending order, so a range is a slice of each
file, and ranges can be worked in any order, on any machine. Their number sets peak memory and
never the outcome. Not here: what equal keys mean (`duplicates.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mathlm.core.ngrams import Hashes, Positions
from mathlm.corpus.fingerprints import Kind, Run

_RECORDS = (1 << 18, 1 << 22)
"""Keys in a range, least and most, where the user names no number: 20 to 320 MiB at work."""
_RANGES = 1 << 10
"""Ranges grow before there are more of them: each opens every run."""


class Buckets(NamedTuple):
    """Documents that share a key with others: those of equal `bucket` stand together."""

    bucket: npt.NDArray[np.int64]
    """Ascending."""
    documents: Positions


def number_of_ranges(runs: Sequence[Run], kind: Kind) -> int:
    """How many ranges of the keys to make: few, for each opens all runs, and each small enough."""
    keys = sum(len(run.load(f"{kind}-keys")) for run in runs)
    least, most = _RECORDS
    return max(1, math.ceil(keys / min(max(least, keys // _RANGES), most)))


def key_range(keys: Hashes, part: int, parts: int) -> slice:
    """Where the keys of the `part`-th of `parts` equal ranges stand in an ascending array."""
    low, high = ((part + side) * 2**64 // parts for side in (0, 1))
    begin = int(np.searchsorted(keys, np.uint64(low)))
    end = len(keys) if high == 2**64 else int(np.searchsorted(keys, np.uint64(high)))
    return slice(begin, end)


def shared_keys(runs: Sequence[Run], kind: Kind, part: int, parts: int) -> Buckets:
    """The documents of one range that share their key with another document."""
    keys, rest, documents = list[Hashes](), list[Hashes](), list[Positions]()
    for run in runs:
        all_keys: Hashes = run.load(f"{kind}-keys")
        here = key_range(all_keys, part, parts)
        if here.start < here.stop:
            keys.append(all_keys[here])
            documents.append(run.load(f"{kind}-rows")[here].astype(np.int64) + run.first)
            if kind != "near":
                rest.append(run.load(f"{kind}-rest")[here])
    if not keys:
        return Buckets(np.empty(0, np.int64), np.empty(0, np.int64))
    joined, owners = np.concatenate(keys), np.concatenate(documents)
    lower = np.concatenate(rest) if rest else np.zeros(0, np.uint64)
    order = np.lexsort((lower, joined)) if rest else np.argsort(joined)
    joined, owners, lower = joined[order], owners[order], lower[order] if rest else lower
    equal = joined[1:] == joined[:-1]
    if rest:
        equal &= lower[1:] == lower[:-1]
    begins = np.concatenate(([True], ~equal))
    alone = begins & np.concatenate((~equal, [True]))
    return Buckets(np.cumsum(begins)[~alone], owners[~alone])


def only(buckets: Buckets, wanted: npt.NDArray[np.bool_]) -> Buckets:
    """The wanted entries of buckets that still have more than one."""
    bucket, documents = buckets.bucket[wanted], buckets.documents[wanted]
    if not len(bucket):
        return Buckets(bucket, documents)
    differ = bucket[1:] != bucket[:-1]
    alone = np.concatenate(([True], differ)) & np.concatenate((differ, [True]))
    return Buckets(bucket[~alone], documents[~alone])


def with_new(buckets: Buckets, first_new: int) -> Buckets:
    """The buckets in which a document from `first_new` on stands."""
    if first_new == 0 or not len(buckets.bucket):
        return buckets
    starts = np.flatnonzero(np.concatenate(([True], buckets.bucket[1:] != buckets.bucket[:-1])))
    new = np.maximum.reduceat(buckets.documents, starts) >= first_new
    wanted = np.repeat(new, np.diff(np.append(starts, len(buckets.bucket))))
    return Buckets(buckets.bucket[wanted], buckets.documents[wanted])
