"""AsciiMath to LaTeX: a table of the language's features, and no text that stops the converter."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.corpus.html.asciimath import to_latex

TABLE = {
    "x=(-b +- sqrt(b^2 - 4ac))/(2a)": "x = \\frac{-b \\pm \\sqrt{b^{2}-4ac}}{2a}",
    "sum_(i=1)^n i^3=((n(n+1))/2)^2":
        "\\sum_{i = 1}^{n}i^{3} = \\left(\\frac{n(n + 1)}{2}\\right)^{2}",
    "a/b": "\\frac{a}{b}",
    "a/b/c": "\\frac{a}{b}/c",
    "x_1^2": "x_{1}^{2}",
    "x^2_1": "x_{1}^{2}",
    "sqrt x": "\\sqrt{x}",
    "root(3)(x)": "\\sqrt[3]{x}",
    "frac(a)(b)": "\\frac{a}{b}",
    "int_0^oo e^(-x) dx": "\\int_{0}^{\\infty}e^{-x}dx",
    "lim_(x->oo) 1/x": "\\lim_{x \\to \\infty}\\frac{1}{x}",
    "[[a,b],[c,d]]": "\\begin{bmatrix} a & b \\\\ c & d \\end{bmatrix}",
    "((1),(2))": "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}",
    "{(x,x>0),(0,x<=0):}": "\\begin{cases} x & x > 0 \\\\ 0 & x \\le 0 \\end{cases}",
    "|x|<1": "|x| < 1",
    "abs(x/2)": "\\left|\\frac{x}{2}\\right|",
    "norm(x)": "\\|x\\|",
    "floor(x)": "\\lfloor x\\rfloor",
    "vec x + hat y": "\\vec{x} + \\hat{y}",
    "bb(A)": "\\mathbf{A}",
    "bbb(R)": "\\mathbb{R}",
    '"if " x': "\\text{if }x",
    "text(where) x": "\\text{where}x",
    "x in RR": "x \\in \\mathbb{R}",
    "a != b": "a \\ne b",
    "alpha+beta": "\\alpha + \\beta",
    "f(x)=x^2": "f(x) = x^{2}",
    "(a,b]": "(a, b]",
    "3.14xx2": "3.14 \\times 2",
    "A sube B": "A \\subseteq B",
    "stackrel(\"def\")(=)": "\\stackrel{\\text{def}}{=}",
    "ubrace(a)_n": "\\underbrace{a}_{n}",
    "color(red)(x)": "x",
    "": "",
    "(((": "(((",
    "a^": "a",
    "/": "/",
}  # fmt: skip


@pytest.mark.parametrize("text", TABLE)
def test_table(text: str) -> None:
    assert to_latex(text) == TABLE[text]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='ab1^_/()[]{}|,:<>=+-" sqrtfrac', max_size=60) | st.text(max_size=40))
def test_any_text_ends(text: str) -> None:
    assert isinstance(to_latex(text), str)


@pytest.mark.parametrize("text", ["(" * 5000, "sqrt" * 3000, "a^" * 4000, "|" * 4000, "[[" * 3000])
def test_deep_nesting_ends(text: str) -> None:
    assert isinstance(to_latex(text), str)
