import csv
import io
import re
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.reporting.markup import Cell, Html, Table, escape, tag, to_csv, visible

ANY = st.text(st.characters() | st.sampled_from("<>&\"'`|\\\u202e\x00\ud800\r\n"))


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.data, self.attributes = [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.data += data


@given(ANY)
def test_escaped_text_reads_back_as_the_visible_text(text):
    assert unescape(escape(text)) == visible(text)
    assert Reader(f"<p>{escape(text)}</p>").tags == ["p"]


@given(ANY)
def test_an_attribute_holds_its_text_and_ends_where_it_should(text):
    reader = Reader(tag("p", "x", title=text))
    assert reader.tags == ["p"]
    assert reader.attributes == [("title", visible(text))]


@given(ANY)
def test_visible_text_is_utf8_without_controls(text):
    shown = visible(text)
    shown.encode("utf-8")
    assert not set(shown) & set("\x00\x1b\r\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert visible(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("a\x00b\x1b", "a\ufffdb\ufffd"),
        ("line\r\nline\tx", "line\nline\tx"),
        ("größer ≤ 🙂", "größer ≤ 🙂"),
    ],
)
def test_visible(text, shown):
    assert visible(text) == shown


def test_html_is_not_escaped_twice_and_text_always_is():
    assert tag("b", Html("<i>x</i>")) == "<b><i>x</i></b>"
    assert tag("b", "<i>") == "<b>&lt;i&gt;</b>"
    assert tag("b", "x", class_="y", title=None) == '<b class="y">x</b>'


TABLE = Table(
    "Caption", ["name", "number"], [["a|b", "1"], [Cell("c", Html("<b>c</b>"), "x"), "2"]]
)


def test_a_table_in_html():
    text = TABLE.to_html()
    assert '<td class="num">1</td>' in text
    assert '<td class="x"><b>c</b></td>' in text
    assert "<td>a|b</td>" in text


def test_a_table_in_markdown():
    assert TABLE.to_markdown().splitlines() == [
        "**Caption**",
        "",
        "| name | number |",
        "| --- | ---: |",
        r"| a\|b | 1 |",
        "| c | 2 |",
    ]


@given(ANY)
def test_no_text_breaks_a_markdown_row(text):
    lines = Table("", ["a", "b"], [[text, "1"]]).to_markdown().splitlines()
    assert len(lines) == 3
    assert lines[2].replace(r"\\", "").replace(r"\|", "").count("|") == 3


@given(ANY)
def test_no_text_breaks_a_latex_row(text):
    lines = Table(text, ["a", "b"], [[text, "1"]]).to_latex().splitlines()
    body = lines[-3]
    assert body.endswith(r" & 1 \\")
    cell = body.removesuffix(r" & 1 \\")
    assert not re.search(r"(?<!\\)[&%#_]|[\r\n]", cell)
    commands = set(re.findall(r"\\([A-Za-z]+)", cell))
    assert commands <= {
        "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater",
        "pm", "rightarrow", "leq",
    }  # fmt: skip


@given(st.lists(ANY, min_size=1, max_size=3))
def test_csv_reads_back_and_holds_no_spreadsheet_formula(texts):
    rows = [{"a": text, "n": 1.5, "more": {"x": [1]}} for text in texts]
    found = list(csv.DictReader(io.StringIO(to_csv(rows), newline="")))
    for row, text in zip(found, texts, strict=True):
        assert row["a"] in (visible(text), "'" + visible(text))
        assert row["a"][:1] not in ("=", "+", "-", "@", "\t")
        assert float(row["n"]) == 1.5
        assert row["more"] == '{"x": [1]}'
