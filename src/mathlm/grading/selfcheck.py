"""Does a policy judge a task's gold answers as it should: each against itself and its mutations.

Twenty-two kinds of mutation, each with the verdict it must get, applied to the gold answers that
they make sense for. A failure found here before a run would otherwise look like a weak model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from mathlm.grading.extraction import extract
from mathlm.grading.verdicts import grade_all

_INTEGER = re.compile(r"-?\d+")
_DECIMAL = re.compile(r"-?\d+\.\d+")
_CHOICE = re.compile(r"[A-E]")
_INTERVAL = re.compile(r"([\[(])([^\[\](){}]*,[^\[\](){}]*)([\])])")
_SIMPLE = re.compile(r"[-\d./]+|\\frac\{-?\d+\}\{\d+\}")
_FRACTION = re.compile(r"\\frac(?=\{)")

Mutation = Callable[[str], str | None]


@dataclass(frozen=True)
class Failure:
    """A gold answer whose mutation was not judged as it must be."""

    mutation: str
    gold: str
    answer: str
    expected: bool
    status: str
    rule: str


def _integer(change: Callable[[int], str | None]) -> Mutation:
    def mutate(gold: str) -> str | None:
        short = _INTEGER.fullmatch(gold) and len(gold) < 40
        return change(int(gold)) if short else None

    return mutate


def _decimal_moved(gold: str) -> str | None:
    if not (_DECIMAL.fullmatch(gold) or _INTEGER.fullmatch(gold)) or Fraction(gold) == 0:
        return None
    value = Fraction(gold) * 10
    return str(int(value)) if value.denominator == 1 else f"{float(value):.12g}"


def _first_digit(value: int) -> str:
    digits = str(abs(value))
    other = str(int(digits[0]) % 9 + 1)
    return ("-" if value < 0 else "") + other + digits[1:]


def _other_bracket(gold: str) -> str | None:
    match = _INTERVAL.fullmatch(gold)
    if match is None or "\\infty" in match[2].split(",", maxsplit=1)[0]:
        return None
    return ("(" if match[1] == "[" else "[") + match[2] + match[3]


def _if(pattern: re.Pattern[str], change: Callable[[str], str]) -> Mutation:
    return lambda gold: change(gold) if pattern.fullmatch(gold) else None


MUTATIONS: dict[str, tuple[bool, Mutation]] = {
    "itself": (True, lambda gold: gold),
    "boxed": (True, lambda gold: f"so we get $\\boxed{{{gold}}}$."),
    "dollars": (True, lambda gold: f"${gold}$" if "$" not in gold else None),
    "blanks": (True, lambda gold: f"  {gold} \n"),
    "announced": (True, _if(_SIMPLE, lambda gold: f"We add them. The answer is {gold}.")),
    "named": (True, _if(_SIMPLE, lambda gold: f"$x = {gold}$")),
    "display_fraction": (True, lambda gold: _FRACTION.sub(r"\\dfrac", gold)),
    "fences": (True, lambda gold: f"\\left({gold}\\right)" if _SIMPLE.fullmatch(gold) else None),
    "thousands": (True, _integer(lambda n: f"{n:,}")),
    "decimal_zero": (True, _integer(lambda n: f"{n}.0")),
    "as_fraction": (True, _integer(lambda n: f"\\frac{{{3 * n}}}{{3}}")),
    "unicode_minus": (True, lambda gold: gold.replace("-", "−") if "-" in gold else None),
    "plus_one": (False, _integer(lambda n: str(n + 1))),
    "minus_one": (False, _integer(lambda n: str(n - 1))),
    "sign": (False, _integer(lambda n: str(-n) if n else None)),
    "digit_added": (False, _integer(lambda n: f"{n}7")),
    "digit_dropped": (False, _integer(lambda n: str(n)[:-1] if abs(n) > 9 else None)),
    "first_digit": (False, _integer(_first_digit)),
    "doubled": (False, _integer(lambda n: str(2 * n) if n else None)),
    "decimal_moved": (False, _decimal_moved),
    "other_choice": (False, _if(_CHOICE, lambda gold: chr((ord(gold) - 64) % 5 + 65))),
    "other_bracket": (False, _other_bracket),
}


def self_check(
    golds: Iterable[str], *, policy: str = "default", task: str | None = None
) -> Iterator[Failure]:
    """Failures over all gold answers and kinds of mutation; none under a sound policy.

    Golds may stand in solutions. Under policies whose rules demand a phrase most mutations fail:
    there only `itself` tells something, the ceiling that the policy leaves.
    """
    known = list(golds)
    bare = [extract(gold).answer or "" for gold in known]
    for name, (expected, mutate) in MUTATIONS.items():
        cases = [
            (gold, changed)
            for gold, answer in zip(known, bare, strict=True)
            if (changed := mutate(answer)) is not None
        ]
        for (gold, changed), verdict in zip(
            cases, grade_all(cases, policy=policy, task=task), strict=True
        ):
            if (verdict.status == "correct") != expected:
                yield Failure(name, gold, changed, expected, verdict.status, verdict.rule)
