"""The learning rate of a step: a function of the step alone, so that a resumed run needs no state.

Not an optimizer. Cosine is the formula of the `llemma` branch of EleutherAI/gpt-neox
(`megatron/learning_rates.py`): linear from 0 over the warm-up, then
lr (r + (1 - r) (1 + cos(pi t / (T - W))) / 2) with t counted from the end of the warm-up.
`wsd` is warm-up, stable, decay (Hu et al., arXiv 2404.06395).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from mathlm.training.config import TrainConfig


def _cosine(t: float, _config: TrainConfig) -> float:
    return 0.5 * (1 + math.cos(math.pi * t))


def _linear(t: float, _config: TrainConfig) -> float:
    return 1 - t


def _constant(_t: float, _config: TrainConfig) -> float:
    return 1.0


def _wsd(t: float, config: TrainConfig) -> float:
    return min(1.0, (1 - t) / config.decay_share)


SHAPES: dict[str, Callable[[float, TrainConfig], float]] = {
    "cosine": _cosine,
    "linear": _linear,
    "constant": _constant,
    "wsd": _wsd,
}
"""Height above the final rate, from 1 to 0, by the share t of the steps after the warm-up."""


def learning_rate(config: TrainConfig, step: int) -> float:
    """The rate of optimizer step `step`, counted from 1 to `config.steps`."""
    if step < config.warmup_steps:
        return config.learning_rate * step / config.warmup_steps
    t = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    height = SHAPES[config.schedule](min(1.0, t), config)
    return config.learning_rate * (config.final_ratio + (1 - config.final_ratio) * height)
