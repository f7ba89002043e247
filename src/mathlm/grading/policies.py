"""Grading policies: whose rules decide. One function a policy, in one visible dict.

Not here: the rules of `default` (`grader`) and the emulated graders (`minerva`, `prm800k`).
A policy takes the texts of gold and answer and the task's name; where it leaves a pair to SymPy
its judgement is None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mathlm.grading.extraction import Extraction
from mathlm.grading.grader import Judgement, chosen, find, is_choice, judge
from mathlm.grading.llemma import rules_of
from mathlm.grading.minerva import gold_answer, judge_math, phrase
from mathlm.grading.peer import is_installed, require
from mathlm.grading.prm800k import grade as grade_prm800k

SYMBOLIC = "mathlm.grading.symbolic:compare"
PEER = "mathlm.grading.peer_compare:compare"


@dataclass(frozen=True, slots=True)
class Graded:
    """Both extractions and the judgement; None where SymPy has to decide."""

    gold: Extraction
    answer: Extraction
    judgement: Judgement | None
    function: str = SYMBOLIC
    """Where there is no judgement: who makes it, as `module:function` for a worker."""
    texts: tuple[str, str] | None = None
    """What that function is given; None: the extracted answers."""


Policy = Callable[[str, str, str | None], Graded]


def default(gold: str, answer: str, task: str | None) -> Graded:
    """The rules of mathematics: see `equality` and `scalars`."""
    gold_found = find(gold)
    if gold_found.answer is None:
        return Graded(gold_found, Extraction(None, "none"), Judgement("error", "gold", None, None,
                      "no answer in the gold text"))  # fmt: skip
    choice = is_choice(gold_found.answer)
    found = find(answer, choice)
    if found.answer is None:
        none = Judgement("no_answer", found.rule, None, None, "no answer found")
        return Graded(gold_found, found, none)
    expected = chosen(gold_found.answer, found.answer) if choice else gold_found.answer
    return Graded(gold_found, found, judge(expected, found.answer))


def llemma(gold: str, answer: str, task: str | None) -> Graded:
    """Llemma's released code, bug for bug, by task (`llemma` module)."""
    return Graded(*rules_of(task)(gold, answer))


def minerva(gold: str, answer: str, task: str | None) -> Graded:
    """Minerva's MATH rules as in lm-evaluation-harness, whatever the task."""
    found = phrase(answer)
    return Graded(Extraction(gold_answer(gold), "boxed"), found, judge_math(gold, found))


def prm800k(gold: str, answer: str, task: str | None) -> Graded:
    """PRM800K's grader without its `eval` (`prm800k` module)."""
    return Graded(*grade_prm800k(gold, answer))


def math_verify(gold: str, answer: str, task: str | None) -> Graded:
    """Math-Verify, the library, on the whole texts; UserError where it is not installed."""
    require()
    found = find(gold), find(answer)
    return Graded(*found, None, PEER, (gold, answer))


POLICIES: dict[str, Policy] = {
    "default": default,
    "llemma": llemma,
    "minerva": minerva,
    "prm800k": prm800k,
    "math_verify": math_verify,
}


def installed() -> list[str]:
    """Names of the policies that can run here (`math_verify` needs its library)."""
    return [name for name in POLICIES if name != "math_verify" or is_installed()]
