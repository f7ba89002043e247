"""Grading policies: whose rules decide. One function a policy, in one visible dict.

Not here: the rules of `default` (`grader`) and the emulated graders (`minerva`, `prm800k`).
A policy takes the texts of gold and answer and the task's name; where it leaves a pair to SymPy
its judgement is None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mathlm.grading.extract import Extraction
from mathlm.grading.grader import Judgement, find, is_choice, judge
from mathlm.grading.llemma import rules_of
from mathlm.grading.minerva import gold_answer, judge_math, phrase


@dataclass(frozen=True, slots=True)
class Graded:
    """Both extractions and the judgement; None where SymPy has to decide."""

    gold: Extraction
    answer: Extraction
    judgement: Judgement | None


Policy = Callable[[str, str, str | None], Graded]


def default(gold: str, answer: str, task: str | None) -> Graded:
    """The rules of mathematics: see `equality` and `scalars`."""
    gold_found = find(gold)
    if gold_found.answer is None:
        return Graded(gold_found, Extraction(None, "none"), Judgement("error", "gold", None, None,
                      "no answer in the gold text"))  # fmt: skip
    found = find(answer, is_choice(gold_found.answer))
    if found.answer is None:
        none = Judgement("no_answer", found.rule, None, None, "no answer found")
        return Graded(gold_found, found, none)
    return Graded(gold_found, found, judge(gold_found.answer, found.answer))


def llemma(gold: str, answer: str, task: str | None) -> Graded:
    """Llemma's released code, bug for bug, by task (`llemma` module)."""
    return Graded(*rules_of(task)(gold, answer))


def minerva(gold: str, answer: str, task: str | None) -> Graded:
    """Minerva's MATH rules as in lm-evaluation-harness, whatever the task."""
    found = phrase(answer)
    return Graded(Extraction(gold_answer(gold), "boxed"), found, judge_math(gold, found))


POLICIES: dict[str, Policy] = {"default": default, "llemma": llemma, "minerva": minerva}


def installed() -> list[str]:
    """Names of the policies that can run here (`math_verify` needs its library)."""
    return list(POLICIES)
