"""A grammar of answers: LaTeX and plain text to terms, by recursive descent.

It reads what final answers are made of (numbers, closed forms, lists, intervals, sets, matrices,
relations, units), and refuses the rest (integrals, limits, prose), which SymPy's parser may still
read in a worker. Of our own because latex2sympy2 takes 2 to 20 ms for an answer and knows neither
units, money, nor intervals beside tuples (`benchmarks/grading.py` measures both). Nothing is
evaluated here; length, tokens and nesting are bounded.
"""

from __future__ import annotations

from mathlm.grading.atoms import (
    CONSTANT_COMMANDS,
    RELATIONS,
    SIGN_RELATIONS,
    UNREAD,
    decimal,
    joined_text,
)
from mathlm.grading.cursor import Cursor
from mathlm.grading.layouts import MATRICES, environment, fenced
from mathlm.grading.numerals import number
from mathlm.grading.terms import (
    ONE,
    REALS,
    Apply,
    E,
    I,
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


class Parser(Cursor):
    """Reads one list of tokens; `parse` is the entrance."""

    # Lists and relations

    def whole(self) -> Term:
        """The term of all the tokens."""
        term = self._infix()
        if self.peek().kind != "end":
            raise Unreadable(f"left over from {self.peek().value!r}")
        return term

    def _infix(self) -> Term:
        r"""What a group holds, with TeX's old fractions `{a \over b}` and `{n \choose k}`."""
        term = self.items()
        for command, op in (("\\over", "/"), ("\\choose", "binom")):
            if self.accept(command, "command"):
                return Apply(op, (term, self.items()))
        return term

    def items(self) -> Term:
        """Items apart by commas or semicolons: one term, or `list`; semicolons part lists."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooLarge(f"nested over {MAX_DEPTH} deep")
        rows = [self._row()]
        while self.accept(";"):
            if self.at_stop():
                break
            rows.append(self._row())
        self.depth -= 1
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
        while self.accept(","):
            while self.accept(","):
                pass
            if self.at_stop():
                break
            found.append(self.relation())
        return found[0] if len(found) == 1 else Apply("list", tuple(found))

    def relation(self) -> Term:
        """One expression, or a chain `a < b = c` as `rel < =`."""
        first = self.union()
        signs, terms = [], [first]
        while True:
            token = self.peek()
            sign = RELATIONS.get(token.value) if token.kind == "command" else None
            if token.kind == "sign":
                sign = SIGN_RELATIONS.get(token.value)
            if sign is None:
                break
            self.place += 1
            if self.peek().kind == "sign" and self.peek().value == "=" and sign in "<>":
                self.place += 1
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
        while self.peek().kind == "command" and self.peek().value in names:
            op = names[self.next().value]
            left = Apply(op, (left, self.sum()))
        return left

    # Arithmetic

    def sum(self) -> Term:
        """Products joined by +, -, ± and ∓, then a ratio's colon."""
        left = self._signed()
        while True:
            token = self.peek()
            if token.value == "+" and self.peek(1).value == "-" and not self.peek(1).spaced:
                break
            if token.kind == "sign" and token.value in "+-":
                self.place += 1
                right = self.product()
                left = Apply("+", (left, right if token.value == "+" else negative(right)))
            elif token.kind == "command" and token.value in ("\\pm", "\\mp"):
                self.place += 1
                left = Apply(token.value[1:], (left, self.product()))
            else:
                break
        if self.sees(":") or self.sees("\\colon", "command"):
            self.place += 1
            left = Apply(":", (left, self.sum()))
        return left

    def _signed(self) -> Term:
        token = self.peek()
        if token.kind == "sign" and token.value in "+-":
            self.place += 1
            following = self.peek()
            if (
                following.kind == "sign"
                and following.value in "+-"
                and following.value != token.value
            ):
                self.place += 1
                return Apply("pm", (self.product(),))
            return (
                self._signed_product() if token.value == "+" else negative(self._signed_product())
            )
        if token.kind == "command" and token.value in ("\\pm", "\\mp"):
            self.place += 1
            return Apply("pm", (self.product(),))
        return self.product()

    def _signed_product(self) -> Term:
        return self._signed() if self.peek().value in ("+", "-") else self.product()

    def product(self) -> Term:
        """Factors joined by signs or by standing together; a trailing text is a unit."""
        left = self.factor()
        while True:
            token = self.peek()
            if token.kind == "sign" and token.value in "*/":
                self.place += 1
                op = token.value
                left = Apply(op, (left, self._signed_factor()))
            elif token.kind == "command" and token.value in ("\\cdot", "\\times", "\\div", "\\ast"):
                self.place += 1
                op = "/" if token.value == "\\div" else "*"
                left = Apply(op, (left, self._signed_factor()))
            elif token.kind == "text":
                left = Apply("unit", (left, self._unit()))
            elif self._starts_factor(token, left):
                left = Apply("*", (left, self.factor()))
            else:
                return left

    def _signed_factor(self) -> Term:
        if self.accept("-"):
            return negative(self._signed_factor())
        if self.accept("+"):
            return self._signed_factor()
        return self.factor()

    def _unit(self) -> Term:
        """Consecutive words with powers and slashes, as in `miles per hour` or `cm^2`."""
        words = []
        while True:
            token = self.peek()
            if token.kind == "text":
                words.append(self.next().value)
            elif token.value == "^" and words:
                self.place += 1
                words.append("^" + joined_text(self.group_text()))
            elif words and token.value == "/" and self.peek(1).kind == "text":
                self.place += 1
                words.append("/")
            else:
                return Text(" ".join(words))

    def _starts_factor(self, token: Token, left: Term) -> bool:
        if token.kind in ("symbol",):
            return True
        if token.kind == "number":
            previous, sign = self.tokens[self.place - 1], self.tokens[self.place - 2]
            return previous.kind != "number" or (sign.value == "^" and token.spaced)
        if token.kind == "sign":
            return token.value in ("(", "{", "[") or (token.value == "|" and not self.bars)
        if token.kind == "command":
            return self._starts_command(token.value)
        return False

    def _starts_command(self, value: str) -> bool:
        name = value[1:]
        known = name in FUNCTIONS or name in GREEK or value in CONSTANT_COMMANDS
        return known or value in (
            "\\frac", "\\sqrt", "\\binom", "\\lfloor", "\\lceil", "\\lvert", "\\overline",
            "\\langle", "\\dbinom", "\\mathbb",
        ) or (value.startswith("\\begin{") and value[7:-1] in MATRICES)  # fmt: skip

    def factor(self) -> Term:
        """An atom with what follows it closely: powers, !, %, degrees, primes."""
        base = self.atom()
        while True:
            token = self.peek()
            if token.kind == "sign" and token.value == "^":
                base = self._power(base)
            elif token.kind == "sign" and token.value == "**":  # Python's power
                self.place += 1
                base = Apply("^", (base, self._signed_factor()))
            elif token.kind == "sign" and token.value == "!" and not token.spaced:
                self.place += 1
                base = Apply("!", (base,))
            elif token.kind == "sign" and token.value == "%":
                self.place += 1
                base = Apply("%", (base,))
            elif token.kind == "command" and token.value == "\\degree":
                self.place += 1
                base = Apply("deg", (base,))
            elif token.kind == "command" and token.value in ("\\ldots", "\\dots", "\\cdots"):
                if not (isinstance(base, Number) and base.places):
                    raise Unreadable("an ellipsis")
                self.place += 1
            elif token.kind == "command" and token.value in ("\\pmod", "\\bmod", "\\mod"):
                self.place = len(self.tokens) - 1
            else:
                return base

    def _power(self, base: Term) -> Term:
        self.place += 1
        if self.accept("\\circ", "command") or self.accept("\\degree", "command"):
            return Apply("deg", (base,))
        if (
            self.sees("{")
            and self.peek(1).value in ("\\circ", "\\degree")
            and self.peek(2).value == "}"
        ):
            self.place += 3
            return Apply("deg", (base,))
        if self.peek().value in ("\\prime", "'") or (
            self.sees("{") and self.peek(1).value == "\\prime"
        ):
            return Apply("call '", (base,)) if self.group_text() else base
        exponent = self._argument()
        inverse = exponent == negative(ONE) and isinstance(base, Symbol) and self.sees("(")
        if inverse and isinstance(base, Symbol) and base.name in "fghFGH":
            return Apply(f"call {base.name}^-1", (self.atom(),))
        return Apply("^", (base, exponent))

    def _argument(self) -> Term:
        """A braced group, or one token (LaTeX's rule: one digit of a number)."""
        if self.accept("{"):
            term = self._infix()
            self.expect("}")
            return term
        token = self.peek()
        if token.kind == "sign" and token.value in "+-":
            self.place += 1
            inner = decimal(self.next().value) if self.peek().kind == "number" else self.factor()
            return inner if token.value == "+" else negative(inner)
        if token.kind == "number":
            return decimal(self.next().value)
        return self.atom()

    def _digit_argument(self) -> Term:
        r"""As `\frac12` reads: a braced group, or one digit, or one atom."""
        token = self.peek()
        if token.kind == "number" and len(token.value) > 1 and token.value.isdigit():
            self.tokens[self.place] = Token("number", token.value[1:])
            return decimal(token.value[0])
        return self._argument()

    # Atoms

    def atom(self) -> Term:
        """A number, name, function, bracket or environment."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooLarge(f"nested over {MAX_DEPTH} deep")
        try:
            token = self.next()
            if token.kind == "number":
                return number(self, token, self._digit_argument)
            if token.kind == "symbol":
                return self._name(token.value)
            if token.kind == "text":
                self.place -= 1
                return self._unit()
            if token.kind == "command":
                return self._from_command(token.value)
            return self._bracket(token.value)
        finally:
            self.depth -= 1

    def _name(self, letter: str) -> Term:
        name = letter
        while self.sees("'"):
            self.place += 1
            name += "'"
        if self.sees("_"):
            self.place += 1
            name += "_" + joined_text(self.group_text())
            while self.accept("'"):
                name += "'"
        symbol = E if name == "e" else I if name == "i" else Symbol(name)
        return self._called(symbol)

    def _called(self, symbol: Symbol) -> Term:
        """`f(x)`: an unknown function where the name and what stands in brackets look like one."""
        if not self.sees("(") or self.peek().spaced or symbol in (E, I):
            return symbol
        if symbol.name[0] not in "fghFGHPpQqRTWySsuvUVNdEIKLMDABCX":
            return symbol
        start = self.place
        self.place += 1
        try:
            inside = self.items()
            self.expect(")")
        except Unreadable:
            self.place = start
            return symbol
        simple = not isinstance(inside, Apply) or inside.op in ("list", "neg")
        if symbol.name[0] in "fghFGHPQW" or (simple and not isinstance(inside, Text)):
            return Apply(f"call {symbol.name}", (inside,))
        self.place = start
        return symbol

    def _bracket(self, sign: str) -> Term:
        if sign in _OPENING:
            return self._grouped(sign)
        if sign == "{":
            term = self._infix()
            self.expect("}")
            return term
        if sign == "|":
            self.bars += 1
            term = self.sum()
            self.bars -= 1
            self.expect("|")
            return Apply("abs", (term,))
        if sign in ("'", '"'):
            return self.atom()
        raise Unreadable(f"{sign!r} begins nothing")

    def _grouped(self, opening: str) -> Term:
        bars, self.bars = self.bars, 0
        if self.peek().value in _CLOSING:
            closing = self.next().value
            return Apply(f"group{opening}{closing}", ())
        term = self.items()
        self.bars = bars
        closing = self.next().value
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
            return fenced(self, command, self.items)
        if command.startswith("\\begin{"):
            return environment(self, command[7:-1], self.items)
        if command in ("\\mathbb", "\\Bbb"):
            return REALS if self.group_text() == "R" else Symbol("N")
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
        if self.accept("["):
            index = self.sum()
            self.expect("]")
        radicand = self._digit_argument() if not self.sees("(") else self.atom()
        if index is None:
            return Apply("sqrt", (radicand,))
        return Apply("root", (radicand, index))

    def _function(self, name: str) -> Term:
        power: Term | None = None
        base: Term | None = None
        while self.sees("^") or self.sees("_"):
            if self.next().value == "^":
                power = self._argument()
            else:
                base = self._argument()
        argument = self._function_argument()
        if name == "exp":
            term: Term = Apply("^", (E, argument))
        elif name == "cbrt":
            term = Apply("root", (argument, integer(3)))
        elif name == "log" and base is not None:
            term = Apply("logb", (argument, base))
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
        if self.sees("(") or self.sees("{"):
            return self.atom()
        argument = self.factor()
        while True:
            token = self.peek()
            stops = token.kind == "command" and token.value[1:] in FUNCTIONS
            if stops or token.value in ("(", "[") or not self._starts_factor(token, argument):
                return argument
            argument = Apply("*", (argument, self.factor()))

    def _set(self) -> Term:
        if self.accept("\\}", "command"):
            return Apply("set", ())
        term = self.items()
        if self.sees("|") or self.sees("\\mid", "command"):
            self.place += 1
            condition = self.items()
            self.expect("\\}", "command")
            return condition
        self.expect("\\}", "command")
        many = isinstance(term, Apply) and term.op == "list"
        return Apply("set", term.args if isinstance(term, Apply) and many else (term,))


def parse(text: str, *, thousands: bool = True) -> Term:
    """The term of a cleaned answer; raises Unreadable or TooLarge, nothing else.

    With `thousands`, `1,234` outside of brackets is one number.
    """
    return Parser(tokens(text, thousands=thousands)).whole()
