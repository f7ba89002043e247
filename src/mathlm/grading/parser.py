"""A grammar of answers: LaTeX and plain text to terms, by recursive descent.

It reads what final answers are made of (numbers, closed forms, lists, intervals, sets, matrices,
relations, units), and refuses the rest (integrals, limits, prose), which SymPy's parser may still
read in a worker. Of our own because latex2sympy2 takes 2 to 20 ms for an answer and knows neither
units, money, nor intervals beside tuples (`benchmarks/grading.py` measures both). Nothing is
evaluated here; length, tokens and nesting are bounded.
"""

from __future__ import annotations

from fractions import Fraction

from mathlm.grading.atoms import (
    CONSTANT_COMMANDS,
    RELATIONS,
    SIGN_RELATIONS,
    UNREAD,
    decimal,
    joined_text,
)
from mathlm.grading.terms import (
    E,
    I,
    ONE,
    REALS,
    Apply,
    Number,
    Symbol,
    Term,
    Text,
    TooLarge,
    Unreadable,
    integer,
    negative,
)
from mathlm.grading.tokens import FUNCTIONS, GREEK, Token, tokens

MAX_DEPTH = 60
_OPENING = {"(": ")", "[": "]"}
_CLOSING = frozenset({")", "]"})
_STOPS = frozenset({")", "]", "}", ",", ";", "&", "<", ">", "=", "<=", ">=", "!=", "==", ":="})
_MATRICES = frozenset({"matrix", "pmatrix", "bmatrix", "Bmatrix", "array", "smallmatrix"})
_LINES = frozenset({"cases", "aligned", "align", "align*", "gathered", "gather", "split"})


class Parser:
    """Reads one list of tokens; `parse` is the entrance."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._place = 0
        self._depth = 0
        self._bars = 0

    # Tokens

    def _peek(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._place + ahead, len(self._tokens) - 1)]

    def _next(self) -> Token:
        token = self._peek()
        self._place += 1
        return token

    def _is(self, value: str, kind: str = "sign") -> bool:
        token = self._peek()
        return token.kind == kind and token.value == value

    def _accept(self, value: str, kind: str = "sign") -> bool:
        if self._is(value, kind):
            self._place += 1
            return True
        return False

    def _expect(self, value: str, kind: str = "sign") -> None:
        if not self._accept(value, kind):
            raise Unreadable(f"expected {value}, found {self._peek().value!r}")

    # Lists and relations

    def whole(self) -> Term:
        """The term of all the tokens."""
        term = self.items()
        if self._peek().kind != "end":
            raise Unreadable(f"left over from {self._peek().value!r}")
        return term

    def items(self) -> Term:
        """Items apart by commas or semicolons: one term, or `list`; semicolons part lists."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooLarge(f"nested over {MAX_DEPTH} deep")
        rows = [self._row()]
        while self._accept(";"):
            if self._at_stop():
                break
            rows.append(self._row())
        self._depth -= 1
        if len(rows) == 1:
            return rows[0]
        if any(isinstance(row, Apply) and row.op == "list" for row in rows):
            rows = [
                Apply("group()", row.args) if isinstance(row, Apply) and row.op == "list" else row
                for row in rows
            ]
        return Apply("list", tuple(rows))

    def _row(self) -> Term:
        found = [self.relation()]
        while self._accept(","):
            while self._accept(","):
                pass
            if self._at_stop():
                break
            found.append(self.relation())
        return found[0] if len(found) == 1 else Apply("list", tuple(found))

    def _at_stop(self) -> bool:
        token = self._peek()
        return token.kind == "end" or (token.kind == "sign" and token.value in (*_CLOSING, "}"))

    def relation(self) -> Term:
        """One expression, or a chain `a < b = c` as `rel < =`."""
        first = self.union()
        signs, terms = [], [first]
        while True:
            token = self._peek()
            sign = RELATIONS.get(token.value) if token.kind == "command" else None
            if token.kind == "sign":
                sign = SIGN_RELATIONS.get(token.value)
            if sign is None:
                break
            self._place += 1
            if self._peek().kind == "sign" and self._peek().value == "=" and sign in "<>":
                self._place += 1
                sign += "="
            signs.append(sign)
            terms.append(self.union())
        return first if not signs else Apply("rel " + " ".join(signs), tuple(terms))

    def union(self) -> Term:
        """Sets joined by ∪, ∩ and ∖ (from the left)."""
        left = self.sum()
        names = {
            "\\cup": "cup",
            "\\cap": "cap",
            "\\setminus": "setminus",
            "\\backslash": "setminus",
        }
        while self._peek().kind == "command" and self._peek().value in names:
            op = names[self._next().value]
            left = Apply(op, (left, self.sum()))
        return left

    # Arithmetic

    def sum(self) -> Term:
        """Products joined by +, -, ± and ∓, then a ratio's colon."""
        left = self._signed()
        while True:
            token = self._peek()
            if token.value == "+" and self._peek(1).value == "-" and not self._peek(1).spaced:
                break
            if token.kind == "sign" and token.value in "+-":
                self._place += 1
                right = self.product()
                left = Apply("+", (left, right if token.value == "+" else negative(right)))
            elif token.kind == "command" and token.value in ("\\pm", "\\mp"):
                self._place += 1
                left = Apply(token.value[1:], (left, self.product()))
            else:
                break
        if self._is(":") or self._is("\\colon", "command"):
            self._place += 1
            left = Apply(":", (left, self.sum()))
        return left

    def _signed(self) -> Term:
        token = self._peek()
        if token.kind == "sign" and token.value in "+-":
            self._place += 1
            following = self._peek()
            if (
                following.kind == "sign"
                and following.value in "+-"
                and following.value != token.value
            ):
                self._place += 1
                return Apply("pm", (self.product(),))
            return (
                self._signed_product() if token.value == "+" else negative(self._signed_product())
            )
        if token.kind == "command" and token.value in ("\\pm", "\\mp"):
            self._place += 1
            return Apply("pm", (self.product(),))
        return self.product()

    def _signed_product(self) -> Term:
        return self._signed() if self._peek().value in ("+", "-") else self.product()

    def product(self) -> Term:
        """Factors joined by signs or by standing together; a trailing text is a unit."""
        left = self.factor()
        while True:
            token = self._peek()
            if token.kind == "sign" and token.value in "*/":
                self._place += 1
                if self._accept("*"):  # Python's power
                    left = Apply("^", (left, self._signed_factor()))
                    continue
                op = token.value
                left = Apply(op, (left, self._signed_factor()))
            elif token.kind == "command" and token.value in ("\\cdot", "\\times", "\\div", "\\ast"):
                self._place += 1
                op = "/" if token.value == "\\div" else "*"
                left = Apply(op, (left, self._signed_factor()))
            elif token.kind == "text":
                left = Apply("unit", (left, self._unit()))
            elif self._starts_factor(token, left):
                left = Apply("*", (left, self.factor()))
            else:
                return left

    def _signed_factor(self) -> Term:
        if self._accept("-"):
            return negative(self._signed_factor())
        if self._accept("+"):
            return self._signed_factor()
        return self.factor()

    def _unit(self) -> Term:
        """Consecutive words with powers and slashes, as in `miles per hour` or `cm^2`."""
        words = []
        while True:
            token = self._peek()
            if token.kind == "text":
                words.append(self._next().value)
            elif token.value == "^" and words:
                self._place += 1
                words.append("^" + joined_text(self._group_text()))
            elif words and token.value == "/" and self._peek(1).kind == "text":
                self._place += 1
                words.append("/")
            else:
                return Text(" ".join(words))

    def _group_text(self) -> str:
        if not self._is("{"):
            return self._next().value
        self._place += 1
        parts = []
        while not self._is("}") and self._peek().kind != "end":
            parts.append(self._next().value)
        self._accept("}")
        return "".join(parts)

    def _starts_factor(self, token: Token, left: Term) -> bool:
        if token.kind in ("symbol",):
            return True
        if token.kind == "number":
            previous = self._tokens[self._place - 1]
            return previous.kind != "number"
        if token.kind == "sign":
            return token.value in ("(", "{", "[") or (token.value == "|" and not self._bars)
        if token.kind == "command":
            return self._starts_command(token.value)
        return False

    def _starts_command(self, value: str) -> bool:
        name = value[1:]
        known = name in FUNCTIONS or name in GREEK or value in CONSTANT_COMMANDS
        return known or value in (
            "\\frac", "\\sqrt", "\\binom", "\\lfloor", "\\lceil", "\\lvert", "\\overline",
            "\\langle", "\\dbinom", "\\mathbb",
        ) or (value.startswith("\\begin{") and value[7:-1] in _MATRICES)  # fmt: skip

    def factor(self) -> Term:
        """An atom with what follows it closely: powers, !, %, degrees, primes."""
        base = self.atom()
        while True:
            token = self._peek()
            if token.kind == "sign" and token.value == "^":
                base = self._power(base)
            elif token.kind == "sign" and token.value == "!" and not token.spaced:
                self._place += 1
                base = Apply("!", (base,))
            elif token.kind == "sign" and token.value == "%":
                self._place += 1
                base = Apply("%", (base,))
            elif token.kind == "command" and token.value == "\\degree":
                self._place += 1
                base = Apply("deg", (base,))
            elif token.kind == "command" and token.value in ("\\ldots", "\\dots", "\\cdots"):
                if not (isinstance(base, Number) and base.places):
                    raise Unreadable("an ellipsis")
                self._place += 1
            elif token.kind == "command" and token.value in ("\\pmod", "\\bmod", "\\mod"):
                self._place = len(self._tokens) - 1
            else:
                return base

    def _power(self, base: Term) -> Term:
        self._place += 1
        if self._accept("\\circ", "command") or self._accept("\\degree", "command"):
            return Apply("deg", (base,))
        if (
            self._is("{")
            and self._peek(1).value in ("\\circ", "\\degree")
            and self._peek(2).value == "}"
        ):
            self._place += 3
            return Apply("deg", (base,))
        if self._peek().value in ("\\prime", "'") or (
            self._is("{") and self._peek(1).value == "\\prime"
        ):
            return Apply("call '", (base,)) if self._group_text() else base
        exponent = self._argument()
        return Apply("^", (base, exponent))

    def _argument(self) -> Term:
        """A braced group, or one token (LaTeX's rule: one digit of a number)."""
        if self._accept("{"):
            term = self.items()
            self._expect("}")
            return term
        token = self._peek()
        if token.kind == "sign" and token.value in "+-":
            self._place += 1
            inner = self._argument_number() if self._peek().kind == "number" else self.factor()
            return inner if token.value == "+" else negative(inner)
        if token.kind == "number":
            return self._argument_number()
        return self.atom()

    def _argument_number(self) -> Term:
        return decimal(self._next().value)

    def _digit_argument(self) -> Term:
        """As `\\frac12` reads: a braced group, or one digit, or one atom."""
        token = self._peek()
        if token.kind == "number" and len(token.value) > 1 and token.value.isdigit():
            self._tokens[self._place] = Token("number", token.value[1:])
            return decimal(token.value[0])
        return self._argument()

    # Atoms

    def atom(self) -> Term:
        """A number, name, function, bracket or environment."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooLarge(f"nested over {MAX_DEPTH} deep")
        try:
            token = self._next()
            if token.kind == "number":
                return self._number(token)
            if token.kind == "symbol":
                return self._name(token.value)
            if token.kind == "text":
                self._place -= 1
                return self._unit()
            if token.kind == "command":
                return self._from_command(token.value)
            return self._bracket(token.value)
        finally:
            self._depth -= 1

    def _number(self, token: Token) -> Term:
        value = decimal(token.value)
        if self._is("\\overline", "command") and "." in token.value:
            self._place += 1
            return self._repeating(token.value)
        if self._is("_"):
            self._place += 1
            base = self._group_text()
            return Apply("base", (Text(token.value.lstrip("0") or "0"), Text(base)))
        if value.places is None and value.value.denominator == 1:
            return self._mixed(value)
        return value

    def _mixed(self, whole: Number) -> Term:
        """A mixed number: a whole number directly before a proper fraction of whole numbers."""
        start = self._place
        if self._accept("\\frac", "command"):
            top, bottom = self._digit_argument(), self._digit_argument()
        elif (
            self._peek().kind == "number"
            and self._peek().spaced
            and self._peek(1).value == "/"
            and self._peek(2).kind == "number"
        ):
            top = decimal(self._next().value)
            self._place += 1
            bottom = decimal(self._next().value)
        else:
            return whole
        if isinstance(top, Number) and isinstance(bottom, Number):
            proper = 0 < top.value < bottom.value and top.places is None is bottom.places
            if proper and not self._is("^"):
                return Number(whole.value + top.value / bottom.value)
        fraction = Apply("/", (top, bottom))
        if self._tokens[start].kind == "command":
            return Apply("*", (whole, fraction))
        raise Unreadable("two numbers side by side")

    def _repeating(self, before: str) -> Term:
        digits = self._group_text()
        if not digits.isdigit() or len(digits) > 50:
            raise Unreadable("an overline that is no period")
        places = len(before.partition(".")[2])
        period = Fraction(int(digits), 10**places * (10 ** len(digits) - 1))
        return Number(Fraction(before + "0") + period)

    def _name(self, letter: str) -> Term:
        name = letter
        while self._is("'"):
            self._place += 1
            name += "'"
        if self._is("_"):
            self._place += 1
            name += "_" + joined_text(self._group_text())
            while self._accept("'"):
                name += "'"
        symbol = E if name == "e" else I if name == "i" else Symbol(name)
        return self._called(symbol)

    def _called(self, symbol: Symbol) -> Term:
        """`f(x)`: an unknown function where the name and what stands in brackets look like one."""
        if not self._is("(") or self._peek().spaced or symbol in (E, I):
            return symbol
        if symbol.name[0] not in "fghFGHPpQqRTWySsuvUVNdEIKLMDABCX":
            return symbol
        start = self._place
        self._place += 1
        try:
            inside = self.items()
            self._expect(")")
        except Unreadable:
            self._place = start
            return symbol
        simple = not isinstance(inside, Apply) or inside.op in ("list", "neg")
        if symbol.name[0] in "fghFGHPQW" or (simple and not isinstance(inside, Text)):
            return Apply(f"call {symbol.name}", (inside,))
        self._place = start
        return symbol

    def _bracket(self, sign: str) -> Term:
        if sign in _OPENING:
            return self._grouped(sign)
        if sign == "{":
            term = self.items()
            self._expect("}")
            return term
        if sign == "|":
            self._bars += 1
            term = self.sum()
            self._bars -= 1
            self._expect("|")
            return Apply("abs", (term,))
        if sign == "'" or sign == '"':
            return self.atom()
        raise Unreadable(f"{sign!r} begins nothing")

    def _grouped(self, opening: str) -> Term:
        bars, self._bars = self._bars, 0
        if self._peek().value in _CLOSING:
            closing = self._next().value
            return Apply(f"group{opening}{closing}", ())
        term = self.items()
        self._bars = bars
        closing = self._next().value
        if closing not in _CLOSING:
            raise Unreadable(f"{opening} is not closed")
        many = isinstance(term, Apply) and term.op == "list"
        if opening == "(" and closing == ")" and not many:
            return term
        parts = term.args if isinstance(term, Apply) and many else (term,)
        return Apply(f"group{opening}{closing}", parts)

    def _from_command(self, command: str) -> Term:
        name = command[1:]
        if command in CONSTANT_COMMANDS:
            return CONSTANT_COMMANDS[command]
        if command == "\\frac":
            return Apply("/", (self._digit_argument(), self._digit_argument()))
        if command in ("\\binom", "\\dbinom", "\\tbinom"):
            return Apply("binom", (self._digit_argument(), self._digit_argument()))
        if command == "\\sqrt":
            return self._root()
        if name in FUNCTIONS:
            return self._function(name)
        if name in GREEK:
            return self._name(name)
        if command == "\\{":
            return self._set()
        if command in ("\\langle", "\\lfloor", "\\lceil", "\\lvert"):
            return self._fenced(command)
        if command.startswith("\\begin{"):
            return self._environment(command[7:-1])
        if command == "\\mathbb" or command == "\\Bbb":
            return REALS if self._group_text() == "R" else Symbol("N")
        if command in ("\\boxed", "\\fbox", "\\displaystyle", "\\overline", "\\overrightarrow"):
            return self._argument()
        if command in ("\\angle", "\\triangle", "\\sphericalangle", "\\measuredangle"):
            return self.product()
        if command in ("\\dot", "\\ddot", "\\widehat", "\\tilde", "\\underline"):
            return Apply(f"call {name}", (self._argument(),))
        if command in UNREAD or not name.isalpha():
            raise Unreadable(f"{command} is not known")
        return self._name(name)

    def _root(self) -> Term:
        index: Term | None = None
        if self._accept("["):
            index = self.sum()
            self._expect("]")
        radicand = self._digit_argument() if not self._is("(") else self.atom()
        if index is None:
            return Apply("sqrt", (radicand,))
        return Apply("root", (radicand, index))

    def _function(self, name: str) -> Term:
        power: Term | None = None
        base: Term | None = None
        while self._is("^") or self._is("_"):
            if self._next().value == "^":
                power = self._argument()
            else:
                base = self._argument()
        argument = self._function_argument()
        if name == "log" and base is not None:
            term: Term = Apply("logb", (argument, base))
        elif name in ("max", "min", "gcd", "lcm") and isinstance(argument, Apply):
            parts = argument.args if argument.op.startswith(("group", "list")) else (argument,)
            term = Apply(name, parts)
        else:
            term = Apply(name, (argument,))
        if power is None:
            return term
        if power == negative(ONE) and name in ("sin", "cos", "tan", "cot", "sec", "csc"):
            return Apply("arc" + name, (argument,))
        return Apply("^", (term, power))

    def _function_argument(self) -> Term:
        if self._is("(") or self._is("{"):
            return self.atom()
        argument = self.factor()
        while True:
            token = self._peek()
            stops = token.kind == "command" and token.value[1:] in FUNCTIONS
            if stops or token.value in ("(", "[") or not self._starts_factor(token, argument):
                return argument
            argument = Apply("*", (argument, self.factor()))

    def _set(self) -> Term:
        if self._accept("\\}", "command"):
            return Apply("set", ())
        term = self.items()
        if self._is("|") or self._is("\\mid", "command"):
            self._place += 1
            condition = self.items()
            self._expect("\\}", "command")
            return condition
        self._expect("\\}", "command")
        many = isinstance(term, Apply) and term.op == "list"
        return Apply("set", term.args if isinstance(term, Apply) and many else (term,))

    def _fenced(self, opening: str) -> Term:
        closing = {
            "\\langle": "\\rangle", "\\lfloor": "\\rfloor", "\\lceil": "\\rceil",
            "\\lvert": "\\rvert",
        }[opening]  # fmt: skip
        term = self.items()
        self._expect(closing, "command")
        if opening == "\\langle":
            many = isinstance(term, Apply) and term.op == "list"
            return Apply("group()", term.args if isinstance(term, Apply) and many else (term,))
        return Apply({"\\lfloor": "floor", "\\lceil": "ceil"}.get(opening, "abs"), (term,))

    def _environment(self, name: str) -> Term:
        if name == "array" and self._is("{"):
            self._group_text()
        if name not in _MATRICES and name not in _LINES:
            raise Unreadable(f"the environment {name}")
        rows: list[tuple[Term, ...]] = []
        row: list[Term] = []
        while True:
            token = self._peek()
            if token.value == f"\\end{{{name}}}":
                self._place += 1
                break
            if token.kind == "end":
                raise Unreadable(f"{name} is not closed")
            if token.value in ("\\\\", "\\cr"):
                self._place += 1
                rows.append(tuple(row))
                row = []
            elif token.value in ("&", "\\hline"):
                self._place += 1
            else:
                row.append(self.items())
        rows = [row for row in [*rows, tuple(row)] if row]
        if name in _LINES:
            return Apply("list", tuple(item for row in rows for item in row))
        return Apply("matrix", tuple(Apply("row", row) for row in rows))


def parse(text: str, *, thousands: bool = True) -> Term:
    """The term of a cleaned answer; raises Unreadable or TooLarge, nothing else.

    With `thousands`, `1,234` outside of brackets is one number.
    """
    return Parser(tokens(text, thousands=thousands)).whole()


def whole_number(term: Term) -> int | None:
    """The value of a whole number's term."""
    if isinstance(term, Number) and term.value.denominator == 1:
        return term.value.numerator
    return None


__all__ = ["Parser", "integer", "parse", "whole_number"]
