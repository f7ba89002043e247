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
from collections.abc import Iterator, Mapping, Sequence
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
from mathlm.core.world import World

STATE = "state.json"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without DCP's warning that a single process is a single process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _tensors(model: nn.Module, optimizers: Sequence[Optimizer]) -> dict[str, Any]:
    return {
        "model": get_model_state_dict(model),
        "optimizer": get_optimizer_state_dict(model, optimizers),
    }


def committed(root: Path) -> list[Path]:
    """Whole checkpoints below `root`, oldest first."""
    found = (path for path in root.glob("step-*") if path.name.removeprefix("step-").isdigit())
    return sorted((path for path in found if read_manifest(path) is not None), key=step_of)


def step_of(checkpoint: Path) -> int:
    """The step after which a checkpoint was saved, by its name."""
    return int(checkpoint.name.removeprefix("step-"))


def save_checkpoint(
    root: Path,
    model: nn.Module,
    optimizers: Sequence[Optimizer],
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
            _tensors(model, optimizers),
            checkpoint_id=str(target.with_name(target.name + ".part")),
            no_dist=world.size == 1,
        )
        world.wait()
    if world.first:
        sweep_checkpoints(root, upto=int(state["step"]), keep=keep)
    world.wait()


def sweep_checkpoints(root: Path, *, upto: int, keep: int) -> None:
    """Leave the newest `keep` of the checkpoints up to a step; nothing else stays below `root`.

    Later ones are damaged where a run continues from an earlier one; others were half written or
    half removed by killed runs.
    """
    kept = [path for path in committed(root) if step_of(path) <= upto][-keep:]
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if path not in kept:
            shutil.rmtree(path)


def newest_checkpoint(root: Path) -> Path | None:
    """The newest checkpoint whose files are all as they were written, or None."""
    return next((path for path in reversed(committed(root)) if not changed_files(path)), None)


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The `state` with which a checkpoint was saved."""
    return dict(read_json(checkpoint / STATE))


def load_checkpoint(
    checkpoint: Path, model: nn.Module, optimizers: Sequence[Optimizer], *, world: World
) -> None:
    """Fill the model and the optimizer in place, each process with its shards."""
    with _quiet():
        tensors = _tensors(model, optimizers)
        dcp.load(tensors, checkpoint_id=str(checkpoint), no_dist=world.size == 1)
        set_model_state_dict(model, tensors["model"])
        set_optimizer_state_dict(model, optimizers, optim_state_dict=tensors["optimizer"])
