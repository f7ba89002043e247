"""MinHash signatures of many texts at once, and the keys of their LSH bands.

A signature has bands × rows values; two texts' signatures agree at a place with probability equal
to the Jaccard similarity of their sets of word n-grams. One pass of hashing serves all values
(one-permutation hashing, Li et al. 2012): the hash's upper half chooses the place, the lower half
is the value, the least one stays; empty places borrow from full ones in an order fixed by the
place (optimal densification, Shrivastava 2017). Not here: what is done with equal keys (`near.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mathlm.core.ngrams import FOLDED, Block, Hashes, blocks, hash_ngrams, mix

Values = npt.NDArray[np.uint32]
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
_TRIES = 64


class Signatures(NamedTuple):
    """For T texts: whether each has any word, T × (bands·rows) values, T × bands keys."""

    any_words: npt.NDArray[np.bool_]
    values: Values
    keys: Hashes


def signatures(
    texts: Iterable[str], *, words: int = 5, bands: int = 14, rows: int = 8
) -> Iterator[Signatures]:
    """Signatures of the texts in order, block by block.

    A text of fewer than `words` words counts as one n-gram of all of them; one without words has
    no signature (`any_words` False; its values and keys mean nothing).
    """
    for _, held, block in blocks(texts, FOLDED):
        least = _least(block, len(held), words, bands * rows)
        full = least != _EMPTY
        any_words = full.any(axis=1)
        values = _densify(least, full).astype(np.uint32)
        yield Signatures(any_words, values, band_keys(values, bands))


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


def band_keys(values: Values, bands: int) -> Hashes:
    """One key for each text and band; equal where all the band's values are equal."""
    texts, places = values.shape
    parted = values.reshape(texts, bands, places // bands).astype(np.uint64)
    keys = np.broadcast_to(np.arange(bands, dtype=np.uint64), (texts, bands))
    for row in range(parted.shape[2]):
        keys = mix(keys ^ parted[:, :, row])
    return keys
