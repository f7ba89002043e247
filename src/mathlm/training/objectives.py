"""Objectives: `objective(model, batch) -> (loss_sum, weight_sum, metrics)`, one loop for all.

Not a normalisation: the loop divides the sum of losses by the total weight of the global batch,
never a mean of means (huggingface/transformers PR #34191; karpathy/nanochat#59). Shapes: B
sequences, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Sequences on the device, one token longer than what the model reads."""

    tokens_BT: Tensor
    """int64 [B, T + 1]"""
    weights_BT: Tensor | None = None
    """Weight of each target: float32 [B, T]; None: all ones."""


Objective = Callable[[Any, Batch], tuple[Tensor, Tensor, Mapping[str, Tensor]]]


def language_modelling(model: Any, batch: Batch) -> tuple[Tensor, Tensor, Mapping[str, Tensor]]:
    """Cross-entropy of the next token in nats, summed over weighted targets.

    The model gets no attention mask and no cache: an all-ones mask switches off the fast causal
    kernels and packed positions in transformers.
    """
    targets = batch.tokens_BT[:, 1:].reshape(-1)
    logits_BTV = model(input_ids=batch.tokens_BT[:, :-1], use_cache=False).logits
    logits = logits_BTV.reshape(targets.numel(), -1).float()
    if batch.weights_BT is None:
        loss = F.cross_entropy(logits, targets, reduction="sum")
        return loss, torch.full_like(loss, targets.numel()), {}
    weights = batch.weights_BT.reshape(-1)
    losses = F.cross_entropy(logits, targets, reduction="none")
    return (losses * weights).sum(), weights.sum(), {}


OBJECTIVES: dict[str, Objective] = {"language_modelling": language_modelling}
