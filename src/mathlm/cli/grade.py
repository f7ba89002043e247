"""`mathlm grade`: judge answers against gold answers, and say by which rule.

One pair, a JSONL file, a sample log of another harness, or the completions of a finished run
under every policy. Not here: the rules (`mathlm.grading`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mathlm.core.errors import UserError

if TYPE_CHECKING:
    from mathlm.core.records import Completion, Problem, Verdict

HELP = "judge answers against gold answers, with the rule that decided"
_SHOWN = 20
_EXAMPLE = """examples:
  mathlm grade --gold 1/2 --answer 'so it is \\boxed{0.5}'
  mathlm grade answers.jsonl --json > verdicts.jsonl
  mathlm grade --run runs/quickstart --policy default --policy llemma"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = _EXAMPLE
    parser.add_argument(
        "files", nargs="*", metavar="FILE.jsonl",
        help="lines {id?, gold, answer | completion, task?}, or a log by --format",
    )  # fmt: skip
    parser.add_argument("--gold", help="a gold answer, bare or inside a text")
    parser.add_argument("--answer", help="the answer to judge, bare or inside a text")
    parser.add_argument(
        "--run",
        metavar="RUN",
        dest="run_directory",
        help="a run's directory: regrade its completions",
    )
    parser.add_argument(
        "--policy", action="append", metavar="P",
        help="default, llemma, minerva, prm800k, math_verify; repeat for several"
        " (default: default; with --run all that are installed)",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=("mathlm", "lm-eval", "lighteval", "inspect"), default="mathlm",
        help="what the files are (default: mathlm)",
    )  # fmt: skip
    parser.add_argument("--task", help="the task whose own rules hold where a policy has some")
    parser.add_argument("--workers", type=int, default=1, help="processes for SymPy (default 1)")
    parser.add_argument("--json", action="store_true", help="one JSON object an answer")


def run(args: argparse.Namespace) -> int:
    """Grade what the arguments name."""
    ways = [
        bool(args.files),
        args.gold is not None or args.answer is not None,
        bool(args.run_directory),
    ]
    if sum(ways) != 1:
        raise UserError("give files, or --gold and --answer, or --run: one of the three")
    if args.run_directory:
        return _regrade(args)
    if args.files:
        return _files(args)
    if args.gold is None or args.answer is None:
        raise UserError("--gold and --answer go together")
    from mathlm.grading import grade

    for policy in args.policy or ["default"]:
        verdict = grade(args.gold, args.answer, policy=policy, task=args.task)
        if args.json:
            print(_line("0", verdict))
        else:
            _explain(verdict)
    return 0


def _line(name: str, verdict: Verdict, **extra: object) -> str:
    return json.dumps(
        {
            "id": name,
            **extra,
            "status": verdict.status,
            "rule": verdict.rule,
            "gold": verdict.gold,
            "answer": verdict.answer,
            "policy": verdict.policy,
            "seconds": verdict.seconds,
            "normal_gold": verdict.normal_gold,
            "normal_answer": verdict.normal_answer,
            "reason": verdict.reason,
        }
    )


def _explain(verdict: Verdict) -> None:
    print(f"{verdict.status}  (rule: {verdict.rule}, policy: {verdict.policy})")
    print(f"  gold    {verdict.gold!r} read as {verdict.normal_gold}")
    print(f"  answer  {verdict.answer!r} read as {verdict.normal_answer}")
    if verdict.reason:
        print(f"  {verdict.reason}")


def _files(args: argparse.Namespace) -> int:
    from collections import Counter

    from mathlm.grading.logs import FORMATS, Item
    from mathlm.grading.verdicts import grade_all, policy_of

    for policy in args.policy or ["default"]:
        policy_of(policy)
        counts: Counter[str] = Counter()
        items: list[Item] = [item for path in args.files for item in FORMATS[args.format](path)]
        for task, group in _by_task(items, args.task):
            pairs = [(item.gold, item.answer) for item in group]
            verdicts = grade_all(pairs, policy=policy, task=task, workers=args.workers)
            for item, verdict in zip(group, verdicts, strict=True):
                counts[verdict.status] += 1
                if args.json:
                    print(_line(item.id, verdict))
                elif len(items) <= _SHOWN:
                    print(f"{item.id}: {verdict.status} ({verdict.rule})")
        if not args.json:
            _print_counts(policy, counts)
    return 0


def _by_task(items: list, task: str | None) -> Iterator[tuple[str | None, list]]:  # type: ignore[type-arg]
    """Runs of items of one task, in input order."""
    from itertools import groupby

    for name, group in groupby(items, key=lambda item: task or item.task):
        yield name, list(group)


def _print_counts(policy: str, counts: dict[str, int]) -> None:
    from mathlm.stats import wilson

    total = sum(counts.values())
    share = wilson(counts.get("correct", 0), total)
    others = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()) if n)
    print(
        f"{policy}: {100 * share.value:.1f} % correct of {total}"
        f" (95 % interval {100 * share.low:.1f} to {100 * share.high:.1f}; {others})"
    )


# A whole run under several policies


def solve_stages(run_directory: str) -> list[Path]:
    """Directories below (or at) a path that hold problems and completions; UserError if none."""
    root = Path(run_directory)
    if not root.is_dir():
        raise UserError(f"no such directory: {run_directory}")
    found = sorted({path.parent for path in root.glob("**/completions.jsonl")})
    stages = [path for path in found if (path / "problems.jsonl").is_file()]
    if not stages:
        raise UserError(f"{run_directory} holds no problems.jsonl beside a completions.jsonl")
    return stages


def _regrade(args: argparse.Namespace) -> int:
    from mathlm.core.records import Completion, Problem
    from mathlm.core.storage import read_jsonl
    from mathlm.grading.policies import installed

    policies = args.policy or installed()
    for stage in solve_stages(args.run_directory):
        problems = {(p.task, p.id): p for p in read_jsonl(stage / "problems.jsonl", Problem)}
        completions = list(read_jsonl(stage / "completions.jsonl", Completion))
        _regrade_stage(args, stage.name, problems, completions=completions, policies=policies)
    return 0


def _regrade_stage(
    args: argparse.Namespace,
    stage: str,
    problems: dict[tuple[str, str], Problem],
    *,
    completions: list[Completion],
    policies: list[str],
) -> None:
    from mathlm.grading.stage import regrade

    by_policy = {
        policy: list(regrade(problems, completions, policy, workers=args.workers))
        for policy in policies
    }
    if args.json:
        for verdicts in by_policy.values():
            for v in verdicts:
                sample = {"stage": stage, "task": v.task, "solver": v.solver}
                print(_line(v.problem_id, v, **sample, sample=v.sample_index))
        return
    _print_table(stage, by_policy)
    _print_differences(by_policy)


def _print_table(stage: str, by_policy: dict[str, list[Verdict]]) -> None:
    from mathlm.stats import wilson

    print(f"{stage}")
    first = next(iter(by_policy.values()))
    for task, solver in sorted({(v.task, v.solver) for v in first}):
        for policy, verdicts in by_policy.items():
            marks = [v.status for v in verdicts if (v.task, v.solver) == (task, solver)]
            share = wilson(marks.count("correct"), len(marks))
            print(f"  {task:24} {solver:12} {policy:12} {100 * share.value:5.1f} %  n={len(marks)}")


def _print_differences(by_policy: dict[str, list[Verdict]]) -> None:
    rows = [
        row
        for row in zip(*by_policy.values(), strict=True)
        if len({verdict.status == "correct" for verdict in row}) > 1
    ]
    total = len(next(iter(by_policy.values())))
    print(f"  policies differ on {len(rows)} of {total} answers")
    for row in rows[:_SHOWN]:
        said = ", ".join(f"{v.policy}: {v.status} ({v.rule})" for v in row)
        print(f"    {row[0].task} {row[0].problem_id} gold {row[0].gold!r}")
        print(f"      answer {row[0].answer!r}: {said}")
    if len(rows) > _SHOWN:
        print(f"    … and {len(rows) - _SHOWN} more: --json gives all")
