"""AdamW with Llemma's weight-decay groups, Muon, and the clipping of gradients without waiting.

Not a schedule (`schedule`). Muon (`muon`) takes the matrices between the embeddings, AdamW the
rest, both with the same learning rate. Weight decay holds for matrices, embeddings included, and
not for norms and biases: `get_params_for_weight_decay_optimization` in EleutherAI/gpt-neox.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mathlm.training.config import TrainConfig
from mathlm.training.muon import Muon


def make_optimizers(model: nn.Module, config: TrainConfig) -> tuple[Optimizer, ...]:
    """Fresh optimizers over the model's trainable parameters, each parameter in one of them."""
    if config.optimizer == "adamw":
        return (_adamw(model.parameters(), config),)
    embeddings = {id(module.weight) for module in _embeddings(model)}
    hidden = [
        weight
        for weight in model.parameters()
        if weight.requires_grad and weight.ndim == 2 and id(weight) not in embeddings
    ]
    chosen = {id(weight) for weight in hidden}
    muon = Muon(hidden, lr=config.learning_rate, weight_decay=config.weight_decay)
    rest = (weight for weight in model.parameters() if id(weight) not in chosen)
    return (muon, _adamw(rest, config))


def _embeddings(model: nn.Module) -> list[nn.Module]:
    """Input and output embeddings: rows are tokens there, not directions of a linear map."""
    found = [model.get_input_embeddings(), model.get_output_embeddings()]
    return [module for module in found if module is not None]


def _adamw(weights: Iterable[Tensor], config: TrainConfig) -> torch.optim.AdamW:
    """AdamW; fused where the device has the kernel."""
    parameters = [weight for weight in weights if weight.requires_grad]
    groups = [
        {"params": [w for w in parameters if w.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [w for w in parameters if w.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.eps,
        fused=parameters[0].device.type in ("cpu", "cuda"),
    )


def set_learning_rate(optimizers: Sequence[Optimizer], rate: float) -> None:
    """Set the rate of all groups."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate


def _local(gradient: Tensor) -> Tensor:
    return gradient.to_local() if hasattr(gradient, "to_local") else gradient


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


@torch.no_grad()  # type: ignore[untyped-decorator]
def scale_and_clip(parameters: Iterable[Tensor], scale: Tensor, clip: float) -> Tensor:
    """Multiply the gradients by `scale`, then clip their norm; the norm after scaling, unclipped.

    Everything stays on the device: nothing waits for the result. Works on sharded gradients.
    """
    gradients = [weight.grad for weight in parameters if weight.grad is not None]
    norm = _whole(torch.nn.utils.get_total_norm(gradients, foreach=True)) * scale
    factor = scale
    if clip > 0:
        factor = scale * torch.clamp(clip / (norm + 1e-6), max=1.0)
    torch._foreach_mul_([_local(gradient) for gradient in gradients], factor)
    return norm
