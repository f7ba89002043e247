"""`mathlm stage KIND RECIPE.toml`: one stage alone, on inputs that lie where the user says."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

IGNORE = "finished stages of a recipe stand although input files of theirs were changed or added"
HELP = """Run one stage alone: the stages of KIND in a recipe, whose inputs are finished; or
mathlm stage KIND --out DIR [--input ROLE=DIR …] [KEY=VALUE …] without a recipe."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Kind, inputs by role, settings."""
    parser.add_argument("kind", metavar="KIND")
    parser.add_argument("words", nargs="*", metavar="RECIPE.toml | KEY=VALUE")
    parser.add_argument("--out", metavar="DIR", help="where to write")
    parser.add_argument(
        "--input", action="append", default=[], metavar="ROLE=DIR", help="a finished stage's folder"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("--ignore-changed-inputs", action="store_true", help=IGNORE)


def run(args: argparse.Namespace) -> int:
    """Run the stage by a recipe, or by the words on the command line."""
    from mathlm.core.errors import UserError
    from mathlm.core.progress import Progress
    from mathlm.core.recipe import load_recipe, nearest
    from mathlm.core.runs import run_recipe
    from mathlm.stages import kinds

    known = kinds(os.environ.get)
    if args.kind not in known:
        raise UserError(f"no stage kind '{args.kind}'{nearest(args.kind, known)}")
    recipes = [word for word in args.words if "=" not in word]
    progress = Progress(quiet=args.quiet)
    if not recipes:
        return _run_alone(args, progress)
    recipe = load_recipe(recipes[0], [word for word in args.words if "=" in word], known)
    chosen = {name for name, spec in recipe.stages.items() if spec.kind == args.kind}
    if not chosen:
        raise UserError(f"{recipes[0]} has no stage of kind '{args.kind}'")
    directory = Path(args.out or Path("runs") / recipe.head.name)
    ignore = args.ignore_changed_inputs
    run_recipe(recipe, directory, known, progress, only=chosen, ignore_changed_inputs=ignore)
    return 0


def _run_alone(args: argparse.Namespace, progress: object) -> int:
    """A stage without a recipe: settings from KEY=VALUE words, inputs from --input."""
    from mathlm.core.environment import available_cores
    from mathlm.core.errors import UserError
    from mathlm.core.progress import Progress
    from mathlm.core.recipe import apply_override, build_recipe, nearest
    from mathlm.core.runs import run_alone
    from mathlm.core.stage import StageContext, StageInput, StageKind
    from mathlm.core.storage import disk_errors
    from mathlm.stages import kinds

    assert isinstance(progress, Progress)
    if not args.out:
        raise UserError("without a recipe, --out DIR says where to write")
    kind = kinds(os.environ.get)[args.kind]
    tree: dict[str, object] = {}
    for word in args.words:
        apply_override(tree, word)
    # The same checks as in a recipe, with the inputs given by hand.
    free = {args.kind: StageKind(config=kind.config, run=kind.run, needs={})}
    spec = build_recipe({"name": "alone", "stage": {args.kind: {"kind": args.kind, **tree}}}, free)
    inputs: dict[str, tuple[StageInput, ...]] = {}
    for word in args.input:
        role, _, folder = word.partition("=")
        if role not in kind.needs:
            raise UserError(f"--input {word}: no such role{nearest(role, kind.needs)}")
        if not Path(folder).is_dir():
            raise UserError(f"--input {word}: no such folder")
        one = StageInput(Path(folder).name, kind.needs[role][0], Path(folder))
        inputs[role] = (*inputs.get(role, ()), one)
    for role in kind.needs:
        if role not in kind.optional and role not in inputs:
            raise UserError(f"--input {role}=DIR is missing")
    out = Path(args.out)
    with disk_errors(out):
        (out / "logs").mkdir(parents=True, exist_ok=True)
    context = StageContext(
        args.kind, out, inputs, args.seed, workers=available_cores(), progress=progress
    )
    run_alone(spec.stages[args.kind], kind, context)
    return 0
