"""Verdicts: any number of (gold, answer) pairs under one policy, alone or in a batch.

Not here: the rules (`grader`, `policies`). The batched form is thread-safe and may serve as the
reward function of a trainer: `[v.status == "correct" for v in grade_all(pairs)]`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice

from mathlm.core.errors import UserError
from mathlm.core.records import Verdict
from mathlm.grading.grader import Judgement
from mathlm.grading.policies import POLICIES, Graded, Policy
from mathlm.grading.slow import compare_all

_BATCH = 512


def policy_of(name: str) -> Policy:
    """The policy of that name; raises UserError with the names there are."""
    if name not in POLICIES:
        raise UserError(f"no policy '{name}'; there are {', '.join(POLICIES)}")
    return POLICIES[name]


def grade(gold: str, answer: str, *, policy: str = "default", task: str | None = None) -> Verdict:
    """The verdict on one answer; gold and answer may be bare or stand inside a text.

    `task` picks a task's own rules where the policy has some (`llemma`). Raises UserError for
    an unknown policy, and nothing because of the texts.
    """
    return next(iter(grade_all([(gold, answer)], policy=policy, task=task)))


def same_answers(first: str, second: str) -> bool:
    """Whether two answers count as one; may take seconds where SymPy must look."""
    return grade(first, second).status == "correct"


def grade_all(
    pairs: Iterable[tuple[str, str]],
    *,
    policy: str = "default",
    task: str | None = None,
    workers: int = 1,
) -> Iterator[Verdict]:
    """Verdicts in the order of the (gold, answer) pairs, a batch at a time.

    `workers` processes serve what the fast path leaves to SymPy; most batches start none.
    """
    rules = policy_of(policy)
    remaining = iter(pairs)
    while batch := list(islice(remaining, _BATCH)):
        yield from _batch(batch, rules, policy, task=task, workers=workers)


def _batch(
    pairs: list[tuple[str, str]], rules: Policy, policy: str, *, task: str | None, workers: int
) -> list[Verdict]:
    graded: list[tuple[Graded, float]] = []
    for gold, answer in pairs:
        start = time.perf_counter()
        found = rules(gold, answer, task)
        graded.append((found, time.perf_counter() - start))
    pending = [found for found, _ in graded if found.judgement is None]
    start = time.perf_counter()
    slow = iter(_slow(pending, workers))
    share = (time.perf_counter() - start) / len(pending) if pending else 0.0
    verdicts = []
    for found, seconds in graded:
        judgement = found.judgement
        if judgement is None:
            judgement, seconds = next(slow), seconds + share  # noqa: PLW2901
        verdicts.append(_verdict(found, judgement, policy, task=task, seconds=seconds))
    return verdicts


def _slow(pending: list[Graded], workers: int) -> list[Judgement]:
    """Judgements of what is left to workers; all of a policy's ask the same function."""
    if not pending:
        return []
    pairs = [
        found.texts or (found.gold.answer or "", found.answer.answer or "") for found in pending
    ]
    return compare_all(pending[0].function, pairs, workers)


def _verdict(
    found: Graded, judgement: Judgement, policy: str, *, task: str | None, seconds: float
) -> Verdict:
    return Verdict(
        problem_id="",
        task=task or "",
        status=judgement.status,
        answer=_safe(found.answer.answer),
        gold=_safe(found.gold.answer),
        rule=judgement.rule,
        normal_answer=_safe(judgement.normal_answer),
        normal_gold=_safe(judgement.normal_gold),
        policy=policy,
        reason=_safe(judgement.reason) or "",
        seconds=round(seconds, 6),
    )


def _safe(text: str | None) -> str | None:
    """The text with lone surrogates replaced: what JSON and UTF-8 can carry."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")
