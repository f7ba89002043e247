"""Batches by global sample index: the order does not depend on how many processes share it.

Not the order itself (`mathlm.tokens.mixture`). Step s of a run reads the samples
[(s - 1) B, s B); process r of n takes the r-th of n equal slices, cut into micro-batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from mathlm.core.errors import UserError
from mathlm.core.world import World
from mathlm.tokens.mixture import Mixture, Share
from mathlm.tokens.store import TokenStore, find_stores
from mathlm.training.config import TrainConfig
from mathlm.training.objectives import Batch


class Samples(Protocol):
    """Random access to sequences by global sample index (`mathlm.tokens.mixture.Mixture`)."""

    def sample(self, index: int) -> NDArray[np.int64]:
        """Tokens of one sequence: int64 [sequence_length + 1]."""
        ...

    def source_of(self, index: int) -> str:
        """The source from which the sequence comes."""
        ...

    def counts(self, upto: int) -> Mapping[str, Share]:
        """Sequences and epochs that each source gives in the first `upto` samples."""
        ...


@dataclass(frozen=True)
class TokenBatches:
    """Cuts a sample order into the micro-batches of this process."""

    samples: Samples
    batch_sequences: int
    """Sequences a step, over all processes."""
    micro_sequences: int
    """Most sequences at once in this process."""
    world: World

    def span(self, step: int) -> range:
        """Global sample indices of a step, counted from 1."""
        return range((step - 1) * self.batch_sequences, step * self.batch_sequences)

    def micro_batches(self, step: int) -> Iterator[Batch]:
        """The batches of a step that fall to this process, on its device."""
        share = self.batch_sequences // self.world.size
        first = self.span(step).start + self.world.rank * share
        for start in range(first, first + share, self.micro_sequences):
            stop = min(start + self.micro_sequences, first + share)
            rows = np.stack([self.samples.sample(index) for index in range(start, stop)])
            yield Batch(self.world.to_device(torch.from_numpy(rows)))

    def ledger(self, steps: int) -> Mapping[str, Share]:
        """What each source gives in the first `steps` steps."""
        return self.samples.counts(steps * self.batch_sequences)

    def sources(self, step: int) -> list[str]:
        """The source of each sample of a step."""
        return [self.samples.source_of(index) for index in self.span(step)]


def weights_of(config: TrainConfig, stores: dict[str, TokenStore]) -> dict[str, float]:
    """The weight of each source used: those of the settings, else the stores' tokens."""
    if not stores:
        raise UserError("the tokens stage has no stores of the split `train`")
    unknown = sorted(config.weights.keys() - stores.keys())
    if unknown:
        there = ", ".join(stores)
        raise UserError(f"weights names the source {unknown[0]!r}, but there are only: {there}")
    weights = dict(config.weights) or {name: float(s.num_tokens) for name, s in stores.items()}
    used = {name: weight for name, weight in weights.items() if weight > 0}
    if not used:
        raise UserError("every source has weight 0: give one of them a positive weight")
    return used


def open_batches(tokens: Path, config: TrainConfig, *, seed: int, world: World) -> TokenBatches:
    """The batches of a run over a `tokens` stage's training stores."""
    stores = find_stores(tokens, "train")
    weights = weights_of(config, stores)
    if config.batch_sequences % world.size:
        raise UserError(
            f"batch_tokens {config.batch_tokens} holds {config.batch_sequences} sequences, which"
            f" {world.size} processes cannot share equally"
        )
    mixture = Mixture(
        {name: stores[name] for name in weights},
        weights,
        sequence_length=config.sequence_length,
        seed=seed,
    )
    return TokenBatches(
        mixture,
        batch_sequences=config.batch_sequences,
        micro_sequences=max(1, config.micro_batch_tokens // config.sequence_length),
        world=world,
    )
