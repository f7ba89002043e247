"""The rules of Llemma's released evaluation code, bug for bug, by task.

Source: wellecks/lm-evaluation-harness bec2172 (`mixins.py`, the task files and the offline
scorers); each rule names the faults that it keeps. Deviations:
programs' text that the original hands to `eval` is read by our grammar, and simplification is
replaced by comparison at fixed places.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from mathlm.grading.clean import clean
from mathlm.grading.extraction import Extraction
from mathlm.grading.grader import Judgement, read
from mathlm.grading.minerva import gold_answer, judge_math, normalise, phrase, tex_equal
from mathlm.grading.parse_latex import parse_prefix
from mathlm.grading.terms import TooLarge
from mathlm.grading.values import Huge, Undefined, numeric

Graded = tuple[Extraction, Extraction, Judgement]
_GSM8K_ANSWER = re.compile(r"The answer is (\d+)")
_GSM8K_GOLD = re.compile(r"#### (-?[0-9.,]+)")
_OCW = re.compile(r"Final answer: The final answer is(.*?). I hope it is correct.")
_CHOICE = re.compile(r"Final Answer: The final answer is (\([ABCD]\)).")
_BARE_CHOICE = re.compile(r"\(?([A-D])\)?\.?")
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")

_QUANTITY = re.compile(r"([-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:\s*[A-Za-z/. ]+)?")


def _verdict(same: bool, rule: str, gold: str, answer: str) -> Judgement:
    return Judgement("correct" if same else "incorrect", rule, gold, answer)


def _missing(gold: str, found: Extraction) -> Judgement:
    return Judgement("no_answer", found.rule, gold, None, "the pattern does not match")


def math_task(gold: str, answer: str) -> Graded:
    """MATH: phrase, Minerva's substitutions, then strings or SymPy; gold 0 only as a string."""
    found = phrase(answer)
    judgement = judge_math(gold, found, zero_fails=True)
    return Extraction(gold_answer(gold), "boxed"), found, judgement


def gsm8k(gold: str, answer: str) -> Graded:
    r"""GSM8K: `The answer is (\\d+)`, first match: "1,600" gives 1, "$18" nothing, "12.5" 12."""
    match = _GSM8K_GOLD.search(gold)
    target = (match[1] if match else gold.strip()).replace(",", "")
    said = _GSM8K_ANSWER.search(answer)
    text = said[1] if said else answer.strip() if re.fullmatch(r"\s*\d+\s*", answer) else None
    found = Extraction(text, "phrase")
    gold_found = Extraction(target, "marked")
    if text is None:
        return gold_found, found, _missing(target, found)
    return gold_found, found, _verdict(text == target, "string", target, text)


def choice(gold: str, answer: str) -> Graded:
    """MMLU-STEM and SAT: the letter in the phrase, as a string with its brackets."""
    bare_gold = _BARE_CHOICE.fullmatch(gold.strip())
    target = f"({bare_gold[1]})" if bare_gold else gold.strip()
    match = _CHOICE.search(answer if answer.endswith(".") else answer + ".")
    bare = _BARE_CHOICE.fullmatch(answer.strip())
    text = match[1] if match else f"({bare[1]})" if bare else None
    found, gold_found = Extraction(text, "phrase"), Extraction(target, "bare")
    if text is None:
        return gold_found, found, _missing(target, found)
    return gold_found, found, _verdict(text == target, "string", target, text)


def _float(text: str) -> float | None:
    """A number as the original's `float(eval(…))` gives it, read by our grammar."""
    plain = _QUANTITY.fullmatch(text.strip("$ "))
    if plain:
        return float(plain[1].replace(",", ""))
    try:
        terms = read(clean(text.strip("$ "))).terms
    except TooLarge:
        return None
    for term in terms[:1]:
        try:
            value = numeric(term)
        except (Undefined, Huge):
            break
        return None if isinstance(value, complex) else float(value)
    match = _NUMBER.match(text.strip("$ ~"))
    try:
        return float(match[0].replace(",", "")) if match else None
    except ValueError:
        return None


def _isclose(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-8 + 1e-5 * abs(b)


def numeric_equal(first: float, second: float) -> bool:
    """OCW's tolerance: 1 % only where a difference or an operand is about 0, else 1e-5.

    The bound of the 1 % is signed: negative golds fail against themselves.
    """
    if _isclose(first, 0) or _isclose(second, 0) or _isclose(first - second, 0):
        return abs(first - second) < 0.01 * (first + second) / 2
    return _isclose(first, second)


def ocw(gold: str, answer: str) -> Graded:
    """OCWCourses: numbers, equations (which never score: a missing import), else TeX."""
    target = gold_answer(gold)
    gold_found = Extraction(target, "boxed")
    found = phrase(answer, _OCW)
    if found.answer is None:
        return gold_found, found, _missing(target, found)
    try:
        expected = float(target)
    except ValueError:
        if "=" in target:
            judgement = Judgement("incorrect", "equation", target, found.answer,
                                  "the released code never accepts an equation")  # fmt: skip
        else:
            judgement = tex_equal(normalise(target), normalise(found.answer), zero_fails=True)
        return gold_found, found, judgement
    value = _float(found.answer)
    if value is None:
        return gold_found, found, Judgement("incorrect", "unread", target, found.answer)
    same = numeric_equal(value, expected)
    return gold_found, found, _verdict(same, "numeric", repr(expected), repr(value))


def gsm8k_program(gold: str, answer: str) -> Graded:
    """GSM8K with Python: what was printed and the gold as floats, compared exactly."""
    match = _GSM8K_GOLD.search(gold)
    target = (match[1] if match else gold.strip()).replace(",", "")
    found = Extraction(answer.strip() or None, "program")
    gold_found = Extraction(target, "marked")
    try:
        same = float(target) == float(answer.strip())
    except ValueError:
        return gold_found, found, _verdict(False, "float", target, answer.strip())
    return gold_found, found, _verdict(same, "float", target, answer.strip())


def math_program(gold: str, answer: str) -> Graded:
    """MATH with Python: both cut to whole numbers where both are real, else SymPy.

    `int()` comes before `float()` in the original: 0.9 is right for 1/2, 6.01 for 20/3; lists,
    tuples and matrices are never right.
    """
    target = normalise(gold_answer(gold))
    gold_found, found = Extraction(target, "boxed"), Extraction(answer.strip() or None, "program")
    if found.answer is None:
        return gold_found, found, _missing(target, found)
    if found.answer[0] in "[({" and found.answer[-1] in "])}" and "," in found.answer:
        return gold_found, found, _verdict(False, "type", target, found.answer)
    term = parse_prefix(target.replace("\\pi", f"({math.pi!r})"))
    value = _float(found.answer)
    try:
        expected = None if term is None else numeric(term)
    except (Undefined, Huge):
        expected = None
    if isinstance(expected, float | int) and value is not None and math.isfinite(value):
        same = int(expected) == int(value)
        return gold_found, found, _verdict(same, "int", repr(expected), repr(value))
    return gold_found, found, tex_equal(target, normalise(found.answer))


_RULES: tuple[tuple[re.Pattern[str], Callable[[str, str], Graded]], ...] = (
    (re.compile(r"python.*gsm|gsm.*python"), gsm8k_program),
    (re.compile(r"sympy.?math|math.*python|python.*math"), math_program),
    (re.compile(r"gsm"), gsm8k),
    (re.compile(r"ocw"), ocw),
    (re.compile(r"mmlu|hendryckstest|\bsat\b|^sat|math_sat"), choice),
)


def rules_of(task: str | None) -> Callable[[str, str], Graded]:
    """The rules of a task by its name; MATH's for any other."""
    name = (task or "math").lower()
    return next((rules for pattern, rules in _RULES if pattern.search(name)), math_task)
