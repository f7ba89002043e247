"""`mathlm run RECIPE.toml`: every stage in order, then the before/after table."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mathlm.core.recipe import Recipe

IGNORE = "finished stages stand although input files of theirs were changed or added"
HELP = "Run every stage of a recipe in order. Finished stages are skipped, killed ones go on."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The recipe, its overrides and where to write."""
    parser.add_argument("recipe", metavar="RECIPE.toml")
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="a dotted TOML path: stage.base.steps=100"
    )
    parser.add_argument("--out", metavar="DIR", help="the run directory (default: runs/NAME)")
    parser.add_argument("--dry-run", action="store_true", help="print recipe and plan, do nothing")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("--ignore-changed-inputs", action="store_true", help=IGNORE)


def run(args: argparse.Namespace) -> int:
    """Check the recipe whole, then run or show it."""
    from mathlm.core.progress import Progress
    from mathlm.core.recipe import load_recipe
    from mathlm.core.runs import follow_recipe, run_recipe
    from mathlm.stages import kinds

    known = kinds(os.environ.get)
    recipe = load_recipe(args.recipe, args.overrides, known)
    directory = Path(args.out or Path("runs") / recipe.head.name)
    if args.dry_run:
        show_plan(recipe, directory, args.ignore_changed_inputs)
        return 0
    if int(os.environ.get("RANK", "0")) > 0:  # started by torchrun beside the first process
        follow_recipe(recipe, directory, known)
        return 0
    progress, ignore = Progress(quiet=args.quiet), args.ignore_changed_inputs
    run_recipe(recipe, directory, known, progress, ignore_changed_inputs=ignore)
    show_reports(recipe, directory)
    return 0


def show_plan(recipe: Recipe, directory: Path, ignore_changed_inputs: bool = False) -> None:
    """Print the resolved recipe and what a run of it would do."""
    from mathlm.core.recipe import recipe_toml
    from mathlm.core.runs import plan_run
    from mathlm.stages import KINDS

    print(recipe_toml(recipe))
    print(f"# in {directory}")
    plans = plan_run(recipe, directory, KINDS, ignore_changed_inputs=ignore_changed_inputs)
    for plan in plans:
        expected = KINDS[plan.spec.kind].expect(plan.spec.config)
        reasons = plan.differing or plan.notes
        why = f" ({'; '.join(reasons)})" if reasons else ""
        print(f"#   {plan.spec.name:<20} {plan.state:<9}{why} {expected}")


def show_reports(recipe: Recipe, directory: Path) -> None:
    """Print each report's summary and where the report lies."""
    from rich.console import Console

    from mathlm.core.storage import read_json
    from mathlm.reporting import summary

    for name in [spec.name for spec in recipe.stages.values() if spec.kind == "report"]:
        report = directory / name
        Console().print(summary(read_json(report / "report.json")))
        print(f"report: {directory / 'report.html'}")
