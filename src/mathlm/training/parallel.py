"""How a model is spread over the run's processes (`core.world`): sharded by FSDP2.

Not a launcher. A single process wraps nothing; several shard every decoder layer (PyTorch
`fully_shard`, DTensor; Zhao et al., arXiv 2304.11277), and the loop is the same.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from mathlm.core.errors import UserError
from mathlm.core.world import World


def decoder_layers(model: nn.Module) -> nn.ModuleList:
    """The list of the model's decoder layers: its `ModuleList` with the most parameters."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise UserError(f"{type(model).__name__} has no list of layers to shard")
    return max(lists, key=lambda found: sum(weight.numel() for weight in found.parameters()))


def shard(model: Any, world: World, dtype: torch.dtype) -> Any:
    """Put the model on the device; with several processes, shard its layers and itself.

    Sharded weights stay float32; layers are gathered in `dtype`, gradients are summed in float32.
    """
    if world.size == 1:
        return model.to(world.device)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(world.device.type, (world.size,))
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    for layer in decoder_layers(model):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    return fully_shard(model, mesh=mesh, mp_policy=policy)
