"""Saves a model and its tokenizer in the Hugging Face layout, whole or not at all.

Not here: checkpoints with an optimizer's state (`mathlm.training.checkpoint`). The same weights
give the same bytes: safetensors orders tensors by type and name, and nothing holds a clock.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mathlm.core.storage import atomic_group
from mathlm.models.load import quiet_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.model",
    "chat_template.jinja",
)


def save_model(
    model: PreTrainedModel,
    tokenizer_dir: str | Path,
    directory: str | Path,
    *,
    weights: Mapping[str, torch.Tensor] | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Write `config.json`, `model.safetensors` and the tokenizer's files into `directory`.

    `weights` stands in for the model's own (a gathered sharded model); `dtype` converts floating
    weights. A group with `manifest.json`, committed by one rename (`core.storage`).
    """
    state = dict(model.state_dict() if weights is None else weights)
    if dtype is not None:
        state = {
            name: value.to(dtype) if value.is_floating_point() else value
            for name, value in state.items()
        }
    with atomic_group(directory) as part:
        with quiet_transformers():
            model.save_pretrained(part, state_dict=state)
        for path in part.glob("*.safetensors"):
            shutil.copymode(part / "config.json", path)  # safetensors gives 0600
        for name in _TOKENIZER_FILES:
            source = Path(tokenizer_dir) / name
            if source.is_file():
                shutil.copyfile(source, part / name)
