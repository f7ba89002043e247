r"""Numbers as answers write them: `1.5`, `0.\overline{3}`, `204_5`, `1\frac{9}{10}`, `6 3/4`."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from mathlm.grading.atoms import decimal
from mathlm.grading.cursor import Cursor
from mathlm.grading.terms import Apply, Number, Term, Text, Unreadable
from mathlm.grading.tokens import NUMBER_WORDS, Token

_PERIODS = frozenset({"\\overline", "\\bar", "\\dot"})


def number(cursor: Cursor, token: Token, argument: Callable[[], Term]) -> Term:
    r"""A number that starts with `token`: decimal, repeating, with a base, or mixed.

    `argument` reads an argument of `\frac` at the cursor.
    """
    value = decimal(token.value)
    marked = cursor.peek().kind == "command" and cursor.peek().value in _PERIODS
    if marked and "." in token.value:
        cursor.place += 1
        return _repeating(cursor, token.value)
    if cursor.sees("_"):
        cursor.place += 1
        base = cursor.group_text().strip("()").lower()
        base = NUMBER_WORDS.get(base, base)
        return Apply("base", (Text(token.value.lstrip("0") or "0"), Text(base)))
    if value.places is None and value.value.denominator == 1:
        return _mixed(cursor, value, argument)
    return value


def _mixed(cursor: Cursor, whole: Number, argument: Callable[[], Term]) -> Term:
    """A mixed number: a whole number directly before a proper fraction of whole numbers."""
    start = cursor.place
    if cursor.accept("\\frac", "command"):
        top, bottom = argument(), argument()
    elif (
        cursor.peek().kind == "number"
        and cursor.peek().spaced
        and cursor.peek(1).value == "/"
        and cursor.peek(2).kind == "number"
    ):
        top = decimal(cursor.next().value)
        cursor.place += 1
        bottom = decimal(cursor.next().value)
    else:
        return whole
    if isinstance(top, Number) and isinstance(bottom, Number):
        proper = 0 < top.value < bottom.value and top.places is None is bottom.places
        if proper and not cursor.sees("^"):
            return Number(whole.value + top.value / bottom.value)
    fraction = Apply("/", (top, bottom))
    if cursor.tokens[start].kind == "command":
        return Apply("*", (whole, fraction))
    raise Unreadable("two numbers side by side")


def _repeating(cursor: Cursor, before: str) -> Term:
    digits = cursor.group_text()
    if not digits.isdigit() or len(digits) > 50:
        raise Unreadable("an overline that is no period")
    places = len(before.partition(".")[2])
    period = Fraction(int(digits), 10**places * (10 ** len(digits) - 1))
    return Number(Fraction(before + "0") + period)
