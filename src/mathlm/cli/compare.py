"""`mathlm compare RUN_A RUN_B`: two runs on the same problems, in a table and one sentence.

Reads the verdicts of finished grade stages. Not here: the tests (`mathlm.stats.paired`).
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mathlm.core.errors import UserError

if TYPE_CHECKING:
    from mathlm.stats import Comparison

HELP = "compare two runs on the same problems, in a table and one sentence"
_LEVEL = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("first", metavar="RUN_A", help="a run, or one of its grade stages")
    parser.add_argument("second", metavar="RUN_B", help="the other one")
    parser.add_argument("--policy", default="default", help="whose verdicts (default: default)")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")


@dataclass(frozen=True)
class Row:
    """One comparison: a task (or all of them) under one solver."""

    task: str
    solver: str
    first: float
    second: float
    comparison: Comparison
    detectable: float
    """The smallest difference that this many items would have shown (power 0.8)."""
    samples: int


Scores = dict[tuple[str, str, str], list[float]]
"""(solver, task, problem) → one score a sample."""


def _verdict_files(name: str) -> dict[str, Path]:
    """Verdicts of the grade stages at or below a directory, by the stage's name."""
    root = Path(name)
    if not root.is_dir():
        raise UserError(f"no such directory: {name}")
    found = {path.parent.name: path for path in sorted(root.glob("**/verdicts.jsonl"))}
    if not found:
        raise UserError(f"{name} holds no verdicts.jsonl: it has no finished grade stage")
    return found


def pairs_of(first: str, second: str) -> list[tuple[str, Path, Path]]:
    """What is compared with what: the only grade stage of each run, else those named alike."""
    left, right = _verdict_files(first), _verdict_files(second)
    if len(left) == len(right) == 1:
        ((name, path),), (other,) = left.items(), right.values()
        return [(name, path, other)]
    common = sorted(left.keys() & right.keys())
    if not common:
        raise UserError(
            f"no grade stage is named alike in both ({', '.join(left)}; {', '.join(right)}):"
            " give the stages' own directories"
        )
    return [(name, left[name], right[name]) for name in common]


def read_scores(path: Path, policy: str) -> Scores:
    """Scores by solver, task and problem of the verdicts under one policy."""
    from mathlm.core.records import Verdict
    from mathlm.core.storage import read_jsonl

    scores: Scores = {}
    seen: set[str] = set()
    for verdict in read_jsonl(path, Verdict):
        seen.add(verdict.policy)
        if verdict.policy == policy:
            key = verdict.solver, verdict.task, verdict.problem_id
            scores.setdefault(key, []).append(float(verdict.status == "correct"))
    if not scores:
        raise UserError(f"{path} has no verdicts under '{policy}' (there are {sorted(seen)})")
    return scores


def compare_rows(first: Scores, second: Scores) -> list[Row]:
    """Rows by task and over all tasks for each solver, on the problems that both runs have."""
    common = sorted(first.keys() & second.keys())
    if not common:
        raise UserError("the two runs share no problem under a solver of the same name")
    rows = []
    for solver in sorted({key[0] for key in common}):
        keys = [key for key in common if key[0] == solver]
        tasks = sorted({key[1] for key in keys})
        groups = [(task, [key for key in keys if key[1] == task]) for task in tasks]
        if len(tasks) > 1:
            groups.append(("all tasks", keys))
        rows += [_row(task, solver, group, first=first, second=second) for task, group in groups]
    return rows


def _row(
    task: str, solver: str, keys: Sequence[tuple[str, str, str]], *, first: Scores, second: Scores
) -> Row:
    from mathlm.stats import compare, minimum_detectable_difference, minimum_detectable_shift

    left = [sum(first[key]) / len(first[key]) for key in keys]
    right = [sum(second[key]) / len(second[key]) for key in keys]
    gaps = [y - x for x, y in zip(left, right, strict=True)]
    if all(gap in (-1.0, 0.0, 1.0) for gap in gaps):
        share = sum(1 for gap in gaps if gap) / len(gaps)
        detectable = minimum_detectable_difference(len(gaps), share)
    else:
        mean = sum(gaps) / len(gaps)
        spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / max(1, len(gaps) - 1))
        detectable = minimum_detectable_shift(len(gaps), spread)
    samples = max(len(first[keys[0]]), len(second[keys[0]]))
    means = sum(left) / len(left), sum(right) / len(right)
    return Row(task, solver, *means, compare(left, right), detectable, samples)


def sentence(row: Row, names: tuple[str, str]) -> str:
    """What can and what cannot be concluded from one row."""
    c = row.comparison
    points = f"{100 * abs(c.difference):.1f} points"
    interval = f"95 % interval {100 * c.low:+.1f} to {100 * c.high:+.1f}"
    test = f"{_TESTS[c.test]}, p = {c.p_value:.2g}"
    where = f"{c.n} problems" + (f" × {row.samples} samples" if row.samples > 1 else "")
    if c.p_value <= _LEVEL:
        better, worse = names[::-1] if c.difference > 0 else names
        return f"{better} is better than {worse} by {points} ({interval}; {test}) on {where}."
    reach = (
        "no difference of this kind could have been shown"
        if math.isinf(row.detectable)
        else f"only a difference of {100 * row.detectable:.1f} points or more would likely show"
    )
    return (
        f"Which of {names[0]} and {names[1]} is better cannot be concluded: they differ by"
        f" {points} ({interval}; {test}); on {where} {reach}."
    )


_TESTS = {"mcnemar_exact": "McNemar's exact test", "permutation": "paired permutation test"}


def run(args: argparse.Namespace) -> int:
    """Print the comparison of each pair of grade stages."""
    names = args.first.rstrip("/"), args.second.rstrip("/")
    stages = pairs_of(*names)
    if not args.json:
        print(f"A = {names[0]}\nB = {names[1]}   (policy {args.policy})")
    for stage, *paths in stages:
        rows = compare_rows(*(read_scores(path, args.policy) for path in paths))
        if args.json:
            for row in rows:
                print(_json(stage, row, names))
        else:
            _print(stage if len(stages) > 1 else "", rows, names)
    return 0


def _print(stage: str, rows: list[Row], names: tuple[str, str]) -> None:
    if stage:
        print(f"\n{stage}")
    print(f"{'task':24} {'solver':12} {'A':>6} {'B':>6} {'B - A':>7}  95 % interval       p      n")
    for row in rows:
        c = row.comparison
        print(
            f"{row.task:24} {row.solver:12} {100 * row.first:6.1f} {100 * row.second:6.1f}"
            f" {100 * c.difference:+7.1f}  {100 * c.low:+6.1f} to {100 * c.high:+6.1f}"
            f"  {c.p_value:8.2g} {c.n:6}"
        )
    for solver, row in {row.solver: row for row in rows}.items():
        print(f"{solver}: {sentence(row, names)}")


def _json(stage: str, row: Row, names: tuple[str, str]) -> str:
    c = row.comparison
    detectable = None if math.isinf(row.detectable) else row.detectable
    return json.dumps(
        {
            "stage": stage, "task": row.task, "solver": row.solver,
            "first": row.first, "second": row.second,
            "difference": c.difference, "low": c.low, "high": c.high, "p_value": c.p_value,
            "test": c.test, "n": c.n, "samples": row.samples, "detectable": detectable,
            "conclusion": sentence(row, names),
        }
    )  # fmt: skip
