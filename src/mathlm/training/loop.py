"""The training loop: one for every objective, one process or many.

Not a framework: the settings, the model, the optimizer and the batches are handed in, and the loop
calls visible functions. Gradients are those of sum(loss) / sum(weight) over the global batch.
Nothing in a step waits for the device; a step's numbers are read after the next one is under way.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from mathlm.core.progress import Task
from mathlm.core.storage import write_json
from mathlm.core.world import World
from mathlm.training.checkpoint import save_checkpoint
from mathlm.training.config import TrainConfig
from mathlm.training.data import TokenBatches
from mathlm.training.guard import LossGuard, batch_description, divergence
from mathlm.training.heldout import Heldout, bits_per_byte
from mathlm.training.metrics import MetricsFile, SpeedLog
from mathlm.training.objectives import Objective
from mathlm.training.optimizer import scale_and_clip, set_learning_rate
from mathlm.training.schedule import learning_rate
from mathlm.training.speed import peak_memory_mib


@dataclass(frozen=True)
class Run:
    """What a run works on."""

    config: TrainConfig
    model: Any
    optimizers: tuple[Optimizer, ...]
    batches: TokenBatches
    objective: Objective
    world: World
    seed: int
    autocast: torch.dtype | None
    """The type of matrix products where the weights have another; None: as the weights."""
    heldout: Mapping[str, Heldout]
    """Held-out documents by source, for the measurements on the way."""
    directory: Path
    """The stage's directory."""
    fingerprint: str
    """A hash of the settings, kept in each checkpoint."""


@dataclass(frozen=True)
class Records:
    """Where the first process writes what the run does; the others hold a silent task alone."""

    task: Task
    metrics: MetricsFile | None = None
    speed: SpeedLog | None = None
    guard: LossGuard = field(default_factory=LossGuard)


@dataclass(frozen=True)
class Outcome:
    """What a step gave, still on the device: mean loss in nats, norm before clipping."""

    step: int
    loss: Tensor
    grad_norm: Tensor


def _seed_step(run: Run, step: int) -> None:
    """Make random numbers (dropout) a function of seed, step and process: nothing to save."""
    digest = hashlib.sha256(f"{run.seed}:{step}:{run.world.rank}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def _precision(run: Run) -> contextlib.AbstractContextManager[Any]:
    if run.autocast is None:
        return contextlib.nullcontext()
    mode: contextlib.AbstractContextManager[Any] = torch.autocast(
        run.world.device.type, dtype=run.autocast
    )
    return mode


def train_step(run: Run, step: int) -> Outcome:
    """One optimizer step on the batch of `step`, counted from 1."""
    _seed_step(run, step)
    set_learning_rate(run.optimizers, learning_rate(run.config, step))
    # backward needs a divisor before the total weight is known: the number of tokens, corrected
    # below. Sharded gradients come out averaged over processes, so their number is taken back.
    nominal = run.config.batch_tokens / run.world.size
    totals = torch.zeros(2, device=run.world.device)
    for batch in run.batches.micro_batches(step):
        with _precision(run):
            loss_sum, weight_sum, _ = run.objective(run.model, batch)
        (loss_sum / nominal).backward()
        totals += torch.stack([loss_sum.detach(), weight_sum])
    loss, weight = run.world.sum(totals)
    scale = run.config.batch_tokens / weight
    norm = scale_and_clip(run.model.parameters(), scale, run.config.clip)
    for optimizer in run.optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return Outcome(step, loss / weight, norm)


def validate(run: Run) -> dict[str, float]:
    """Bits per byte of each held-out source; every process computes all of it."""
    with _precision(run):
        return bits_per_byte(run.model, run.heldout, window=run.config.sequence_length)


def _refuse_divergence(run: Run, step: int, loss: float, grad_norm: float) -> None:
    """Stop where the loss or the gradient is no number, its samples noted in `logs/`."""
    if math.isfinite(loss) and math.isfinite(grad_norm):
        return
    span, sources = run.batches.span(step), run.batches.sources(step)
    if run.world.first:
        noted = {"step": step, **batch_description(span, sources)}
        write_json(run.directory / "logs" / "diverged.json", noted)
    raise divergence(step, loss=loss, grad_norm=grad_norm, span=span, sources=sources)


def finish_step(
    run: Run, records: Records, outcome: Outcome, bits: Mapping[str, float] | None = None
) -> None:
    """Read a step's numbers: guard, `metrics.jsonl`, speed, progress."""
    step, loss, norm = outcome.step, float(outcome.loss), float(outcome.grad_norm)
    _refuse_divergence(run, step, loss, norm)
    tokens = run.config.batch_tokens
    line = {
        "step": step,
        "tokens": step * tokens,
        "loss": loss,
        "lr": learning_rate(run.config, step),
        "grad_norm": norm,
    }
    note = f"loss {loss:.3f}"
    if records.metrics is not None and records.speed is not None:
        records.metrics.write(line if bits is None else {**line, "bits_per_byte": bits})
        records.speed.count(step, tokens, peak_memory_mib(run.world.device))
        if records.guard.is_spike(loss):
            description = batch_description(run.batches.span(step), run.batches.sources(step))
            records.speed.note_spike({"step": step, "loss": loss, **description})
        if records.speed.tokens_per_second:
            note += f", {records.speed.tokens_per_second:,.0f} tok/s"
    records.task.advance(1, note=note)


def _checkpoint(run: Run, records: Records, step: int) -> None:
    state = {
        "step": step,
        "sample": run.batches.span(step).stop,
        "metrics_bytes": records.metrics.commit() if records.metrics is not None else 0,
        "fingerprint": run.fingerprint,
    }
    save_checkpoint(
        run.directory / "checkpoints",
        run.model,
        run.optimizers,
        state=state,
        world=run.world,
        keep=run.config.keep_checkpoints,
    )


def train(run: Run, records: Records, *, done: int) -> None:
    """Train from the state after step `done` to the last step, the model's state in place."""
    every = run.config.validate_every
    if done == 0 and every:
        bits = validate(run)
        if records.metrics is not None:
            records.metrics.write({"step": 0, "tokens": 0, "bits_per_byte": bits})
    run.model.train()
    waiting: Outcome | None = None
    for step in range(done + 1, run.config.steps + 1):
        outcome = train_step(run, step)
        if waiting is not None:
            finish_step(run, records, waiting)
        waiting, last = outcome, step == run.config.steps
        measure = bool(every) and (step % every == 0 or last)
        save = step % run.config.checkpoint_every == 0 or last
        if measure or save:
            finish_step(run, records, waiting, validate(run) if measure else None)
            waiting = None
        if save:
            _checkpoint(run, records, step)
        if (measure or save) and records.speed is not None:
            records.speed.restart()
