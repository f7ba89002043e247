"""Makes what a run works on: the model by its origin, its precision, compilation, the session.

Not the loop (`loop`) and not the stage's files (`stage`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from mathlm.core.errors import UserError
from mathlm.core.stage import StageContext
from mathlm.core.storage import sha256_of
from mathlm.core.world import World
from mathlm.models import check_model, create_llama, load_model, load_tokenizer
from mathlm.models.check import vocabulary_size
from mathlm.models.load import model_file
from mathlm.training.config import TrainConfig
from mathlm.training.objectives import Objective
from mathlm.training.parallel import decoder_layers

_CPU_FLOPS_THAT_PAY = 3e16
"""Compiling takes half a minute on two cores and gained nothing at 1 to 10 M parameters (measured,
`benchmarks/training.py`), so `auto` leaves it out below a day of work."""


@contextlib.contextmanager
def session(device: torch.device, *, threads: int, deterministic: bool) -> Iterator[None]:
    """Torch's global settings for the block, all of them put back after it.

    Only `device` is touched: asking another CUDA device for its random state would take memory
    on it.
    """
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    try:
        torch.set_num_threads(threads)
        if deterministic and device.type == "cuda":
            # cuBLAS reads this when its first handle is made; torch refuses to go on without it
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=before[2])


def _same_tokenizer(origin: Path | str, tokens: Path) -> None:
    """Refuse to continue a model on tokens of another tokenizer; ids would mean other texts."""
    theirs, ours = model_file(origin, "tokenizer.json"), tokens / "tokenizer" / "tokenizer.json"
    if theirs is not None and ours.is_file() and sha256_of(theirs) != sha256_of(ours):
        raise UserError(
            f"the model {origin} and the tokens {tokens} have different tokenizers:"
            " take tokens that were made with the model's tokenizer"
        )


def make_model(context: StageContext, config: TrainConfig) -> Any:
    """The model to train, float32 on the CPU, checked: new, from a checkpoint, or from `base`."""
    tokens, checkpoint = context.input("tokens"), context.optional_input("checkpoint")
    origins = [config.model is not None, config.base is not None, checkpoint is not None]
    if sum(origins) != 1:
        raise UserError(
            f"stage {context.name}: give exactly one of [model] sizes, base, or a checkpoint in"
            " `needs`"
        )
    tokenizer: Any = load_tokenizer(tokens / "tokenizer")
    if config.model is not None:
        model = create_llama(
            config.model,
            vocab_size=vocabulary_size(tokenizer),
            seed=context.seed,
            max_positions=config.sequence_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    elif checkpoint is not None:
        _same_tokenizer(checkpoint / "model", tokens)
        model = load_model(checkpoint / "model")
    else:
        base = config.base or ""
        model = load_model(base, download=config.download)
        _same_tokenizer(base, tokens)
    longest = getattr(model.config, "max_position_embeddings", None)
    if longest is not None and config.sequence_length > longest:
        raise UserError(
            f"sequence_length {config.sequence_length} is more than the model's {longest} positions"
        )
    check_model(model, tokenizer)
    return model


def arithmetic(config: TrainConfig, world: World) -> torch.dtype:
    """The type of the matrix products."""
    if config.dtype == "auto":
        return torch.bfloat16 if world.device.type == "cuda" else torch.float32
    return torch.bfloat16 if config.dtype == "bfloat16" else torch.float32


def _save_matrix_products(_context: Any, operation: Any, *_args: Any, **_options: Any) -> Any:
    from torch.utils.checkpoint import CheckpointPolicy

    kept = (
        torch.ops.aten.mm.default,
        torch.ops.aten._scaled_dot_product_flash_attention.default,
        torch.ops.aten._scaled_dot_product_cudnn_attention.default,
        torch.ops.aten._scaled_dot_product_efficient_attention.default,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default,
    )
    return CheckpointPolicy.MUST_SAVE if operation in kept else CheckpointPolicy.PREFER_RECOMPUTE


def checkpoint_activations(model: Any, mode: str) -> None:
    """Recompute each layer's activations in the backward pass: all, or all but matrix products.

    Wraps each layer's forward from outside, so that it does not depend on how a model of
    transformers names this; hooks of a sharded layer stay outside too.
    """
    from torch.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts

    if mode == "none":
        return
    options: dict[str, Any] = {"use_reentrant": False}
    if mode == "selective":
        options["context_fn"] = partial(create_selective_checkpoint_contexts, _save_matrix_products)
    for layer in decoder_layers(model):
        layer.forward = partial(checkpoint, layer.forward, **options)


def compiles(config: TrainConfig, world: World, flops: float) -> tuple[bool, str]:
    """Whether to compile a run of `flops` in all, and why."""
    on_cpu = world.device.type == "cpu"
    compiler = next((name for name in ("g++", "clang++", "c++") if shutil.which(name)), None)
    if config.compile is False:
        return False, "compile = false"
    if config.compile is True:
        if on_cpu and compiler is None:
            raise UserError('compile = true needs a C++ compiler on a CPU; use compile = "auto"')
        return True, "compile = true"
    if not on_cpu:
        return True, "auto: a CUDA device"
    if compiler is None:
        return False, "auto: no C++ compiler"
    return flops > _CPU_FLOPS_THAT_PAY, f"auto: {flops:.1e} flops on a CPU"


def compiled(model: Any, objective: Objective, world: World) -> Objective:
    """The objective to call: compiled whole, or, with several processes, layer by layer."""
    if world.size == 1:
        fast: Objective = torch.compile(objective, dynamic=False)
        return fast
    for layer in decoder_layers(model):
        layer.compile()
    return objective
