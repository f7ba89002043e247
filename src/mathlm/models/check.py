"""The loud check after an import: the vocabulary matches the tokenizer and the logits are finite.

Not here: quality. Wrong conversions often load without a word (huggingface/nanotron#78, #79:
garbage from Llama 7B), so every model passes here before it is trained or sampled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from mathlm.core.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def vocabulary_size(tokenizer: PreTrainedTokenizerBase) -> int:
    """One more than the tokenizer's largest id, added tokens included."""
    return max(int(number) for number in tokenizer.get_vocab().values()) + 1


def check_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise `UserError` unless `model` can be used with `tokenizer`.

    Runs one forward pass over eight tokens spread evenly over the vocabulary.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    size = vocabulary_size(tokenizer)
    if size > rows:
        raise UserError(
            f"the tokenizer has {size} tokens but the model's embedding only {rows} rows:"
            " they do not belong together"
        )
    ids = torch.linspace(0, size - 1, 8).long()[None].to(model.device)
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits
    if not bool(torch.isfinite(logits).all()):
        raise UserError("the model's logits are not finite: its weights are damaged")
