import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.reporting.formulas import formula, with_formulas
from mathlm.reporting.markup import visible

ALLOWED = re.compile("math|m[a-z]+")


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.data, self.open = [], [], "", []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.data += data


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("$x$ and $y^2$", 2),
        ("$$x$$", 1),
        (r"\(x\) \[y\]", 2),
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
    ],
)
def test_what_counts_as_a_formula(text, formulas):
    assert Reader(with_formulas(text)).tags.count("math") == formulas


def test_a_fraction_is_a_fraction():
    assert formula(r"\frac{1}{2}") == (
        '<math display="inline"><mrow><mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>'
        "</mrow></math>"
    )


def test_display_formulas_are_blocks():
    assert 'display="block"' in with_formulas("$$x$$")
    assert 'display="inline"' in with_formulas("$x$")


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
def test_hostile_formulas_bring_no_markup(latex):
    reader = Reader(with_formulas(f"${latex}$"))
    assert all(ALLOWED.fullmatch(tag) for tag in reader.tags)
    assert not {"href", "class", "style", "id", "src", "mathbackground"} & {
        name for name, _ in reader.attributes
    }
    assert not [value for _, value in reader.attributes if "99999" in value or "alert" in value]


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
def test_any_formula_becomes_safe_markup_or_text(latex):
    text = f"before ${latex}$ after"
    reader = Reader(with_formulas(text))
    assert all(ALLOWED.fullmatch(tag) for tag in reader.tags)
    if not reader.tags:
        assert reader.data == visible(text)
    assert reader.data.startswith("before")


@pytest.mark.parametrize("text", ["$" * 100_000, "$$x" * 30_000, r"\(" * 50_000, r"\[x" * 30_000])
def test_unclosed_formulas_take_no_time(text):
    start = time.process_time()
    with_formulas(text)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "piece", ["{", "^", "_{", r"\frac", r"\left(", r"\sqrt{", "&", r"\begin{matrix}"]
)
def test_deep_formulas_take_no_time(piece):
    start = time.process_time()
    for _ in range(20):
        formula((piece * 400)[:399])
    assert time.process_time() - start < 5
