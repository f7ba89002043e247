"""Loads a causal language model or a tokenizer of the Hugging Face layout: safetensors, no code.

Not here: remote code (never run), pickled weights (refused). A model whose file lacks a weight is
refused, since transformers would fill it with random numbers and only warn
(pytorch/torchtitan#2053: weights silently not loaded, loss 12).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from mathlm.core.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without transformers' own progress bars in the block: progress is the caller's to show."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _refusal(what: str, where: str, error: Exception) -> UserError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return UserError(f"cannot load the {what} {where!r}: {lines[0]}")


def _require_there(where: str, marker: str, *, download: bool) -> None:
    """Refuse early a folder without `marker`, and a name neither there nor to be fetched."""
    path = Path(where)
    if path.is_dir():
        if not (path / marker).is_file():
            raise UserError(f"{where} is no model folder: it has no {marker}")
    elif path.is_absolute() or where.startswith((".", "~")):
        raise UserError(f"no such folder: {where}")
    elif not download and model_file(where, marker) is None:
        raise UserError(
            f"{where!r} is neither a folder nor in the local Hugging Face cache;"
            " give a folder, or allow the download (download=true)"
        )


def model_file(path_or_id: str | Path, name: str) -> Path | None:
    """The local path of a file of a model's folder, or of its cached download; None if absent."""
    path = Path(path_or_id) / name
    if Path(path_or_id).is_dir():
        return path if path.is_file() else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(str(path_or_id), name)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def load_model(
    path_or_id: str | Path,
    *,
    dtype: str = "float32",
    device: str | torch.device = "cpu",
    download: bool = False,
) -> PreTrainedModel:
    """The causal language model of a folder, or of the Hugging Face hub by its id.

    `dtype` is one of `DTYPES`. The hub is asked only when `download` is true; without it the
    local cache may serve. Raises `UserError` of one line where there is no whole model.
    """
    where = str(path_or_id)
    _require_there(where, "config.json", download=download)
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        with quiet_transformers():
            model, report = AutoModelForCausalLM.from_pretrained(
                where,
                dtype=DTYPES[dtype],
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=not download,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _refusal("model", where, error) from error
    lacking = sorted(report.get("missing_keys", ())) + sorted(
        str(key) for key in report.get("mismatched_keys", ())
    )
    if lacking:
        raise UserError(f"the model {where!r} lacks weights or has wrong shapes: {lacking[0]}, …")
    moved: PreTrainedModel = model.to(device).eval()
    return moved


def load_tokenizer(path_or_id: str | Path, *, download: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder, or of the Hugging Face hub by its id; errors as `load_model`."""
    where = str(path_or_id)
    _require_there(where, "tokenizer_config.json", download=download)
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(
            where, trust_remote_code=False, local_files_only=not download
        )
    except (OSError, ValueError, KeyError) as error:
        raise _refusal("tokenizer", where, error) from error
    loaded: PreTrainedTokenizerBase = tokenizer
    return loaded
