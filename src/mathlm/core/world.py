"""Where a run's processes are: one process, or those that torchrun started.

Training shards its model over them, solving gives each its share of the problems. torch is
imported when it is called for.
"""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mathlm.core.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_PATIENCE = timedelta(days=30)


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
            import torch.distributed as dist

            dist.all_reduce(tensor)
        return tensor

    def wait(self) -> None:
        """Return when every process is here."""
        if self.size > 1:
            import torch.distributed as dist

            dist.barrier()


def alone() -> World:
    """The only process of a run that needs no device."""
    return World(0, 1, None)


def choose_device(name: str) -> torch.device:
    """The device that a setting names; `auto` is a CUDA device if there is one."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise UserError('device = "cuda", but torch finds no CUDA device here; use "auto"')
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


@contextlib.contextmanager
def open_world(device: str) -> Iterator[World]:
    """The processes of this run; joins those that torchrun started, once for all stages."""
    import torch
    import torch.distributed as dist

    where = choose_device(device)
    if not (dist.is_initialized() or dist.is_torchelastic_launched()):
        yield World(0, 1, where)
        return
    if where.type == "cuda":
        where = torch.device("cuda", dist.get_node_local_rank(fallback_rank=0))
        torch.cuda.set_device(where)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if where.type == "cuda" else "gloo")
        # torchrun's store takes part in one start only, and a run has several parallel stages:
        # the group is left when the process ends.
        atexit.register(_leave)
    yield World(dist.get_rank(), dist.get_world_size(), where)


def _leave() -> None:
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()


@contextlib.contextmanager
def meeting(world: World) -> Iterator[Callable[[Any], list[Any]]]:
    """A function that hands in a value and returns those of all processes, by rank.

    It waits for the slowest, however long that takes: shares of work may differ by hours.
    """
    if world.size == 1:
        yield lambda value: [value]
        return
    import torch.distributed as dist

    group = dist.new_group(backend="gloo", timeout=_PATIENCE)

    def gather(value: Any) -> list[Any]:
        values = [None] * world.size
        dist.all_gather_object(values, value, group=group)
        return values

    try:
        yield gather
    finally:
        dist.destroy_process_group(group)
