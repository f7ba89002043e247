"""The grammar's small tables: relation signs, constants, and how digits become numbers."""

from __future__ import annotations

from fractions import Fraction

from mathlm.grading.terms import INFINITY, PI, Apply, E, I, Number, Symbol, Term, TooLarge
from mathlm.grading.tokens import words_of

MAX_DIGITS = 400
MAX_SCALE = 400
"""Greatest power of ten that scientific notation may carry."""

RELATIONS = {
    "\\le": "<=", "\\leq": "<=", "\\leqslant": "<=", "\\ge": ">=", "\\geq": ">=",
    "\\geqslant": ">=", "\\lt": "<", "\\gt": ">", "\\ne": "!=", "\\neq": "!=", "\\in": "in",
    "\\approx": "~", "\\simeq": "~", "\\equiv": "=", "\\to": "=", "\\mapsto": "=", "\\not": "!=",
    "\\cong": "=", "\\Rightarrow": "=>", "\\implies": "=>",
}  # fmt: skip
SIGN_RELATIONS = {
    "=": "=", "==": "=", ":=": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!=": "!=",
}  # fmt: skip

CONSTANT_COMMANDS: dict[str, Term] = {
    "\\pi": PI,
    "\\infty": INFINITY,
    "\\emptyset": Apply("set", ()),
    "\\varnothing": Apply("set", ()),
    "\\imath": I,
    "\\exp ": E,
    "\\R": Symbol("R"),
    "\\reals": Symbol("R"),
}


def decimal(text: str) -> Number:
    """The number of digits as written, thousands' commas dropped; raises TooLarge."""
    text = text.replace(",", "").replace(" ", "")
    mantissa, _, scale = text.lower().partition("e")
    if len(mantissa) > MAX_DIGITS or (scale and abs(int(scale[:6])) > MAX_SCALE):
        raise TooLarge(f"a number of {len(mantissa)} digits, scale {scale[:6]}")
    value = Fraction(mantissa if mantissa[-1] != "." else mantissa[:-1])
    if scale:
        value *= Fraction(10) ** int(scale)
    if "." not in mantissa and not scale:
        return Number(value)
    places = len(mantissa.partition(".")[2]) - (int(scale) if scale else 0)
    digits = len(mantissa.replace(".", "").lstrip("0"))
    return Number(value, places, digits)


def joined_text(text: str) -> str:
    """A subscript's or unit power's text without braces and spaces."""
    return "".join(text.split()).strip("{}")


UNREAD = words_of(
    r"""\int \iint \iiint \oint \sum \prod \lim \limsup \liminf \partial \nabla \bigcup \bigcap
    \begin \end \left \right \frac \sqrt \over \choose \det \stackrel \overset \underset
    \includegraphics \hline \forall \exists \mid \vee \wedge \neg \pmod \mod \bmod \rangle
    \rfloor \rceil \rvert \cup \cap \setminus \cdot \times \div \pm \mp \input \def \newcommand
    \catcode"""
)
"""Commands that a lone name must not be made of: operators, and what only SymPy's parser reads."""
