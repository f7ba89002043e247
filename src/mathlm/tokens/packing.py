"""Whole documents packed into sequences, for tuning: none crosses a sequence's border.

Not the order of pretraining, which joins and cuts documents (`mixture`). Best fit over documents
of falling length, as in Ding et al. 2024 (2404.10830); each position knows its document and its
place in it, so that attention and positions can start anew (varlen kernels, `position_ids`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mathlm.core.errors import UserError
from mathlm.tokens.order import key_of, permuted
from mathlm.tokens.store import TokenStore


class PackedSequence(NamedTuple):
    """One sequence of several documents; every array is [sequence_length + 1]."""

    tokens: NDArray[np.int64]
    documents: NDArray[np.int64]
    """The document of each token, from 0 within the store; -1 on padding."""
    positions: NDArray[np.int64]
    """The place of each token in its document, from 0; 0 on padding."""
    loss_mask: NDArray[np.uint8]
    """1 where the token is to be predicted: never on padding or on a document's first token."""


def best_fit(lengths: Sequence[int], capacity: int) -> list[tuple[int, ...]]:
    """Numbers of the items in each bin, none above `capacity`; longer items count as `capacity`.

    Each item goes into the fullest bin that still takes it, long items first.
    """
    order = sorted(range(len(lengths)), key=lambda item: (-lengths[item], item))
    bins: list[list[int]] = []
    rooms: list[tuple[int, int]] = []
    for item in order:
        need = min(lengths[item], capacity)
        place = bisect_left(rooms, (need, -1))
        if place == len(rooms):
            room, number = capacity, len(bins)
            bins.append([])
        else:
            room, number = rooms.pop(place)
        bins[number].append(item)
        insort(rooms, (room - need, number))
    return [tuple(members) for members in bins]


class Packing:
    """Sequences of whole documents by index; epochs are permutations, as in `Mixture`."""

    def __init__(
        self, store: TokenStore, *, sequence_length: int, pad_id: int, seed: int = 0
    ) -> None:
        lengths = np.diff(store.offsets).astype(np.int64)
        if not len(lengths):
            raise UserError(f"{store.directory} holds no document to pack")
        self.capacity = sequence_length + 1
        self.bins = best_fit(lengths.tolist(), self.capacity)
        """Documents of each sequence."""
        self.cut = int((lengths > self.capacity).sum())
        """Documents longer than a sequence, of which only the beginning is used."""
        self.fill = float(np.minimum(lengths, self.capacity).sum()) / (
            len(self.bins) * self.capacity
        )
        """Share of the places that hold tokens."""
        self._store = store
        self._mask = store.sidecar("loss_mask") if "loss_mask" in store.meta["sidecars"] else None
        self._pad_id = pad_id
        self._seed = seed

    def sample(self, index: int) -> PackedSequence:
        """The sequence `index` of the order, over as many epochs as are asked for."""
        epoch, position = divmod(index, len(self.bins))
        return self.sequence(
            permuted(position, len(self.bins), key_of(self._seed, "packing", epoch))
        )

    def sequence(self, number: int) -> PackedSequence:
        """The sequence made of bin `number`."""
        tokens = np.full(self.capacity, self._pad_id, dtype=np.int64)
        documents = np.full(self.capacity, -1, dtype=np.int64)
        positions = np.zeros(self.capacity, dtype=np.int64)
        loss_mask = np.zeros(self.capacity, dtype=np.uint8)
        start = 0
        for document in self.bins[number]:
            ids = self._store.document(document)[: self.capacity]
            where = slice(start, start + len(ids))
            tokens[where] = ids
            documents[where] = document
            positions[where] = np.arange(len(ids))
            first = int(self._store.offsets[document])
            loss_mask[where] = 1 if self._mask is None else self._mask[first : first + len(ids)]
            loss_mask[start] = 0
            start += len(ids)
        return PackedSequence(tokens, documents, positions, loss_mask)
