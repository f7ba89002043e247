"""Exact and near duplicates over all sources: which documents go, and for which one that stays.

Exact: equal text after Unicode NFC and folding of white space. Near: a shared LSH band of MinHash
signatures (`minhash.py`), confirmed by the share of equal values, then joined transitively. Of a
set of duplicates the longest stays, of equally long ones the one whose id, then source, is first
in order: neither the order of inputs nor the number of files or partitions matters.
Published deduplications join every pair with a shared band; the confirmation is ours, because
documents with one template share a band far more often than their similarity deserves.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mathlm.core.ngrams import Hashes, Positions
from mathlm.corpus import minhash
from mathlm.corpus.config import NearDuplicates
from mathlm.corpus.partition import Partitions

_SPACE = re.compile(r"\s+")


@functools.lru_cache(maxsize=1)
def _many_marks() -> re.Pattern[str]:
    """More than 30 combining marks in a row (the limit of UAX #15's stream-safe text).

    No writing has such runs, and normalising one takes time quadratic in its length.
    """
    marks = "".join(
        re.escape(chr(c)) for c in range(0x300, 0x20000) if unicodedata.combining(chr(c))
    )
    return re.compile(f"[{marks}]{{31}}")


def exact_key(text: str) -> bytes:
    """16 bytes that are equal for texts that differ in white space or Unicode form alone."""
    if not text.isascii() and not _many_marks().search(text):
        text = unicodedata.normalize("NFC", text)
    plain = _SPACE.sub(" ", text).strip()
    return hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Fingerprints(NamedTuple):
    """What duplicates are judged by; row i is document i."""

    ids: list[str]
    sources: list[str]
    lengths: npt.NDArray[np.int64]
    """Characters."""
    exact: Hashes
    """N × 2: the two halves of `exact_key`."""
    values: minhash.Values
    """N × (bands·rows)."""
    keys: Hashes
    """N × bands."""
    near: npt.NDArray[np.bool_]
    """Whether the document takes part in the search for near duplicates."""

    def rank(self, document: int) -> tuple[int, str, str]:
        """Sorts the document that stays before the others."""
        return -int(self.lengths[document]), self.ids[document], self.sources[document]


class Arrays(NamedTuple):
    """The numbers among the fingerprints of some documents, as they are stored."""

    lengths: npt.NDArray[np.int64]
    exact: Hashes
    values: minhash.Values
    keys: Hashes
    any_words: npt.NDArray[np.bool_]


def fingerprint(texts: Iterable[str], settings: NearDuplicates) -> Arrays:
    """Lengths, exact keys and signatures of texts."""
    lengths: list[int] = []
    exact = bytearray()

    def noted() -> Iterator[str]:
        for text in texts:
            lengths.append(len(text))
            exact.extend(exact_key(text))
            yield text

    shape = {"words": settings.words, "bands": settings.bands, "rows": settings.rows}
    parts = list(minhash.signatures(noted(), **shape))
    places = settings.bands * settings.rows
    return Arrays(
        np.array(lengths, np.int64),
        np.frombuffer(bytes(exact), "<u8").reshape(-1, 2),
        np.concatenate([np.empty((0, places), np.uint32), *(p.values for p in parts)]),
        np.concatenate([np.empty((0, settings.bands), np.uint64), *(p.keys for p in parts)]),
        np.concatenate([np.empty(0, bool), *(p.any_words for p in parts)]),
    )


@dataclass
class _Sets:
    """Disjoint sets of documents (union-find with path halving)."""

    parent: npt.NDArray[np.int64]

    def find(self, document: int) -> int:
        parent = self.parent
        while parent[document] != document:
            parent[document] = parent[parent[document]]
            document = int(parent[document])
        return document

    def join(self, left: int, right: int) -> None:
        left, right = self.find(left), self.find(right)
        if left != right:
            self.parent[max(left, right)] = min(left, right)

    def groups(self) -> Iterator[list[int]]:
        """The sets of more than one document."""
        members: dict[int, list[int]] = {}
        for document in np.flatnonzero(self.parent != np.arange(len(self.parent))).tolist():
            members.setdefault(self.find(document), []).append(document)
        for root, others in sorted(members.items()):
            yield [root, *others]


Links = dict[int, int]
"""Each dropped document and the one that stays for it."""


def _links(sets: _Sets, prints: Fingerprints) -> Links:
    links: Links = {}
    for group in sets.groups():
        stays = min(group, key=prints.rank)
        links.update({document: stays for document in group if document != stays})
    return links


def exact_duplicates(prints: Fingerprints, scratch: Path, partitions: int) -> Links:
    """Documents whose normalised text another document has."""
    files = Partitions(scratch, partitions)
    files.add(prints.exact[:, 0], np.arange(len(prints.ids)))
    sets = _Sets(np.arange(len(prints.ids)))
    for group in files.groups():
        by_rest: dict[int, int] = {}
        for document in group.tolist():  # the second half tells apart what collides in the first
            sets.join(by_rest.setdefault(int(prints.exact[document, 1]), document), document)
    return _links(sets, prints)


def near_duplicates(
    prints: Fingerprints, gone: Iterable[int], settings: NearDuplicates, scratch: Path
) -> Links:
    """Documents that another one resembles, among those that take part and are not `gone`."""
    stays = prints.near.copy()
    stays[list(gone)] = False
    documents = np.flatnonzero(stays)
    files = Partitions(scratch, settings.partitions)
    for band in range(settings.bands):
        files.add(prints.keys[documents, band], documents)
    sets = _Sets(np.arange(len(prints.ids)))
    least = settings.similarity * prints.values.shape[1]
    for group in files.groups():
        _join_bucket(group, prints, least, sets.join)
    return _links(sets, prints)


def _join_bucket(
    bucket: Positions, prints: Fingerprints, least: float, join: Callable[[int, int], None]
) -> None:
    """Join the documents of one bucket to leaders whom they resemble, the best-ranked first."""
    waiting = np.array(sorted(bucket.tolist(), key=prints.rank))
    while len(waiting) > 1:
        leader, waiting = int(waiting[0]), waiting[1:]
        equal = (prints.values[waiting] == prints.values[leader]).sum(axis=1)
        for document in waiting[equal >= least].tolist():
            join(leader, document)
        waiting = waiting[equal < least]
