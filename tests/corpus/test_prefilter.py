"""The prefilter on raw bytes: each form of mathematics has a mark; recall on real pages."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.core.records import Provenance
from mathlm.corpus.batches import judge, settings_of, settings_text
from mathlm.corpus.filter_config import WebFilters, with_paper_defaults
from mathlm.corpus.html import extract
from mathlm.corpus.prefilter import (
    MAX_LINKS_PAPER,
    PAPER_COMMANDS,
    PAPER_MARKS,
    mark,
    refuse,
    refuse_text,
)
from mathlm.corpus.quality.prose import count_formulas
from mathlm.corpus.source_config import HtmlSource
from mathlm.corpus.sources.items import Page

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


def settings(mode, **filters):
    """A source's settings as its worker reads them."""
    source = HtmlSource(folders=())
    given = {"language": None, "mathematics": False, **filters}
    web = WebFilters.model_validate(with_paper_defaults(given) if mode == "paper" else given)
    return settings_of(settings_text("web", source, mode, web))


def judged(html, mode="paper", **filters):
    page = Page("p", html.encode(), "text/html", Provenance())
    found = judge(page, settings(mode, **filters))
    return found.reason, found.step


WORDS = "Some plain words that stand on a page, more or less. " * 12
SCRIPT = "<script>print('\\now')</script>"


def test_the_published_commands():
    """Their number, and that each alone keeps a page whose text holds it."""
    assert len(set(PAPER_COMMANDS)) == 84
    assert all(refuse_text(f"x {command}y", None) is None for command in PAPER_COMMANDS)
    assert refuse_text("\\now \\gg \\Alpha \\mathbb", None) == "no mathematics in the text"


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        (f"<p>{WORDS}</p>", "no mark of mathematics"),
        (f"<p>{WORDS}</p>{SCRIPT}", "no mathematics in the text"),
        (f"<p>{WORDS} \\alpha</p>", None),
        (f"<p>{WORDS} \\gg</p>", "no mathematics in the text"),
        (f"<p>{WORDS} \\gg</p><!-- mathjax -->", None),
        (f"<p>{WORDS}</p><nav>\\alpha</nav>", "no mathematics in the text"),
    ],
)
def test_a_page_without_a_mark_is_judged_by_its_text(html, reason):
    assert judged(html) == (reason, "filter" if reason is None else "prefilter")
    assert judged(html, "default")[0] != "no mathematics in the text"
    assert judged(html, prefilter=False)[0] is None


@pytest.mark.parametrize(
    ("score", "size", "kept"), [(0.81, 501, True), (0.8, 501, False), (1, 500, False)]
)
def test_or_by_its_score(score, size, kept):
    found = refuse_text("x" * size, lambda text: score)
    assert (found is None) == kept


def test_selectors_take_no_part_in_the_prefilter(tmp_path):
    """As published: its text is that of the main content, nothing of the user's taken away."""
    file = tmp_path / "selectors.txt"
    file.write_text(".gone\n")
    html = f"<p>{WORDS}</p><p class='gone'>the number \\alpha</p>"
    assert judged(html, banned_selectors=str(file))[0] is None


def test_too_many_links_in_paper_mode():
    page = f"<p>{WORDS} mathjax</p>" + '<a href="x">y</a>' * (MAX_LINKS_PAPER + 1)
    assert judged(page) == ("more than 3000 links", "prefilter")
    assert judged(page.replace('<a href="x">y</a>', "", 1))[0] is None
    assert judged(page, "default", max_frequent_ngram=None, max_repeated_words=None)[0] is None
    assert judged(page, prefilter=False)[0] is None
