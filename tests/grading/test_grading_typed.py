"""Values that programs left: read without evaluating, and graded as answers."""

import pytest
import sympy

from mathlm.core.records import Completion, CompletionSegment, Problem, TypedValue
from mathlm.grading import grade
from mathlm.grading.stage import regrade
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
    ("gold", "value", "status"),
    [
        (r"\sqrt2, -\sqrt2", "[-sqrt(2), sqrt(2)]", "correct"),
        (r"\{1, 2\}", "[2, 1]", "correct"),
        (r"(1, 2)", "[1, 2]", "correct"),
        (r"(1, 2)", "[2, 1]", "incorrect"),
        (r"1, 2", "[1, 3]", "incorrect"),
        (r"5", "[5]", "correct"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "[[1, 2], [3, 4]]", "correct"),
    ],
)
def test_a_programs_list_has_no_order(gold: str, value: str, status: str) -> None:
    tool = CompletionSegment(source="tool", text=value + "\n", status="ok")
    made = Completion(
        problem_id="p", task="math", solver="s", sample_index=0, segments=(tool,),
        finish_reason="stop",
    )  # fmt: skip
    problem = Problem(id="p", task="math", answer=gold)
    (verdict,) = regrade({("math", "p"): problem}, [made], "default")
    assert verdict.status == status, verdict


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
