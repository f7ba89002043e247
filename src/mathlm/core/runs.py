"""A run: a recipe's stages in one directory, each done once, continued after any kill.

The directory holds `recipe.toml` (resolved), `environment.json`, `manifest.jsonl` (one line a
finished stage: its identity and its files' checksums), `logs/` (clocks and memory), a folder for
each stage and copies of what people look for first (the report). A stage's *identity* is the hash
of the settings that change its output and of its inputs' identities; its *extent* is the same for
the settings marked `extends`. Same identity and extent: skipped. Same identity, another extent:
run again over what is there. Another identity: refused with the differing keys named. Not here:
what a stage does, how a recipe is read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from mathlm.core import environment
from mathlm.core.errors import UserError
from mathlm.core.memory import MemoryWatch
from mathlm.core.progress import Progress
from mathlm.core.recipe import Recipe, StageSpec, recipe_toml
from mathlm.core.stage import StageConfig, StageContext, StageInput, StageKind, effect_of
from mathlm.core.storage import (
    LOGS,
    MANIFEST,
    atomic_file,
    disk_errors,
    read_json,
    read_manifest,
    write_bytes,
    write_json,
    write_manifest,
    write_text,
)

STAGE_FILE = "stage.json"
State = Literal["finished", "extend", "stale", "continue", "new", "differs", "damaged"]


@dataclass(frozen=True)
class StagePlan:
    """What a run will do about one stage, and why."""

    spec: StageSpec
    description: Mapping[str, Any]
    """What `stage.json` records: kind, settings, inputs, identity, extent."""
    state: State
    differing: tuple[str, ...] = ()


def split_settings(config: StageConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """A config's settings that count for the identity, and those that extend; neutral ones go."""
    return _split(config, "identity"), _split(config, "extends")


def _split(value: Any, wanted: str) -> Any:
    if isinstance(value, BaseModel):
        chosen: dict[str, Any] = {}
        for name in type(value).model_fields:
            member = getattr(value, name)
            effect = effect_of(type(value), name)  # type: ignore[arg-type]
            if effect == wanted:
                chosen[name] = _plain(member)
            elif effect == "identity" and (part := _split(member, wanted)) not in ({}, None):
                chosen[name] = part  # an extending setting inside a nested table
        return chosen
    if isinstance(value, Mapping):
        parts = {key: _split(member, wanted) for key, member in value.items()}
        return {key: part for key, part in parts.items() if part not in ({}, None)}
    return None


def _plain(value: Any) -> Any:
    """A setting as JSON, without what a nested table marks as extending or neutral."""
    if isinstance(value, BaseModel):
        return _split(value, "identity")
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    return value


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def describe(
    spec: StageSpec, kind: StageKind, seed: int, inputs: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What decides a stage's output; `inputs` are the descriptions of the stages it may need."""
    settings, extending = split_settings(spec.config)
    identities = {r: {n: inputs[n]["identity"] for n in names} for r, names in spec.needs.items()}
    extents = {r: {n: inputs[n]["extent"] for n in names} for r, names in spec.needs.items()}
    decided = {
        "kind": spec.kind,
        "version": kind.version,
        "seed": seed,
        "settings": settings,
        "inputs": identities,
    }
    return {
        **decided,
        "extends": extending,
        "input_extents": extents,
        "identity": _hash(decided),
        "extent": _hash([extending, extents]),
    }


def plan_run(recipe: Recipe, directory: Path, kinds: Mapping[str, StageKind]) -> list[StagePlan]:
    """What a run of the recipe in the directory would do, stage by stage."""
    described: dict[str, dict[str, Any]] = {}
    plans = []
    for name, spec in recipe.stages.items():
        described[name] = describe(spec, kinds[spec.kind], recipe.head.seed, described)
        plans.append(_plan(spec, described[name], directory / name))
    return plans


def _plan(spec: StageSpec, description: dict[str, Any], directory: Path) -> StagePlan:
    record = directory / STAGE_FILE
    if not record.is_file():
        return StagePlan(spec, description, "new")
    before = read_json(record)
    if before["identity"] != description["identity"]:
        return StagePlan(spec, description, "differs", tuple(_differences(before, description)))
    manifest = read_manifest(directory)
    finished = manifest is not None and manifest["extent"] == description["extent"]
    if finished:
        damaged = list(_damaged(directory, manifest))
        return StagePlan(spec, description, "damaged" if damaged else "finished", tuple(damaged))
    if before["input_extents"] != description["input_extents"]:
        return StagePlan(spec, description, "stale")
    return StagePlan(spec, description, "continue" if manifest is None else "extend")


def _damaged(directory: Path, manifest: Mapping[str, Any] | None) -> Iterator[str]:
    """Files of a finished stage that are missing or of another size than its manifest says."""
    for name, entry in (manifest or {"files": {}})["files"].items():
        path = directory / name
        if not path.is_file() or path.stat().st_size != entry["bytes"]:
            yield name


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """`key: old → new` for everything that makes the identities differ."""
    for part in ("kind", "version", "seed"):
        if before[part] != now[part]:
            yield f"{part}: {before[part]} → {now[part]}"
    old, new = _flat(before["settings"]), _flat(now["settings"])
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            yield f"{key}: {old.get(key, 'absent')} → {new.get(key, 'absent')}"
    old_inputs, new_inputs = _flat(before["inputs"]), _flat(now["inputs"])
    for key in sorted(old_inputs.keys() | new_inputs.keys()):
        if old_inputs.get(key) != new_inputs.get(key):
            yield f"needs.{key}: another input"


def _flat(tree: Any, path: str = "") -> dict[str, Any]:
    if isinstance(tree, Mapping) and tree:
        parts = [_flat(value, f"{path}.{key}" if path else key) for key, value in tree.items()]
        return {key: value for part in parts for key, value in part.items()}
    return {path: tree}


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the run directory's lock; a second run in it is the user's mistake."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = open(directory / "lock", "a+", encoding="ascii")  # noqa: SIM115
    except OSError as error:
        raise UserError(f"cannot write to {directory}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"another run is at work in {directory}") from None
        yield


def run_recipe(
    recipe: Recipe,
    directory: Path,
    kinds: Mapping[str, StageKind],
    progress: Progress,
    *,
    only: Collection[str] | None = None,
) -> None:
    """Do every stage that is not finished, in order; safe to call again after any kill.

    With `only`, just the stages so named; what they need must be finished.
    """
    with locked(directory):
        plans = plan_run(recipe, directory, kinds)
        _refuse_differing(plans, directory)
        with disk_errors(directory):
            write_text(directory / "recipe.toml", recipe_toml(recipe))
            write_json(directory / "environment.json", environment.describe(recipe.head.seed))
        _write_ledger(plans, directory)
        done: set[str] = set()
        for number, plan in enumerate(plans, 1):
            label = f"[{number}/{len(plans)}] {plan.spec.name}"
            if plan.state == "finished":
                progress.say(f"{label}: finished before, skipped")
            elif only is None or plan.spec.name in only:
                progress.say(f"{label} ({plan.spec.kind})")
                _require_inputs(plan, done)
                context = _context(plan, recipe, directory, progress)
                used = _run_stage(plan, context, kinds[plan.spec.kind])
                _log(directory, {"stage": plan.spec.name, **used})
                _write_ledger(plans, directory)
                progress.say(f"  {plan.spec.name}: done in {used['seconds']:.1f} s")
            else:
                continue
            done.add(plan.spec.name)
            for name in kinds[plan.spec.kind].shown:
                write_bytes(directory / name, (directory / plan.spec.name / name).read_bytes())


def _refuse_differing(plans: list[StagePlan], directory: Path) -> None:
    for plan in plans:
        folder, what = directory / plan.spec.name, "; ".join(plan.differing)
        if plan.state == "differs":
            raise UserError(
                f"stage '{plan.spec.name}' in {directory} was made with other settings "
                f"({what}): take another --out, or delete {folder}"
            )
        if plan.state == "damaged":
            raise UserError(
                f"files of the finished stage '{plan.spec.name}' changed or are missing "
                f"({what}): delete {folder} to make it again"
            )


def follow_recipe(
    recipe: Recipe, directory: Path, kinds: Mapping[str, StageKind], *, poll_s: float = 0.5
) -> None:
    """What the other processes of a `torchrun` do while the first one runs the recipe.

    They join the parallel stages and wait for the rest; the directory must be shared by all nodes.
    Their launcher ends them when the first process dies.
    """
    for plan in plan_run(recipe, directory, kinds):
        stage, joined = directory / plan.spec.name, False
        while not _is_finished(stage, plan.description):
            if kinds[plan.spec.kind].parallel and not joined and _is_begun(stage, plan.description):
                context = _context(plan, recipe, directory, Progress(quiet=True))
                context = dataclasses.replace(context, follows=True)
                kinds[plan.spec.kind].run(context, plan.spec.config)
                joined = True
            time.sleep(poll_s)


def _is_finished(stage: Path, description: Mapping[str, Any]) -> bool:
    manifest = read_manifest(stage)
    keys = ("identity", "extent")
    return manifest is not None and all(manifest[key] == description[key] for key in keys)


def _is_begun(stage: Path, description: Mapping[str, Any]) -> bool:
    record = stage / STAGE_FILE
    return record.is_file() and read_json(record) == description


def _require_inputs(plan: StagePlan, done: Collection[str]) -> None:
    """Refuse a stage whose inputs are not finished (only possible when stages were chosen)."""
    for names in plan.spec.needs.values():
        for name in names:
            if name not in done:
                raise UserError(f"stage '{plan.spec.name}' needs '{name}': run that first")


def _context(plan: StagePlan, recipe: Recipe, directory: Path, progress: Progress) -> StageContext:
    inputs = {
        role: tuple(StageInput(n, recipe.stages[n].kind, directory / n) for n in names)
        for role, names in plan.spec.needs.items()
    }
    return StageContext(
        name=plan.spec.name,
        directory=directory / plan.spec.name,
        inputs=inputs,
        seed=recipe.head.seed,
        workers=recipe.head.workers or environment.available_cores(),
        progress=progress,
    )


def _run_stage(plan: StagePlan, context: StageContext, kind: StageKind) -> dict[str, float]:
    """Do one stage and mark it done; returns its seconds and peak memory."""
    stage = context.directory
    begun = (stage / STAGE_FILE).is_file()
    with disk_errors(stage):
        if plan.state == "stale":  # its inputs grew: what it made of the smaller ones is void
            shutil.rmtree(stage)
        (stage / LOGS).mkdir(parents=True, exist_ok=True)
        (stage / MANIFEST).unlink(missing_ok=True)
        write_json(stage / STAGE_FILE, plan.description)
    start = time.monotonic()
    try:
        with MemoryWatch() as memory:
            kind.run(context, plan.spec.config)
    except UserError:
        if not begun:
            _forget_start(stage)
        raise
    with disk_errors(stage):
        write_manifest(stage, {key: plan.description[key] for key in ("identity", "extent")})
    seconds = round(time.monotonic() - start, 2)
    return {"seconds": seconds, "peak_memory_mib": memory.peak_mib}


def _forget_start(stage: Path) -> None:
    """A stage refused before any work leaves nothing that would refuse the mended settings."""
    if not any(path.is_file() and path.name != STAGE_FILE for path in stage.rglob("*")):
        shutil.rmtree(stage)


def _log(directory: Path, entry: dict[str, Any]) -> None:
    with disk_errors(directory):
        (directory / LOGS).mkdir(exist_ok=True)
        with open(directory / LOGS / "stages.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def _write_ledger(plans: list[StagePlan], directory: Path) -> None:
    """`manifest.jsonl`: the finished stages in the recipe's order, with their files' checksums."""
    with atomic_file(directory / "manifest.jsonl", "w") as file:
        for plan in plans:
            manifest = read_manifest(directory / plan.spec.name)
            if manifest is not None:
                entry = {"stage": plan.spec.name, "kind": plan.spec.kind, **manifest}
                file.write(json.dumps(entry) + "\n")
