"""The order in which training sees the stores: sample `index` is the same on any machine.

No state is kept and none is saved: a resumed run asks for the next index; more or fewer devices
ask for other indices of the same order. Weights act on sequences, as in GPT-NeoX and Llemma
(2310.10631, section 2.2): documents are joined and cut every `sequence_length` tokens, with one
token more for the last label; positions and attention run across documents. Within a source,
epochs follow each other, each a permutation of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mathlm.core.errors import UserError
from mathlm.tokens.order import key_of, permuted, turns, whole_weights
from mathlm.tokens.store import TokenStore


class Place(NamedTuple):
    """Where a sample comes from."""

    source: str
    epoch: int
    """Times that the whole source was seen before, from 0."""
    window: int
    """Which cut of the source, from 0: tokens `window * sequence_length` and on."""


class Share(NamedTuple):
    """What a source gave up to some index."""

    sequences: int
    epochs: float


class Mixture:
    """Samples of several stores by weight: a function of the index, the seed and the stores."""

    def __init__(
        self,
        stores: Mapping[str, TokenStore],
        weights: Mapping[str, float],
        *,
        sequence_length: int,
        seed: int,
    ) -> None:
        if sequence_length < 1:
            raise UserError(f"sequence_length is {sequence_length}: it must be at least 1")
        if missing := sorted(name for name in weights if name not in stores):
            raise UserError(
                f"the mixture names {', '.join(missing)}, but the stores are {', '.join(stores)}"
            )
        whole = whole_weights(weights)
        self.sources: tuple[str, ...] = tuple(whole)
        """Sources with a weight above 0, sorted."""
        self.weights: dict[str, float] = {
            name: number / sum(whole.values()) for name, number in whole.items()
        }
        """Their shares of the sequences, as used (see `order.whole_weights`)."""
        self.windows: dict[str, int] = {
            name: _windows(name, stores[name], sequence_length) for name in self.sources
        }
        """Sequences in one epoch of each source."""
        self.sequence_length = sequence_length
        self._stores = {name: stores[name] for name in self.sources}
        self._seed = seed
        self._per_cycle = list(whole.values())
        self._turns = turns(self._per_cycle)
        self._ranks = _ranks(self._turns, len(self.sources))

    def place(self, index: int) -> Place:
        """Where sample `index` comes from."""
        if index < 0:
            raise IndexError(f"sample {index}")
        cycle, step = divmod(index, len(self._turns))
        number = int(self._turns[step])
        source = self.sources[number]
        drawn = cycle * self._per_cycle[number] + int(self._ranks[step])
        epoch, position = divmod(drawn, self.windows[source])
        key = key_of(self._seed, source, epoch)
        return Place(source, epoch, permuted(position, self.windows[source], key))

    def source_of(self, index: int) -> str:
        """The source of sample `index`."""
        return self.place(index).source

    def sample(self, index: int) -> NDArray[np.int64]:
        """Token ids of sample `index`: int64 [sequence_length + 1]."""
        place = self.place(index)
        start = place.window * self.sequence_length
        tokens = self._stores[place.source].tokens
        return tokens[start : start + self.sequence_length + 1].astype(np.int64)

    def counts(self, upto: int) -> dict[str, Share]:
        """The ledger of samples `0 … upto - 1`: sequences and epochs that each source gave."""
        cycles, rest = divmod(upto, len(self._turns))
        partial = np.bincount(self._turns[:rest], minlength=len(self.sources))
        shares = {}
        for number, source in enumerate(self.sources):
            sequences = cycles * self._per_cycle[number] + int(partial[number])
            shares[source] = Share(sequences, sequences / self.windows[source])
        return shares


def _windows(name: str, store: TokenStore, sequence_length: int) -> int:
    windows = (store.num_tokens - 1) // sequence_length
    if windows < 1:
        raise UserError(
            f"source {name} holds {store.num_tokens} tokens, fewer than one sequence of "
            f"{sequence_length} + 1: leave it out, add text or shorten sequence_length"
        )
    return windows


def _ranks(order: NDArray[np.uint16], sources: int) -> NDArray[np.int32]:
    """How often each step's source has come before in the cycle."""
    ranks = np.empty(len(order), dtype=np.int32)
    for number in range(sources):
        own = order == number
        ranks[own] = np.arange(int(own.sum()), dtype=np.int32)
    return ranks
