"""The numbers of a decoder of the Llama family, and what follows from them without torch.

Not here: the model itself (`create`). Counts hold for `LlamaForCausalLM` without biases
(Touvron et al., arXiv 2302.13971): RMSNorm, SwiGLU, rotary positions.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ModelSizes(BaseModel):
    """Sizes of a Llama that is trained from scratch."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    layers: int = Field(4, ge=1)
    """Decoder layers."""
    hidden: int = Field(128, ge=2)
    """Width of the residual stream."""
    heads: int = Field(4, ge=1)
    """Query heads; `hidden / heads` is the width of one, and even (rotary positions)."""
    kv_heads: int | None = Field(None, ge=1)
    """Key and value heads (grouped-query attention, arXiv 2305.13245); None: as many as `heads`."""
    intermediate: int | None = Field(None, ge=1)
    """Width of the gated MLP; None: 8/3 of `hidden`, rounded up to a multiple of 32."""
    max_positions: int | None = Field(None, ge=2)
    """Longest sequence in tokens; None: the sequence length of training."""
    rope_base: float = Field(10_000.0, gt=1)
    """Base of the rotary positions (Llemma 7B: 10 000)."""
    norm_eps: float = Field(1e-5, gt=0)
    """Epsilon of RMSNorm (Llemma: 1e-5)."""
    tied: bool = False
    """Whether the output layer shares the embedding's weights (Llemma: no)."""

    @model_validator(mode="after")
    def _divisible(self) -> ModelSizes:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden {self.hidden} must be an even multiple of heads {self.heads}")
        if self.heads % self.key_value_heads:
            raise ValueError(
                f"heads {self.heads} must be a multiple of kv_heads {self.key_value_heads}"
            )
        return self

    @property
    def key_value_heads(self) -> int:
        """Key and value heads, with the default filled in."""
        return self.heads if self.kv_heads is None else self.kv_heads

    @property
    def mlp_width(self) -> int:
        """Width of the gated MLP, with the default filled in."""
        return self.intermediate or -(-self.hidden * 8 // (3 * 32)) * 32

    def parameters(self, vocab_size: int) -> int:
        """Number of parameters of the whole model, tied weights counted once."""
        attention = 2 * self.hidden**2 + 2 * self.hidden**2 * self.key_value_heads // self.heads
        layer = attention + 3 * self.hidden * self.mlp_width + 2 * self.hidden
        embeddings = vocab_size * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * layer + self.hidden
