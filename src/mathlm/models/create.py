"""A Llama from scratch, with weights that depend on the seed and the parameter's name alone.

Not here: loading (`load`). The initialisation is that of Llemma's ancestors in GPT-NeoX: normal
with standard deviation sqrt(2 / (5 h)) ("small init", Nguyen & Salazar, arXiv 1910.05895), and
2 / (L sqrt(h)) for the layers that write to the residual stream (Wang & Komatsuzaki, GPT-J).
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import torch

from mathlm.models.sizes import ModelSizes

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_RESIDUAL_WRITERS = ("o_proj.weight", "down_proj.weight")


def _generator(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def _fill(name: str, weight: torch.Tensor, *, sizes: ModelSizes, seed: int) -> None:
    """Set one parameter in place: ones for norms (one axis), normal numbers for matrices."""
    if weight.ndim < 2:
        weight.fill_(1.0)
        return
    deviation = math.sqrt(2 / (5 * sizes.hidden))
    if name.endswith(_RESIDUAL_WRITERS):
        deviation = 2 / (sizes.layers * math.sqrt(sizes.hidden))
    values = torch.empty(weight.shape, dtype=torch.float32)
    values.normal_(0.0, deviation, generator=_generator(seed, name))
    weight.copy_(values)


def create_llama(
    sizes: ModelSizes,
    *,
    vocab_size: int,
    seed: int,
    max_positions: int | None = None,
    bos_token_id: int | None = None,
    eos_token_id: int | None = None,
) -> PreTrainedModel:
    """A new `LlamaForCausalLM` in float32 on the CPU, the same for the same arguments.

    The global random state is neither read nor changed. `max_positions` is used where `sizes`
    leaves it open.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=sizes.hidden,
        intermediate_size=sizes.mlp_width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.key_value_heads,
        max_position_embeddings=sizes.max_positions or max_positions or 2048,
        rms_norm_eps=sizes.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": sizes.rope_base},
        tie_word_embeddings=sizes.tied,
        bos_token_id=bos_token_id,
        eos_token_id=eos_token_id,
        pad_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            _fill(name, weight, sizes=sizes, seed=seed)
    return model
