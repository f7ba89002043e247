"""Formulas as trees: what is one, and what hostile ones may become."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.reporting.formulas import FormulaTable, formula
from mathlm.reporting.markup import visible

ALLOWED = re.compile("math|m[a-z]+")
HARMLESS = re.compile(r"[a-z0-9 .+-]{0,40}")


def pieces(text):
    table = FormulaTable(1000)
    found = table.pieces(text)
    return found, table.entries


def nodes(tree):
    """All (tag, attributes) of a tree; its texts must be strings."""
    tag, attributes, *children = tree
    yield tag, attributes or {}
    for child in children:
        if not isinstance(child, str):
            yield from nodes(child)


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("$x$ and $y^2$", 2),
        ("$$x$$", 1),
        (r"\(x\) \[y\]", 2),
        (r"\begin{align*} x &= 1 \\ y &= 2 \end{align*}", 1),
        (r"\begin{align} x \end{gather}", 0),
        ("it costs $5 and $6", 0),
        ("from $3-$4 a piece", 0),
        ("$ x $", 0),
        (r"\$5 and \$6", 0),
        ("$a\nb$", 0),
        ("$$a\nb$$", 1),
        ("one $x", 0),
        (r"$\frac{1}{2}$.", 1),
        (r"$\notacommand{$", 0),
        ("$" + "x" * 500 + "$", 0),
        ("$x$ $x$ $$x$$", 2),
    ],
)
def test_what_counts_as_a_formula(text, formulas):
    found, entries = pieces(text)
    assert len(entries) == formulas
    assert {piece for piece in found if isinstance(piece, int)} == set(range(formulas))
    if not formulas:
        assert found == [text]


def test_a_fraction_is_a_fraction():
    one, two = ["mrow", 0, ["mn", 0, "1"]], ["mrow", 0, ["mn", 0, "2"]]
    assert formula(r"\frac{1}{2}")[2:] == [["mrow", 0, ["mfrac", 0, one, two]]]


def test_display_formulas_are_marked():
    assert pieces("$$x$$")[1][0][0] == 1
    assert pieces("$x$")[1][0][0] == 0


def test_after_the_limit_formulas_stay_text():
    table = FormulaTable(2)
    assert table.pieces("$a$, $b$, $c$, $a$") == [0, ", ", 1, ", $c$, ", 0]
    table.start()
    assert table.pieces("$b$") == [0]
    assert len(table.entries) == 1


@pytest.mark.parametrize(
    "latex",
    [
        r"\text{<script>alert(1)</script>}",
        r"\href{javascript:alert(1)}{x}",
        r"\class{evil}{x}",
        r"\style{position:fixed}{x}",
        "<img src=x onerror=alert(1)>",
        "&lt;script&gt;",
        r"\color{red}x",
        r"\hspace{99999em}x",
        r"\begin{array}{c}a\\b\end{array}",
        r"\mathbb{\text{\"onload=alert(1)}}",
    ],
)
def test_hostile_formulas_bring_no_elements_of_their_own(latex):
    for _, tree in pieces(f"${latex}$")[1]:
        for tag, attributes in nodes(tree):
            assert ALLOWED.fullmatch(tag)
            assert not {"href", "class", "style", "id", "src", "mathbackground"} & set(attributes)
            assert all(HARMLESS.fullmatch(value) for value in attributes.values())
            assert not [v for v in attributes.values() if "99999" in v or "alert" in v]


TEX = st.lists(
    st.sampled_from(
        [
            *r"{}[]^_&$\<>'",
            "x",
            "1",
            r"\frac",
            r"\left(",
            r"\right)",
            r"\sqrt",
            r"\text{",
            r"\\",
            r"\begin{matrix}",
            r"\end{matrix}",
            r"\sum",
            r"\limits",
            r"\overline",
            r"\href",
            "\u202e",
        ]
    ),
    max_size=40,
).map("".join)


@settings(deadline=None, max_examples=300)
@given(TEX)
def test_any_formula_becomes_a_safe_tree_or_text(latex):
    text = f"before ${latex}$ after"
    found, entries = pieces(text)
    for _, tree in entries:
        assert all(ALLOWED.fullmatch(tag) for tag, _ in nodes(tree))
    if not entries:
        assert found == [visible(text)]
    assert found[0].startswith("before")


@pytest.mark.parametrize(
    "text",
    ["$" * 100_000, "$$x" * 30_000, r"\(" * 50_000, r"\[x" * 30_000, r"\begin{align}" * 10_000],
)
def test_unclosed_formulas_take_no_time(text):
    start = time.process_time()
    pieces(text)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "piece", ["{", "^", "_{", r"\frac", r"\left(", r"\sqrt{", "&", r"\begin{matrix}", r"\frac{1}{"]
)
def test_deep_formulas_take_no_time_and_stay_shallow(piece):
    start = time.process_time()
    for _ in range(20):
        tree = formula((piece * 400)[:399])
    assert time.process_time() - start < 5
    assert tree is None or depth(tree) <= 45


def depth(tree):
    return 1 + max((depth(child) for child in tree[2:] if not isinstance(child, str)), default=0)
