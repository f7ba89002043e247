"""The rules of Minerva (arXiv 2206.14858, appendix D), as lm-evaluation-harness has them.

A phrase marks the answer, a list of substitutions normalises it, and what is not equal as a
string is compared by SymPy. The strings replaced and removed are the published ones, since the
policy exists to reproduce published numbers. Deviation: equality is decided on our terms, at
fixed places, instead of by `simplify`; nothing is evaluated.
"""

from __future__ import annotations

import re

from mathlm.grading.extraction import Extraction, boxed, extract, is_bare
from mathlm.grading.grader import Judgement
from mathlm.grading.parse_latex import parse_prefix
from mathlm.grading.scalars import expressions
from mathlm.grading.terms import Term

INVALID = "[invalidanswer]"
_PHRASE = re.compile(r"Final Answer: The final answer is(.*?). I hope it is correct.")
_END = " I hope it is correct."
_REPLACED = (
    ("an ", ""), ("a ", ""), (".$", "$"), ("\\$", ""), ("\\ ", ""), (" ", ""), ("mbox", "text"),
    (",\\text{and}", ","), ("\\text{and}", ","), ("\\text{m}", "\\text{}"),
)  # fmt: skip
_REMOVED = (
    "square", "ways", "integers", "dollars", "mph", "inches", "ft", "hours", "km", "units",
    "\\ldots", "sue", "points", "feet", "minutes", "digits", "cents", "degrees", "cm", "gm",
    "pounds", "meters", "meals", "edges", "students", "childrentickets", "multiples",
    "\\text{s}", "\\text{.}", "\\text{\ns}", "\\text{}^2", "\\text{}^3", "\\text{\n}", "\\text{}",
    "\\mathrm{th}", "^\\circ", "^{\\circ}", "\\;", ",\\!", "{,}", '"', "\\dots",
)  # fmt: skip
_UNWRAPPED = (
    (re.compile(r"(.*?)(\$)(.*?)(\$)(.*)"), r"$\3"),
    (re.compile(r"(\\text\{)(.*?)(\})"), r"\2"),
    (re.compile(r"(\\textbf\{)(.*?)(\})"), r"\2"),
    (re.compile(r"(\\overline\{)(.*?)(\})"), r"\2"),
    (re.compile(r"(\\boxed\{)(.*)(\})"), r"\2"),
    (re.compile(r"(frac)([^{])(.)"), r"frac{\2}{\3}"),
    (re.compile(r"(sqrt)([^{])"), r"sqrt{\2}"),
)
MAX_CHARACTERS = 2000


def normalise(answer: str) -> str:
    """The answer after the published substitutions."""
    answer = answer[:MAX_CHARACTERS].rpartition("=")[2]
    for before, after in _REPLACED:
        answer = answer.replace(before, after)
    for removed in _REMOVED:
        answer = answer.replace(removed, "")
    for pattern, kept in _UNWRAPPED:
        answer = pattern.sub(kept, answer)
    answer = answer.replace("$", "")
    return answer.replace(",", "") if answer.replace(",", "").isdigit() else answer


def gold_answer(text: str) -> str:
    """The last box of a solution, a bare gold answer as it stands, or what a text announces."""
    content = boxed(text)
    if content is not None:
        return content
    return text.strip() if is_bare(text) else extract(text).answer or text.strip()


def phrase(text: str, pattern: re.Pattern[str] = _PHRASE) -> Extraction:
    """What stands in the demanded phrase; a bare answer counts as extracted."""
    if is_bare(text.strip()) and "inal" not in text and "boxed" not in text:
        return Extraction(text.strip() or None, "bare")
    match = pattern.search(text if text.endswith(_END) else text.rstrip() + _END)
    return Extraction(match[1].strip(), "phrase") if match else Extraction(None, "phrase")


def terms_equal(first: Term | None, second: Term | None) -> bool:
    """Whether two terms of the emulated parser are the same expression."""
    if first is None or second is None:
        return False
    return expressions(first, second, exactly=True)[0] is True


def tex_equal(gold: str, answer: str, *, zero_fails: bool = False) -> Judgement:
    """The judgement on two normalised strings; with `zero_fails` as Llemma's fork has it.

    There a gold answer that reads as 0 is taken for unreadable (`if not parsed`), and two answers
    of which nothing is left are equal.
    """
    if gold == answer and (gold or zero_fails):
        return Judgement("correct", "string", gold, answer)
    first = parse_prefix(gold)
    if first is None or (zero_fails and terms_equal(first, parse_prefix("0"))):
        return Judgement("incorrect", "unread", gold, answer, "the gold answer is not read")
    second = parse_prefix(answer)
    if second is None:
        return Judgement("incorrect", "unread", gold, answer, "the answer is not read")
    same = terms_equal(first, second)
    return Judgement("correct" if same else "incorrect", "symbolic", gold, answer)


def judge_math(gold: str, found: Extraction, *, zero_fails: bool = False) -> Judgement:
    """The judgement on MATH: gold text and extracted answer, both normalised."""
    normal_gold = normalise(gold_answer(gold))
    if found.answer is None:
        return Judgement("no_answer", "phrase", normal_gold, INVALID, "the phrase is missing")
    return tex_equal(normal_gold, normalise(found.answer), zero_fails=zero_fails)
