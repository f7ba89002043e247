"""`mathlm plan RECIPE.toml hardware=h200:8`: memory, tokens a second and hours before a run.

Where the run directory is there already, also which of its stages no longer fit the recipe or the
input files.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mathlm.core.recipe import Recipe, StageSpec
    from mathlm.core.runs import StagePlan
    from mathlm.models.sizes import ModelSizes
    from mathlm.training.plan import Hardware

HELP = "Estimate memory, speed, time and cost of a recipe's training on given hardware."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The recipe, `hardware=KIND:NUMBER`, `price=…`, overrides."""
    parser.add_argument("recipe", metavar="RECIPE.toml")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="hardware=h200:8 (default cpu:1), price=2.5 (a device and hour), or a recipe's key",
    )
    parser.add_argument("--out", metavar="DIR", help="the run directory (default: runs/NAME)")
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object a training stage, and one a stage that was made of something else",
    )


def run(args: argparse.Namespace) -> int:
    """Print an estimate for each training stage; nothing is run."""
    from mathlm.core.recipe import load_recipe
    from mathlm.stages import KINDS
    from mathlm.training.plan import parse_hardware

    given = dict(text.split("=", 1) for text in args.overrides if text.count("="))
    own = {key: given[key] for key in ("hardware", "price") if key in given}
    others = [text for text in args.overrides if text.split("=", 1)[0] not in own]
    recipe = load_recipe(args.recipe, others, KINDS)
    hardware = parse_hardware(own.get("hardware", "cpu:1"))
    price = _price(own)
    lines = [
        _line(recipe, spec, hardware, price)
        for spec in recipe.stages.values()
        if spec.kind == "train"
    ]
    for line in lines:
        print(json.dumps(line) if args.json else _sentence(line))
    changed = _changed(recipe, Path(args.out or Path("runs") / recipe.head.name))
    if not lines and not changed and not args.json:
        print(
            "nothing to estimate: no stage of this recipe trains"
            f" (mathlm run {args.recipe} --dry-run: what a run would do)"
        )
    for plan in changed:
        reasons = list(plan.differing or plan.notes)
        state = {"stage": plan.spec.name, "state": plan.state, "reasons": reasons}
        print(json.dumps(state) if args.json else _standing(plan, reasons))
    return 0


def _changed(recipe: Recipe, directory: Path) -> list[StagePlan]:
    """The stages of an earlier run that differ from what the recipe would make now."""
    from mathlm.core.runs import plan_run
    from mathlm.stages import KINDS

    if not directory.is_dir():
        return []
    return [p for p in plan_run(recipe, directory, KINDS) if p.differing or p.notes]


def _standing(plan: StagePlan, reasons: list[str]) -> str:
    """What a run would do about a stage, for a person to read."""
    does = {"differs": "would be refused", "damaged": "would be refused", "finished": "stands"}
    return f"{plan.spec.name}: {does.get(plan.state, 'goes on')} ({'; '.join(reasons)})"


def _price(given: Mapping[str, str]) -> float | None:
    from mathlm.core.errors import UserError

    try:
        return float(given["price"]) if "price" in given else None
    except ValueError:
        raise UserError(f"price {given['price']!r} is no number, as in price=2.5") from None


def _line(
    recipe: Recipe, spec: StageSpec, hardware: Hardware, price: float | None
) -> dict[str, Any]:
    """The estimate of one stage as a JSON object."""
    from mathlm.training.plan import estimate

    sizes, vocab_size = _sizes(recipe, spec)
    found = estimate(sizes, vocab_size, spec.config, hardware)  # type: ignore[arg-type]
    line = {
        "stage": spec.name,
        "hardware": f"{hardware.device.name} x {hardware.count}",
        **found.as_dict(),
    }
    if price is not None:
        line["cost"] = round(found.device_hours * price, 2)
    return line


def _sizes(recipe: Recipe, spec: StageSpec) -> tuple[ModelSizes, int]:
    """The sizes of a stage's model: its own, those of the stage it continues, or of `base`."""
    from mathlm.training.config import TrainConfig

    config = spec.config
    assert isinstance(config, TrainConfig)
    if config.base is not None:
        return _base_sizes(config.base)
    if config.model is not None:
        tokens = recipe.stages[spec.needs["tokens"][0]].config
        return config.model, int(getattr(tokens, "vocab_size", 4096))
    return _sizes(recipe, recipe.stages[spec.needs["checkpoint"][0]])


def _base_sizes(base: str) -> tuple[ModelSizes, int]:
    """Sizes of a published model, from its folder or from the table of known ones."""
    from mathlm.core.errors import UserError
    from mathlm.core.storage import read_json
    from mathlm.models.sizes import ModelSizes
    from mathlm.training.plan import KNOWN_MODELS

    if base in KNOWN_MODELS:
        return KNOWN_MODELS[base]
    path = Path(base) / "config.json"
    if not path.is_file():
        known = ", ".join(KNOWN_MODELS)
        raise UserError(f"the sizes of {base!r} are not known: give its folder, or one of {known}")
    numbers = read_json(path)
    try:
        sizes = ModelSizes(
            layers=numbers["num_hidden_layers"],
            hidden=numbers["hidden_size"],
            heads=numbers["num_attention_heads"],
            kv_heads=numbers.get("num_key_value_heads"),
            intermediate=numbers["intermediate_size"],
            tied=numbers.get("tie_word_embeddings", False),
        )
        return sizes, int(numbers["vocab_size"])
    except (KeyError, ValueError, TypeError):
        raise UserError(f"{path} is not the config of a Llama-like model") from None


def _sentence(line: Mapping[str, Any]) -> str:
    """An estimate for a person to read."""
    cost = f", cost {line['cost']:,.2f}" if "cost" in line else ""
    fits = "fits" if line["fits"] else "DOES NOT FIT"
    return (
        f"{line['stage']}: {line['parameters'] / 1e6:,.1f} M parameters,"
        f" {line['tokens'] / 1e6:,.1f} M tokens on {line['hardware']}\n"
        f"  {line['memory_gib']:,.2f} GiB a device ({fits}), {line['tokens_per_s']:,.0f} tokens/s,"
        f" {line['hours']:,.2f} h, {line['device_hours']:,.2f} device hours{cost}"
    )
