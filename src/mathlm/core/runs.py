"""A run: a recipe's stages in one directory, each done once, continued after any kill.

The directory holds `recipe.toml` (resolved), `environment.json`, `manifest.jsonl` (one line a
finished stage: its identity and its files' checksums), `logs/` (clocks and memory), a folder for
each stage and copies of what people look for first (the report). A stage's *identity* is the hash
of the settings that change its output, of its inputs' identities and of the files from outside
(`inputs.py`); its *extent* is the same for the settings marked `extends`. Same identity and extent:
skipped, also where outside files are gone. Same identity, another extent: run again over what is
there. Another identity: refused with the differing keys and files named; an unfinished stage of
which only outside files differ goes on and reads those again. Not here: what a stage does, how a
recipe is read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import json
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from mathlm.core import environment
from mathlm.core.errors import MachineError, UserError
from mathlm.core.inputs import RECORD, Inputs, compare
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
    inputs: Inputs | None = None
    """The files from outside that it reads, as they look now; None for a stage that has none."""
    notes: tuple[str, ...] = ()
    """What became of those files without making the stage another one."""


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
    spec: StageSpec,
    kind: StageKind,
    seed: int,
    inputs: Mapping[str, Mapping[str, Any]],
    *,
    files: str | None = None,
) -> dict[str, Any]:
    """What decides a stage's output; `inputs` are the descriptions of the stages it may need.

    `files` is the fingerprint of what it reads from outside of the run.
    """
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
    outside = {} if files is None else {"files": files}
    if kind.extended_by_files:
        extending_files = [files] if files else []
    else:
        decided, extending_files = {**decided, **outside}, []
    return {
        **decided,
        **outside,
        "extends": extending,
        "input_extents": extents,
        "identity": _hash(decided),
        "extent": _hash([extending, extents, *extending_files]),
    }


def plan_run(
    recipe: Recipe,
    directory: Path,
    kinds: Mapping[str, StageKind],
    *,
    ignore_changed_inputs: bool = False,
    passed: Sequence[StagePlan] = (),
) -> list[StagePlan]:
    """What a run of the recipe in the directory would do, stage by stage.

    With `ignore_changed_inputs`, a finished stage stands whatever became of its outside files.
    The first stages, if `passed` already, are not looked at again.
    """
    plans = list(passed)
    described: dict[str, Mapping[str, Any]] = {p.spec.name: p.description for p in plans}
    for name, spec in list(recipe.stages.items())[len(plans) :]:
        kind, stage = kinds[spec.kind], directory / name
        listers = kind.reads(spec.config)
        inputs = compare(listers, stage) if listers else None
        files = _fingerprint(inputs, stage, ignore_changed_inputs)
        now = describe(spec, kind, recipe.head.seed, described, files=files)
        described[name] = now
        plans.append(_plan(StagePlan(spec, now, "new", inputs=inputs), stage))
    return plans


def _fingerprint(inputs: Inputs | None, stage: Path, ignore_changed: bool) -> str | None:
    """The fingerprint of outside files that describes the stage: of those that it has read."""
    before = _before(stage)
    if inputs is None:
        return None
    if before is None:
        return inputs.fingerprint()
    stands = (stage / MANIFEST).is_file() and (ignore_changed or not inputs.other)
    if stands or inputs.before is None or not inputs.changes:
        return before.get("files")
    return inputs.fingerprint()


def _before(stage: Path) -> dict[str, Any] | None:
    """What `stage.json` records, if the stage was begun."""
    record = stage / STAGE_FILE
    return dict(read_json(record)) if record.is_file() else None


def _plan(plan: StagePlan, directory: Path) -> StagePlan:
    """The plan with its state."""
    before, now = _before(directory), plan.description
    if before is None:
        return plan
    state: State
    manifest = read_manifest(directory)
    differing = list(_differences(before, now))
    notes = tuple(plan.inputs.differences()) if plan.inputs is not None else ()
    if differing or (before["identity"] != now["identity"] and manifest is not None):
        differing += notes if before.get("files") != now.get("files") else []
        return dataclasses.replace(plan, state="differs", differing=tuple(differing))
    if before["identity"] != now["identity"]:
        return dataclasses.replace(plan, state="continue", notes=notes)
    if manifest is not None and manifest["extent"] == now["extent"]:
        damaged = tuple(_damaged(directory, manifest))
        state = "damaged" if damaged else "finished"
        return dataclasses.replace(plan, state=state, differing=damaged, notes=notes)
    if before["input_extents"] != now["input_extents"]:
        state = "stale"
    else:
        state = "continue" if manifest is None else "extend"
    return dataclasses.replace(plan, state=state, notes=notes)


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
    ignore_changed_inputs: bool = False,
) -> None:
    """Do every stage that is not finished, in order; safe to call again after any kill.

    With `only`, just the stages so named; what they need must be finished.
    """
    look = functools.partial(
        plan_run, recipe, directory, kinds, ignore_changed_inputs=ignore_changed_inputs
    )
    with locked(directory):
        plans = look()
        _refuse_differing(plans, directory)
        for plan in plans:
            if plan.state != "finished" and (only is None or plan.spec.name in only):
                kinds[plan.spec.kind].check(plan.spec.config, recipe.head.seed)
        with disk_errors(directory):
            write_text(directory / "recipe.toml", recipe_toml(recipe))
            write_json(directory / "environment.json", environment.describe(recipe.head.seed))
        _write_ledger(plans, directory)
        done: set[str] = set()
        for number in range(len(plans)):
            plan, kind = plans[number], kinds[plans[number].spec.kind]
            name = plan.spec.name
            label = f"[{number + 1}/{len(plans)}] {name}"
            if plan.state == "finished":
                progress.say(f"{label}: finished before, skipped{_standing(plan)}")
                _note_inputs(plan, directory / name)
            elif only is None or name in only:
                progress.say(f"{label} ({plan.spec.kind})")
                for note in plan.notes:
                    progress.say(f"  inputs changed since it was begun: {note}")
                _require_inputs(plan, done)
                used = _run_stage(plan, _context(plan, recipe, directory, progress), kind)
                _log(directory, {"stage": name, **used})
                _write_ledger(plans, directory)
                progress.say(f"  {name}: done in {used['seconds']:.1f} s")
                if any(later.inputs is not None for later in plans[number + 1 :]):
                    plans = look(passed=plans[: number + 1])  # it may have made what those read
                    _refuse_differing(plans[number + 1 :], directory)
            else:
                continue
            done.add(name)
            for shown in kind.shown:
                write_bytes(directory / shown, (directory / name / shown).read_bytes())


def _standing(plan: StagePlan) -> str:
    """What became of the inputs of a finished stage that stands all the same."""
    return f" ({'; '.join(plan.notes)}; what was read before stays)" if plan.notes else ""


def _note_inputs(plan: StagePlan, stage: Path) -> None:
    """Note what the stage reads, or what it has read where only times differ."""
    if plan.inputs is None:
        return
    if plan.state != "finished":
        plan.inputs.note(stage)
    elif not plan.inputs.other:
        with contextlib.suppress(MachineError):  # who may only read the stage goes without
            plan.inputs.note(stage)


def _refuse_differing(plans: list[StagePlan], directory: Path) -> None:
    others = [plan.spec.name for plan in plans if plan.state == "differs"]
    for plan in plans:
        name, what = plan.spec.name, "; ".join(plan.differing)
        if plan.state == "differs":
            folders = " and ".join(str(directory / other) for other in others)
            if plan.inputs is not None and set(plan.differing) == set(plan.inputs.differences()):
                raise UserError(
                    f"inputs of the finished stage '{name}' changed since it read them ({what}): "
                    f"delete {folders} to make it again, take another --out, or go on with what it "
                    f"read by --ignore-changed-inputs"
                )
            raise UserError(
                f"stage '{name}' in {directory} was made with other settings "
                f"({what}): take another --out, or delete {folders}"
            )
        if plan.state == "damaged":
            raise UserError(
                f"files of the finished stage '{name}' changed or are missing "
                f"({what}): delete {directory / name} to make it again"
            )


def follow_recipe(
    recipe: Recipe, directory: Path, kinds: Mapping[str, StageKind], *, poll_s: float = 0.5
) -> None:
    """What the other processes of a `torchrun` do while the first one runs the recipe.

    They join the parallel stages and wait for the rest; the directory must be shared by all nodes.
    Their launcher ends them when the first process dies.
    """
    for name, spec in recipe.stages.items():
        stage, kind, joined = directory / name, kinds[spec.kind], False
        while not _is_finished(stage, description := _followed(recipe, directory, kinds)[name]):
            if kind.parallel and not joined and _is_begun(stage, description):
                plan = StagePlan(spec, description, "new")
                context = _context(plan, recipe, directory, Progress(quiet=True))
                kind.run(dataclasses.replace(context, follows=True), spec.config)
                joined = True
            time.sleep(poll_s)


def _followed(
    recipe: Recipe, directory: Path, kinds: Mapping[str, StageKind]
) -> dict[str, dict[str, Any]]:
    """The stages' descriptions, with what the first process noted of their outside files."""
    described: dict[str, dict[str, Any]] = {}
    for name, spec in recipe.stages.items():
        files = (_before(directory / name) or {}).get("files")
        described[name] = describe(spec, kinds[spec.kind], recipe.head.seed, described, files=files)
    return described


def _is_finished(stage: Path, description: Mapping[str, Any]) -> bool:
    manifest = read_manifest(stage)
    keys = ("identity", "extent")
    return manifest is not None and all(manifest[key] == description[key] for key in keys)


def _is_begun(stage: Path, description: Mapping[str, Any]) -> bool:
    record = stage / STAGE_FILE
    return record.is_file() and read_json(record) == description


def run_alone(spec: StageSpec, kind: StageKind, context: StageContext) -> None:
    """Do a stage that belongs to no recipe; `context.inputs` are folders of the user's.

    One that reads files from outside is skipped once it is finished and they are as they were, or
    gone; where they or the settings differ it is made again, and what differs is said.
    """
    directory, progress = context.directory, context.progress
    listers = kind.reads(spec.config)
    if not listers:
        kind.run(context, spec.config)
        write_manifest(directory)
        return
    inputs = compare(listers, directory)
    needs = {role: tuple(str(one.directory) for one in of) for role, of in context.inputs.items()}
    given = {
        folder: {"identity": _hash(read_manifest(folder)), "extent": ""}
        for folders in needs.values()
        for folder in folders
    }
    spec = dataclasses.replace(spec, needs=needs)
    files = _fingerprint(inputs, directory, False)
    now = describe(spec, kind, context.seed, given, files=files)
    plan = _plan(StagePlan(spec, now, "new", inputs=inputs), directory)
    if plan.state == "finished":
        progress.say(f"{spec.name}: finished before, skipped{_standing(plan)}")
        _note_inputs(plan, directory)
        return
    for reason in plan.differing or plan.notes:
        progress.say(f"{spec.name}: changed since: {reason}")
    _run_stage(plan, context, kind)


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
        _note_inputs(plan, stage)
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
    own = {stage / STAGE_FILE, stage / RECORD}
    if not any(path.is_file() and path not in own for path in stage.rglob("*")):
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
