"""MinHash signatures of many texts at once, and the keys of their LSH bands.

A signature has bands × rows values; two texts' signatures agree at a place with probability equal
to the Jaccard similarity of their sets of word n-grams. One pass of hashing serves all values
(one-permutation hashing, Li et al. 2012): the hash's upper half chooses the place, the lower half
is the value, the least one stays; empty places borrow from full ones in an order fixed by the
place (optimal densification, Shrivastava 2017). The values may be dealt into bands more than once,
each time in another order: pairs that one deal misses the next one finds, for the price of its
keys. Words are pieces between white space without case; where a script has no spaces (Chinese,
Japanese, Thai …) each character is one. Not here: what is done with equal keys (`duplicates.py`).
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mathlm.core.ngrams import FOLDED, Block, Hashes, blocks, hash_ngrams, mix

Values = npt.NDArray[np.uint16]
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
_TRIES = 64
_PIECE = 1 << 17
"""Longer texts are hashed in pieces of so many characters: a giant word costs no more memory."""
_LAST_SPACE = 1 << 12
"""A piece ends at the last white space among so many characters, if there is any."""
_UNSPACED = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Thai to Burmese, Khmer, kana, ideographs."""


class Signatures(NamedTuple):
    """For T texts: whether each has any word, T × (bands·rows) values, T × (deals·bands) keys."""

    any_words: npt.NDArray[np.bool_]
    values: Values
    """The lower 16 bits: enough to count equal ones by."""
    keys: Hashes


def signatures(
    texts: Iterable[str], *, words: int = 5, bands: int = 14, rows: int = 8, deals: int = 1
) -> Iterator[Signatures]:
    """Signatures of the texts in order, block by block.

    A text of fewer than `words` words counts as one n-gram of all of them; one without words has
    no signature (`any_words` False; its values and keys mean nothing).
    """
    for least in _all_least(texts, words, bands * rows):
        full = least != _EMPTY
        values = _densify(least, full).astype(np.uint32)
        keys = [band_keys(values[:, deal], bands) for deal in _deals(bands * rows, deals)]
        places = np.arange(deals, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        every = np.concatenate([k ^ place for k, place in zip(keys, places, strict=True)], axis=1)
        yield Signatures(full.any(axis=1), values.astype(np.uint16), every)


def _all_least(texts: Iterable[str], words: int, places: int) -> Iterator[Hashes]:
    """`_least` of blocks of texts; a long text is a block of its own."""
    for long, some in itertools.groupby(map(_spaced, texts), lambda text: len(text) > _PIECE):
        if not long:
            for _, held, block in blocks(some, FOLDED):
                yield _least(block, len(held), words, places)
            continue
        for text in some:
            parts = blocks(_pieces(text), FOLDED)
            least = (_least(block, len(held), words, places).min(0) for _, held, block in parts)
            yield functools.reduce(np.minimum, least)[np.newaxis]


def _spaced(text: str) -> str:
    """The text with blanks around every character that is a word of its own."""
    if text.isascii() or not _UNSPACED.search(text):
        return text
    return _UNSPACED.sub(r" \g<0> ", text)


def _pieces(text: str) -> Iterator[str]:
    begin = 0
    while begin < len(text):
        end = begin + _PIECE
        if end < len(text):
            space = max(text.rfind(blank, end - _LAST_SPACE, end) for blank in " \n")
            end = space if space > 0 else end
        yield text[begin:end]
        begin = end


@functools.lru_cache(maxsize=4)
def _deals(places: int, deals: int) -> list[npt.NDArray[np.intp]]:
    """The places in their own order, then in other ones that are the same on every machine."""
    numbers = np.arange(places, dtype=np.uint64)
    return [
        np.argsort(mix(numbers + np.uint64(deal << 32))) if deal else np.arange(places)
        for deal in range(deals)
    ]


def _least(block: Block, texts: int, words: int, places: int) -> Hashes:
    """For each text and place the least value, or all ones where no n-gram fell on the place."""
    hashes, first = hash_ngrams(block, words)
    owner = np.searchsorted(block.offsets, first, "right") - 1
    counts = np.diff(block.offsets)
    few = np.flatnonzero((counts > 0) & (counts < words))
    hashes = np.concatenate((hashes, _whole(block, few)))
    owner = np.concatenate((owner, few))
    place = ((hashes >> np.uint64(32)) * np.uint64(places)) >> np.uint64(32)
    least = np.full(texts * places, _EMPTY, np.uint64)
    index = owner * places + place.astype(np.int64)
    np.minimum.at(least, index, hashes & np.uint64(0xFFFFFFFF))
    return least.reshape(texts, places)


def _whole(block: Block, texts: npt.NDArray[np.intp]) -> Hashes:
    """One hash over all words of each of these texts."""
    hashes = np.zeros(len(texts), np.uint64)
    position, left = block.offsets[texts], np.diff(block.offsets)[texts]
    while (left > 0).any():
        on = np.flatnonzero(left > 0)
        hashes[on] = mix(hashes[on] ^ block.words[position[on]])
        position, left = position + 1, left - 1
    return hashes


@functools.lru_cache(maxsize=4)
def _donors(places: int) -> npt.NDArray[np.int64]:
    """For each try and place, the place to borrow from: the same for all texts."""
    numbers = np.arange(_TRIES * places, dtype=np.uint64) + np.uint64(1)
    chosen = (mix(numbers) >> np.uint64(32)) * np.uint64(places) >> np.uint64(32)
    return chosen.astype(np.int64).reshape(_TRIES, places)


def _densify(least: Hashes, full: npt.NDArray[np.bool_]) -> Hashes:
    """Empty places filled from full places of the same text, by a fixed order of tries."""
    dense = least.copy()
    text, place = np.nonzero(~full & full.any(axis=1, keepdims=True))
    for donors in _donors(least.shape[1]):
        if not len(text):
            return dense
        donor = donors[place]
        found = full[text, donor]
        dense[text[found], place[found]] = least[text[found], donor[found]]
        text, place = text[~found], place[~found]
    for one, where in zip(text.tolist(), place.tolist(), strict=True):  # very few n-grams
        candidates = np.flatnonzero(full[one])
        dense[one, where] = least[one, candidates[where % len(candidates)]]
    return dense


def band_keys(values: npt.NDArray[np.uint32], bands: int) -> Hashes:
    """One key for each text and band; equal where all the band's values are equal."""
    texts, places = values.shape
    parted = values.reshape(texts, bands, places // bands).astype(np.uint64)
    keys = np.broadcast_to(np.arange(bands, dtype=np.uint64), (texts, bands))
    for row in range(parted.shape[2]):
        keys = mix(keys ^ parted[:, :, row])
    return keys
