"""`mathlm grade`: judge answers against gold answers, and say by which rule.

One pair, a JSONL file, a sample log of another harness, or the completions of a run (finished or
still running), under one policy or several, with a table of where they differ. Not here: the
rules (`mathlm.grading`).
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mathlm.core.errors import UserError

if TYPE_CHECKING:
    from mathlm.core.progress import Progress
    from mathlm.core.records import Verdict
    from mathlm.grading.judge import Ask, Question

HELP = "judge answers against gold answers, with the rule that decided"
_SHOWN = 20
_WIDE = 100
_EXAMPLE = """examples:
  mathlm grade --gold 1/2 --answer 'so it is \\boxed{0.5}'
  mathlm grade answers.jsonl --json > verdicts.jsonl
  mathlm grade samples_gsm8k_2026-01-01.jsonl --format lm-eval --policy all
  mathlm grade --run runs/quickstart --policy default --policy llemma
  mathlm grade answers.jsonl --judge http://localhost:8000/v1 --judge-model NAME
docs/grading.md has the rules, the policies and their measured agreement."""


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
        "--run", metavar="RUN", dest="run_directory",
        help="a run's directory, also while it runs: regrade its completions",
    )  # fmt: skip
    parser.add_argument(
        "--policy", action="append", metavar="P",
        help="default, llemma, minerva, prm800k, math_verify; repeat for several, `all` for all"
        " that are installed (default: default; with --run all)",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=("mathlm", "lm-eval", "lighteval", "inspect"), default="mathlm",
        help="what the files are: our lines, samples_*.jsonl, details (.parquet, .jsonl), logs"
        " (.eval, .json); default mathlm",
    )  # fmt: skip
    parser.add_argument("--task", help="the task whose own rules hold where a policy has some")
    parser.add_argument("--workers", type=int, default=1, help="processes for SymPy (default 1)")
    parser.add_argument(
        "--differences", action="store_true",
        help="all answers on which the policies differ; with --json only those",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object an answer and policy")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    judge = parser.add_argument_group(
        "a language model as the last resort, for what no rule decides; its verdicts are the policy"
        " P+judge beside P's"
    )
    judge.add_argument("--judge", metavar="URL", help="an OpenAI-compatible endpoint (…/v1)")
    judge.add_argument("--judge-model", metavar="NAME", help="the model to ask for there")
    judge.add_argument(
        "--judge-key-env", metavar="VARIABLE", default="MATHLM_JUDGE_KEY",
        help="environment variable with the key (default MATHLM_JUDGE_KEY)",
    )  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """Answers from one place, and how they are graded under a policy."""

    title: str
    names: Sequence[str]
    texts: Sequence[tuple[str, str, str]]
    """Gold, answer and problem of each, as a judge reads them."""
    extra: Sequence[dict[str, object]]
    grade: Callable[[str], list[Verdict]]


def run(args: argparse.Namespace) -> int:
    """Grade what the arguments name."""
    pair = args.gold is not None or args.answer is not None
    if sum([bool(args.files), pair, bool(args.run_directory)]) != 1:
        raise UserError("give files, or --gold and --answer, or --run: one of the three")
    if pair and (args.gold is None or args.answer is None):
        raise UserError("--gold and --answer go together")
    if args.workers < 1:
        raise UserError("--workers is at least 1")
    policies = _policies(args)
    ask = _judge(args)
    from mathlm.core.progress import Progress

    progress = Progress(quiet=args.quiet or args.json or pair)
    for batch in _batches(args):
        by_policy = dict(_verdicts(batch, policies, ask, progress))
        if args.json:
            _print_json(batch, by_policy, only_differences=args.differences)
        elif pair:
            for verdicts in by_policy.values():
                _explain(verdicts[0])
        else:
            _print_table(batch, by_policy)
            _print_items(batch, by_policy, every=args.differences)
    return 0


def _policies(args: argparse.Namespace) -> list[str]:
    from mathlm.grading.policies import installed
    from mathlm.grading.verdicts import policy_of

    wanted = args.policy or (["all"] if args.run_directory else ["default"])
    names = [name for word in wanted for name in (installed() if word == "all" else [word])]
    for name in names:
        policy_of(name)
    return list(dict.fromkeys(names))


def _judge(args: argparse.Namespace) -> Ask | None:
    """The function that asks the judge, or None where none is wanted."""
    if not args.judge:
        return None
    if not args.judge_model:
        raise UserError("--judge needs --judge-model NAME")
    from mathlm.core.endpoint import Endpoint, ask_endpoint

    key = os.environ.get(args.judge_key_env) or None
    return ask_endpoint(Endpoint(args.judge, args.judge_model, key))


def _batches(args: argparse.Namespace) -> Iterator[Batch]:
    from mathlm.grading.logs import FORMATS, Item, graded

    if args.run_directory:
        yield from _of_run(args)
        return
    if args.files:
        items = [item for path in args.files for item in FORMATS[args.format](path)]
        if not items:
            raise UserError(f"no answers in {', '.join(args.files)}")
    else:
        items = [Item("0", args.gold, args.answer, args.task)]
    yield Batch(
        ", ".join(args.files),
        [item.id for item in items],
        [(item.gold, item.answer, "") for item in items],
        [{} for _ in items],
        lambda policy: graded(items, policy, task=args.task, workers=args.workers),
    )


def solve_stages(run_directory: str) -> list[Path]:
    """Directories at or below a path that hold problems and completions; UserError if none."""
    from mathlm.grading.journal import solve_directories

    root = Path(run_directory)
    if not root.is_dir():
        raise UserError(f"no such directory: {run_directory}")
    stages = solve_directories(root)
    if not stages:
        raise UserError(f"{run_directory} holds no problems.jsonl beside a completions.jsonl")
    return stages


def _of_run(args: argparse.Namespace) -> Iterator[Batch]:
    """One batch a solve stage of the run."""
    from mathlm.core.records import Problem
    from mathlm.core.storage import read_jsonl
    from mathlm.grading.completions import answered
    from mathlm.grading.journal import read_answers
    from mathlm.grading.stage import regrade

    for stage in solve_stages(args.run_directory):
        problems = {(p.task, p.id): p for p in read_jsonl(stage / "problems.jsonl", Problem)}
        completions, finished = read_answers(stage, problems)

        def grade(policy: str, done: Any = completions, known: Any = problems) -> list[Verdict]:
            return list(regrade(known, done, policy, workers=args.workers))

        of = [problems.get((c.task, c.problem_id)) for c in completions]
        yield Batch(
            stage.name + ("" if finished else " (still running)"),
            [c.problem_id for c in completions],
            [
                (p.answer or "", answered(c).text, p.prompt) if p else ("", "", "")
                for p, c in zip(of, completions, strict=True)
            ],
            [
                {"stage": stage.name, "task": c.task, "solver": c.solver, "sample": c.sample_index}
                for c in completions
            ],
            grade,
        )


def _verdicts(
    batch: Batch, policies: Iterable[str], ask: Ask | None, progress: Progress
) -> Iterator[tuple[str, list[Verdict]]]:
    """Verdicts by policy, a judge's beside those of the rules that it was asked after."""
    from mathlm.grading.judge import SUFFIX, Question, judged

    for policy in policies:
        with progress.task(f"grade ({policy})", len(batch.names), "answers") as counted:
            verdicts = batch.grade(policy)
            counted.advance(len(verdicts))
        yield policy, verdicts
        if ask is None:
            continue
        questions: list[Question] = [
            Question(verdict, *texts) for verdict, texts in zip(verdicts, batch.texts, strict=True)
        ]
        yield policy + SUFFIX, judged(questions, ask)


def _print_json(
    batch: Batch, by_policy: dict[str, list[Verdict]], *, only_differences: bool
) -> None:
    """A line for each policy and answer; with `only_differences` one for each answer in dispute."""
    from mathlm.grading.disagreement import differing

    if only_differences:
        for place, row in differing(by_policy):
            said = {
                verdict.policy: {"status": verdict.status, "rule": verdict.rule,
                                 "answer": verdict.answer}
                for verdict in row
            }  # fmt: skip
            name = batch.names[place]
            print(json.dumps({"id": name, **batch.extra[place], "gold": row[0].gold, "said": said}))
        return
    for verdicts in by_policy.values():
        for name, extra, verdict in zip(batch.names, batch.extra, verdicts, strict=True):
            print(_line(name, verdict, **extra))


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
    print(f"  gold    {_shown(verdict.gold)} read as {_plain(verdict.normal_gold)}")
    print(f"  answer  {_shown(verdict.answer)} read as {_plain(verdict.normal_answer)}")
    if verdict.reason:
        print(f"  {_plain(verdict.reason)}")


def _plain(text: str | None) -> str:
    """A text for the terminal: control characters of a model escaped, cut to a line."""
    shown = "".join(ch if ch.isprintable() else repr(ch)[1:-1] for ch in str(text)[: 2 * _WIDE])
    return shown if len(shown) <= _WIDE else shown[: _WIDE - 1] + "…"


def _shown(text: str | None) -> str:
    return "nothing" if text is None else f"'{_plain(text)}'"


def _print_table(batch: Batch, by_policy: dict[str, list[Verdict]]) -> None:
    """Shares by task, solver and policy, and who accepts what another does not."""
    from mathlm.grading.disagreement import table
    from mathlm.stats import wilson

    print(batch.title)
    first = next(iter(by_policy.values()))
    kinds = [" ".join(word for word in (v.task, v.solver) if word) for v in first]
    groups = sorted(set(kinds))
    for group in [*groups, "all"] if len(groups) > 1 else groups:
        for policy, verdicts in by_policy.items():
            pairs = zip(kinds, verdicts, strict=True)
            marks = Counter(v.status for kind, v in pairs if group in (kind, "all"))
            total = marks.total()
            share = wilson(marks["correct"], total)
            others = ", ".join(f"{n} {name}" for name, n in sorted(marks.items()) if n)
            print(
                f"  {group:24} {policy:16} {100 * share.value:5.1f} % correct of {total}"
                f"  ({100 * share.low:.1f} to {100 * share.high:.1f}; {others})"
            )
    if len(by_policy) > 1:
        print("\n".join(f"  {line}" for line in ["", *table(by_policy)]))


def _print_items(batch: Batch, by_policy: dict[str, list[Verdict]], *, every: bool) -> None:
    from mathlm.grading.disagreement import differing

    first = next(iter(by_policy.values()))
    if len(by_policy) == 1:
        for name, verdict in zip(batch.names, first, strict=True) if len(first) <= _SHOWN else ():
            print(f"  {_plain(name)}: {verdict.status} ({verdict.rule})")
        return
    rows = list(differing(by_policy))
    print(f"\n  policies differ on {len(rows)} of {len(first)} answers")
    for place, row in rows if every else rows[:_SHOWN]:
        said = ", ".join(f"{v.policy}: {v.status} ({v.rule})" for v in row)
        print(f"    {row[0].task} {_plain(batch.names[place])}  gold {_shown(row[0].gold)}")
        print(f"      answer {_shown(row[0].answer)}: {said}")
    if len(rows) > _SHOWN and not every:
        print(f"    … and {len(rows) - _SHOWN} more: --differences gives all")
