"""`mathlm evaluate`: solve, grade and report in one run directory, by a recipe or by settings."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mathlm.core.recipe import Recipe
    from mathlm.grading.taskcheck import TaskCheck
    from mathlm.tasks import Task, Where

HELP = """Solve, grade and report: with settings as KEY=VALUE words, or a recipe and such words.

  mathlm evaluate model=my/model tasks=gsm8k,math samples=16 solver=cot,program
  mathlm evaluate recipes/llemma-table1.toml model=my/model limit=100
  mathlm evaluate --list             the tasks
  mathlm evaluate --check            are all gold answers judged as they must be

KEY is a setting of the solve stage (tasks, limit, split, data, download, device, …), of its
solvers (samples, temperature, top_p, max_tokens, shots, prompt, …), of the grade stage (policies)
or of the recipe (name, title, seed, workers); a dotted KEY is a TOML path in the recipe or below
those stages (stage.grade.workers=2, solvers.cot.shots=2).
solver=KIND[,KIND] or KIND.PROMPT, as in solver=cot.llemma,program. A second run goes on from the
first; more samples, or another policy, make only what is new."""

_SAMPLED = {"temperature": 0.6, "top_p": 0.95}
"""Defaults of a solver with several samples: Llemma's (arXiv 2310.10631, section 3)."""
_MAX_TOKENS = 1024
_STAGES = ("solve", "grade", "report")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words, where to write, and what to do instead of a run."""
    parser.add_argument("words", nargs="*", metavar="RECIPE.toml | KEY=VALUE")
    parser.add_argument("--out", metavar="DIR", help="the run directory (default: runs/NAME)")
    parser.add_argument("--dry-run", action="store_true", help="print recipe and plan, do nothing")
    parser.add_argument("--check", action="store_true", help="the tasks' self-check alone")
    parser.add_argument("--list", action="store_true", help="print the tasks")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    """List, check, or run."""
    from mathlm.cli.run import show_plan, show_reports
    from mathlm.core.progress import Progress
    from mathlm.core.recipe import build_recipe
    from mathlm.core.runs import follow_recipe, run_recipe
    from mathlm.stages import kinds

    if args.list:
        return _list(json_lines=args.json)
    if args.check:
        return _check(args.words, json_lines=args.json)
    known = kinds(os.environ.get)
    recipe = build_recipe(recipe_tree(args.words), known)
    directory = Path(args.out) if args.out else _directory(recipe)
    if args.dry_run:
        show_plan(recipe, directory)
        return 0
    if int(os.environ.get("RANK", "0")) > 0:  # started by torchrun beside the first process
        follow_recipe(recipe, directory, known)
        return 0
    run_recipe(recipe, directory, kinds(os.environ.get), Progress(quiet=args.quiet))
    if args.json:
        for row in _results(recipe, directory):
            print(json.dumps(row, ensure_ascii=False), flush=True)
    else:
        show_reports(recipe, directory)
    return 0


def recipe_tree(words: Sequence[str]) -> dict[str, Any]:
    """The recipe that the words ask for, before it is checked; UserError names a wrong word."""
    from mathlm.core.errors import UserError
    from mathlm.core.recipe import apply_override, read_tree

    files = [word for word in words if "=" not in word]
    if len(files) > 1:
        raise UserError(f"one recipe at a time, not {', '.join(files)}")
    settings: dict[str, Any] = {}
    dotted = []
    for word in words:
        key = word.partition("=")[0].strip()
        if "=" in word and "." in key:
            dotted.append(word)
        elif "=" in word:
            apply_override(settings, word)
    tree = read_tree(files[0]) if files else _tree(settings)
    if files and "solver" in settings:
        raise UserError("solver=… is for evaluations without a recipe: the recipe names its own")
    _apply(tree, {key: value for key, value in settings.items() if key != "solver"})
    for word in dotted:
        for table in _tables(tree, word.partition(".")[0].strip()):
            apply_override(table, word)
    if not files:
        _sampled(tree["stage"]["solve"]["solvers"])
    return tree


def _tree(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Three stages with one solver for each kind that is asked for."""
    from mathlm.core.errors import UserError

    if "model" not in settings and settings.get("engine", "local") == "local":
        raise UserError("model=PATH (a Hugging Face folder, or an id of the Hub) is missing")
    if "tasks" not in settings:
        raise UserError("tasks=NAME[,NAME] is missing; mathlm evaluate --list prints them")
    model = str(settings.get("model", "server"))
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", model.rstrip("/").rpartition("/")[2]).strip("-.")
    solvers: dict[str, Any] = {}
    for word in _listed(settings.get("solver", "cot")):
        kind, _, prompt = str(word).partition(".")
        name = f"{kind}-{prompt}" if prompt else kind
        solvers[name] = {"kind": kind, "max_tokens": _MAX_TOKENS}
        if prompt:
            solvers[name]["prompt"] = prompt
    title = f"{slug or model} on {', '.join(map(str, _listed(settings['tasks'])))}"
    return {
        "name": f"evaluate-{slug or 'model'}",
        "title": title,
        "stage": {
            "solve": {"kind": "solve", "solvers": solvers},
            "grade": {"kind": "grade", "needs": {"completions": "solve"}},
            "report": {
                "kind": "report",
                "title": title,
                "needs": {"solve": "solve", "grade": "grade"},
            },
        },
    }


def _sampled(solvers: Mapping[str, dict[str, Any]]) -> None:
    """Sensible sampling where several samples are asked for and nothing is said about it."""
    for solver in solvers.values():
        if solver.get("samples", 1) > 1 and "temperature" not in solver:
            for key, value in _SAMPLED.items():
                solver.setdefault(key, value)


def _listed(value: object) -> list[object]:
    """`a,b` or a TOML list as a list."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value) if isinstance(value, list) else [value]


def _apply(tree: dict[str, Any], settings: Mapping[str, Any]) -> None:
    """Put each setting where it belongs: the recipe's head, or every stage that has it."""
    from mathlm.core.errors import UserError
    from mathlm.core.recipe import RecipeHead, nearest
    from mathlm.stages import KINDS

    fields = {kind: KINDS[kind].config.model_fields for kind in _STAGES}
    solver = _solver_fields(fields["solve"]["solvers"].annotation)
    every = {*RecipeHead.model_fields, *solver, *(key for kind in fields.values() for key in kind)}
    stages = [table for table in tree.get("stage", {}).values() if isinstance(table, dict)]
    for key, given in settings.items():
        if key in RecipeHead.model_fields:
            tree[key] = given
            continue
        if key in solver and key not in fields["solve"]:
            tables = [
                one for table in stages for one in table.get("solvers", {}).values()
                if table.get("kind") == "solve"
            ]  # fmt: skip
            value = _listed(given) if _is_list(solver[key]) else given
        else:
            kind = next((kind for kind in _STAGES if key in fields[kind]), None)
            if kind is None or key == "solvers":
                raise UserError(f"{key}: no such setting{nearest(key, every - {'solvers'})}")
            tables = [table for table in stages if table.get("kind") == kind]
            value = _listed(given) if _is_list(fields[kind][key]) else given
        if not tables:
            raise UserError(f"{key}: the recipe has no stage for it")
        for table in tables:
            table[key] = value


def _tables(tree: dict[str, Any], first: str) -> list[dict[str, Any]]:
    """Where a dotted key begins: stages that have a table of that name, else the recipe."""
    from mathlm.stages import KINDS

    stages = [table for table in tree.get("stage", {}).values() if isinstance(table, dict)]
    kinds = [kind for kind in _STAGES if first in KINDS[kind].config.model_fields]
    return [table for table in stages if table.get("kind") in kinds[:1]] or [tree]


def _solver_fields(annotation: Any) -> Mapping[str, Any]:
    """The fields of the model that stands in `dict[str, SolverConfig]`."""
    from typing import get_args

    fields: Mapping[str, Any] = get_args(annotation)[1].model_fields
    return {key: field for key, field in fields.items() if key != "kind"}


def _is_list(field: Any) -> bool:
    return str(field.annotation).startswith(("tuple", "list"))


def _directory(recipe: Recipe) -> Path:
    """`runs/NAME-IDENTITY`: other settings get another directory, more samples the same one."""
    from mathlm.core.runs import plan_run
    from mathlm.stages import KINDS

    if not recipe.head.name.startswith("evaluate-"):
        return Path("runs") / recipe.head.name
    plans = plan_run(recipe, Path("runs") / "none", KINDS)
    identity = next(p.description["identity"] for p in plans if p.spec.kind == "solve")
    return Path("runs") / f"{recipe.head.name}-{identity[:8]}"


def _results(recipe: Recipe, directory: Path) -> Iterator[dict[str, Any]]:
    """The figures of the run's reports, and where the report lies."""
    from mathlm.core.storage import read_json

    for spec in recipe.stages.values():
        if spec.kind == "report":
            for row in read_json(directory / spec.name / "report.json")["results"]:
                yield {**row, "report": str(directory / "report.html")}


def _list(*, json_lines: bool) -> int:
    """Print the tasks."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from mathlm.tasks import TASKS

    if json_lines:
        for task in TASKS.values():
            print(json.dumps(_row(task), ensure_ascii=False))
        return 0
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for column in ("task", "problems", "answer", "published prompts", "licence"):
        table.add_column(column, justify="right" if column == "problems" else "left")
    ours = {"default", "zero-shot", "chat"}
    for task in TASKS.values():
        row = _row(task)
        size = row["problems"].get("test")
        variants = dict.fromkeys(name for names in row["prompts"].values() for name in names)
        theirs = ", ".join(name for name in variants if name not in ours)
        table.add_row(
            task.name, f"{size:,}" if size else "", task.answer_kind, theirs, task.licence
        )
    Console().print(table)
    return 0


def _row(task: Task) -> dict[str, Any]:
    splits = task.data.splits if task.data is not None else {}
    kinds = dict.fromkeys(key.partition(".")[0] for key in task.prompts)
    return {
        "task": task.name,
        "description": task.description,
        "problems": {split: part.rows or None for split, part in splits.items()},
        "answer": task.answer_kind,
        "prompts": {kind: list(task.variants(kind)) for kind in kinds},
        "source": task.source,
        "licence": task.licence,
    }


def _check(words: Sequence[str], *, json_lines: bool) -> int:
    """Self-check of the named tasks, or of all whose data are here; 1 where one fails."""
    from mathlm.core.errors import UserError
    from mathlm.core.recipe import apply_override, nearest
    from mathlm.grading.policies import installed
    from mathlm.tasks import TASKS, Where

    settings: dict[str, Any] = {}
    for word in words:
        apply_override(settings, word)
    known = ("tasks", "data", "check_data", "download", "split", "policies")
    for key in settings:
        if key not in known:
            raise UserError(f"{key}: no such setting of --check{nearest(key, known)}")
    where = Where(
        data=settings.get("data"),
        check=settings.get("check_data", True),
        download=settings.get("download", False),
    )
    named = [str(name) for name in _listed(settings.get("tasks", []))]
    for name in named:
        if name not in TASKS:
            raise UserError(f"no task '{name}'{nearest(name, TASKS)}")
    policies = [str(p) for p in _listed(settings.get("policies", []))]
    for policy in policies:
        if policy not in installed():
            raise UserError(f"no policy '{policy}'{nearest(policy, installed())}")
    policies = policies or [p for p in installed() if p not in ("default", "math_verify")]
    failed = False
    for name in named or TASKS:
        split = str(settings.get("split", "test"))
        failed |= _check_one(
            name, split, where, policies, optional=not named, json_lines=json_lines
        )
    return 1 if failed else 0


def _check_one(
    name: str,
    split: str,
    where: Where,
    policies: Sequence[str],
    *,
    optional: bool,
    json_lines: bool,
) -> bool:
    """Check and print one task; whether it failed."""
    from mathlm.core.errors import UserError
    from mathlm.grading.taskcheck import ceilings, check_golds
    from mathlm.tasks import TASKS

    try:
        found = TASKS[name].find(split, None, 0, where)  # type: ignore[arg-type]
    except UserError as error:
        if not optional:
            raise
        _say_missing(name, split, str(error), json_lines=json_lines)
        return False
    golds = [problem.answer or "" for problem in found.problems]
    check = check_golds(name, golds)
    limits = {p: tasks[name] for p, tasks in ceilings({name: golds}, policies).items()}
    _say_check(check, split, found.state, limits, json_lines=json_lines)
    return check.failures > 0


def _say_missing(name: str, split: str, reason: str, *, json_lines: bool) -> None:
    if json_lines:
        print(json.dumps({"task": name, "split": split, "data": None, "reason": reason}))
    else:
        print(f"{name:<18} no data here", flush=True)


def _say_check(
    check: TaskCheck,
    split: str,
    state: str,
    limits: Mapping[str, tuple[int, int]],
    *,
    json_lines: bool,
) -> None:
    """Print one check: a line, then its ceilings below 100 %."""
    from mathlm.grading.taskcheck import describe_ceiling, describe_check

    if json_lines:
        row = {
            "task": check.task,
            "split": split,
            "data": state,
            "golds": check.golds,
            "failures": check.failures,
            "misjudged": [wrong.model_dump(mode="json") for wrong in check.misjudged],
            "ceilings": {policy: list(pair) for policy, pair in limits.items()},
        }
        print(json.dumps(row, ensure_ascii=False), flush=True)
        return
    mark = "FAILED" if check.failures else "ok"
    print(
        f"{check.task:<18} {mark:<6} {describe_check(check).partition(': ')[2]} ({state} data)",
        flush=True,
    )
    for policy, (right, total) in limits.items():
        if right < total:
            print(f"{'':<18}        {describe_ceiling(check.task, policy, right, total)}")
