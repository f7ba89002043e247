"""Sets of real numbers as unions of intervals: from interval notation, inequalities, set algebra.

Not here: comparing endpoint by endpoint with roundings (`equality` does that first). An inequality
in one unknown is solved by the roots of its sides: exactly up to degree two, else by bisection.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from mathlm.grading.terms import INFINITY, Apply, Symbol, Term, Text, negative, symbols, walk
from mathlm.grading.values import Huge, Undefined, numeric

_EPSILON = 1e-9
_MINUS_INFINITY = negative(INFINITY)
_GRID = 400
_WORDS = {
    "all real numbers": (-math.inf, math.inf), "all reals": (-math.inf, math.inf),
    "real numbers": (-math.inf, math.inf), "all real": (-math.inf, math.inf),
}  # fmt: skip
_NOTHING = frozenset({"no solution", "no solutions", "none", "empty set", "no real solutions",
                      "no real solution"})  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """An interval, or a point where low equals high."""

    low: float
    low_in: bool
    high: float
    high_in: bool


Region = tuple[Piece, ...]
WHOLE: Region = (Piece(-math.inf, False, math.inf, False),)


def _same(x: float, y: float) -> bool:
    if x == y:
        return True
    return math.isfinite(x - y) and abs(x - y) <= _EPSILON * max(1.0, abs(x), abs(y))


def holds(region: Region, x: float) -> bool:
    """Whether the number lies in the region."""
    for piece in region:
        if _same(x, piece.low) and not _same(x, piece.high):
            inside = piece.low_in
        elif _same(x, piece.high):
            inside = piece.high_in and (piece.low_in or not _same(x, piece.low))
        else:
            inside = piece.low < x < piece.high
        if inside:
            return True
    return False


def build(critical: list[float], inside: Callable[[float], bool]) -> Region:
    """The region whose border lies among the critical points."""
    points: list[float] = []
    for point in sorted(p for p in critical if math.isfinite(p)):
        if not points or not _same(points[-1], point):
            points.append(point)
    pieces: list[Piece] = []
    edges = [-math.inf, *points, math.inf]
    for low, high in pairwise(edges):
        if math.isfinite(low) and inside(low):
            _append(pieces, Piece(low, True, low, True))
        if inside(_between(low, high)):
            _append(pieces, Piece(low, False, high, False))
    return tuple(pieces)


def _between(low: float, high: float) -> float:
    if math.isinf(low) and math.isinf(high):
        return 0.123
    if math.isinf(low):
        return high - 1 - abs(high)
    return low + 1 + abs(low) if math.isinf(high) else (low + high) / 2


def _append(pieces: list[Piece], piece: Piece) -> None:
    last = pieces[-1] if pieces else None
    if last is not None and last.high == piece.low and (last.high_in or piece.low_in):
        pieces[-1] = Piece(last.low, last.low_in, piece.high, piece.high_in)
    else:
        pieces.append(piece)


def equal(first: Region, second: Region) -> bool:
    """Whether both hold the same numbers (endpoints within 1e-9)."""
    return len(first) == len(second) and all(
        _same(a.low, b.low)
        and _same(a.high, b.high)
        and (a.low_in, a.high_in) == (b.low_in, b.high_in)
        for a, b in zip(first, second, strict=True)
    )


def _ends(region: Region) -> list[float]:
    return [end for piece in region for end in (piece.low, piece.high)]


def _number(term: Term) -> float | None:
    try:
        value = numeric(term)
    except (Undefined, Huge):
        return None
    return None if isinstance(value, complex) else float(value)


def _interval(term: Apply) -> Region | None:
    if len(term.args) != 2:
        return None
    low, high = _number(term.args[0]), _number(term.args[1])
    if low is None or high is None or low > high:
        return None
    piece = Piece(low, term.op[5] == "[" and low > -math.inf, high,
                  term.op[6] == "]" and high < math.inf)  # fmt: skip
    if low == high and not (piece.low_in and piece.high_in):
        return None  # `(1, 1)` is a point of the plane, no empty interval
    return (piece,)


def _points(term: Apply) -> Region | None:
    values = [_number(arg) for arg in term.args]
    if any(value is None or math.isinf(value) for value in values):
        return None
    known = [value for value in values if value is not None]
    return build(known, lambda x: any(_same(x, value) for value in known))


def unknown_of(term: Term) -> Term | None:
    """The only unknown of a relation: a variable, or a call of an unknown function."""
    calls = {p for p in walk(term) if isinstance(p, Apply) and p.op.startswith("call ")}
    if len(calls) == 1 and not (symbols(term) - symbols(next(iter(calls)))):
        return next(iter(calls))
    names = symbols(term)
    return Symbol(next(iter(names))) if len(names) == 1 and not calls else None


def _replaced(term: Term, unknown: Term) -> Term:
    if term == unknown:
        return Symbol("\x00")
    if isinstance(term, Apply):
        return Apply(term.op, tuple(_replaced(arg, unknown) for arg in term.args))
    return term


def _function(term: Term) -> Callable[[float], float | None]:
    def value(x: float) -> float | None:
        try:
            result = numeric(term, {"\x00": x})
        except (Undefined, Huge):
            return None
        return None if isinstance(result, complex) else float(result)

    return value


def _roots(f: Callable[[float], float | None]) -> list[float]:
    """Zeros and poles of a function of one variable."""
    at = [f(float(x)) for x in (-1, 0, 1, 3)]
    if None not in at:
        minus, zero, one, check = (v for v in at if v is not None)
        a, b, c = (one + minus) / 2 - zero, (one - minus) / 2, zero
        if _same(9 * a + 3 * b + c, check) and _matches(f, a, b, c):
            if abs(a) < 1e-12:
                return [-c / b] if b else []
            inner = b * b - 4 * a * c
            root = math.sqrt(inner) if inner >= 0 else math.nan
            return [] if inner < 0 else [(-b - root) / (2 * a), (-b + root) / (2 * a)]
    return _bisected(f)


def _matches(f: Callable[[float], float | None], a: float, b: float, c: float) -> bool:
    values = [(x, f(x)) for x in (-7.3, 11.7)]
    return all(v is not None and _same(a * x * x + b * x + c, v) for x, v in values)


def _bisected(f: Callable[[float], float | None]) -> list[float]:
    """Changes of sign (or of being defined) on a grid that is dense near zero."""
    grid = [math.sinh(k / 40) for k in range(-_GRID, _GRID + 1)]
    found: list[float] = []
    for low, high in pairwise(grid):
        left, right = f(low), f(high)
        if left == 0:
            found.append(low)
        if (left is None) != (right is None) or (
            left is not None and right is not None and left * right < 0
        ):
            found.append(_change(f, low, high))
    return found[:50]


def _change(f: Callable[[float], float | None], low: float, high: float) -> float:
    """Where between two places the sign, or being defined, changes."""
    left = f(low)
    for _ in range(60):
        middle = (low + high) / 2
        value = f(middle)
        same = (value is None) == (left is None) and (
            value is None or left is None or value * left > 0
        )
        low, high = (middle, high) if same else (low, middle)
    return round(high, 12)


_HOLDS: dict[str, Callable[[float], bool]] = {
    "<": lambda d: d < -_EPSILON,
    "<=": lambda d: d <= _EPSILON,
    ">": lambda d: d > _EPSILON,
    ">=": lambda d: d >= -_EPSILON,
    "!=": lambda d: abs(d) > _EPSILON,
    "=": lambda d: abs(d) <= _EPSILON,
}


def _bounded(term: Apply) -> Apply:
    """A chain without the infinities at its ends: `2 < x < oo` as `2 < x`."""
    signs, args = term.op.split()[1:], term.args
    low, high = _MINUS_INFINITY, INFINITY
    if signs[0].startswith(">"):
        low, high = high, low
    if len(args) > 2 and args[-1] == high and signs[-1][0] in "<>":
        signs, args = signs[:-1], args[:-1]
    if len(args) > 2 and args[0] == low and signs[0][0] in "<>":
        signs, args = signs[1:], args[1:]
    return Apply("rel " + " ".join(signs), args)


def _solve(term: Apply) -> Region | None:
    """The solutions of a chain of relations in one unknown."""
    term = _bounded(term)
    unknown = unknown_of(term)
    signs = term.op.split()[1:]
    if unknown is None or any(sign not in _HOLDS for sign in signs):
        return None
    links = []
    for left, right, sign in zip(term.args, term.args[1:], signs, strict=False):
        gap = Apply("+", (_replaced(left, unknown), Apply("neg", (_replaced(right, unknown),))))
        links.append((_function(gap), _HOLDS[sign]))
    critical = [root for f, _ in links for root in _roots(f)]

    def inside(x: float) -> bool:
        values = [(f(x), rule) for f, rule in links]
        return all(value is not None and rule(value) for value, rule in values)

    return build(critical, inside)


def region(term: Term) -> Region | None:
    """The set of real numbers that the term describes, or None where it describes none."""
    if isinstance(term, Symbol):
        return WHOLE if term.name == "R" else None
    if isinstance(term, Text):
        words = term.words.lower().strip(" .")
        return () if words in _NOTHING else WHOLE if words in _WORDS else None
    if not isinstance(term, Apply):
        return None
    if term.op.startswith("group"):
        return _interval(term)
    if term.op == "set":
        return _points(term)
    if term.op in ("cup", "cap", "setminus"):
        return _combined(term)
    if term.op == "rel in":
        return region(term.args[1])
    if term.op.startswith("rel "):
        return _solve(term)
    if term.op == "list" and all(
        isinstance(a, Apply) and a.op.startswith("rel ") and a.op != "rel =" for a in term.args
    ):
        return _alternatives(term)
    return None


def _combined(term: Apply) -> Region | None:
    first, second = region(term.args[0]), region(term.args[1])
    if first is None or second is None:
        return None
    rules: dict[str, Callable[[float], bool]] = {
        "cup": lambda x: holds(first, x) or holds(second, x),
        "cap": lambda x: holds(first, x) and holds(second, x),
        "setminus": lambda x: holds(first, x) and not holds(second, x),
    }
    return build(_ends(first) + _ends(second), rules[term.op])


def _alternatives(term: Apply) -> Region | None:
    """`x < -2 or x > 3`: the union of inequalities in a list."""
    parts = [region(arg) for arg in term.args]
    if any(part is None for part in parts):
        return None
    known = [part for part in parts if part is not None]
    ends = [end for part in known for end in _ends(part)]
    disjoint = build(ends, lambda x: any(holds(part, x) for part in known))
    if disjoint != WHOLE:
        return disjoint
    return build(ends, lambda x: all(holds(part, x) for part in known))
