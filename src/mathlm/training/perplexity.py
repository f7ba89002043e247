"""The `perplexity` stage: bits per byte of a model on every held-out store, with intervals.

Not the probability of a task's answers (`mathlm.solving`). Writes `results.json` and, for paired
tests, `documents.jsonl` with the bits and the bytes of each document.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mathlm.core.errors import UserError
from mathlm.core.stage import StageContext
from mathlm.core.storage import atomic_file, write_json
from mathlm.core.world import choose_device
from mathlm.models import check_model, load_model, load_tokenizer
from mathlm.stats import bootstrap_ratio
from mathlm.training.heldout import Heldout, heldout_documents
from mathlm.training.perplexity_config import PerplexityConfig
from mathlm.training.scoring import default_batch_tokens, nats_of_documents
from mathlm.training.setup import session

_LONGEST = 4096


def run(context: StageContext, config: PerplexityConfig) -> None:
    """Fill the stage's directory with `documents.jsonl` and `results.json`."""
    heldout = heldout_documents(context.input("tokens"), config.max_bytes_per_source)
    if not heldout:
        raise UserError(f"stage {context.name}: the tokens have no held-out documents")
    device = choose_device(config.device)
    with session(device, threads=context.workers, deterministic=False):
        label, model = _open_model(context, config, device)
        bits = _bits_of_sources(context, config, model=model, heldout=heldout)
    _write_documents(context, heldout, bits)
    results = [
        _result(label, name, bits=bits[name], found=found, config=config, seed=context.seed)
        for name, found in heldout.items()
    ]
    write_json(context.directory / "results.json", results)


def _open_model(
    context: StageContext, config: PerplexityConfig, device: torch.device
) -> tuple[str, Any]:
    """The model in evaluation mode, checked against the tokens' tokenizer, and its label."""
    role = context.inputs.get("model")
    if bool(role) == (config.model is not None):
        raise UserError(f"stage {context.name}: give a `model`, by `needs` or as a setting")
    dtype = config.dtype
    if dtype == "auto":
        dtype = "bfloat16" if device.type == "cuda" else "float32"
    where = str(role[0].directory / "model") if role else str(config.model)
    model = load_model(where, dtype=dtype, device=device, download=config.download)
    check_model(model, load_tokenizer(context.input("tokens") / "tokenizer"))
    return (role[0].name if role else where), model


def _window(model: Any, config: PerplexityConfig) -> int:
    longest = getattr(model.config, "max_position_embeddings", _LONGEST)
    if config.window is not None and config.window > longest:
        raise UserError(f"window {config.window} is more than the model's {longest} positions")
    return config.window or min(longest, _LONGEST)


def _bits_of_sources(
    context: StageContext, config: PerplexityConfig, *, model: Any, heldout: Mapping[str, Heldout]
) -> dict[str, NDArray[np.float64]]:
    """Bits of each document, by source."""
    window = _window(model, config)
    bits = {}
    with context.progress.task(f"perplexity {context.name}", len(heldout), "sources") as task:
        for name, found in heldout.items():
            nats = nats_of_documents(
                model,
                found.documents,
                first_id=found.end_id,
                window=window,
                stride=min(config.stride or max(1, window // 2), window),
                batch_tokens=config.batch_tokens or default_batch_tokens(model.device),
            )
            bits[name] = nats / math.log(2)
            task.advance()
    return bits


def _write_documents(
    context: StageContext, heldout: Mapping[str, Heldout], bits: Mapping[str, NDArray[np.float64]]
) -> None:
    """One line a document, in the stores' order; bits rounded to a millionth."""
    with atomic_file(context.directory / "documents.jsonl") as file:
        for name, found in heldout.items():
            for index, (bit, size) in enumerate(zip(bits[name], found.bytes, strict=True)):
                line = {
                    "task": name,
                    "index": index,
                    "bits": round(float(bit), 6),
                    "bytes": int(size),
                }
                file.write(json.dumps(line, allow_nan=False).encode("utf-8") + b"\n")


def _result(
    label: str,
    name: str,
    *,
    bits: NDArray[np.float64],
    found: Heldout,
    config: PerplexityConfig,
    seed: int,
) -> dict[str, Any]:
    """The line of one source in `results.json`; `n` counts documents."""
    there = found.bytes > 0
    interval = bootstrap_ratio(
        bits[there].tolist(),
        found.bytes[there].tolist(),
        confidence=config.confidence,
        seed=seed,
    )
    return {
        "model": label,
        "task": name,
        "metric": "bits_per_byte",
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
    }
