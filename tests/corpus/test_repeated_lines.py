"""Repeated lines: furniture of a domain goes, what mathematics repeats stays."""

from __future__ import annotations

import collections
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.executor import Local
from mathlm.core.records import Document, Provenance
from mathlm.corpus import line_steps
from mathlm.corpus.duplicate_config import RepeatedLines
from mathlm.corpus.line_steps import without_repeated_lines
from mathlm.corpus.repeated_lines import cut, domain_of, keys_of, lines_of
from mathlm.corpus.tables import Writer, read_documents

NEVER = [
    "",
    "Proof.",
    "## Theorem 1",
    "$$\\int_0^1 f(x)\\,dx = \\text{the area under the curve}$$",
    "\\( \\mathrm{a} + \\mathrm{bb} + \\mathrm{ccc} = \\operatorname{lim} \\)",
    "$\\alpha \\beta \\gamma$, $\\delta$.",
    "\\frac \\alpha \\beta \\gamma \\delta",
    "| one | two | three | four |",
    "    indented code of several words",
    "`a b c d` 1 2 3",
    "1 2 3 4 5 6",
]


@pytest.mark.parametrize("line", NEVER)
def test_lines_that_never_count(line):
    assert keys_of("a.org", line) == set()


@pytest.mark.parametrize(
    "text",
    [
        "```\nimport numpy as something\n```",
        "~~~ python\nimport numpy as something\n~~~",
        "$$\nlet us call this text\n$$",
        "\\begin{align}\nlet us call this text\n\\end{align}",
        "\\[\nlet us call this text\n\\]",
        "```\nnever closed by this author",
    ],
)
def test_what_stands_inside_code_and_mathematics(text):
    assert keys_of("a.org", text) == set()


def test_words_beside_formulas_count_with_the_formulas():
    one, two = "Let $x = 1$ be such a number", "Let $x = 2$ be such a number"
    assert keys_of("a.org", one) != keys_of("a.org", two)
    assert keys_of("a.org", one) == keys_of("a.org", "let  $X = 1$ be such\ta NUMBER")
    assert keys_of("a.org", one) != keys_of("b.org", one)


@pytest.mark.parametrize(
    ("url", "content_type", "identifier", "domain"),
    [
        ("https://A.org/x", None, "x", "a.org"),
        (None, "text/html", "manual/x.html", "manual"),
        (None, "text/html", "x.html", ""),
        (None, None, "x", None),
        ("no url", None, "x", None),
    ],
)
def test_domains(url, content_type, identifier, domain):
    assert domain_of(url, content_type, identifier) == domain


@given(st.text(alphabet="ab $`\\[]{}~\n>|\ud800", max_size=80))
def test_the_lines_make_up_the_text(text):
    assert "\n".join(line.text for line in lines_of("", text)) == text
    assert cut("", text, np.empty(0, np.uint64)).text == text


WORDS = ("one two three", "four five six", "seven eight nine", "ten eleven twelve")


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.lists(st.sampled_from(WORDS), max_size=5)),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.2, 0.5]),
    st.integers(1, 3),
)
def test_against_counting_by_hand(tmp_path_factory, pages, number, share, parts):
    folder = tmp_path_factory.mktemp("lines")
    domains = collections.Counter(domain for domain, _ in pages)
    having = collections.Counter((domain, line) for domain, lines in pages for line in set(lines))
    expected = {}
    for place, (domain, lines) in enumerate(pages):
        most = max(number, share * domains[domain])
        left = [line for line in lines if having[domain, line] <= most]
        if left or not lines:
            expected[f"d{place}"] = "\n".join(left)
    files = {"s": folder / "s"}
    files["s"].mkdir()
    rows = [
        Document(
            id=f"d{place}", text="\n".join(lines), source="s",
            provenance=Provenance(url=f"http://{domain}.org/{place}"),
        )
        for place, (domain, lines) in enumerate(pages)
    ]  # fmt: skip
    for part in range(parts):
        with Writer(files["s"], f"documents-{part}", 1 << 20) as writer:
            for row in rows[part::parts]:
                writer.add(row)
    given_settings = RepeatedLines(documents=number, share=share)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_steps, "_RANGE_LINES", 3)
        target = (folder / "out", "key")
        without_repeated_lines(files, given_settings, Local(1), target=target)
    left = read_documents(sorted((folder / "out" / "s").glob("documents-*.parquet")))
    assert {row.id: row.text for row in left} == expected
    (row,) = json.loads((folder / "out" / "s" / "rows.json").read_text())
    assert row["kept"] == len(expected) and row["in"] == len(pages)
    gone = sum(map(len, (lines for _, lines in pages))) - sum(
        len(text.split("\n")) for text in expected.values() if text
    )
    assert row.get("noted", {}).get("lines cut", 0) == gone
