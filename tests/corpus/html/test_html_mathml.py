"""MathML to LaTeX: tables, 507 published pairs, and a round trip that the converter never saw."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from mathlm.corpus.html.markup import parse_math, plain_tree
from mathlm.corpus.html.mathml import to_latex


def convert(markup: str) -> str:
    markup = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>", "", markup, flags=re.DOTALL)
    math = parse_math(markup)
    assert math is not None
    return to_latex(plain_tree(math))


TABLE = {
    "<mi>x</mi><mo>+</mo><mn>1</mn>": "x + 1",
    "<mo>-</mo><mi>x</mi>": "-x",
    "<mi>sin</mi><mo>&#x2061;</mo><mi>x</mi>": "\\sin x",
    "<mi>&alpha;</mi><mi>b</mi>": "\\alpha b",
    "<mi mathvariant='normal'>d</mi><mi>x</mi>": "\\mathrm{d}x",
    "<mi mathvariant='double-struck'>R</mi>": "\\mathbb{R}",
    "<mi>\U0001d539</mi>": "\\mathbb{B}",
    "<mi>\U0001d6fc</mi>": "\\alpha",
    "<mi>\U0001d6c2</mi>": "\\boldsymbol{\\alpha}",
    "<mi>\U0001d717</mi>": "\\vartheta",
    "<mi>rank</mi><mi>A</mi>": "\\mathrm{rank}A",
    "<mfrac><mi>a</mi><mi>b</mi></mfrac>": "\\frac{a}{b}",
    "<mo>(</mo><mfrac linethickness='0'><mi>n</mi><mi>k</mi></mfrac><mo>)</mo>": "\\binom{n}{k}",
    "<mo>(</mo><mfrac><mi>a</mi><mi>b</mi></mfrac><mo>)</mo>": "\\left(\\frac{a}{b}\\right)",
    "<mo stretchy='false'>(</mo><mi>a</mi><mo stretchy='false'>)</mo>": "(a)",
    "<mrow><mo>{</mo><mi>a</mi><mo>}</mo></mrow>": "\\{a\\}",
    "<mrow><mo>|</mo><mfrac><mi>a</mi><mi>b</mi></mfrac><mo>|</mo></mrow>":
        "\\left|\\frac{a}{b}\\right|",
    "<msqrt><mi>x</mi><mo>+</mo><mn>1</mn></msqrt>": "\\sqrt{x + 1}",
    "<mroot><mi>x</mi><mn>3</mn></mroot>": "\\sqrt[3]{x}",
    "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>": "x_{i}^{2}",
    "<msup><mrow><mi>a</mi><mi>b</mi></mrow><mn>2</mn></msup>": "{ab}^{2}",
    "<msup><mi>f</mi><mo>&prime;</mo></msup>": "f'",
    "<msup><mn>90</mn><mo>&#xB0;</mo></msup>": "90^{\\circ}",
    "<munderover><mo>&sum;</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover>":
        "\\sum_{i = 1}^{n}",
    "<munder><mi>lim</mi><mrow><mi>x</mi><mo>&rarr;</mo><mn>0</mn></mrow></munder>":
        "\\lim_{x \\rightarrow 0}",
    "<munder><mi>argmax</mi><mi>x</mi></munder>": "\\operatorname*{argmax}_{x}",
    "<mover><mi>x</mi><mo>^</mo></mover>": "\\hat{x}",
    "<mover><mi>x</mi><mo>&macr;</mo></mover>": "\\bar{x}",
    "<mover><mrow><mi>A</mi><mi>B</mi></mrow><mo>&macr;</mo></mover>": "\\overline{AB}",
    "<mover><mi>v</mi><mo>&rarr;</mo></mover>": "\\vec{v}",
    "<mover><mo>&rarr;</mo><mi>f</mi></mover>": "\\xrightarrow{f}",
    "<mover><mo>=</mo><mo>!</mo></mover>": "\\overset{!}{=}",
    "<munder><munder><mi>a</mi><mo>&#x23DF;</mo></munder><mi>n</mi></munder>":
        "\\underbrace{a}_{n}",
    "<mover><mover><mi>a</mi><mo>&#x23DE;</mo></mover><mi>n</mi></mover>": "\\overbrace{a}^{n}",
    "<mmultiscripts><mi>X</mi><mi>c</mi><mi>d</mi><mprescripts/><mi>a</mi><mi>b</mi>"
    "</mmultiscripts>": "{}_{a}^{b}X_{c}^{d}",
    "<mfenced open='[' close=')'><mn>0</mn><mn>1</mn></mfenced>": "[0, 1)",
    "<mtext>if x_1 &amp; 5%</mtext>": "\\text{if x\\_1 \\& 5\\%}",
    "<mi>a</mi><mspace width='2em'/><mi>b</mi>": "a\\qquad b",
    "<menclose notation='box'><mi>a</mi></menclose>": "\\boxed{a}",
    "<mphantom><mi>a</mi></mphantom>": "\\phantom{a}",
    "<mstyle mathvariant='bold'><mi>v</mi></mstyle>": "\\mathbf{v}",
    "<mo>(</mo><mtable><mtr><mtd><mi>a</mi></mtd><mtd><mi>b</mi></mtd></mtr></mtable><mo>)</mo>":
        "\\begin{pmatrix}\na & b\n\\end{pmatrix}",
    "<mo>{</mo><mtable><mtr><mtd><mi>a</mi></mtd></mtr><mtr><mtd><mi>b</mi></mtd></mtr></mtable>":
        "\\begin{cases}\na \\\\\nb\n\\end{cases}",
    "<mtable columnalign='right left'><mtr><mtd><mi>a</mi></mtd><mtd><mo>=</mo><mi>b</mi></mtd>"
    "</mtr></mtable>": "\\begin{aligned}\na & = b\n\\end{aligned}",
    "<mtable><mlabeledtr><mtd><mtext>(1)</mtext></mtd><mtd><mi>a</mi></mtd></mlabeledtr></mtable>":
        "a \\tag{1}",
    "<mi>a</mi><mo>\u2261\u0338</mo><mi>b</mi>": "a\\not\\equiv b",
    "<mi mathvariant='normal'>l</mi><mi mathvariant='normal'>c</mi><mi mathvariant='normal'>m</mi>":
        "\\mathrm{lcm}",
    "<mo>(</mo><mo>mod</mo><mspace width='.3em'/><mn>7</mn><mo>)</mo>": "\\pmod{7}",
    "<mi>a</mi><mo>mod</mo><mi>b</mi>": "a\\bmod b",
    "<munder><mrow><mi>sup</mi><mo>\u2061</mo></mrow><mi>n</mi></munder>": "\\sup_{n}",
    "<munder><mi>max</mi><mo>\u2061</mo><mspace width='1em'/><mi>n</mi></munder>": "\\max_{n}",
    "<msup><mi>f</mi><mrow>\u2033</mrow></msup>": "f''",
    "<mi>u</mi><mo>\u22a5</mo><mi>v</mi>": "u\\perp v",
    "<mi mathvariant='normal'>\u22a5</mi>": "\\bot",
    "<mn>5</mn><mi mathvariant='normal'>%</mi>": "5\\%",
    "<mo>\u2295\ufe0e</mo>": "\\oplus",
    "<mtext mathvariant='bold'>x</mtext>": "\\textbf{x}",
    "<munderover><mo>\u2192</mo><mrow></mrow><mi>f</mi></munderover>": "\\xrightarrow{f}",
    "<mover><mo>\u2192</mo><mover><mrow><mspace width='.4em'/><mi>f</mi></mrow>"
    "<mspace width='3.5em'/></mover></mover>": "\\xrightarrow{f}",
    "<mi>a</mi><mspace width='1em'/><mo>(</mo><mi>mod</mi><mspace width='0.333em'/><mi>n</mi>"
    "<mo>)</mo>": "a\\pmod{n}",
    "": "",
    "<msup><mi>x</mi></msup>": "x",
    "<mfrac></mfrac>": "\\frac{}{}",
    "<unknown><mi>x</mi></unknown>": "x",
}  # fmt: skip


@pytest.mark.parametrize("markup", TABLE)
def test_table(markup: str) -> None:
    assert convert(f"<math>{markup}</math>") == TABLE[markup]


def test_any_depth_is_survived() -> None:
    deep = "<math>" + "<msqrt>" * 3000 + "<mi>x</mi>" + "</msqrt>" * 3000 + "</math>"
    assert convert(deep).startswith("\\sqrt{")


@pytest.mark.data
def test_published_pairs(
    data_dir: Path, scoring: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (data_dir / "web" / "texmath_pairs.jsonl").read_text(encoding="utf-8").split("\n")
    pairs = [json.loads(line) for line in lines if line]
    normal: Callable[[str], str] = scoring.normal_form
    right = sum(normal(convert(p["mathml"])) == normal(p["latex"]) for p in pairs)
    with capsys.disabled():
        print(f"\nMathML pairs: {right} of {len(pairs)} in the same normal form")
    assert len(pairs) == 507
    assert right >= 400


class Writer:
    """Writes random LaTeX of the kinds that papers use, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def atom(self) -> str:
        return self.random.choice(
            ["a", "b", "x", "y", "n", "k", "1", "2", "10", "\\alpha", "\\beta", "\\pi", "\\theta",
             "\\Gamma", "\\infty", "\\mathbb{R}", "\\mathcal{F}", "\\mathbf{v}", "\\mathfrak{g}",
             "\\hat{x}", "\\bar{y}", "\\vec{v}", "\\dot{x}", "\\tilde{f}", "\\partial", "\\nabla"]
        )  # fmt: skip

    def matrix(self, inner: Callable[[], str]) -> str:
        rows = f"{inner()} & {inner()} \\\\ {inner()} & {inner()}"
        return f"\\begin{{pmatrix}} {rows} \\end{{pmatrix}}"

    def formula(self, depth: int) -> str:
        parts = [self.term(depth)]
        for _ in range(self.random.randrange(3)):
            parts.append(self.random.choice(
                ["+", "-", "=", "\\leq", "\\geq", "\\neq", "\\in", "\\cdot", "\\times", "\\to",
                 "\\subseteq", "\\cup", "\\approx", "\\equiv", "\\pm", "<", ">", "\\sim"]
            ))  # fmt: skip
            parts.append(self.term(depth))
        return " ".join(parts)

    def term(self, depth: int) -> str:
        if depth <= 0:
            return self.atom()
        inner = lambda: self.formula(depth - 1)  # noqa: E731
        kind = self.random.randrange(16)
        if kind < 3:
            return self.atom()
        return [
            lambda: f"\\frac{{{inner()}}}{{{inner()}}}",
            lambda: f"{self.atom()}_{{{inner()}}}",
            lambda: f"{self.atom()}^{{{inner()}}}",
            lambda: f"{self.atom()}_{{{self.atom()}}}^{{{inner()}}}",
            lambda: f"\\sqrt{{{inner()}}}",
            lambda: f"\\sqrt[3]{{{inner()}}}",
            lambda: f"\\sum_{{{inner()}}}^{{{self.atom()}}} {inner()}",
            lambda: f"\\int_{{{self.atom()}}}^{{{self.atom()}}} {inner()}",
            lambda: f"\\left({inner()}\\right)",
            lambda: f"\\lim_{{{inner()}}} {inner()}",
            lambda: self.matrix(inner),
            lambda: f"\\sin {self.atom()}",
            lambda: f"\\binom{{{inner()}}}{{{inner()}}}",
        ][kind - 3]()


def test_round_trip(scoring: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    converter = pytest.importorskip("latex2mathml.converter")
    right, wrong = 0, []
    for seed in range(400):
        latex = Writer(seed).formula(2)
        back = convert(converter.convert(latex))
        if scoring.normal_form(back) == scoring.normal_form(latex):
            right += 1
        else:
            wrong.append((latex, back))
    with capsys.disabled():
        print(f"\nround trip LaTeX, MathML, LaTeX: {right} of 400")
    assert right >= 400, wrong[:6]
