"""What an answer says, as a tree: numbers, names, words, and operations on them.

Not here: reading a text into a tree (`parser`) or the meaning of a tree (`values`, `equality`).
Trees are frozen and hashable, so that equal trees are equal values and results can be cached.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias


class Unreadable(Exception):
    """The text is no answer that the grammar knows; the message says where it stopped."""


class TooLarge(Exception):
    """The answer passes a cost guard (length, nesting, digits, exponent)."""


@dataclass(frozen=True, slots=True)
class Number:
    """An exact rational; `places` counts written decimals (None: no decimal point)."""

    value: Fraction
    places: int | None = None
    digits: int = 0
    """Significant digits as written, for decimals."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A variable or constant by its name with subscript and primes, as `x_{1}` → `x_1`."""

    name: str


@dataclass(frozen=True, slots=True)
class Text:
    """Words: a text answer, or a unit."""

    words: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation by its name (`+`, `sqrt`, `list`, `group(]`, `rel < =`, …) on terms."""

    op: str
    args: tuple[Term, ...]


Term: TypeAlias = Number | Symbol | Text | Apply

PI, E, I, INFINITY = Symbol("pi"), Symbol("e"), Symbol("i"), Symbol("inf")  # noqa: E741
REALS = Symbol("R")
CONSTANTS = frozenset({"pi", "e", "i", "inf"})
ONE = Number(Fraction(1))
ZERO = Number(Fraction(0))


def integer(value: int) -> Number:
    """An exact whole number."""
    return Number(Fraction(value))


def negative(term: Term) -> Term:
    """The term with its sign changed."""
    if isinstance(term, Number):
        return Number(-term.value, term.places, term.digits)
    return Apply("neg", (term,))


def walk(term: Term) -> Iterator[Term]:
    """Every term of the tree, the root first."""
    stack = [term]
    while stack:
        here = stack.pop()
        yield here
        if isinstance(here, Apply):
            stack.extend(here.args)


def symbols(term: Term) -> frozenset[str]:
    """Names of the free variables."""
    return frozenset(
        part.name
        for part in walk(term)
        if isinstance(part, Symbol) and part.name not in CONSTANTS and part.name != "R"
    )


def replaced(term: Term, values: Mapping[Symbol, Term]) -> Term:
    """The term with symbols replaced by other terms."""
    if isinstance(term, Symbol):
        return values.get(term, term)
    if isinstance(term, Apply):
        return Apply(term.op, tuple(replaced(arg, values) for arg in term.args))
    return term


def has(term: Term, *ops: str) -> bool:
    """Whether any of the operations occurs in the tree."""
    return any(isinstance(part, Apply) and part.op in ops for part in walk(term))


_INFIX = {"+": " + ", "*": "*", "/": "/", "^": "^", ":": ":", "cup": " ∪ ", "cap": " ∩ "}


def show(term: Term) -> str:
    """The term as one line of plain text: the normal form that verdicts carry."""
    if isinstance(term, Number):
        return str(term.value)
    if isinstance(term, Symbol):
        return term.name
    if isinstance(term, Text):
        return f'"{term.words}"'
    parts = [show(arg) for arg in term.args]
    if term.op in _INFIX:
        return "(" + _INFIX[term.op].join(parts) + ")"
    if term.op == "neg":
        return f"-{parts[0]}"
    if term.op.startswith("group"):
        return term.op[5] + ", ".join(parts) + term.op[6]
    if term.op == "set":
        return "{" + ", ".join(parts) + "}"
    if term.op.startswith("rel "):
        signs = term.op.split()[1:]
        return parts[0] + "".join(f" {s} {p}" for s, p in zip(signs, parts[1:], strict=True))
    return f"{term.op}({', '.join(parts)})"
