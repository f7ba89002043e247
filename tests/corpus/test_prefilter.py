"""The prefilter on raw bytes: each form of mathematics has a mark; recall on real pages."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.corpus.html import extract
from mathlm.corpus.prefilter import MAX_LINKS_PAPER, PAPER_MARKS, mark, refuse
from mathlm.corpus.quality.prose import count_formulas

NONE = [
    b"",
    b"<html><body><p>Ten recipes for the weekend, for $5 and more.</p></body></html>",
    b"<script>Math.floor(x); var path = 'C:\\new'; print(\"\\n\\t\")</script>",
    b'<div class="text context mathew formulaic">aftermath of the latex glove shortage</div>',
]


@pytest.mark.parametrize("page", NONE)
def test_pages_without_mathematics(page):
    assert mark(page) is None
    assert refuse(page) == "no mark of mathematics"


@pytest.mark.parametrize("text", PAPER_MARKS)
def test_published_marks(text):
    page = f"<p>{text}</p>".encode()
    assert mark(page, "paper") == text
    assert refuse(page, "paper") is None


def test_published_marks_are_patterns():
    assert mark(b"latex+php", "paper") == "latex+php", "their dot stands for any character"
    assert mark(b"\\frac", "paper") == "\\fr"
    assert mark(b"\\x", "paper") is None


def test_too_many_links_in_paper_mode():
    page = b"mathjax" + b'<a href="x">y</a>' * (MAX_LINKS_PAPER + 1)
    assert refuse(page, "paper") == "more than 3000 links"
    assert refuse(page) is None


def test_every_form_of_mathematics_has_a_mark(root):
    lines = (root / "tests/corpus/html/forms.jsonl").read_text("utf-8").splitlines()
    forms = [json.loads(line) for line in lines]
    missing = [
        form["html"]
        for form in forms
        if count_formulas(extract(form["html"].encode()).text)
        and mark(form["html"].encode()) is None
    ]
    # A single pair of dollar signs and a bare backtick are marks that prose has too.
    rest = [html for html in missing if "`" not in html and html.count("$") > 2]
    assert not rest, rest


@pytest.mark.data
def test_recall_on_real_pages(data_dir, capsys):
    pages = sorted((data_dir / "web").rglob("*.html"))
    data = [page.read_bytes() for page in pages]
    maths = [count_formulas(extract(page).text) > 0 for page in data]
    shares = {}
    for mode in ("default", "paper"):
        passed = [mark(page, mode) is not None for page in data]
        recall = sum(p and m for p, m in zip(passed, maths, strict=True)) / sum(maths)
        shares[mode] = recall
        with capsys.disabled():
            print(
                f"\nprefilter ({mode}): recall {recall:.3f} of {sum(maths)} pages with formulas,"
                f" passes {sum(passed)} of {len(pages)}"
            )
    assert shares["default"] >= 0.97
    assert shares["default"] >= shares["paper"]


@pytest.mark.parametrize("unit", [b"<", b"class=", b'class="a ', b"\\", b"m", b"\xe2", b"[", b"$a"])
def test_hostile_pages_take_linear_time(unit):
    page = unit * (8_000_000 // len(unit))
    start = time.perf_counter()
    mark(page), mark(page, "paper")
    assert time.perf_counter() - start < 10


@given(st.binary(max_size=300))
def test_any_bytes(page):
    for mode in ("default", "paper"):
        assert (refuse(page, mode) is None) == (mark(page, mode) is not None)
