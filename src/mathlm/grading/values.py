"""What a term is worth: an exact rational, or a complex number at given values of its variables.

Not here: deciding equality (`equality`). Every step is bounded: exact powers by the size of their
result, floating ones by overflow. Nothing here can run for long.
"""

from __future__ import annotations

import cmath
import math
import zlib
from collections.abc import Callable, Mapping
from fractions import Fraction

from mathlm.grading.terms import Apply, Number, Symbol, Term, Text

MAX_BITS = 6000
"""Size of an exact power's result; above it only floating point is tried."""
_MAX_FACTORIAL = 200
_NO_VARIABLES: Mapping[str, complex] = {}


class Undefined(Exception):
    """The term has no value at this place (a pole, a branch, an unknown operation)."""


class Huge(Exception):
    """The value passes the range of floating point: it equals no ordinary number."""


def exact(term: Term) -> Fraction | None:
    """The rational value of a closed form, or None where it is none or would be too large."""
    if isinstance(term, Number):
        return term.value
    if not isinstance(term, Apply):
        return None
    rule = _EXACT.get(term.op)
    if rule is None:
        return None
    values = []
    for arg in term.args:
        value = exact(arg)
        if value is None or max(abs(value.numerator), value.denominator).bit_length() > MAX_BITS:
            return None
        values.append(value)
    try:
        return rule(*values)
    except (ZeroDivisionError, TypeError):
        return None


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator == 2 and (root := _exact_root(base)) is not None:
        return _exact_power(root, Fraction(exponent.numerator))
    if exponent.denominator != 1 or (base == 0 and exponent < 0):
        return None
    power = exponent.numerator
    size = max(abs(base.numerator), base.denominator).bit_length()
    if abs(base) != 1 and size * abs(power) > MAX_BITS:
        return None
    if abs(base) == 1:
        return Fraction(1) if power % 2 == 0 else base
    return Fraction(base**power)


def _exact_root(value: Fraction) -> Fraction | None:
    if value < 0:
        return None
    top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
    square = top * top == value.numerator and bottom * bottom == value.denominator
    return Fraction(top, bottom) if square else None


def _whole(value: Fraction) -> int:
    if value.denominator != 1 or not 0 <= value.numerator <= _MAX_FACTORIAL:
        raise TypeError("no small whole number")
    return value.numerator


_EXACT: dict[str, Callable[..., Fraction | None]] = {
    "+": lambda a, b: a + b,
    "neg": lambda a: -a,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    ":": lambda a, b: a / b,
    "^": _exact_power,
    "sqrt": _exact_root,
    "%": lambda a: a / 100,
    "!": lambda a: Fraction(math.factorial(_whole(a))),
    "binom": lambda a, b: Fraction(math.comb(_whole(a), _whole(b))),
    "abs": abs,
    "floor": lambda a: Fraction(math.floor(a)),
    "ceil": lambda a: Fraction(math.ceil(a)),
    "max": lambda *a: max(a),
    "min": lambda *a: min(a),
}


def terminating(value: Fraction) -> bool:
    """Whether the value is a finite decimal."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def numeric(term: Term, variables: Mapping[str, complex] = _NO_VARIABLES) -> complex:
    """The value in floating point; raises Undefined or Huge."""
    try:
        value = _numeric(term, variables)
    except OverflowError:
        raise Huge from None
    except (ZeroDivisionError, ValueError):
        raise Undefined from None
    if cmath.isnan(value):
        raise Undefined
    if cmath.isinf(value) and not (isinstance(term, Symbol) or _is_infinity(term)):
        raise Huge
    return value


def _is_infinity(term: Term) -> bool:
    inner = term.args[0] if isinstance(term, Apply) and term.op == "neg" else term
    return isinstance(inner, Symbol) and inner.name == "inf"


_CONSTANT_VALUES = {"pi": math.pi, "e": math.e, "i": 1j, "inf": math.inf}


def _numeric(term: Term, variables: Mapping[str, complex]) -> complex:
    if isinstance(term, Number):
        return float(term.value)
    if isinstance(term, Symbol):
        value = variables.get(term.name)
        return (
            _CONSTANT_VALUES[term.name]
            if value is None and term.name in _CONSTANT_VALUES
            else (value if value is not None else _missing(term.name))
        )
    if isinstance(term, Text):
        raise Undefined
    if term.op == "base":
        return float(based(term))
    if term.op == "unit":
        return _numeric(term.args[0], variables)
    values = [_numeric(arg, variables) for arg in term.args]
    if term.op.startswith("call "):
        return _opaque(term.op, values)
    rule = _NUMERIC.get(term.op)
    if rule is None:
        raise Undefined
    try:
        return rule(*values)
    except TypeError:
        raise Undefined from None


def _missing(name: str) -> complex:
    raise Undefined(name)


def based(term: Apply) -> int:
    """The value of a numeral with a base; raises ValueError where a digit does not exist there."""
    digits, base = (part.words if isinstance(part, Text) else "" for part in term.args)
    if not base.isdigit() or not 2 <= int(base) <= 36 or len(digits) > 200:
        raise ValueError(f"base {base}")
    return int(digits, int(base))


def _opaque(name: str, values: list[complex]) -> complex:
    """A fixed pseudo-random value for an unknown function: equal arguments, equal values."""
    key = ",".join(f"{v.real:.9g}{v.imag:+.9g}" for v in map(complex, values))
    return 0.3 + zlib.crc32(f"{name}({key})".encode()) / 2**32 * 2.4


def _real(value: complex) -> float:
    if isinstance(value, complex):
        if abs(value.imag) > 1e-12 * max(1.0, abs(value.real)):
            raise Undefined
        return value.real
    return value


def _power(base: complex, exponent: complex) -> complex:
    if base == 0:
        if isinstance(exponent, complex) or exponent < 0:
            raise Undefined
        return 1.0 if exponent == 0 else 0.0
    if math.isinf(abs(base)) or math.isinf(abs(exponent)):
        raise Huge
    magnitude = abs(math.log(abs(base))) * abs(exponent)
    if magnitude > 690:
        raise OverflowError
    return base**exponent


def _binomial(n: float, k: float) -> float:
    if not 0 <= k <= n:
        raise Undefined
    return math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1))


def _root(value: complex, index: complex) -> complex:
    degree = _real(index)
    if not isinstance(value, complex) and value < 0 and degree % 2 == 1:
        return -((-value) ** (1 / degree))
    return _power(value, 1 / degree)


def _sqrt(value: complex) -> complex:
    return math.sqrt(value) if not isinstance(value, complex) and value >= 0 else cmath.sqrt(value)


def _log(value: complex) -> complex:
    return math.log(value) if not isinstance(value, complex) and value > 0 else cmath.log(value)


def _trigonometric(name: str) -> Callable[[complex], complex]:
    real, general = getattr(math, name), getattr(cmath, name)

    def call(value: complex) -> complex:
        if isinstance(value, complex):
            return complex(general(value))
        if abs(value) > 1e12:
            raise Undefined
        try:
            return float(real(value))
        except ValueError:
            return complex(general(value))

    return call


_SIN, _COS, _TAN = (_trigonometric(name) for name in ("sin", "cos", "tan"))
_ASIN, _ACOS, _ATAN = (_trigonometric(name) for name in ("asin", "acos", "atan"))
_NUMERIC: dict[str, Callable[..., complex]] = {
    "+": lambda a, b: a + b,
    "neg": lambda a: -a,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    ":": lambda a, b: a / b,
    "^": _power,
    "sqrt": _sqrt,
    "root": _root,
    "%": lambda a: a / 100,
    "deg": lambda a: a * math.pi / 180,
    "!": lambda a: math.gamma(_real(a) + 1),
    "binom": lambda a, b: _binomial(_real(a), _real(b)),
    "abs": abs,
    "floor": lambda a: float(math.floor(_real(a) + 1e-12)),
    "ceil": lambda a: float(math.ceil(_real(a) - 1e-12)),
    "sgn": lambda a: float((_real(a) > 0) - (_real(a) < 0)),
    "max": lambda *a: max(map(_real, a)),
    "min": lambda *a: min(map(_real, a)),
    "exp": lambda a: _power(math.e, a),
    "ln": _log,
    "log": _log,
    "lg": lambda a: _log(a) / math.log(10),
    "logb": lambda a, b: _log(a) / _log(b),
    "sin": _SIN, "cos": _COS, "tan": _TAN,
    "sec": lambda a: 1 / _COS(a), "csc": lambda a: 1 / _SIN(a), "cot": lambda a: _COS(a) / _SIN(a),
    "arcsin": _ASIN, "asin": _ASIN, "arccos": _ACOS, "acos": _ACOS, "arctan": _ATAN, "atan": _ATAN,
    "arccot": lambda a: math.pi / 2 - _ATAN(a),
    "arcsec": lambda a: _ACOS(1 / a), "arccsc": lambda a: _ASIN(1 / a),
    "sinh": _trigonometric("sinh"), "cosh": _trigonometric("cosh"), "tanh": _trigonometric("tanh"),
    "coth": lambda a: 1 / cmath.tanh(a),
    "asinh": _trigonometric("asinh"), "acosh": _trigonometric("acosh"),
    "atanh": _trigonometric("atanh"),
    "arg": cmath.phase,
    "Re": lambda a: complex(a).real, "Im": lambda a: complex(a).imag,
}  # fmt: skip


def sample(name: str, index: int, *, positive: bool) -> float:
    """A fixed value for a variable: of size 0.3 to 2.7, the same on every machine."""
    share = zlib.crc32(f"{name}/{index}".encode()) / 2**32
    size = 0.3 + 2.4 * share
    sign = zlib.crc32(f"{index}|{name}".encode()) & 1
    return size if positive or not sign else -size
