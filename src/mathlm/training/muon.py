"""Muon: momentum whose update is made orthogonal by a few Newton-Schulz steps.

For matrices between the embeddings only (`optimizer` chooses them). Source: Jordan et al. 2024
(KellerJordan/Muon); updates scaled to the size of AdamW's by 0.2 sqrt(max(rows, columns)) as in
arXiv 2502.16982, so that learning rate and weight decay mean what they mean there. torch.optim.Muon
is the same but iterates in bfloat16 always: 20 times slower where the processor has no such
instructions (measured), which is why the iteration here keeps float32 on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5
_TINY = 1e-7


def orthogonal(matrix_RC: Tensor) -> Tensor:
    """The matrix with its singular values brought near 1 (0.7 to 1.2); same shape and type."""
    a, b, c = _COEFFICIENTS
    kind = torch.float32 if matrix_RC.device.type == "cpu" else torch.bfloat16
    x = matrix_RC.to(kind)
    tall = x.size(0) > x.size(1)
    if tall:
        x = x.mT
    x = x / x.norm().clamp(min=_TINY)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrix_RC.dtype)


class Muon(Optimizer):  # type: ignore[misc]
    """Muon with Nesterov momentum and decoupled weight decay; parameters are matrices."""

    def __init__(
        self, weights: Iterable[Tensor], *, lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(list(weights), defaults)
        for group in self.param_groups:
            if any(weight.ndim != 2 for weight in group["params"]):
                raise ValueError("Muon takes matrices only")

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every weight that has a gradient; a closure's value is handed through."""
        value = None
        if closure is not None:
            with torch.enable_grad():
                value = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group)
        return value

    def _update(self, weight: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        buffer, momentum = state["momentum_buffer"], group["momentum"]
        buffer.lerp_(weight.grad, 1 - momentum)
        update = orthogonal(torch.lerp(weight.grad, buffer, momentum))
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(update, alpha=-group["lr"] * 0.2 * max(weight.shape) ** 0.5)
