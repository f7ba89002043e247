"""Held-out documents of a `tokens` stage, and the bits per byte that a model needs for them.

Not training data. Bits per byte do not depend on the tokenizer, so models with different ones
compare (Gao et al., The Pile, arXiv 2101.00027, section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mathlm.tokens.store import TokenStore, find_stores
from mathlm.training.scoring import Tokens, default_batch_tokens, nats_of_documents


@dataclass(frozen=True)
class Heldout:
    """Documents of one source: text tokens without the end, and UTF-8 bytes of each."""

    documents: list[Tokens]
    bytes: NDArray[np.int64]
    end_id: int


def take_documents(store: TokenStore, max_bytes: int | None) -> Heldout:
    """The store's first documents, as many as hold at most `max_bytes` (at least one, if any)."""
    sizes = store.document_bytes
    number = store.num_documents
    if max_bytes is not None and number:
        number = max(1, int(np.searchsorted(np.cumsum(sizes), max_bytes, side="right")))
    texts = [store.document(index) for index in range(number)]
    ended = [
        tokens[:-1] if len(tokens) and tokens[-1] == store.end_id else tokens for tokens in texts
    ]
    return Heldout(ended, sizes[:number], store.end_id)


def heldout_documents(tokens: Path, max_bytes: int | None) -> dict[str, Heldout]:
    """The held-out documents of each source that has bytes."""
    taken = {
        name: take_documents(store, max_bytes)
        for name, store in find_stores(tokens, "heldout").items()
    }
    return {name: found for name, found in taken.items() if int(found.bytes.sum()) > 0}


def bits_per_byte(model: Any, heldout: Mapping[str, Heldout], *, window: int) -> dict[str, float]:
    """Bits per byte of each source, in windows without overlap; the model's mode is kept."""
    training = model.training
    model.eval()
    try:
        return {
            name: float(
                nats_of_documents(
                    model,
                    found.documents,
                    first_id=found.end_id,
                    window=window,
                    stride=window,
                    batch_tokens=default_batch_tokens(model.device),
                ).sum()
                / (math.log(2) * int(found.bytes.sum()))
            )
            for name, found in heldout.items()
        }
    finally:
        model.train(training)
