"""Second readings of a whole answer: times of day, quantities with plain units, other numerals.

Not here: the grammar (`parser`), which reads `0.1 m/s` as a product of variables; beside a plain
number, or beside another quantity, the reading as a quantity is the one that may agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from mathlm.grading.atoms import decimal
from mathlm.grading.parser import parse
from mathlm.grading.terms import Apply, Number, Term, Text
from mathlm.grading.units import is_unit

_CLOCK = re.compile(
    r"(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?\s*(?:\\text\s*\{)?\s*([AaPp])?\.?\s?([Mm])?\.?\s*\}?"
)
_QUANTITY = re.compile(
    r"(-?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?:/\d+)?)\s*([A-Za-z][A-Za-z0-9^/*{}. ]*)"
)
_MONEY = re.compile(r"\s*(-?)\\?\$\s?(-?[\d,]*\.?\d+)\s*")
_NUMERAL = re.compile(r"(?:\\text\s*\{)?([0-9A-Za-z]{1,60})\}?_\{?(\d{1,2})\}?")
_SPACED_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?: \d{3})+(?:\.\d+)?")
_DECIMAL_COMMA = re.compile(r"([-+]?\d+),(\d+)")
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


def readings(text: str, original: str) -> Iterator[Term]:
    """Readings of a cleaned text beside the grammar's; `original` still has its money sign."""
    comma = _DECIMAL_COMMA.fullmatch(text)
    if comma:
        value = Fraction(f"{comma[1]}.{comma[2]}")
        yield Number(value, len(comma[2]), len(comma[1] + comma[2]))
    if _SPACED_THOUSANDS.fullmatch(text):
        yield decimal(text)
    if _SPACED_LIST.fullmatch(text):
        yield Apply("list", tuple(decimal(part) for part in text.split(" ")))
    if (clock := _clock(text)) is not None:
        yield clock
    if (money := _MONEY.fullmatch(original)) is not None:
        yield Apply("unit", (decimal(money[1] + money[2]), Text("dollars")))
    if (quantity := _QUANTITY.fullmatch(text)) is not None and is_unit(quantity[2]):
        yield Apply("unit", (parse(quantity[1]), Text(quantity[2])))
    if (numeral := _NUMERAL.fullmatch(text)) is not None and int(numeral[2]) > 10:
        yield Apply("base", (Text(numeral[1].upper()), Text(numeral[2])))
    if _COMMAS.search(text):
        yield parse(text, thousands=False)
