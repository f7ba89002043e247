"""`mathlm compare RUN_A RUN_B`: two systems on the same problems, in a table and in sentences.

Reads the verdicts of finished grade stages or verdict files. Not here: what is compared how and
what may be concluded (`mathlm.reporting.comparison`).
"""

from __future__ import annotations

import argparse
import glob
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mathlm.core.errors import UserError

if TYPE_CHECKING:
    from mathlm.reporting.comparison import Pair, Row
    from mathlm.reporting.verdicts import ByPolicy

HELP = "compare two runs on the same problems: a table, and a sentence for each conclusion"
_WIDE = 110
"""Columns of a terminal from which the table is whole; the sentences say the rest anyway."""
_EPILOG = """each side is a run, one of its grade stages, a verdicts.jsonl, the output of
`mathlm grade --json`, or several of them: runs with other seeds, by commas or a quoted pattern.

examples:
  mathlm compare runs/base runs/new
  mathlm compare runs/base/grade runs/new/grade --policy all
  mathlm compare 'runs/base-seed*' 'runs/new-seed*'
  mathlm compare ours.jsonl theirs.jsonl --solver cot=greedy"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("first", metavar="RUN_A", help="a run, stage or file; several by commas")
    parser.add_argument("second", metavar="RUN_B", help="the other side")
    parser.add_argument(
        "--policy", action="append", metavar="P",
        help="whose verdicts (default: default, else the first that both have); repeat for"
        " several; `all`; A=B takes another one for each side",
    )  # fmt: skip
    parser.add_argument(
        "--solver", action="append", metavar="S",
        help="only this solver; A=B pairs solvers of different names",
    )  # fmt: skip
    parser.add_argument(
        "--metric", action="append", metavar="M", help="accuracy, maj or pass (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a row")


def run(args: argparse.Namespace) -> int:
    """Print the comparison of each pair of grade stages."""
    from mathlm.reporting.comparison import as_json, compare_runs
    from mathlm.reporting.verdicts import read_marks

    names = args.first.rstrip("/"), args.second.rstrip("/")
    for stage, *paths in pairs_of(*names):
        sides = [[read_marks(path) for path in side] for side in paths]
        pairs, left = _pairs(sides, args.policy, args.solver)
        rows = compare_runs(sides[0], sides[1], pairs)
        rows = [row for row in rows if _wanted(row, args.metric)]
        if args.json:
            for row in rows:
                print(json.dumps({"stage": stage, **as_json(row, names)}))
        else:
            _print(stage, rows, names, left=left)
    return 0


# What is compared with what


def _members(name: str) -> list[str]:
    """The runs of one side: one path, several by commas, or all that a pattern finds."""
    if Path(name).exists():
        return [name]
    found: list[str] = []
    for part in name.split(","):
        matches = sorted(glob.glob(part)) if glob.has_magic(part) else [part]
        if not matches or not all(Path(match).exists() for match in matches):
            raise UserError(f"no such file or directory: {part}")
        found += matches
    return found


def _verdict_files(name: str) -> dict[str, Path]:
    """Verdicts of the grade stages at or below a directory, by the stage's name; or one file."""
    root = Path(name)
    if root.is_file():
        return {root.stem: root}
    found = {path.parent.name: path for path in sorted(root.glob("**/verdicts.jsonl"))}
    if not found:
        raise UserError(f"{name} holds no verdicts.jsonl: it has no finished grade stage")
    return found


def pairs_of(first: str, second: str) -> list[tuple[str, list[Path], list[Path]]]:
    """Stage by stage both sides' files: the only stage of each run, else those named alike."""
    sides = [[_verdict_files(member) for member in _members(name)] for name in (first, second)]
    runs = [run for side in sides for run in side]
    if all(len(run) == 1 for run in runs):
        only = [[path for run in side for path in run.values()] for side in sides]
        return [("", only[0], only[1])]
    common = sorted(set.intersection(*(set(run) for run in runs)))
    if not common:
        listed = "; ".join(", ".join(run) for run in runs)
        raise UserError(
            f"no grade stage is named alike in all ({listed}): give the stages' own directories"
        )
    return [(name, *([run[name] for run in side] for side in sides)) for name in common]  # type: ignore[misc]


def _pairs(
    sides: Sequence[Sequence[ByPolicy]], policies: list[str] | None, solvers: list[str] | None
) -> tuple[list[Pair], list[str]]:
    """Policies and solvers to compare, and what is left out, in words."""
    from mathlm.reporting.comparison import Pair

    pairs, left = [], []
    for policy in _policies(sides, policies):
        there = [
            [name for name in side[0][policy[i]] if all(name in run[policy[i]] for run in side)]
            for i, side in enumerate(sides)
        ]
        found = _solvers(there, solvers)
        pairs += [Pair(policy, solver) for solver in found]
        for i, side in enumerate("AB"):
            unpaired = [
                name or "(unnamed)" for name in there[i] if name not in {p[i] for p in found}
            ]
            if unpaired and not solvers:
                left.append(f"solver {', '.join(unpaired)} only in {side}")
    return pairs, list(dict.fromkeys(left))


def _policies(
    sides: Sequence[Sequence[ByPolicy]], wanted: list[str] | None
) -> list[tuple[str, str]]:
    there = [[p for p in side[0] if all(p in run for run in side)] for side in sides]
    common = [policy for policy in there[0] if policy in there[1]]
    if wanted is None or wanted == ["all"]:
        if not common:
            raise UserError(f"no policy in both ({there[0]}; {there[1]}): --policy A=B pairs two")
        first = "default" if "default" in common else common[0]
        return [(p, p) for p in (common if wanted else [first])]
    found = []
    for word in wanted:
        left, _, right = word.partition("=")
        for policy, known in ((left, there[0]), (right or left, there[1])):
            if policy not in known:
                raise UserError(f"no verdicts under '{policy}' (there are {', '.join(known)})")
        found.append((left, right or left))
    return found


def _solvers(there: list[list[str]], wanted: list[str] | None) -> list[tuple[str, str]]:
    """Solvers named alike; one on each side is a pair whatever their names."""
    if wanted:
        found = []
        for word in wanted:
            left, _, right = word.partition("=")
            for solver, known in ((left, there[0]), (right or left, there[1])):
                if solver not in known:
                    raise UserError(f"no solver '{solver}' (there are {', '.join(known)})")
            found.append((left, right or left))
        return found
    if len(there[0]) == len(there[1]) == 1:
        return [(there[0][0], there[1][0])]
    common = [(name, name) for name in there[0] if name in there[1]]
    if not common:
        raise UserError(
            f"no solver has the same name in both ({', '.join(there[0])}; {', '.join(there[1])}):"
            " --solver A=B pairs two"
        )
    return common


def _wanted(row: Row, metrics: list[str] | None) -> bool:
    return not metrics or row.metric.partition("@")[0] in metrics or row.metric in metrics


# The table


def _print(stage: str, rows: list[Row], names: tuple[str, str], *, left: list[str]) -> None:
    from rich.console import Console
    from rich.text import Text

    from mathlm.reporting.comparison import conclusions

    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(Text(f"A = {names[0]}\nB = {names[1]}"))
    if stage:
        console.print(Text(f"\n{stage}", "bold"))
    console.print(_table(rows, narrow=console.width < _WIDE))
    ends = Path(names[0]).name, Path(names[1]).name
    short = ends if ends[0] != ends[1] else names
    for text in [*conclusions(rows, short), *(f"Not compared: {words}." for words in left)]:
        console.print(Text(text))


def _table(rows: list[Row], *, narrow: bool) -> object:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    policies, solvers = ({getattr(r.pair, key) for r in rows} for key in ("policies", "solvers"))
    adjusted = any(row.family > 1 for row in rows)
    head = ["task", *(["policy"] if len(policies) > 1 else [])]
    head += [*(["solver"] if len(solvers) > 1 else []), "metric"]
    for name in head:
        table.add_column(name, no_wrap=True)
    for name in ("A", "B", "B − A", "95 % interval", "p", *(["Holm"] if adjusted else []), "n"):
        table.add_column(name, justify="right", no_wrap=True)
    if not narrow:
        table.add_column("would show", justify="right", no_wrap=True)
    for row in rows:
        low, high = row.interval
        style = ("green" if row.comparison.difference > 0 else "red") if row.holds else ""
        cells = [row.task or "–"]
        cells += [row.pair.named(row.pair.policies)] if len(policies) > 1 else []
        cells += [row.pair.named(row.pair.solvers) or "–"] if len(solvers) > 1 else []
        cells += [row.metric, f"{100 * row.first:.1f}", f"{100 * row.second:.1f}"]
        cells += [f"{100 * row.comparison.difference:+.1f}"]
        cells += [f"{100 * low:+.1f} to {100 * high:+.1f}", f"{row.p_value:.2g}"]
        cells += [f"{row.adjusted:.2g}"] if adjusted else []
        reach = row.detectable
        cells += [str(row.comparison.n)]
        cells += [] if narrow else ["–" if reach == float("inf") else f"{100 * reach:.1f}"]
        table.add_row(*(Text(cell, style) for cell in cells))
    return table
