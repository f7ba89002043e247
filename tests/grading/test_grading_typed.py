"""Values that programs left: read without evaluating, and graded as answers."""

import pytest
import sympy

from mathlm.core.records import TypedValue
from mathlm.grading import grade
from mathlm.grading.typed import typed_text

x = sympy.Symbol("x")
VALUES = [
    (4, "4"), (0.5, "1/2"), ([1, 2], "1,2"), ((1, 2), "(1,2)"), ({x: 5}, "5"), ("Friday", "Friday"),
    (sympy.Rational(3, 4), "\\frac34"), (sympy.sqrt(8), "2\\sqrt2"),
    (sympy.pi / 2, "\\frac{\\pi}{2}"),
    (x**2 - 1, "(x-1)(x+1)"), (sympy.Integer(-7), "-7"), (sympy.FiniteSet(1, 2), "\\{1,2\\}"),
    (sympy.Interval.Ropen(0, 1), "[0,1)"), (sympy.Matrix([[1, 2], [3, 4]]),
     "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"), (sympy.Eq(x, 3), "x=3"), (1 + 2j, "1+2i"),
    (sympy.exp(2 * x), "e^{2x}"), (sympy.sin(x), "\\sin x"), ([sympy.Integer(5)], "5"),
    (sympy.Union(sympy.Interval.open(-sympy.oo, 0), sympy.Interval.open(2, sympy.oo)),
     "(-\\infty,0)\\cup(2,\\infty)"), (sympy.I * 3, "3i"), (sympy.Float("0.25"), "0.25"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "gold"), VALUES)
def test_values_are_graded_as_answers(value, gold):
    text = sympy.srepr(value) if isinstance(value, sympy.Basic | sympy.MatrixBase) else repr(value)
    if isinstance(value, dict):
        text = "{Symbol('x'): Integer(5)}"
    if isinstance(value, list) and isinstance(value[0], sympy.Basic):
        text = "[Integer(5)]"
    answer = typed_text(TypedValue(type=type(value).__name__, value=text))
    assert grade(gold, answer).status == "correct", answer


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "(" * 5000,
        "lambda: 0",
        "[i for i in x]",
        "1 +",
        "f'{x}'",
        "",
    ],
)
def test_anything_else_is_text(text):
    assert isinstance(typed_text(TypedValue(type="str", value=text)), str)
