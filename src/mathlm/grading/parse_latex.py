r"""What SymPy's `parse_latex` (ANTLR grammar, SymPy 1.13) makes of a string, as our terms.

For the emulated policies only: it keeps that parser's habits (measured with the original), which
are not those of mathematics. It reads the longest prefix that is an expression (`1,2` is 1), takes
every unknown command for a factor, `pi`, `e` and `i` for variables, `1\frac{1}{2}` for a product,
`x(y)` for a function's value, and refuses `.5`, `\%`, tuples, intervals and matrices.
"""

from __future__ import annotations

import re
from fractions import Fraction

from mathlm.grading.terms import ONE, Apply, Number, Symbol, Term, TooLarge, Unreadable, negative
from mathlm.grading.tokens import words_of

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:,\d{3})*(?:\.\d+)?)|(?P<command>\\[A-Za-z]+)|(?P<letter>[A-Za-z])"
    r"|(?P<sign>\\[{},;:! ]|[-+*/^_(){}\[\]|!=<>,.;:']|.))",
    re.DOTALL,
)
_IGNORED = words_of(r"\left \right \, \; \: \! \quad \qquad \limits \big \bigl \bigr") | {"\\ "}
_NAMED = words_of("sin cos tan csc sec cot arcsin arccos arctan sinh cosh tanh exp log ln")
_RELATIONS = words_of(r"= < > \le \leq \ge \geq \lt \gt \ne \neq")
_CLOSES = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}
_FLOORS = {"\\lfloor": ("\\rfloor", "floor"), "\\lceil": ("\\rceil", "ceil")}
_MAX_DEPTH, _MAX_LENGTH = 60, 1000


def _tokens(text: str) -> list[tuple[str, str]]:
    if len(text) > _MAX_LENGTH:
        raise TooLarge(f"{len(text)} characters")
    found: list[tuple[str, str]] = []
    for match in _TOKEN.finditer(text.rstrip()):
        kind = match.lastgroup or "sign"
        value = match[kind]
        if value in _IGNORED:
            continue
        if (kind == "sign" and value in '\\%$&#~@"`?;') or not value.isascii():
            raise Unreadable(f"{value!r}")
        if kind == "number" and "." not in value and text[match.end() :].startswith("."):
            raise Unreadable("a full stop after digits")
        if kind == "number" and found and found[-1][0] == "number":
            found[-1] = ("number", found[-1][1] + value)
            continue
        if kind == "number" and value[0] == "0" and value[1:2].isdigit():
            raise Unreadable("a leading zero")
        found.append((kind, value))
    return [*found, ("end", "")]


class _Prefix:
    """A reader of the longest prefix."""

    def __init__(self, found: list[tuple[str, str]]) -> None:
        self.tokens = found
        self.place = 0
        self.depth = 0

    def value(self) -> str:
        return self.tokens[self.place][1]

    def kind(self) -> str:
        return self.tokens[self.place][0]

    def take(self) -> str:
        value = self.value()
        self.place += 1
        return value

    def need(self, value: str) -> None:
        if self.take() != value:
            raise Unreadable(f"expected {value}")

    def expression(self) -> Term:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise TooLarge("nested too deep")
        left = self.signed()
        while self.value() in ("+", "-"):
            sign = self.take()
            right = self.product()
            left = Apply("+", (left, right if sign == "+" else negative(right)))
        self.depth -= 1
        return left

    def signed(self) -> Term:
        if self.value() == "-":
            self.take()
            return negative(self.signed())
        if self.value() == "+":
            self.take()
            return self.signed()
        return self.product()

    def product(self) -> Term:
        left = self.power()
        while True:
            if self.value() in ("*", "\\cdot", "\\times"):
                self.take()
                left = Apply("*", (left, self.factor_signed()))
            elif self.value() in ("/", "\\div", ":"):
                self.take()
                left = Apply("/", (left, self.factor_signed()))
            elif self.starts():
                left = Apply("*", (left, self.power()))
            else:
                return left

    def factor_signed(self) -> Term:
        if self.value() == "-":
            self.take()
            return negative(self.factor_signed())
        return self.power()

    def starts(self) -> bool:
        if self.kind() == "command":
            return self.value() not in _RELATIONS and self.value() not in ("\\rfloor", "\\rceil")
        return self.kind() in ("number", "letter") or self.value() in _CLOSES

    def power(self) -> Term:
        base = self.atom()
        while self.value() in ("^", "!"):
            factorial = self.take() == "!"
            base = Apply("!", (base,)) if factorial else Apply("^", (base, self.exponent()))
        return base

    def script(self) -> Term:
        if self.value() == "{":
            return self.atom()
        if self.kind() == "number":
            return self.digit()
        return self.factor_signed() if self.value() == "-" else self.atom()

    def exponent(self) -> Term:
        """A script of which a number is taken whole: `10^100`."""
        return _number(self.take()) if self.kind() == "number" else self.script()

    def digit(self) -> Term:
        number = self.value()
        if len(number) == 1:
            return _number(self.take())
        self.tokens[self.place] = ("number", number[1:])
        return _number(number[0])

    def atom(self) -> Term:
        kind, value = self.tokens[self.place]
        self.place += 1
        if kind == "number":
            return self.subscripted(_number(value))
        if kind == "letter":
            return self.called(Symbol("." + value + self.subscript()))
        if kind == "command":
            return self.command(value)
        if value in _CLOSES:
            inside = self.expression()
            self.need(_CLOSES[value])
            return inside
        if value == "|":
            inside = self.expression()
            self.need("|")
            return Apply("abs", (inside,))
        raise Unreadable(f"{value!r}")

    def subscripted(self, number: Number) -> Term:
        self.subscript()
        return number

    def subscript(self) -> str:
        if self.value() != "_":
            return ""
        self.take()
        if self.value() != "{":
            return "_" + self.take()
        parts = []
        self.take()
        while self.value() != "}":
            if self.kind() == "end":
                raise Unreadable("a subscript is not closed")
            parts.append(self.take())
        self.take()
        return "_" + "".join(parts)

    def called(self, symbol: Symbol) -> Term:
        if self.value() != "(":
            return symbol
        self.take()
        inside = [self.expression()]
        while self.value() == ",":
            self.take()
            inside.append(self.expression())
        self.need(")")
        return Apply(f"call {symbol.name}", tuple(inside))

    def command(self, name: str) -> Term:
        if name in ("\\frac", "\\dfrac", "\\tfrac"):
            return Apply("/", (self.script(), self.script()))
        if name in ("\\binom", "\\dbinom"):
            return Apply("binom", (self.script(), self.script()))
        if name == "\\sqrt":
            return self.root()
        if name[1:] in _NAMED:
            return self.function(name[1:])
        if name == "\\infty":
            return Symbol(".oo")
        if name in _FLOORS:
            inside = self.expression()
            self.need(_FLOORS[name][0])
            return Apply(_FLOORS[name][1], (inside,))
        if name in _RELATIONS or name in ("\\begin", "\\end", "\\int", "\\sum", "\\lim", "\\prod"):
            raise Unreadable(name)
        return self.called(Symbol("." + name[1:] + self.subscript()))

    def root(self) -> Term:
        if self.value() != "[":
            return Apply("sqrt", (self.script(),))
        self.take()
        index = self.expression()
        self.need("]")
        return Apply("root", (self.script(), index))

    def function(self, name: str) -> Term:
        power = None
        base: Term | None = None
        while self.value() in ("^", "_"):
            if self.take() == "^":
                power = self.script()
            else:
                base = self.script()
        argument = self.atom() if self.value() in ("(", "{") else self.argument()
        term: Term = Apply(name, (argument,))
        if base is not None:
            term = Apply("logb", (argument, base))
        if power is None:
            return term
        if power == negative(ONE) and name in ("sin", "cos", "tan"):
            return Apply("arc" + name, (argument,))
        return Apply("^", (term, power))

    def argument(self) -> Term:
        left = self.power()
        while self.starts() and self.value()[1:] not in _NAMED and self.value() not in ("(", "["):
            left = Apply("*", (left, self.power()))
        return left


def _number(text: str) -> Number:
    return Number(Fraction(text.replace(",", "")))


def parse_prefix(text: str) -> Term | None:
    """The expression that the original reads; None where it fails or reads a relation."""
    try:
        reader = _Prefix(_tokens(text))
        term = reader.expression()
        return None if reader.value() in _RELATIONS else term
    except (Unreadable, TooLarge, ValueError, RecursionError):
        return None
