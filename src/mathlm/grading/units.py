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
_define("money", 1, "dollar buck usd")
_define("money", Fraction(1, 100), "cent penny pennie")
_define("angle", 1, "degree")
_define("halfday", 1, "am")
_define("otherhalfday", 1, "pm")
_define("energy", 1, "j joule")
_define("energy", 1000, "kj kilojoule")
_define("force", 1, "n newton")
_define("power", 1, "w watt")
_define("power", 1000, "kw kilowatt")
_define("voltage", 1, "v volt")
_define("temperature", 1, "k kelvin")
_define("amount", 1, "mol mole")
_define("frequency", 1, "hz hertz")
_define("energy_ev", 1, "ev")
_COMPOUND = {"mph": "mile/hour", "kph": "km/hour", "kmh": "km/hour", "fps": "foot/second"}
_PARTS = re.compile(r"([a-z]+)\s*(?:\^?\s*\{?(-?\d)\}?)?|(/|\bper\b)|(\S)")
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}

Dimensions = tuple[tuple[str, int], ...]


def _single(word: str) -> str:
    if word in _TABLE:
        return word
    return next((stem for end in ("es", "s") if (stem := word.removesuffix(end)) in _TABLE), word)


def _prepared(text: str) -> str:
    text = text.lower().replace("a.m", "am").replace("p.m", "pm").replace("sq.", "sq")
    text = text.replace(".", " ").replace("*", " ").replace("\\cdot", " ")
    return " ".join(_COMPOUND.get(word, word) for word in text.split())


def _known(text: str) -> tuple[Dimensions, Fraction] | None:
    """Dimensions with their powers, and the size, of a unit; None for anything else."""
    powers: dict[str, int] = {}
    size, sign, spelled = Fraction(1), 1, 1
    for word, power, per, other in _PARTS.findall(_prepared(text)):
        if other:
            return None
        if per or word == "per":
            sign = -1
            continue
        if word in _POWERS:
            spelled = _POWERS[word]
            continue
        unit = _TABLE.get(_single(word))
        if unit is None:
            return None
        exponent = sign * spelled * (int(power) if power else 1)
        powers[unit[0]] = powers.get(unit[0], 0) + exponent
        size *= unit[1] ** exponent
        spelled = 1
    found = tuple(sorted((name, power) for name, power in powers.items() if power))
    return (found, size) if found else None


def is_unit(text: str) -> bool:
    """Whether the text is a known unit, simple or compound (`m/s`, `square feet`)."""
    return len(text) <= 60 and _known(text) is not None


def same_unit(first: str, second: str) -> Fraction | None:
    """The factor from the first unit to the second; None where they measure different things.

    1 where either is no known unit.
    """
    a, b = _known(first[:60]), _known(second[:60])
    if a is None or b is None:
        return Fraction(1)
    return a[1] / b[1] if a[0] == b[0] else None
