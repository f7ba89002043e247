"""Second readings of a whole answer: times of day, quantities with plain units, other numerals.

Not here: the grammar (`parser`), which reads `0.1 m/s` as a product of variables; beside a plain
number, or beside another quantity, the reading as a quantity is the one that may agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from mathlm.grading.atoms import decimal
from mathlm.grading.clean import clean
from mathlm.grading.parser import parse
from mathlm.grading.terms import ONE, ZERO, Apply, Number, Symbol, Term, Text, replaced, symbols
from mathlm.grading.units import is_unit
from mathlm.grading.values import exact

_CLOCK = re.compile(
    r"(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?\s*(?:\\text\s*\{)?\s*([AaPp])?\.?\s?([Mm])?\.?\s*\}?"
)
_QUANTITY = re.compile(
    r"(-?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?:/\d+)?)\s*([A-Za-z][A-Za-z0-9^/*{}. ]*)"
)
_MONEY = re.compile(r"\s*(-?)\\?\$\s?(-?[\d,]*\.?\d+)\s*")
_NUMERAL = re.compile(
    r"(?:\(([0-9A-Za-z]{1,60})\)|(?:\\text\s*\{)?([0-9A-Za-z]{1,60})\}?)_\{?(\d{1,2})\}?"
)
_SPACED_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?: \d{3})+(?:\.\d+)?")
_DECIMAL_COMMA = re.compile(r"([-+]?(?:\d+|\d{1,3}(?:\.\d{3})+|\d{1,3}(?: \d{3})+)),(\d+)")
_DOTTED_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:\.\d{3}){2,}")
_WORDS = re.compile(r"[A-Za-z]+(?: [A-Za-z]+)+")
_OUTWARD = re.compile(r"([\[\]])([^\[\]]*[,;][^\[\]]*)(\[|(?<!\[)\])")
_BUILDER = re.compile(
    r"\\\{\s*[a-z]\s*(?:\\in\s*\\mathbb\{?\s?R\s?\}?)?\s*(?::|\||\\colon)\s*([^:|]+)\\\}"
)
_WITHOUT = re.compile(r"(?:\\mathbb\s*\{\s*R\s*\}|\bR)\s*[-\\]\s*(?:setminus\s*)?\\\{")
_UNIT_FRACTION = re.compile(r"\\frac\s*\{\s*([A-Za-z]+)\s*\}\s*\{\s*([A-Za-z0-9^]+)\s*\}")
_COMBINATIONS = re.compile(r"C\((\d{1,4}), ?(\d{1,4})\)")
_ENGINEERS = re.compile(r"[-+.\d/()* ]*\d*j[-+.\d/()* ]*")
_BASIS = re.compile(
    r"\\(?:mathbf|boldsymbol|bm|vec|hat|widehat|overrightarrow)\s*\{?\s*\\?(imath|jmath|[ijk])"
    r"(?![A-Za-z])\s*\}?"
)
_DOLLARS = Text("dollars")
_SPACED_LIST = re.compile(r"-?\d+(?: -?\d+)+")
_COMMAS = re.compile(r"\d,\d")
_DAY_S, _HALF_S = 86_400, 43_200


def _clock(text: str) -> Term | None:
    """A time of day as seconds since midnight and the half of the day that it names."""
    match = _CLOCK.fullmatch(text)
    if match is None or (match[2] is None and match[4] is None):
        return None
    if (match[4] is None) != (match[5] is None):
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.group(1, 2, 3))
    if hours > 24 or minutes > 59 or seconds > 59:
        return None
    half = (match[4] or "").lower()
    if half:
        hours = hours % 12 + (12 if half == "p" else 0)
    named = half or hours > 12 or hours == 0
    value = Number(Fraction(hours * 3600 + minutes * 60 + seconds))
    return Apply("clock", (value, Text("day" if named else "half")))


def same_time(a: Apply, b: Apply) -> bool:
    """Whether two clock terms agree; without a half of the day only the hand's place counts."""
    first, second = a.args[0], b.args[0]
    assert isinstance(first, Number) and isinstance(second, Number)
    exact = a.args[1] == b.args[1] == Text("day")
    return (first.value - second.value) % (_DAY_S if exact else _HALF_S) == 0


def is_money(term: Term) -> bool:
    """Whether a term is an amount that was written with a money sign."""
    return isinstance(term, Apply) and term.op == "unit" and term.args[1] == _DOLLARS


def readings(text: str, original: str) -> Iterator[Term]:
    """Readings of a cleaned text beside the grammar's; `original` still has its money sign."""
    if (money := _MONEY.fullmatch(original)) is not None:
        yield Apply("unit", (decimal(money[1] + money[2]), _DOLLARS))
        return
    yield from _numbers(text)
    if (clock := _clock(text)) is not None:
        yield clock
    quantity = _QUANTITY.fullmatch(_UNIT_FRACTION.sub(r"\1/\2", text))
    if quantity is not None and is_unit(quantity[2]):
        yield Apply("unit", (parse(quantity[1]), Text(quantity[2])))
    if _WORDS.fullmatch(text) and any(len(word) > 3 for word in text.split()):
        yield Text(text)
    if (usual := _usual(text)) != text:
        yield parse(usual)
    if (chosen := _COMBINATIONS.fullmatch(text)) is not None:
        yield Apply("binom", (decimal(chosen[1]), decimal(chosen[2])))
    if "j" in text and _ENGINEERS.fullmatch(text):
        yield parse(text.replace("j", "i"))
    if _BASIS.search(original):
        yield from _vectors(parse(clean(_BASIS.sub(_unit_vector, original))))
    if _COMMAS.search(text):
        yield parse(text, thousands=False)


def _numbers(text: str) -> Iterator[Term]:
    """Decimal commas, thousands apart by spaces or dots, and numerals in bases above ten."""
    comma = _DECIMAL_COMMA.fullmatch(text)
    if comma:
        whole = comma[1].replace(" ", "").replace(".", "")
        yield Number(Fraction(f"{whole}.{comma[2]}"), len(comma[2]), len(whole + comma[2]))
    if _SPACED_THOUSANDS.fullmatch(text):
        yield decimal(text)
    if _DOTTED_THOUSANDS.fullmatch(text):
        yield decimal(text.replace(".", ""))
    if _SPACED_LIST.fullmatch(text):
        yield Apply("list", tuple(decimal(part) for part in text.split(" ")))
    if (numeral := _NUMERAL.fullmatch(text)) is not None:
        digits, base = numeral[1] or numeral[2], numeral[3]
        if int(base) > 10 or numeral[1]:
            yield Apply("base", (Text(digits.upper()), Text(base)))


def _unit_vector(match: re.Match[str]) -> str:
    return f" e_{{{'ijk'.index(match[1][0]) + 1}}} "


def _vectors(term: Term) -> Iterator[Term]:
    """The coordinates of `a i + b j + c k`, in the plane (where k is missing) and in space."""
    names = [Symbol(f"e_{number}") for number in (1, 2, 3)]
    origin = dict.fromkeys(names, ZERO)
    if exact(replaced(term, origin)) != 0:
        return
    parts = [replaced(term, {**origin, name: ONE}) for name in names]
    if names[2].name not in symbols(term):
        yield Apply("group()", tuple(parts[:2]))
    yield Apply("group()", tuple(parts))


def _usual(text: str) -> str:
    """Sets in the usual notation: of `]0, 1]`, `R - {0}`, and `{x : x > 2}` by its condition."""

    def turned(match: re.Match[str]) -> str:
        opening = "(" if match[1] == "]" else "["
        closing = ")" if match[3] == "[" else "]"
        return opening + match[2].replace(";", ",") + closing

    builder = _BUILDER.fullmatch(text)
    text = builder[1] if builder else text
    text = _WITHOUT.sub(r"\\mathbb{R} \\setminus \\{", text)
    return _OUTWARD.sub(turned, text)
