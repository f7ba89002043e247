"""Settings of the `train` stage; no torch here.

Defaults are those of a laptop run; Llemma's own numbers (branch `llemma` of EleutherAI/gpt-neox,
`configs/llemma_7b.yml`) stand beside them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mathlm.core.stage import StageConfig, neutral
from mathlm.models.sizes import ModelSizes

Schedule = Literal["cosine", "linear", "constant", "wsd"]
Dtype = Literal["auto", "float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda"]


class TrainConfig(StageConfig):
    """Train a causal language model: from scratch (`model`), from a checkpoint, or from `base`."""

    model: ModelSizes | None = None
    """Sizes of a new model; None where the role `checkpoint` or `base` gives the weights."""
    base: str | None = None
    """A Hugging Face folder or id to start from (`codellama/CodeLlama-7b-hf`)."""
    weights: dict[str, float] = Field(default_factory=dict)
    """Share of the sequences by source (any scale); empty: in proportion to their tokens."""
    sequence_length: int = Field(256, ge=2)
    """Tokens a sequence (Llemma: 4096)."""
    batch_tokens: int = Field(2048, ge=2)
    """Tokens an optimizer step, over all devices (Llemma: 4 194 304)."""
    micro_batch_tokens: int = Field(16_384, ge=2)
    """Most tokens that one device takes through the model at once (Llemma 7B: 16 384)."""
    steps: int = Field(ge=1)
    """Optimizer steps (Llemma 7B: 42 000 of a planned 48 000)."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """Llemma used AdamW; `muon` takes the matrices between the embeddings, AdamW the rest."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate (Llemma: 1e-4 for 7B, 5e-5 for 34B)."""
    warmup_steps: int = Field(20, ge=0)
    """Steps of linear growth from 0, also when training continues (Llemma: 500)."""
    schedule: Schedule = "cosine"
    """What follows the warm-up; `wsd` holds the peak and falls linearly in the last part."""
    final_ratio: float = Field(0.033, ge=0, le=1)
    """Last learning rate over the peak (Llemma: 0.033)."""
    decay_share: float = Field(0.2, gt=0, le=1)
    """Part of the steps in which `wsd` falls (arXiv 2405.18392: 0.2)."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Adam's betas (Llemma's)."""
    eps: float = Field(1e-8, gt=0)
    """Adam's epsilon (Llemma's)."""
    weight_decay: float = Field(0.1, ge=0)
    """Decoupled weight decay of the matrices; norms and biases have none (Llemma's)."""
    clip: float = Field(1.0, ge=0)
    """Largest norm of the gradient (Llemma: 1.0); 0 leaves it as it is."""
    device: Device = "auto"
    """Where to train; auto: a CUDA device if there is one."""
    dtype: Dtype = "auto"
    """Type of the arithmetic; weights and moments are float32. auto: bfloat16 on CUDA."""
    save_dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the saved model's weights."""
    compile: Literal["auto"] | bool = "auto"
    """Whether torch.compile is used; auto: on CUDA, and on a CPU for very long runs."""
    activation_checkpointing: Literal["none", "selective", "full"] = "none"
    """Which activations are computed again in the backward pass, to save memory (Llemma: full)."""
    deterministic: bool = False
    """Whether a CUDA run must give the same bits each time (slower); a CPU run always does."""
    checkpoint_every: int = neutral(100, ge=1)
    """Steps between checkpoints (Llemma: 500)."""
    keep_checkpoints: int = neutral(2, ge=1)
    """How many of the newest checkpoints stay on the disk."""
    validate_every: int = Field(100, ge=0)
    """Steps between measurements on the held-out stores, at step 0 too (Llemma: 250); 0: none."""
    validation_bytes: int = Field(16_384, ge=1)
    """Bytes of held-out text a source that a measurement reads (whole documents)."""
    download: bool = neutral(False)
    """Whether `base` may be fetched from the Hugging Face hub."""

    @model_validator(mode="after")
    def _consistent(self) -> TrainConfig:
        if self.batch_tokens % self.sequence_length:
            raise ValueError(
                f"batch_tokens {self.batch_tokens} must be a multiple of"
                f" sequence_length {self.sequence_length}"
            )
        if self.model is not None and self.base is not None:
            raise ValueError("give [model] sizes or base, not both")
        if any(not weight >= 0 for weight in self.weights.values()):
            raise ValueError("weights must not be negative")
        return self

    @property
    def batch_sequences(self) -> int:
        """Sequences an optimizer step, over all devices."""
        return self.batch_tokens // self.sequence_length


def expect(config: TrainConfig) -> str:
    """One line on what the stage will do, for `--dry-run`."""
    tokens = config.steps * config.batch_tokens
    what = f"{config.steps} steps x {config.batch_tokens} tokens = {tokens / 1e6:.2f} M tokens"
    if config.base is not None:
        return f"{what} from {config.base}"
    if config.model is not None:
        return f"{what} of a new model, {config.model.layers} layers x {config.model.hidden}"
    return f"{what} from a checkpoint"
