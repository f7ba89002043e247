"""Whether two numbers or expressions are the same: exactly, by rounding, or at fixed places.

Not here: lists, intervals, relations (`equality`). Expressions with variables are equal when they
agree at several fixed places (Schwartz 1980, Zippel 1979: a wrong identity agrees by chance with a
probability near zero); numbers are compared exactly wherever they are rational.
"""

from __future__ import annotations

import cmath
import math
from fractions import Fraction

from mathlm.grading.terms import Apply, Number, Symbol, Term, Text, symbols, walk
from mathlm.grading.units import same_unit
from mathlm.grading.values import Huge, Undefined, based, exact, numeric, sample, terminating

MIN_DIGITS = 4
"""Significant digits from which a decimal may stand for an endless one."""
NOISE_DIGITS = 12
"""Significant digits from which a decimal is taken as a float with noise in its last places."""
_NOISE = Fraction(1, 10**9)
_CLOSE = 1e-10
_PLACES = 4
_MAX_VARIABLES = 12

Decision = tuple[bool | None, str]


def as_decimal(term: Term) -> Number | None:
    """The term as a written decimal (`0.25`, `2.5*10^-3`), or None."""
    if isinstance(term, Number):
        return term if term.places is not None else None
    if isinstance(term, Apply) and term.op == "*":
        mantissa, power = term.args
        if (
            isinstance(mantissa, Number)
            and isinstance(power, Apply)
            and power.op == "^"
            and exact(power.args[0]) == 10
        ):
            value = exact(term)
            scale = exact(power.args[1])
            if value is not None and scale is not None:
                places = (mantissa.places or 0) - int(scale)
                return Number(value, places, mantissa.digits or len(str(mantissa.value)))
    return None


def _rounds_to(decimal: Number, value: float | Fraction) -> bool:
    """Whether the decimal is the value rounded, or cut, to the decimal's last place."""
    if decimal.digits < MIN_DIGITS or decimal.places is None or abs(decimal.places) > 300:
        return False
    scaled = Fraction(value) * Fraction(10) ** decimal.places
    written = decimal.value * Fraction(10) ** decimal.places
    return written in (round(scaled), math.trunc(scaled))


def _noisy(a: Number | None, b: Number | None, first: Fraction, second: Fraction) -> bool:
    """Whether one is a float of full length and both agree but for its noise."""
    long = any(d is not None and d.digits >= NOISE_DIGITS for d in (a, b))
    return long and abs(first - second) <= _NOISE * max(abs(first), abs(second))


def numbers(a: Term, b: Term, first: Fraction, second: Fraction) -> Decision:
    """Two rational values by the rules for exact, rounded and floating numbers."""
    if first == second:
        return True, "number"
    left, right = as_decimal(a), as_decimal(b)
    if _noisy(left, right, first, second):
        return True, "float_noise"
    if left is not None and right is None and not terminating(second):
        return _rounds_to(left, second), "rounding"
    if right is not None and left is None and not terminating(first):
        return _rounds_to(right, first), "rounding"
    return False, "number"


def _close(x: complex, y: complex, tolerance: float) -> bool:
    if x == y:
        return True
    if cmath.isinf(x) or cmath.isinf(y):
        return False
    return abs(x - y) <= tolerance * max(abs(x), abs(y)) or (
        abs(x - y) <= 1e-12 and min(abs(x), abs(y)) <= 1e-12
    )


def _closed_forms(a: Term, b: Term, *, exactly: bool) -> Decision:
    """Two numbers of which one at least is irrational."""
    try:
        x = numeric(a)
    except (Undefined, Huge):
        return _without_value(b)
    try:
        y = numeric(b)
    except (Undefined, Huge):
        return False, "magnitude"
    if _close(x, y, _CLOSE):
        return True, "numeric"
    if exactly:
        return False, "numeric"
    for term, other in ((a, y), (b, x)):
        decimal = as_decimal(term)
        if decimal is not None and not isinstance(other, complex) and math.isfinite(other):
            value = float(decimal.value)
            noisy = decimal.digits >= NOISE_DIGITS and _close(value, other, 1e-9)
            return noisy or _rounds_to(decimal, other), "rounding"
    return False, "numeric"


def _without_value(other: Term) -> Decision:
    """A term that overflows or has no value, against another one: only a value tells them apart."""
    try:
        numeric(other)
    except (Undefined, Huge):
        return None, "magnitude"
    return False, "magnitude"


def _at(term: Term, names: list[str], index: int, *, positive: bool) -> complex | None:
    """The value at a fixed place; None where it is undefined or overflows."""
    try:
        return numeric(term, {name: sample(name, index, positive=positive) for name in names})
    except (Undefined, Huge):
        return None


def _functions(a: Term, b: Term) -> Decision:
    """Two expressions with variables, at places of positive and then of mixed signs."""
    names = sorted(symbols(a) | symbols(b))
    if len(names) > _MAX_VARIABLES:
        return None, "too many variables"
    agreed = 0
    for index in range(2 * _PLACES):
        positive = index < _PLACES
        x = _at(a, names, index, positive=positive)
        y = _at(b, names, index, positive=positive)
        if x is None or y is None:
            continue
        branch = isinstance(x, complex) or isinstance(y, complex)
        if not _close(x, y, 1e-9) and abs(x - y) > 1e-9 * max(1.0, abs(x)):
            if positive or not branch:
                return False, "places"
            continue
        agreed += positive
    return (True, "places") if agreed >= 2 else (None, "undefined")


def expressions(a: Term, b: Term, *, exactly: bool = False) -> Decision:
    """Two scalar terms without units, percent signs or degrees of their own.

    With `exactly` no decimal stands for what it is rounded from.
    """
    if a == b:
        return True, "identical"
    first, second = exact(a), exact(b)
    if first is not None and second is not None:
        return (first == second, "number") if exactly else numbers(a, b, first, second)
    variables = symbols(a) | symbols(b)
    if not variables and not any(_is_call(part) for t in (a, b) for part in walk(t)):
        return _closed_forms(a, b, exactly=exactly)
    for term in (a, b):
        if not symbols(term) and not any(_is_call(part) for part in walk(term)):
            try:
                numeric(term)
            except (Undefined, Huge):
                return False, "magnitude"
    return _functions(a, b)


def _is_call(term: Term) -> bool:
    return isinstance(term, Apply) and term.op.startswith("call ")


def _peel(term: Term, op: str) -> tuple[Term, bool]:
    """The term without an outer percent sign or degree, and whether it had one."""
    if isinstance(term, Apply) and term.op == op:
        return term.args[0], True
    if isinstance(term, Apply) and term.op == "neg":
        inner, had = _peel(term.args[0], op)
        return (Apply("neg", (inner,)) if had else term), had
    return term, False


def _unit(term: Term) -> tuple[Term, str]:
    if isinstance(term, Apply) and term.op == "unit":
        inner, words = _unit(term.args[0])
        own = term.args[1]
        return inner, (f"{words} {own.words}" if isinstance(own, Text) else words).strip()
    return term, ""


def _bases(a: Term, b: Term) -> Decision | None:
    """Numerals: with two bases by value, with one base by their digits."""
    with_base = [t for t in (a, b) if isinstance(t, Apply) and t.op == "base"]
    if not with_base:
        return None
    if len(with_base) == 2:
        try:
            return based(with_base[0]) == based(with_base[1]), "base"
        except ValueError:
            return with_base[0] == with_base[1], "base"
    digits = with_base[0].args[0]
    other = b if with_base[0] is a else a
    value = exact(other)
    return isinstance(digits, Text) and value is not None and str(value) == digits.words, "base"


def scalars(a: Term, b: Term) -> Decision:
    """Two scalars with their units, percent signs, degrees and bases.

    A unit, percent sign or degree that one side leaves out is no difference; `50%` also equals
    its value `1/2`, and `90°` its value `pi/2`. Units that both give must agree (`5 km` is not
    `5 miles`), after conversion where both are known.
    """
    a, unit_a = _unit(a)
    b, unit_b = _unit(b)
    factor = same_unit(unit_a, unit_b) if unit_a and unit_b else Fraction(1)
    if factor is None:
        return False, "unit"
    if factor != 1:
        a = Apply("*", (Number(factor), a))
    based_numerals = _bases(a, b)
    if based_numerals is not None:
        return based_numerals
    for op, rule in (("%", "percent"), ("deg", "degrees")):
        inner_a, had_a = _peel(a, op)
        inner_b, had_b = _peel(b, op)
        if had_a != had_b:
            decision = expressions(inner_a, inner_b)
            if decision[0]:
                return True, rule
        elif had_a:
            return expressions(inner_a, inner_b)
    return expressions(a, b)


def is_scalar(term: Term) -> bool:
    """Whether the term is a number or expression."""
    if isinstance(term, Text):
        return False
    if isinstance(term, Apply):
        return not (
            term.op in ("list", "set", "cup", "cap", "setminus", "matrix", "pm", "mp")
            or term.op.startswith(("group", "rel "))
        )
    return not (isinstance(term, Symbol) and term.name == "R")
