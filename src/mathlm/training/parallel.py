"""Where a run's processes are: one process, or those that torchrun started, sharded by FSDP2.

Not a launcher. A single process wraps nothing; several shard every decoder layer (PyTorch
`fully_shard`, DTensor; Zhao et al., arXiv 2304.11277), and the loop is the same.
"""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mathlm.core.errors import UserError


@dataclass(frozen=True)
class World:
    """One process among those of the run."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def to_device(self, tensor: Tensor) -> Tensor:
        """The tensor on this process's device, copied without waiting."""
        if self.device.type == "cpu":
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def wait(self) -> None:
        """Return when every process is here."""
        if self.size > 1:
            dist.barrier()


def choose_device(name: str) -> torch.device:
    """The device that a setting names; `auto` is a CUDA device if there is one."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError('device = "cuda", but torch finds no CUDA device here; use "auto"')
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


@contextlib.contextmanager
def open_world(device: str) -> Iterator[World]:
    """The processes of this run; joins those that torchrun started, once for all stages."""
    where = choose_device(device)
    if not (dist.is_initialized() or dist.is_torchelastic_launched()):
        yield World(0, 1, where)
        return
    if where.type == "cuda":
        where = torch.device("cuda", dist.get_node_local_rank(fallback_rank=0))
        torch.cuda.set_device(where)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if where.type == "cuda" else "gloo")
        # torchrun's store takes part in one start only, and a run has several training stages:
        # the group is left when the process ends.
        atexit.register(_leave)
    yield World(dist.get_rank(), dist.get_world_size(), where)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


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
