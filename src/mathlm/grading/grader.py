"""An answer against a gold answer: extraction, the fast exact path, then SymPy in a worker.

Not here: other graders' rules (`policies`) and whole runs (`stage`). Nothing is ever evaluated as
code; what the grammar cannot read goes to killable workers, so that no answer can hang or crash
the caller. Safe from any thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import islice

from mathlm.core.records import Status
from mathlm.grading.clean import clean
from mathlm.grading.equality import decide, words_of
from mathlm.grading.extraction import Extraction, extract, extract_choice
from mathlm.grading.parser import parse
from mathlm.grading.quantities import is_money, readings
from mathlm.grading.terms import (
    Apply,
    I,
    Symbol,
    Term,
    Text,
    TooLarge,
    Unreadable,
    replaced,
    show,
)

_CHOICE = re.compile(r"\s*\(?([A-J])\)?\.?\s*")
_LETTERED = re.compile(r"\s*(?:\([A-J]\)|[A-J]\))\s")
_PLAIN_NUMBER = re.compile(r"([-+]?)\$?(\d{1,3}(?:,\d{3})+|\d{1,300})(?:\.(\d{0,300}))?%?\.?")
_WRAPPED = re.compile(r"\\(?:text|mbox|textbf|mathrm)\s*\{([^{}]*)\}")
_BLANK = re.compile(r"\s+(?!\d)|(?<!\d)\s+")
_WORDS = re.compile(r"[A-Za-z][A-Za-z .,'!-]+")
_MAX_READINGS = 4
_SYMBOLIC_CHARACTERS = 400
"""Longer formulas are not handed to SymPy: its parser takes seconds for them."""
_LIMITS = re.compile(r"_\s*\{[^{}]*\}")
_TOWER = re.compile(
    r"[\d)}\]]\s*\^\s*\{?[^{}^$]{0,40}\^|[\d)}\]]\s*\^\s*\{?\s*\d{4,}|!\s*\)?\s*!|\d{5,}\s*!|\d{60,}"
)
"""Powers of powers, long exponents, factorials of factorials: SymPy would work them out."""
_SYMBOLIC = re.compile(
    r"\\(?:int|sum|prod|lim|det|iint|oint|partial|begin|operatorname|over)(?![a-zA-Z])"
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules say of a pair: a status, the rule, both normal forms, and the reason."""

    status: Status
    rule: str
    normal_gold: str | None = None
    normal_answer: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer as read: its cleaned text and the terms that it may mean, the likeliest first."""

    text: str
    terms: tuple[Term, ...]
    problem: str = ""
    large: bool = False

    @property
    def normal(self) -> str:
        """The normal form."""
        return show(self.terms[0]) if self.terms else self.text


@lru_cache(maxsize=16_384)
def read(answer: str) -> Reading:
    """An extracted answer as a reading; never raises."""
    try:
        text = clean(answer)
        if not text:
            return Reading("", (), "empty")
        terms: list[Term] = []
        problem = ""
        try:
            terms.append(parse(text))
        except Unreadable as error:
            problem = str(error)
        for term in islice(_others(text, answer), _MAX_READINGS):
            if is_money(term):
                terms = [term]
            elif term not in terms:
                terms.append(term)
        terms += [other for term in terms for other in _meant(term) if other not in terms]
        if not terms and _is_words(text):
            terms.append(Text(text))
        return Reading(text, tuple(terms), problem)
    except (TooLarge, RecursionError) as error:
        return Reading(answer[:200], (), f"too large: {error}", True)


def _meant(term: Term) -> list[Term]:
    """What else the term's names may mean: `log` to base ten, SymPy's `I` the imaginary unit."""
    return [_common(term), replaced(term, {Symbol("I"): I})]


def _common(term: Term) -> Term:
    """The term with logarithms to base ten, which `log` may mean as well as natural ones."""
    if not isinstance(term, Apply):
        return term
    return Apply("lg" if term.op == "log" else term.op, tuple(_common(arg) for arg in term.args))


def _others(text: str, original: str) -> Iterator[Term]:
    """Second readings as far as they can be read."""
    try:
        yield from readings(text, original)
    except Unreadable:
        return


def _is_words(text: str) -> bool:
    return "\\" not in text and len(text) <= 200 and not any(c.isdigit() for c in text)


def _same_words(first: str, second: str) -> bool:
    first, second = _WRAPPED.sub(r"\1", first), _WRAPPED.sub(r"\1", second)
    plain = _WORDS.fullmatch(first) and _WORDS.fullmatch(second)
    return bool(plain) and words_of(first) == words_of(second) != ""


def _squeezed(text: str) -> str:
    return _BLANK.sub("", _WRAPPED.sub(r"\1", text))


def _number(text: str) -> Fraction | None:
    match = _PLAIN_NUMBER.fullmatch(text)
    if match is None:
        return None
    digits = match[2].replace(",", "")
    value = Fraction(digits) if not match[3] else Fraction(f"{digits}.{match[3]}")
    return -value if match[1] == "-" else value


def _fast(gold: str, answer: str) -> Judgement | None:
    """Equal strings and plain numbers, without reading them as terms."""
    if gold == answer:
        return Judgement("correct", "exact", gold, answer)
    first = _number(gold)
    if first is None or gold.endswith("%"):
        return None
    second = _number(answer)
    if second is None or answer.endswith("%") or (first != second and "." in gold + answer):
        return None
    status: Status = "correct" if first == second else "incorrect"
    return Judgement(status, "number", str(first), str(second))


def judge(gold: str, answer: str) -> Judgement | None:
    """The verdict of the fast path on two extracted answers; None where SymPy must look."""
    quick = _fast(gold.strip(), answer.strip())
    if quick is not None:
        return quick
    return compare(read(gold), read(answer))


@lru_cache(maxsize=16_384)
def compare(first: Reading, second: Reading) -> Judgement | None:
    """The verdict on a gold answer and an answer by their normal forms, which it is cached by."""
    forms = first.normal, second.normal
    if first.text == second.text or _squeezed(first.text) == _squeezed(second.text):
        return Judgement("correct", "exact", *forms)
    if _same_words(first.text, second.text):
        return Judgement("correct", "text", *forms)
    if first.large or second.large:
        return Judgement("error", "limit", *forms, (second if second.large else first).problem)
    if not first.terms or not second.terms:
        return _unread(first, second)
    if _is_membership(first.terms[0]) and _is_inequality(second.terms[0]):
        return Judgement("incorrect", "form", *forms, "the gold answer is in interval notation")
    unknown = ""
    rule = ""
    for a in first.terms:
        for b in second.terms:
            same, found = decide(a, b)
            if same:
                return Judgement("correct", found, *forms)
            rule = rule or found
            if same is None:
                unknown = found
    if unknown:
        return Judgement("error", "undecided", *forms, f"cannot tell by {unknown}")
    return Judgement("incorrect", rule, *forms)


def _is_membership(term: Term) -> bool:
    return isinstance(term, Apply) and term.op == "rel in"


def _is_inequality(term: Term) -> bool:
    return isinstance(term, Apply) and term.op.startswith(("rel <", "rel >"))


def _unread(first: Reading, second: Reading) -> Judgement | None:
    """One of the answers is not in the grammar: words are compared, formulas go to SymPy."""
    if not second.text:
        return Judgement("no_answer", "none", first.normal, None, "empty answer")
    if words_of(first.text) == words_of(second.text) and words_of(first.text):
        same = _squeezed(first.text).lower() == _squeezed(second.text).lower()
        if same:
            return Judgement("correct", "text", first.normal, second.normal)
    unread = first if not first.terms else second
    if len(unread.text) <= _SYMBOLIC_CHARACTERS and _SYMBOLIC.search(unread.text):
        if any(_TOWER.search(_LIMITS.sub("_", one.text)) for one in (first, second)):
            return Judgement(
                "error", "limit", first.normal, second.normal, "a power too large for SymPy"
            )
        return None
    return Judgement("incorrect", "unread", first.normal, second.normal, unread.problem)


_found = lru_cache(maxsize=65_536)(extract)
_CACHED_CHARACTERS = 1000
"""Longer texts are not kept: they seldom come twice, and thousands of them would fill memory."""


def find(text: str, choice: bool = False) -> Extraction:
    """The extracted answer of a text."""
    if choice:
        return extract_choice(text)
    return _found(text) if len(text) <= _CACHED_CHARACTERS else extract(text)


def forget() -> None:
    """Empty the caches of extractions, readings and judgements."""
    for cached in (_found, read, compare):
        cached.cache_clear()


def is_choice(gold: str) -> bool:
    """Whether a gold answer is the letter of a choice, alone or before the choice's text."""
    return _CHOICE.fullmatch(gold) is not None or _LETTERED.match(gold) is not None


def chosen(gold: str, answer: str) -> str:
    """What of a gold as `(C) 12` an answer is compared with: the letter, or what it stands for."""
    lettered = _LETTERED.match(gold)
    if lettered is None:
        return gold
    letter = _CHOICE.fullmatch(answer) is not None
    return lettered[0].strip(" ()") if letter else gold[lettered.end() :]
