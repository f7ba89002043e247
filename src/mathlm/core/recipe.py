"""Recipes: TOML → named, typed stages, checked whole before anything starts.

A recipe names stage instances (`[stage.NAME]` with `kind` and `needs`) and gives numbers; it does
not spell a program. `each = ROLE` makes an instance for each stage that the role names. The kinds
are handed in (`mathlm.stages.KINDS`), so that this module imports no stage. Not here: running
(`mathlm.core.runs`).
"""

from __future__ import annotations

import difflib
import graphlib
import json
import re
import tomllib
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mathlm.core.errors import UserError
from mathlm.core.stage import StageConfig, StageKind

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_RESERVED = {"kind", "needs", "each"}


class RecipeHead(BaseModel):
    """The keys of a recipe outside its stages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    seed: int = Field(0, ge=0, lt=2**63)
    workers: int | None = Field(None, ge=1)


@dataclass(frozen=True)
class StageSpec:
    """One named stage of a recipe."""

    name: str
    kind: str
    needs: Mapping[str, tuple[str, ...]]
    config: StageConfig


@dataclass(frozen=True)
class Recipe:
    """A checked recipe; `stages` stand in an order in which each comes after what it needs."""

    head: RecipeHead
    stages: Mapping[str, StageSpec]


def load_recipe(
    path: str | Path, overrides: Sequence[str], kinds: Mapping[str, StageKind]
) -> Recipe:
    """The recipe of a TOML file with `key=value` overrides; `UserError` names what is wrong."""
    tree = read_tree(path)
    for override in overrides:
        apply_override(tree, override)
    return build_recipe(tree, kinds)


def read_tree(path: str | Path) -> dict[str, Any]:
    """The tree of a recipe's file, not yet checked."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the recipe {path}: {error}") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not TOML: {error}") from None


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Set `a.b.c=value` in the tree; the value is TOML, or a bare word taken as a string."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UserError(f"'{override}' is not KEY=VALUE, as in stage.base.steps=100")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text
    for depth, part in enumerate(parts[:-1]):
        child = tree.setdefault(part, {})
        if not isinstance(child, dict):
            raise UserError(f"{'.'.join(parts[: depth + 1])} is a value, not a table ({override})")
        tree = child
    tree[parts[-1]] = value


def build_recipe(tree: Mapping[str, Any], kinds: Mapping[str, StageKind]) -> Recipe:
    """Check a recipe's tree whole; all mistakes are named in one error, a line each."""
    mistakes: list[str] = []
    rest = {key: value for key, value in tree.items() if key != "stage"}
    head = validated(RecipeHead, rest, "", mistakes)
    stages = tree.get("stage", {})
    if not isinstance(stages, dict) or not stages:
        mistakes.append("a recipe needs at least one [stage.NAME]")
        stages = {}
    found = {name: _stage(name, table, kinds, mistakes) for name, table in stages.items()}
    specs = {name: spec for name, spec in found.items() if spec is not None}
    for spec in specs.values():
        _check_needs(spec, kinds[spec.kind], stages, mistakes)
    if mistakes:
        raise UserError("\n".join(mistakes))
    assert isinstance(head, RecipeHead)
    specs = _expanded(specs, {n: t["each"] for n, t in stages.items() if "each" in t})
    return Recipe(head, {name: specs[name] for name in _ordered(specs)})


def _stage(
    name: str, table: Any, kinds: Mapping[str, StageKind], mistakes: list[str]
) -> StageSpec | None:
    where = f"stage.{name}"
    if not _NAME.fullmatch(name):
        mistakes.append(f"{where}: a stage's name is letters, digits, '_' and '-'")
        return None
    if not isinstance(table, dict) or not isinstance(table.get("kind"), str):
        mistakes.append(f"{where}.kind is missing; one of: {', '.join(kinds)}")
        return None
    kind = table["kind"]
    if kind not in kinds:
        mistakes.append(f"{where}.kind: no kind '{kind}'{nearest(kind, kinds)}")
        return None
    settings = {key: value for key, value in table.items() if key not in _RESERVED}
    config = validated(kinds[kind].config, settings, where, mistakes)
    needs = _needs(table.get("needs", {}), where, mistakes)
    if needs is not None and "each" in table and table["each"] not in needs:
        mistakes.append(f"{where}.each: a role of its needs{nearest(str(table['each']), needs)}")
        return None
    if config is None or needs is None:
        return None
    assert isinstance(config, StageConfig)
    return StageSpec(name, kind, needs, config)


def _needs(table: Any, where: str, mistakes: list[str]) -> dict[str, tuple[str, ...]] | None:
    """Roles → stage names; a role may be given one name or a list of them."""
    if not isinstance(table, dict):
        mistakes.append(f'{where}.needs: a table of roles, as in needs = {{ tokens = "tokens" }}')
        return None
    needs: dict[str, tuple[str, ...]] = {}
    for role, value in table.items():
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            mistakes.append(f"{where}.needs.{role}: a stage's name or a list of names")
            return None
        needs[role] = tuple(names)
    return needs


def _check_needs(
    spec: StageSpec, kind: StageKind, stages: Mapping[str, Any], mistakes: list[str]
) -> None:
    where = f"stage.{spec.name}.needs"
    for role, names in spec.needs.items():
        if role not in kind.needs:
            mistakes.append(f"{where}.{role}: no such role{nearest(role, kind.needs)}")
            continue
        if len(names) != 1 and role not in kind.several | {stages[spec.name].get("each")}:
            mistakes.append(f"{where}.{role}: exactly one stage")
        for name in names:
            if name not in stages:
                mistakes.append(f"{where}.{role}: no stage '{name}'{nearest(name, stages)}")
            elif (given := stages[name].get("kind")) not in kind.needs[role]:
                accepted = " or ".join(kind.needs[role])
                mistakes.append(f"{where}.{role}: '{name}' is of kind {given}, not {accepted}")
    mistakes.extend(
        f"{where}.{role} is missing ({' or '.join(accepted)})"
        for role, accepted in kind.needs.items()
        if role not in kind.optional and not spec.needs.get(role)
    )


def _expanded(specs: Mapping[str, StageSpec], each: Mapping[str, str]) -> dict[str, StageSpec]:
    """Stages with `each = ROLE` become one instance for each stage that the role names.

    An instance of NAME for the input X is called `NAME_X`; for an input that is itself an instance
    (`solve_base`), `NAME` takes its ending (`grade_base`). Who needs NAME needs all its instances.
    """
    instances: dict[str, dict[str, str]] = {}
    result: dict[str, StageSpec] = {}
    for name in _ordered(specs):
        spec = specs[name]
        needs = {
            role: tuple(i for n in names for i in instances.get(n, {n: n}))
            for role, names in spec.needs.items()
        }
        if name not in each:
            result[name] = replace(spec, needs=needs)
            continue
        endings = {i: e for made in instances.values() for i, e in made.items()}
        role = each[name]
        instances[name] = {}
        for need in needs[role]:
            ending = endings.get(need, need)
            instance = f"{name}_{ending}"
            instances[name][instance] = ending
            result[instance] = replace(spec, name=instance, needs={**needs, role: (need,)})
    return result


def _ordered(specs: Mapping[str, StageSpec]) -> list[str]:
    """Stage names such that needs come first; the recipe's own order where it is free."""
    graph = {
        name: {need for names in spec.needs.values() for need in names}
        for name, spec in specs.items()
    }
    sorter = graphlib.TopologicalSorter(graph)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        raise UserError(
            f"stages need each other in a circle: {' → '.join(error.args[1])}"
        ) from None
    order: list[str] = []
    place = {name: number for number, name in enumerate(specs)}
    ready: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=place.__getitem__)
        first = ready.pop(0)
        order.append(first)
        sorter.done(first)
    return order


def nearest(word: str, valid: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest valid word, or the list of them."""
    words = sorted(valid)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; valid: {', '.join(words)}" if words else ""


def validated(
    model: type[BaseModel], values: Mapping[str, Any], where: str, mistakes: list[str]
) -> BaseModel | None:
    """The model of the values, or None with a line added to `mistakes` for each wrong key."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            mistakes.append(_explain(model, item, where))
        return None


def _explain(model: type[BaseModel], item: Any, where: str) -> str:
    """One pydantic error as a line with the key's path as the user wrote it."""
    path, keys = _walk(model, item["loc"])
    full = ".".join(part for part in [where, *path] if part)
    if item["type"] == "extra_forbidden":
        return f"{full}: no such key{nearest(path[-1], keys)}"
    if item["type"] == "missing":
        return f"{full} is missing"
    if item["type"] in {"union_tag_invalid", "union_tag_not_found", "literal_error"}:
        return f"{full}: {item['msg']}"
    given = json.dumps(item.get("input"), default=str)
    return f"{full} = {given[:80]}: {item['msg'][:1].lower()}{item['msg'][1:]}"


def _walk(model: type[BaseModel], location: Sequence[int | str]) -> tuple[list[str], set[str]]:
    """The location without the tags that pydantic adds for unions, and the valid last keys."""
    path: list[str] = []
    types_here: list[Any] = [model]
    keys: set[str] = set()
    for part in location:
        models = [t for t in types_here if isinstance(t, type) and issubclass(t, BaseModel)]
        keys = {key for m in models for key in m.model_fields}
        tagged = [m for m in models if part in _tags(m)]
        if tagged and part not in keys:
            types_here = tagged
            continue
        path.append(str(part))
        found = [m.model_fields[str(part)].annotation for m in models if part in m.model_fields]
        values = [get_args(t)[-1] for t in types_here if get_origin(t) in {dict, Mapping}]
        items = [a for t in types_here if get_origin(t) in {list, tuple} for a in get_args(t)]
        types_here = [flat for t in [*found, *values, *items] for flat in _flatten(t)]
    return path, keys


def _tags(model: type[BaseModel]) -> set[Any]:
    """Values of the model's Literal fields: the tags of a discriminated union."""
    return {
        value
        for info in model.model_fields.values()
        if get_origin(info.annotation) is Literal
        for value in get_args(info.annotation)
    }


def _flatten(annotation: Any) -> list[Any]:
    """The members of a union, annotations stripped."""
    if get_origin(annotation) is Annotated:
        return _flatten(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return [flat for member in get_args(annotation) for flat in _flatten(member)]
    return [annotation]


def recipe_toml(recipe: Recipe) -> str:
    """The resolved recipe as TOML: every setting of every stage, defaults too."""
    tree: dict[str, Any] = recipe.head.model_dump(exclude_none=True)
    for spec in recipe.stages.values():
        needs = {
            role: names[0] if len(names) == 1 else list(names) for role, names in spec.needs.items()
        }
        settings = spec.config.model_dump(mode="json", exclude_none=True)
        tree.setdefault("stage", {})[spec.name] = {"kind": spec.kind, "needs": needs, **settings}
    return toml_text(tree)


def toml_text(tree: Mapping[str, Any]) -> str:
    """A nested mapping as TOML (a bare GPU machine has tomllib to read, nothing to write)."""
    lines: list[str] = []
    _write_table(tree, (), lines)
    return "\n".join(lines).strip() + "\n"


def _write_table(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    nested = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if path and (plain or not nested):
        lines.append(f"\n[{'.'.join(map(_key, path))}]")
    lines.extend(f"{_key(key)} = {_value(value)}" for key, value in plain.items())
    for key, value in nested.items():
        _write_table(value, (*path, key), lines)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)  # inf and nan are TOML words too
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    return str(value)
