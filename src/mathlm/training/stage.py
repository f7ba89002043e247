"""The `train` stage: from token stores and settings to `model/`, `metrics.jsonl` and `logs/`.

Not the loop (`loop`). Called again on a half-filled directory it continues from the newest whole
checkpoint and ends in the same `model/` and `metrics.jsonl` (on a CPU with the same threads).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from mathlm.core.errors import UserError
from mathlm.core.progress import Progress
from mathlm.core.stage import StageContext, effect_of
from mathlm.core.storage import read_manifest, write_json
from mathlm.core.world import World, open_world
from mathlm.models import save_model
from mathlm.training import setup
from mathlm.training.checkpoint import (
    load_checkpoint,
    newest_checkpoint,
    read_state,
    sweep_checkpoints,
)
from mathlm.training.config import TrainConfig
from mathlm.training.data import open_batches
from mathlm.training.heldout import heldout_documents
from mathlm.training.loop import Records, Run, train
from mathlm.training.metrics import METRICS, MetricsFile, SpeedLog
from mathlm.training.objectives import OBJECTIVES
from mathlm.training.optimizer import make_optimizers
from mathlm.training.parallel import shard
from mathlm.training.speed import flops_per_token, peak_flops


def run(context: StageContext, config: TrainConfig) -> None:
    """Fill the stage's directory; continues a killed run, returns at once when all is there."""
    if read_manifest(context.directory / "model") is not None:
        return
    context.directory.mkdir(parents=True, exist_ok=True)
    with (
        open_world(config.device) as world,
        setup.session(world.device, threads=context.workers, deterministic=config.deterministic),
    ):
        work = prepare(context, config, world)
        state = _resume(work, context.directory / "checkpoints")
        _train(context, work, state)
        _export(context, work)


def prepare(context: StageContext, config: TrainConfig, world: World) -> Run:
    """Model, optimizer and batches, ready for step 1; the paths taken are logged."""
    batches = open_batches(context.input("tokens"), config, seed=context.seed, world=world)
    model = setup.make_model(context, config)
    flops = flops_per_token(model, model.config, config.sequence_length)
    setup.checkpoint_activations(model, config.activation_checkpointing)
    dtype = setup.arithmetic(config, world)
    model = shard(model, world, dtype)
    fast, why = setup.compiles(config, world, flops * config.steps * config.batch_tokens)
    objective = OBJECTIVES["language_modelling"]
    if world.first:
        path = {
            "device": str(world.device),
            "processes": world.size,
            "threads": torch.get_num_threads(),
            "dtype": str(dtype),
            "compiled": fast,
            "why": why,
            "attention": model.config._attn_implementation,
            "optimizer": config.optimizer,
            "flops_per_token": flops,
            "torch": torch.__version__,
        }
        write_json(context.directory / "logs" / "path.json", path)
    return Run(
        config,
        model,
        make_optimizers(model, config),
        batches=batches,
        objective=setup.compiled(model, objective, world) if fast else objective,
        world=world,
        seed=context.seed,
        autocast=dtype if dtype != torch.float32 and world.size == 1 else None,
        heldout=heldout_documents(context.input("tokens"), config.validation_bytes),
        directory=context.directory,
        fingerprint=_fingerprint(config, context.seed),
    )


def _fingerprint(config: TrainConfig, seed: int) -> str:
    """A hash of the settings that change the output."""
    names = [name for name in TrainConfig.model_fields if effect_of(TrainConfig, name) != "none"]
    values = config.model_dump(mode="json", include=set(names))
    return hashlib.sha256(json.dumps([seed, values], sort_keys=True).encode()).hexdigest()[:16]


def _resume(work: Run, root: Path) -> dict[str, Any]:
    """The state to continue from, loaded into the model and the optimizers."""
    checkpoint = newest_checkpoint(root)
    state: dict[str, Any] = {"step": 0, "metrics_bytes": 0}
    if checkpoint is not None:
        state = read_state(checkpoint)
    if state.get("fingerprint", work.fingerprint) != work.fingerprint:
        raise UserError(
            f"{checkpoint} was made with other settings: remove {root}, or restore the settings"
        )
    work.world.wait()
    if work.world.first:
        sweep_checkpoints(root, upto=state["step"], keep=work.config.keep_checkpoints)
    if checkpoint is not None:
        load_checkpoint(checkpoint, work.model, work.optimizers, world=work.world)
    return state


def _train(context: StageContext, work: Run, state: dict[str, Any]) -> None:
    """Run the loop from `state` to the end."""
    done, first = state["step"], work.world.first
    progress = context.progress if first else Progress(quiet=True)
    with contextlib.ExitStack() as stack:
        task = stack.enter_context(
            progress.task(f"train {context.name}", total=work.config.steps, unit="steps")
        )
        task.advance(done)
        records = Records(task)
        if first:
            metrics = MetricsFile(context.directory / METRICS, size=state["metrics_bytes"])
            stack.callback(metrics.close)
            records = Records(task, metrics, _speed_log(work))
        train(work, records, done=done)


def _speed_log(work: Run) -> SpeedLog:
    peak, origin = peak_flops(work.world.device)
    flops = flops_per_token(work.model, work.model.config, work.config.sequence_length)
    return SpeedLog(
        work.directory / "logs",
        flops_per_token=flops,
        peak=peak * work.world.size,
        peak_origin=origin,
    )


def _export(context: StageContext, work: Run) -> None:
    """Write `summary.json`, then commit `model/`, which marks the stage's work as done."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights = get_model_state_dict(work.model, options=options)
    if work.world.first:
        _summarise(context, work)
        save_model(
            work.model,
            context.input("tokens") / "tokenizer",
            context.directory / "model",
            weights=weights,
            dtype=torch.bfloat16 if work.config.save_dtype == "bfloat16" else None,
        )
    work.world.wait()


def _summarise(context: StageContext, work: Run) -> None:
    """Write what the report says of a run: sizes, tokens, what each source gave."""
    config = work.config
    parameters = sum(weight.numel() for weight in work.model.parameters())
    shares = work.batches.ledger(config.steps)
    flops = flops_per_token(work.model, work.model.config, config.sequence_length)
    tokens = config.steps * config.batch_tokens
    origin = config.base
    if context.inputs.get("checkpoint"):
        origin = context.inputs["checkpoint"][0].name
    summary = {
        "model": context.name,
        "from": origin,
        "parameters": parameters,
        "steps": config.steps,
        "tokens": tokens,
        "flops": flops * tokens,
        "sources": {
            name: {
                "sequences": share.sequences,
                "tokens": share.sequences * config.sequence_length,
                "epochs": round(share.epochs, 6),
            }
            for name, share in shares.items()
        },
    }
    write_json(context.directory / "summary.json", summary)
