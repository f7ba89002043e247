"""Units and counted things after a number: whether two of them agree, and by which factor.

Not here: leaving a unit out, which is no difference (`scalars`). The table holds what benchmarks
ask for; words that it does not know ("ways", "teachers") name what is counted and never decide.
"""

from __future__ import annotations

import re
from fractions import Fraction

_TABLE: dict[str, tuple[str, Fraction]] = {}


def _define(dimension: str, size: Fraction | int, names: str) -> None:
    for name in names.split():
        _TABLE[name] = (dimension, Fraction(size))


_define("length", 1, "m meter metre")
_define("length", 1000, "km kilometer kilometre")
_define("length", Fraction(1, 100), "cm centimeter centimetre")
_define("length", Fraction(1, 1000), "mm millimeter millimetre")
_define("length", Fraction(1, 10**9), "nm nanometer")
_define("length", Fraction(254, 10000), "inch inche in")
_define("length", Fraction(3048, 10000), "ft foot feet")
_define("length", Fraction(9144, 10000), "yard yd")
_define("length", Fraction(1609344, 1000), "mile mi")
_define("time", 1, "second sec s")
_define("time", Fraction(1, 1000), "ms millisecond")
_define("time", 60, "minute min")
_define("time", 3600, "hour hr h")
_define("time", 86400, "day")
_define("time", 604800, "week")
_define("year", 12, "year yr")
_define("year", 1, "month")
_define("mass", 1, "g gram")
_define("mass", 1000, "kg kilogram")
_define("mass", Fraction(1, 1000), "mg milligram")
_define("mass", Fraction(45359237, 100000), "pound lb")
_define("mass", Fraction(45359237, 1600000), "ounce oz")
_define("volume", 1, "l liter litre")
_define("volume", Fraction(1, 1000), "ml milliliter")
_define("money", 1, "dollar buck")
_define("money", Fraction(1, 100), "cent penny pennie")
_define("angle", 1, "degree")
_define("halfday", 1, "am")
_define("otherhalfday", 1, "pm")
_SPELLED = re.compile(r"(square|cubic|sq|cu)\s+", re.IGNORECASE)
_POWER = re.compile(r"\^\s*\{?(\d)\}?")
_WORD = re.compile(r"[a-z]+")


def _single(word: str) -> str:
    if word in _TABLE:
        return word
    return word.removesuffix("s") if word.removesuffix("s") in _TABLE else word


def _known(text: str) -> tuple[tuple[str, int], Fraction] | None:
    """Dimension with its power and size of a plain unit, or None for anything else."""
    text = text.lower().replace("a.m", "am").replace("p.m", "pm")
    power = 1
    if (spelled := _SPELLED.search(text)) is not None:
        power = 2 if spelled[1].lower().startswith("sq") else 3
    elif (written := _POWER.search(text)) is not None:
        power = int(written[1])
    words = _WORD.findall(_SPELLED.sub("", text))
    if len(words) != 1 or (unit := _TABLE.get(_single(words[0]))) is None:
        return None
    return (unit[0], power), unit[1] ** power


def same_unit(first: str, second: str) -> Fraction | None:
    """The factor from the first unit to the second; None where they measure different things.

    1 where either is no known unit.
    """
    a, b = _known(first), _known(second)
    if a is None or b is None:
        return Fraction(1)
    return a[1] / b[1] if a[0] == b[0] else None
