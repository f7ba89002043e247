"""Duplicates over all sources and earlier runs: which documents go, and for which one that stays.

By URL: equal addresses after `urls.normalise_url`. Exact: equal text after Unicode NFC and folding
of white space. Near: a shared LSH band of MinHash signatures (`minhash.py`), confirmed by the
share of equal values, then joined transitively. A document that one kind drops takes no part in
the next. Which of a set stays is the order of `clusters.py`: neither the order of inputs nor the
number of files, partitions or workers matters. Published deduplications join every pair with a
shared band; the confirmation is ours, because documents with one template share a band far more
often than their similarity deserves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mathlm.core.ngrams import Hashes, Positions, mix
from mathlm.core.storage import atomic_file
from mathlm.corpus.clusters import Links, Sets, choose
from mathlm.corpus.duplicate_config import Duplicates
from mathlm.corpus.fingerprints import Kind, Run, gather
from mathlm.corpus.partition import Buckets, number_of_ranges, only, shared_keys, with_new

_LEADERS, _COMPARISONS = 1000, 1 << 24
"""In a bucket of documents that mostly differ, so many are compared with all others at most, and
about so many comparisons are made: more would take quadratic time, and what is alike shares other
bands, too."""
_AT_ONCE = 1 << 15

Pairs = tuple[Positions, Positions]


class Range(NamedTuple):
    """One task: the pairs among the keys of one range."""

    runs: Sequence[Run]
    kind: Kind
    part: int
    parts: int
    gone: str
    """An array of flags: documents that a kind before has dropped."""
    first_new: int
    similarity: float


Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""Calls a function on many tasks: the built-in `map`, processes, or many machines."""


def find_duplicates(
    runs: Sequence[Run],
    settings: Duplicates,
    standing: npt.NDArray[np.int8],
    given: tuple[Path, Map],
) -> dict[Kind, Links]:
    """For each kind, which documents go. `given`: a folder for scratch, and what does the tasks.

    Documents whose `standing` is under 2 are an earlier run's: they come first, and what they
    have among one another does not matter.
    """
    scratch, do = given
    first_new = int((standing < 2).sum())
    gone = np.zeros(len(standing), bool)
    found: dict[Kind, Links] = {}
    for kind in _kinds(settings):
        with atomic_file(scratch / "gone.npy") as file:
            np.save(file, gone)
        parts = (settings.near.partitions if kind == "near" else None) or number_of_ranges(
            runs, kind
        )
        base = Range(runs, kind, 0, parts, str(scratch / "gone.npy"), first_new, 0.0)
        base = base._replace(similarity=settings.near.similarity)
        sets = Sets.alone(len(gone))
        for left, right in do(pairs_of, (base._replace(part=part) for part in range(parts))):
            sets.join(left, right)
        links = choose(sets, runs, standing, do)
        gone[links.documents] = True
        found[kind] = links
    return found


def _kinds(settings: Duplicates) -> Iterator[Kind]:
    if settings.urls:
        yield "url"
    if settings.exact:
        yield "exact"
    yield "near"


def pairs_of(task: Range) -> Pairs:
    """The pairs to be joined among the keys of one range, each once."""
    buckets = shared_keys(task.runs, task.kind, task.part, task.parts)
    gone = np.load(task.gone, mmap_mode="r")
    buckets = with_new(only(buckets, ~gone[buckets.documents]), task.first_new)
    if task.kind == "near":
        pairs = [_alike(chunk, task) for chunk in _chunks(buckets)]
    else:
        leader = _leaders(buckets.bucket)
        pairs = [(buckets.documents[leader], buckets.documents)]
    left = np.concatenate([np.empty(0, np.int64), *(pair[0] for pair in pairs)])
    right = np.concatenate([np.empty(0, np.int64), *(pair[1] for pair in pairs)])
    return left[left != right], right[left != right]


def _leaders(bucket: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """For each entry the index of its bucket's first."""
    first = np.ones(len(bucket), bool)
    first[1:] = bucket[1:] != bucket[:-1]
    return np.maximum.accumulate(np.where(first, np.arange(len(bucket)), 0))


def _chunks(buckets: Buckets) -> Iterator[Buckets]:
    """Buckets in parts of about 32 thousand entries, each bucket whole."""
    begin = 0
    while begin < len(buckets.bucket):
        last = buckets.bucket[min(begin + _AT_ONCE, len(buckets.bucket)) - 1]
        end = int(np.searchsorted(buckets.bucket, last, "right"))
        yield Buckets(buckets.bucket[begin:end], buckets.documents[begin:end])
        begin = end


def _alike(buckets: Buckets, task: Range) -> Pairs:
    """Pairs of a leader and a document that resembles it, by the share of equal values.

    The leader is the first by a hash of the values, so that it depends on what is compared alone;
    what does not resemble it waits for the next leader.
    """
    documents, place = np.unique(buckets.documents, return_inverse=True)
    values = gather(task.runs, documents, "values")
    least = task.similarity * values.shape[1]
    order = np.lexsort((_content(values)[place], buckets.bucket))
    bucket, place = buckets.bucket[order], place[order]
    _, number, sizes = np.unique(bucket, return_inverse=True, return_counts=True)
    rounds = np.clip(_COMPARISONS // sizes, 8, _LEADERS)[number]
    left, right = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    while len(bucket):
        leader, rounds = _leaders(bucket), rounds - 1
        waits = leader != np.arange(len(bucket))
        of, with_it = place[leader[waits]], place[waits]
        equal = _agreement(values, of, with_it) >= least
        left.append(of[equal])
        right.append(with_it[equal])
        waits[waits] = ~equal
        waits &= rounds > 0
        bucket, place, rounds = bucket[waits], place[waits], rounds[waits]
    return documents[np.concatenate(left)], documents[np.concatenate(right)]


def _content(values: npt.NDArray[np.uint16]) -> Hashes:
    """A hash of each row."""
    weights = mix(np.arange(values.shape[1], dtype=np.uint64)) | np.uint64(1)
    sums = np.empty(len(values), np.uint64)
    for begin in range(0, len(values), 4096):
        sums[begin : begin + 4096] = values[begin : begin + 4096].astype(np.uint64) @ weights
    return mix(sums)


def _agreement(
    values: npt.NDArray[np.uint16], left: npt.NDArray[np.intp], right: npt.NDArray[np.intp]
) -> Positions:
    """How many values are equal in each pair of rows."""
    counts = np.empty(len(left), np.int64)
    for begin in range(0, len(left), 4096):
        part = slice(begin, begin + 4096)
        counts[part] = (values[left[part]] == values[right[part]]).sum(axis=1)
    return counts
