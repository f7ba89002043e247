"""The chain of filters: published order and thresholds, pairs of pages, and any text at all."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.cli import main
from mathlm.core.errors import UserError
from mathlm.core.records import Document, Provenance
from mathlm.core.stage import StageContext, StageInput
from mathlm.corpus.config import CorpusConfig
from mathlm.corpus.edits import edits, tidy
from mathlm.corpus.explain import explain
from mathlm.corpus.filter_config import WebFilters, bound, files_digest, with_paper_defaults
from mathlm.corpus.filters import filters_of, first_reason, try_filters
from mathlm.corpus.quality.learning import Learning, learn
from mathlm.corpus.quality.linear import save
from mathlm.corpus.quality.prose import prose
from mathlm.corpus.source_config import HtmlSource
from mathlm.corpus.stage import run
from mathlm.corpus.tables import read_documents
from mathlm.corpus.web_filters import FILTERS, ORDER, checks, web_filters

ARPA = str(Path(__file__).parent / "quality" / "tiny.arpa")
GOOD = (
    "Let $f$ be a continuous function on the closed interval $[a, b]$. Then $f$ is bounded and"
    " attains its maximum, as every sequence of points has a subsequence that converges there."
)


def document(text, url=None):
    return Document(id="d", text=text, source="web", provenance=Provenance(url=url))


def paper(**given):
    values = {"sources": {"w": {"kind": "html", "folders": ["x"]}}, "mode": "paper"}
    return CorpusConfig.model_validate({**values, "filters": given}).filters


def test_published_order_and_thresholds():
    """Figures of arXiv 2310.06786 and filter_dataset.py, as the reference has them."""
    filters = web_filters(
        paper(classifier="c", perplexity_model=ARPA, url_list="filter_dataset.py"), "paper"
    )
    assert list(filters) == [
        "language", "mathematics", "perplexity", "final_perplexity", "final_score",
        "address", "listed_address", "libretexts", "accents",
    ]  # fmt: skip
    assert filters["language"].least == 0.5
    assert filters["mathematics"].least == 0.15
    assert filters["mathematics"].least_without_formulas == 0.8
    assert filters["perplexity"].most == 30_000
    assert filters["final_perplexity"].most == 15_000
    assert filters["final_score"].least == 0.17
    assert filters["accents"].most == 0.015


def test_paper_mode_fills_what_is_left_open_and_a_resolved_recipe_is_the_same():
    given = paper(min_final_score=0.3)
    assert given.min_final_score == 0.3
    assert given.max_final_perplexity == 15_000
    again = paper(**given.model_dump(mode="json", exclude_none=True))
    assert again == given
    assert WebFilters().min_final_score is None


def test_paper_mode_looks_for_duplicates_as_published():
    """By text and likeness, bands dealt once; what the recipe says holds."""
    values = {"sources": {"w": {"kind": "html", "folders": ["x"]}}, "mode": "paper"}
    near = {"near": {"words": 3}}
    given = CorpusConfig.model_validate({**values, "filters": {}, "duplicates": near}).duplicates
    assert (given.urls, given.exact, given.near.deals, given.near.words) == (False, True, 1, 3)
    near = {"urls": True, "near": {"deals": 3}}
    given = CorpusConfig.model_validate({**values, "filters": {}, "duplicates": near}).duplicates
    assert (given.urls, given.near.deals) == (True, 3)
    for without in (values, {**values, "mode": "default", "filters": {}}):
        given = CorpusConfig.model_validate(without).duplicates
        assert (given.urls, given.near.deals) == (True, 2)


def test_orders_name_every_filter_once():
    for order in ORDER.values():
        assert sorted(order) == sorted(FILTERS)


def test_a_page_in_curly_brackets_is_kept():
    text = f"{GOOD} $\\frac{{1}}{{2}}$ and the set {{1, 2, 3}} {{}} lorem {{ipsum}}."
    for mode in ("default", "paper"):
        chosen = WebFilters.model_validate(with_paper_defaults({}) if mode == "paper" else {})
        found = checks(document(text), web_filters(chosen, mode))
        assert not [check for check in found.values() if check.reason], found


@pytest.fixture(scope="module")
def classifier(tmp_path_factory, labelled_texts):
    folder = tmp_path_factory.mktemp("classifier")
    save(learn(labelled_texts(800, noise=0), "mathematical", Learning(bits=14)), folder)
    return str(folder)


MATHS = "we prove that the theorem and the lemma on the matrix of a polynomial ring converges "
OTHER = "we are in the kitchen with the guitar and the recipe for the holiday and the garden "
PAIRS = [
    ("mathematics", MATHS * 3 + "$x^2$", OTHER * 3 + "$x^2$"),
    ("mathematics", MATHS * 9, OTHER * 9),
    ("language", GOOD, "Es sei $f$ eine stetige Funktion auf dem Intervall. Dann ist sie beschränkt"
                       " und nimmt dort auch ihr Maximum an."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kept", "dropped"), PAIRS)
def test_pairs(classifier, name, kept, dropped):
    filters = web_filters(WebFilters(classifier=classifier))
    assert filters[name](document(kept)) is None, filters[name].check(document(kept))
    assert filters[name](document(dropped)), filters[name].check(document(dropped))


def test_without_a_classifier_formulas_decide():
    filters = web_filters(WebFilters())
    assert filters["mathematics"](document("plain words")) == "no formulas"
    assert filters["mathematics"](document("$x = 2$")) is None


def test_addresses():
    filters = web_filters(WebFilters())
    assert filters["address"](document(GOOD, "https://a.org/search?q=1")) == (
        "address: search results"
    )
    assert filters["libretexts"](document("x", "https://bio.libretexts.org/1"))
    assert filters["address"](document(GOOD)) is None


def test_tidy_takes_little():
    lines = [GOOD, "Skip to main content", "\\newcommand{\\a}{b} \\newcommand{\\c}{d}", "end"]
    text = "\n".join(lines)
    ours, theirs = edits(WebFilters()), edits(paper(), "paper")
    assert tidy(text, ours) == f"{GOOD}\nend"
    assert tidy(text, theirs) == f"{GOOD}\nSkip to main content\nend"
    mostly = "Sign in\nShare this\nFollow us\nHello"
    assert tidy(mostly, ours) == mostly, "a page of boilerplate is for the filter to drop"
    assert tidy(tidy(text, ours), ours) == tidy(text, ours)


HOSTILE = ["$", "\\", "a ", "\n", "|", "` ", "é", "\u0301", "newcommand", "{", "http://", "\ud800"]


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_linear_time(unit, classifier):
    filters = web_filters(WebFilters(classifier=classifier))
    start = time.perf_counter()
    checks(
        document(tidy(unit * 100_000, edits(WebFilters())), "https://a.org/" + unit * 9999), filters
    )
    assert time.perf_counter() - start < 10


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters() | st.sampled_from("$\\`|\n\ud800\udfff\0"), max_size=200))
def test_nothing_raises(text):
    for mode in ("default", "paper"):
        tidied = tidy(text, edits(WebFilters(), mode))
        found = checks(document(tidied, text), web_filters(WebFilters(), mode))
        assert all(check.reason is None or check.reason for check in found.values())


def test_mistakes_are_found_before_any_work(tmp_path):
    for wrong in ({"classifier": str(tmp_path)}, {"url_list": str(tmp_path / "absent")}):
        with pytest.raises(UserError):
            try_filters(WebFilters(**wrong))


def test_models_of_a_recipe_are_bound_and_count_by_content(tmp_path, classifier, labelled_texts):
    given = {"classifier": (StageInput("c", "classifier", Path(classifier)),)}
    context = StageContext("corpus", tmp_path, given)
    settings = bound(WebFilters(), context)
    assert settings.classifier == classifier
    assert bound(None, StageContext("corpus", tmp_path)) is None
    with pytest.raises(UserError, match="has no table"):
        bound(None, context)
    with pytest.raises(UserError, match="not both"):
        bound(WebFilters(classifier="x"), context)
    copy = tmp_path / "copy"
    save(learn(labelled_texts(400, seed=4), "mathematical", Learning(bits=14)), tmp_path)
    copy.mkdir()
    for name in ("weights.npy", "classifier.json"):
        (copy / name).write_bytes((Path(classifier) / name).read_bytes())
    digests = [files_digest(WebFilters(classifier=str(p))) for p in (classifier, copy, tmp_path)]
    assert digests[0] == digests[1] != digests[2]


PAGES = {
    "good.html": f"<p>{GOOD} mathjax</p>",
    "german.html": f"<p>{PAIRS[2][2]} mathjax</p>",
    "plain.html": f"<p>{OTHER * 3}</p>",
    "short.html": "<p>$x^2$ mathjax</p>",
    "empty.html": "",
    "binary.html": "%PDF-1.4 mathjax",
}
REASONS = {
    "good.html": None,
    "german.html": "language is not en",
    "plain.html": "no mark of mathematics",
    "short.html": "short",
    "empty.html": "no mark of mathematics",
    "binary.html": "not_html",
}


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    for name, html in PAGES.items():
        (folder / name).write_text(html)
    return folder


def test_explain_says_what_reading_does(pages, tmp_path):
    found = {Path(row.path).name: row for row in explain([pages])}
    assert {name: row.reason for name, row in found.items()} == REASONS
    config = CorpusConfig.model_validate(
        {
            "sources": {"web": {"kind": "html", "folders": [str(pages)], "held_out": 0}},
            "filters": {},
            "decontaminate": {"tasks": []},
        }
    )
    directory = tmp_path / "corpus"
    directory.mkdir()
    run(StageContext("corpus", directory), config)
    (file,) = (directory / "documents" / "web").glob("train-*.parquet")
    kept = {Path(row.id).name for row in read_documents([file])}
    assert kept == {name for name, row in found.items() if row.kept}
    counted: Counter[str] = Counter()
    for row in json.loads((directory / "funnel.json").read_text()):
        counted.update(row["dropped"])
        counted.update(row["failed"])
    assert counted == Counter(reason for reason in REASONS.values() if reason)
    dropped = (directory / "dropped" / "filter.jsonl").read_text()
    assert "language is not en" in dropped, "what was dropped, and why, is kept in a side file"


def test_explain_shows_every_figure(pages, classifier, capsys):
    assert main(["explain", str(pages / "german.html"), f"classifier={classifier}", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    row = json.loads(line)
    assert list(row) == ["path", "language", "kept", "reason", "details"]
    by_name = {detail["filter"]: detail for detail in row["details"]}
    assert by_name["language"]["reason"] == "language is not en"
    assert by_name["language"]["figure"] < 0.5 == by_name["language"]["least"]
    assert by_name["mathematics"]["figure"] == pytest.approx(
        by_name["mathematics"]["figure"], abs=1
    )
    assert {"prefilter", "accents", "repeated_words"} <= set(by_name), "also behind the first"
    assert main(["explain", str(pages / "german.html"), "language=de"]) == 0
    out = capsys.readouterr().out
    assert "[html]  keep" in out
    assert "at least 0.5" in out


def test_explain_names_wrong_words(pages, capsys):
    for words, message in (
        (["min_sore=1"], "did you mean 'min_score'"),
        (["classifier=/nowhere"], "holds no classifier"),
        (["max_accents=7"], "max_accents = 7"),
    ):
        assert main(["explain", str(pages / "good.html"), *words]) == 2
        assert message in capsys.readouterr().err


def test_filters_off_leave_pages_as_they_were():
    source = HtmlSource(folders=())
    reasons = [
        first_reason(document(text), tuple(filters_of(source, "default").values()))
        for text in (GOOD, OTHER * 3, " ", "short")
    ]
    assert reasons == [None, None, "blank", "short"]


def test_scores_do_not_see_formulas(classifier):
    found = web_filters(WebFilters(classifier=classifier))["mathematics"]
    a, b = found.check(document(MATHS + "$x^2$")), found.check(document(MATHS + "$recipe$ "))
    assert a.figure == b.figure
    assert prose("a $recipe + x$ b").split() == ["a", "b"]
