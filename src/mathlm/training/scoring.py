"""How many nats a model spends on each document: overlapping windows, batched by length.

Not an interval (`mathlm.stats`). Each document is read after an end-of-document token, as in
training; its own end, which has no bytes, is not counted. A document longer than the window is
read in windows that start `stride` tokens apart, each scoring only what the ones before have not,
the last one ending at the document's end (the strided evaluation of the transformers manual,
"Perplexity of fixed-length models"). Shapes: B windows, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

Tokens = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Window:
    """Targets [start, stop) of a document, of which those from `scored` on count."""

    document: int
    start: int
    stop: int
    scored: int

    @property
    def length(self) -> int:
        """Number of targets."""
        return self.stop - self.start


def windows(document: int, length: int, *, window: int, stride: int) -> Iterator[Window]:
    """Windows over `length` targets that score each target once."""
    scored = 0
    stop = min(window, length)
    while scored < length:
        yield Window(document, max(0, stop - window), stop, scored)
        scored, stop = stop, min(stop + stride, length)


def _batches(found: list[Window], batch_tokens: int) -> Iterator[list[Window]]:
    """Windows by falling length, so many at once as hold `batch_tokens` after padding."""
    found.sort(key=lambda window: (-window.length, window.document, window.start))
    start = 0
    while start < len(found):
        number = max(1, batch_tokens // found[start].length)
        yield found[start : start + number]
        start += number


def _rows(documents: Sequence[Tokens], batch: list[Window], first_id: int) -> Any:
    """Inputs and targets [B, T], and which targets count; padded on the right with `first_id`."""
    shape = (len(batch), batch[0].length)
    inputs, targets = np.full(shape, first_id), np.full(shape, first_id)
    counts = np.zeros(shape, dtype=bool)
    for row, window in enumerate(batch):
        tokens = documents[window.document]
        targets[row, : window.length] = tokens[window.start : window.stop]
        inputs[row, 1 : window.length] = targets[row, : window.length - 1]
        if window.start:
            inputs[row, 0] = tokens[window.start - 1]
        counts[row, window.scored - window.start : window.length] = True
    return inputs, targets, counts


def default_batch_tokens(device: torch.device) -> int:
    """Tokens at once: few enough for a CPU's caches (2048 was fastest, measured), more on CUDA."""
    return 2048 if device.type == "cpu" else 16_384


@torch.no_grad()  # type: ignore[untyped-decorator]
def nats_of_documents(
    model: Any,
    documents: Sequence[Tokens],
    *,
    first_id: int,
    window: int,
    stride: int,
    batch_tokens: int,
) -> NDArray[np.float64]:
    """Negative log-likelihood of each document in nats: float64 [documents].

    `documents` hold text tokens only; `first_id` is the token before each. `model` is in
    evaluation mode, on its device.
    """
    nats = np.zeros(len(documents))
    found = [
        piece
        for index, tokens in enumerate(documents)
        for piece in windows(index, len(tokens), window=window, stride=stride)
    ]
    for batch in _batches(found, batch_tokens):
        inputs, targets, counts = (
            torch.from_numpy(array).to(model.device) for array in _rows(documents, batch, first_id)
        )
        logits_BTV = model(input_ids=inputs, use_cache=False).logits
        logits = logits_BTV[counts].float()
        losses = F.cross_entropy(logits, targets[counts], reduction="none").double()
        rows = counts.nonzero()[:, 0]
        sums = torch.zeros(len(batch), dtype=torch.float64, device=losses.device)
        for piece, value in zip(batch, sums.index_add_(0, rows, losses).tolist(), strict=True):
            nats[piece.document] += value
    return nats
