"""Settings of the `perplexity` stage; no torch here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mathlm.core.stage import StageConfig, neutral


class PerplexityConfig(StageConfig):
    """Bits per byte of a model on the held-out stores, source by source."""

    model: str | None = None
    """A Hugging Face folder or id, where no role `model` names a `train` stage."""
    window: int | None = Field(None, ge=1)
    """Tokens that the model reads at once; None: as many as it has positions, at most 4096."""
    stride: int | None = Field(None, ge=1)
    """Tokens between windows of a long document; None: half the window."""
    max_bytes_per_source: int | None = Field(None, ge=1)
    """UTF-8 bytes of held-out text a source (whole documents, the first ones); None: all."""
    confidence: float = Field(0.95, gt=0, lt=1)
    """Of the bootstrap interval over documents."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type of weights and arithmetic; auto: bfloat16 on CUDA, else float32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model runs; auto: a CUDA device if there is one."""
    batch_tokens: int | None = neutral(None, ge=1)
    """Tokens through the model at once; None: 2048 on a CPU, 16 384 on CUDA."""
    download: bool = neutral(False)
    """Whether `model` may be fetched from the Hugging Face hub."""


def expect(config: PerplexityConfig) -> str:
    """One line on what the stage will do, for `--dry-run`."""
    much = "all bytes"
    if config.max_bytes_per_source is not None:
        much = f"at most {config.max_bytes_per_source / 1e6:g} MB"
    return f"bits per byte on {much} of every held-out source"
