"""Checkpoints of weights and optimizer: committed whole, readable by another number of processes.

Not an export (`mathlm.models.save`). `checkpoints/step-000100/` holds PyTorch DCP's files (each
process writes its shards; keys are parameters' names, so any world size reads them) and
`state.json`. There is no state of random numbers: each step seeds its own (`loop`), and the data's
order is a function of the sample index. Several nodes need a directory that all of them see.
"""

from __future__ import annotations

import contextlib
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.optim import Optimizer

from mathlm.core.storage import atomic_group, changed_files, read_json, read_manifest, write_json
from mathlm.training.parallel import World

STATE = "state.json"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without DCP's warning that a single process is a single process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _tensors(model: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
    return {
        "model": get_model_state_dict(model),
        "optimizer": get_optimizer_state_dict(model, optimizer),
    }


def committed(root: Path) -> list[Path]:
    """Whole checkpoints below `root`, oldest first."""
    found = (path for path in root.glob("step-*") if read_manifest(path) is not None)
    return sorted(path for path in found if path.name.removeprefix("step-").isdigit())


def save_checkpoint(
    root: Path,
    model: nn.Module,
    optimizer: Optimizer,
    *,
    state: Mapping[str, Any],
    world: World,
    keep: int,
) -> None:
    """Commit `root/step-N` (N is `state["step"]`), then remove all but the newest `keep`.

    Called by all processes at once. A kill at any moment leaves the older checkpoints whole.
    """
    target = root / f"step-{state['step']:06d}"
    with contextlib.ExitStack() as stack:
        if world.first:
            part = stack.enter_context(atomic_group(target))
            write_json(part / STATE, dict(state))
        world.wait()
        stack.enter_context(_quiet())
        dcp.save(
            _tensors(model, optimizer),
            checkpoint_id=str(target.with_name(target.name + ".part")),
            no_dist=world.size == 1,
        )
        world.wait()
    if world.first:
        for old in committed(root)[:-keep]:
            shutil.rmtree(old)
    world.wait()


def newest_checkpoint(root: Path) -> Path | None:
    """The newest checkpoint whose files are all as they were written, or None."""
    return next((path for path in reversed(committed(root)) if not changed_files(path)), None)


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The `state` with which a checkpoint was saved."""
    return dict(read_json(checkpoint / STATE))


def load_checkpoint(
    checkpoint: Path, model: nn.Module, optimizer: Optimizer, *, world: World
) -> None:
    """Fill the model and the optimizer in place, each process with its shards."""
    with _quiet():
        tensors = _tensors(model, optimizer)
        dcp.load(tensors, checkpoint_id=str(checkpoint), no_dist=world.size == 1)
        set_model_state_dict(model, tensors["model"])
        set_optimizer_state_dict(model, optimizer, optim_state_dict=tensors["optimizer"])
