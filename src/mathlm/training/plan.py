"""What a training run will need before it runs: memory a device, tokens a second, hours, cost.

An estimate from the model's sizes and the device's data sheet, not a measurement; no torch here.
Memory: float32 weights, gradients and two moments, 16 bytes a parameter, shared by the devices
(`fully_shard`), plus gathered layers, activations and logits. Speed: the device's peak times a
share that published runs of the kind reach (35 % for Llemma 7B on A100, 46 % for the best
bfloat16 runs of 7B on H100 without recomputation: fms-fsdp, llm-foundry).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mathlm.core.errors import UserError
from mathlm.models.sizes import ModelSizes
from mathlm.training.config import TrainConfig
from mathlm.training.devices import DEVICES, Device

_GIB = 2.0**30
_MFU = {"gpu": 0.40, "cpu": 0.50}
_RECOMPUTE = {"none": 1.0, "selective": 0.95, "full": 0.75}
"""Share of the speed that is left when activations are computed again: a third more work for
`full`; matrix products are kept by `selective`."""

KNOWN_MODELS: dict[str, tuple[ModelSizes, int]] = {
    "codellama/CodeLlama-7b-hf": (
        ModelSizes(layers=32, hidden=4096, heads=32, intermediate=11_008),
        32_016,
    ),
    "codellama/CodeLlama-34b-hf": (
        ModelSizes(layers=48, hidden=8192, heads=64, kv_heads=8, intermediate=22_016),
        32_000,
    ),
    "EleutherAI/llemma_7b": (
        ModelSizes(layers=32, hidden=4096, heads=32, intermediate=11_008),
        32_016,
    ),
    "meta-llama/Llama-2-7b-hf": (
        ModelSizes(layers=32, hidden=4096, heads=32, intermediate=11_008),
        32_000,
    ),
}
"""Sizes and vocabulary of models that recipes name by their id (their `config.json`)."""


@dataclass(frozen=True)
class Hardware:
    """So many devices of a kind."""

    device: Device
    count: int
    is_cpu: bool


@dataclass(frozen=True)
class Estimate:
    """What a run needs; memory is of one device."""

    parameters: int
    tokens: int
    memory_gib: float
    fits: bool
    tokens_per_s: float
    """Over all devices."""
    hours: float
    device_hours: float

    def as_dict(self) -> dict[str, Any]:
        """The numbers by name, rounded for reading."""
        return {
            name: round(value, 2) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def parse_hardware(text: str) -> Hardware:
    """`h200:8` as hardware; the number may be left out."""
    name, _, number = text.lower().partition(":")
    if name not in DEVICES:
        raise UserError(f"hardware {name!r} is unknown; known: {', '.join(DEVICES)}")
    if number and not (number.isdecimal() and int(number) > 0):
        raise UserError(f"hardware {text!r}: after the colon stands a number of devices, as h200:8")
    return Hardware(DEVICES[name], int(number or 1), is_cpu=name == "cpu")


def flops_per_token(sizes: ModelSizes, vocab_size: int, sequence_length: int) -> float:
    """Model flops of one token, forward and backward, as `speed.flops_per_token` counts them."""
    counted = sizes.parameters(vocab_size) - (0 if sizes.tied else vocab_size * sizes.hidden)
    return 6.0 * counted + 12.0 * sizes.layers * sizes.hidden * sequence_length


def _activation_numbers(sizes: ModelSizes, mode: str) -> float:
    """Numbers kept for the backward pass, by token, over all layers."""
    shared = 2 * sizes.hidden * sizes.key_value_heads / sizes.heads
    everything = 4 * sizes.mlp_width + 3 * sizes.hidden + shared
    products = 2 * sizes.mlp_width + 3 * sizes.hidden + shared
    kept = {"none": everything, "selective": products, "full": sizes.hidden}[mode]
    again = 0 if mode == "none" else everything  # the layer that is being computed again
    return sizes.layers * kept + again


def _memory(sizes: ModelSizes, vocab_size: int, config: TrainConfig, hardware: Hardware) -> float:
    """Bytes on one device."""
    parameters = sizes.parameters(vocab_size)
    width = 4 if hardware.is_cpu or config.dtype == "float32" else 2
    devices = 1 if hardware.is_cpu else hardware.count
    layer = (parameters - 2 * vocab_size * sizes.hidden) / sizes.layers
    gathered = 0.0 if devices == 1 else width * (2 * layer + 2 * vocab_size * sizes.hidden)
    copies = 0.0 if devices > 1 or width == 4 else width * parameters
    share = config.batch_tokens // devices
    tokens = min(max(config.micro_batch_tokens, config.sequence_length), share)
    activations = tokens * width * _activation_numbers(sizes, config.activation_checkpointing)
    logits = tokens * vocab_size * (width + 8)
    return 16 * parameters / devices + gathered + copies + activations + logits


def estimate(
    sizes: ModelSizes, vocab_size: int, config: TrainConfig, hardware: Hardware
) -> Estimate:
    """Memory, speed and time of a run of `config` on `hardware`."""
    peak = hardware.device.peak_flops * hardware.count
    share = _MFU["cpu" if hardware.is_cpu else "gpu"]
    share *= _RECOMPUTE[config.activation_checkpointing]
    speed = peak * share / flops_per_token(sizes, vocab_size, config.sequence_length)
    tokens = config.steps * config.batch_tokens
    memory = _memory(sizes, vocab_size, config, hardware) / _GIB
    hours = tokens / speed / 3600
    room = hardware.device.memory_gib
    return Estimate(
        parameters=sizes.parameters(vocab_size),
        tokens=tokens,
        memory_gib=memory,
        fits=room == 0 or memory < 0.95 * room,
        tokens_per_s=speed,
        hours=hours,
        device_hours=hours * hardware.count,
    )
