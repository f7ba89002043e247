"""The user's files: phrases of boilerplate, banned selectors, and what is wrong with either."""

from __future__ import annotations

import hashlib
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mathlm.cli import main
from mathlm.core.errors import UserError
from mathlm.corpus.boilerplate import Rule, read_phrases, without_boilerplate
from mathlm.corpus.edits import edits, tidy
from mathlm.corpus.filter_config import WebFilters, files_digest, with_paper_defaults
from mathlm.corpus.filters import try_filters
from mathlm.corpus.html import extract
from mathlm.corpus.html.records import PageRules
from mathlm.corpus.lists import MAX_BYTES
from mathlm.corpus.selectors import read_selectors

RULE = Rule(0.18, 10, 15)
PHRASES = ["ad", "share this", "follow ", "rss", "Upper", "log in or sign up now"]
PROSE = "Let us say that a ring is a set with two operations that obey the rules of old."


def write(folder, lines, name="list.txt"):
    file = folder / name
    file.write_text("\n".join(lines), encoding="utf-8")
    return str(file)


@pytest.fixture(scope="module")
def phrases(tmp_path_factory):
    return read_phrases(write(tmp_path_factory.mktemp("phrases"), PHRASES))


def published(text, rule=RULE):
    """The rule of `line_processing.py`, said once more, for lines without formulas and code."""
    lines, kept = text.split("\n"), []
    for number, line in enumerate(lines):
        words = sum(line.lower().count(phrase) * len(phrase.split()) for phrase in PHRASES)
        if words > rule.words or words / (len(line.split()) + 0.001) > rule.ratio:
            if len(lines) - number < rule.end_lines:
                break
        else:
            kept.append(line)
    if kept == lines:
        return text
    return re.sub("\n{3,}", "\n\n", "\n".join(kept)).strip()


PIECES = ["\n", "\n\n", "shadow ", "Share this ", "rss", "word ", "a line ", "Follow us ", "ad "]
LINES = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


@settings(max_examples=300, deadline=None)
@given(LINES, st.sampled_from([RULE, Rule(0.3, 20, 5), Rule(0, 0, 0), Rule(9, 2, 99)]))
@example("\n".join([PROSE, "shadow", *["x y z"] * 13]), RULE)
@example("\n".join([PROSE, "shadow", *["x y z"] * 14]), RULE)
@example(f"{'word ' * 80}{'ad ' * 11}", RULE)
@example(f"{'word ' * 80}{'ad ' * 10}", RULE)
def test_lines_as_published(phrases, text, rule):
    assert without_boilerplate(text, phrases, rule, "paper") == published(text, rule)


def test_formulas_and_code_stay(phrases):
    kept = ["share this $x^2$", "$$", "share this", "$$", "```", "share this", "```", "`rss` rss"]
    text = "\n".join([PROSE, "share this", *kept, "the end"])
    left = without_boilerplate(text, phrases, RULE, "paper")
    assert left == "\n".join([PROSE, *kept]), "what follows is cut but for these"


def test_words_have_bounds_by_default(phrases):
    text = f"{PROSE}\nshadows in the road\n{PROSE}\n{PROSE}\n{PROSE}"
    assert without_boilerplate(text, phrases, RULE, "default") == text
    assert without_boilerplate(text, phrases, RULE, "paper") == PROSE
    noted = text.replace("shadows in the road", "Share this, Follow us")
    left = without_boilerplate(noted, phrases, RULE, "default")
    assert left == "\n".join([PROSE] * 4), "the rest would be more than a fifth of the text"


def test_by_default_little_goes(phrases):
    assert without_boilerplate("rss\nrss\nshort", phrases, RULE, "default") == "rss\nrss\nshort"
    text = "\n".join([PROSE] * 20 + ["rss", "the end"])
    assert without_boilerplate(text, phrases, RULE, "default") == "\n".join([PROSE] * 20)


@settings(max_examples=100, deadline=None)
@given(text=LINES)
@example(text="shadow shadow \nrss")
@example(text="a            \nrss")
def test_by_default_at_most_a_fifth(phrases, text):
    def size(text):
        return sum(len(line.strip()) for line in text.split("\n"))

    left = without_boilerplate(text, phrases, RULE, "default")
    assert size(left) >= 0.8 * size(text)
    again = without_boilerplate(left, phrases, Rule(0.18, 10, 0), "default")
    assert size(again) >= 0.8 * size(left)


def test_the_settings_reach_the_rule(tmp_path):
    file = write(tmp_path, PHRASES)
    text = f"{PROSE}\nshadow"
    for mode, rest, expected in (
        ("paper", {}, PROSE),
        ("default", {}, text),
        ("paper", {"max_boilerplate_ratio": 3}, text),
        ("paper", {"max_boilerplate_ratio": 3, "max_boilerplate_words": 0}, PROSE),
    ):
        given = {"boilerplate_words": file, **rest}
        chosen = WebFilters.model_validate(with_paper_defaults(given))
        assert tidy(text, edits(chosen, mode)) == expected, (mode, rest)


@pytest.mark.parametrize("unit", ["rss", "rss ", "rss\n", "log in or ", "$rss", "`", "$$\n", "\n"])
def test_hostile_lines_take_linear_time(phrases, unit):
    start = time.perf_counter()
    for mode in ("default", "paper"):
        without_boilerplate(unit * 100_000, phrases, RULE, mode)
    assert time.perf_counter() - start < 10


PAGE = f"""<html><body><div class="note">Aside of words</div><p>{PROSE} {PROSE}</p>
<div id="main"><p>{PROSE}</p><p class="note">Buy it now, as <span>others do</span></p></div>
<span class="note math-container">$x^2$</span></body></html>"""


def test_selectors_take_elements_away():
    whole = extract(PAGE).text
    assert "Aside of words" in whole
    assert "others do" in whole
    banned = PageRules((".note", "p > span"), spare_large=False)
    left = extract(PAGE, rules=banned).text
    assert left == f"{PROSE} {PROSE}\n\n{PROSE}"
    assert extract(PAGE, rules=PageRules(("#main", "body", "html"), False)).text.count(PROSE) == 2


def test_by_default_much_of_the_page_stays():
    spared = extract(PAGE, rules=PageRules(("#main", ".note"))).text
    assert PROSE in spared.split("\n"), "a third of the text"
    assert "Buy it now" not in spared
    assert extract(PAGE, rules=PageRules(("*",))).text, "nothing is ever left of no page"
    assert extract(PAGE, rules=PageRules(("*",), spare_large=False)).reason == "empty"


def test_too_many_links():
    page = "<p>mathjax" + "<A href='x'>y</A>" * 11 + "</p>"
    assert extract(page, rules=PageRules(max_links=10)).reason == "too_many_links"
    assert extract(page, rules=PageRules(max_links=11)).reason is None


GOOD = [".a", "div#b > p", "[role=navigation]", "a, b", ":not(.a)", "", "  nav  ", '[x="a,b"]']
WRONG = ["..a", "a,", "a[", '[href="x', ":is(a", "a\\", "/* a", "::before", "a{", "\x01", ":no("]
WRONG += ["a)", ":not(a", "a" * 2000]


def test_selectors_of_a_file(tmp_path):
    found = read_selectors(write(tmp_path, GOOD))
    assert found == tuple(line.strip() for line in GOOD if line)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_selector_is_named_by_file_and_line(tmp_path, wrong):
    file = write(tmp_path, [*GOOD, wrong, "..b"])
    for mode in ("default", "paper"):
        with pytest.raises(
            UserError, match=f"banned_selectors: .*list.txt, line {len(GOOD) + 1}: "
        ):
            try_filters(WebFilters(banned_selectors=file), mode)


@pytest.mark.parametrize("name", ["banned_selectors", "boilerplate_words", "url_list"])
def test_wrong_files(tmp_path, name):
    file = tmp_path / "list.txt"
    file.write_bytes(b"nav\r\nads\r\n")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    try_filters(WebFilters(**{name: str(file), f"{name}_sha256": digest}))
    for mode in ("default", "paper"):
        with pytest.raises(UserError, match=f"not the file that {name}_sha256 names"):
            try_filters(WebFilters(**{name: str(file), f"{name}_sha256": "0" * 64}), mode)
    for data in (b"\xff\xfe", b"x" * (MAX_BYTES + 1)):
        wrong = tmp_path / f"{len(data)}.txt"
        wrong.write_bytes(data)
        with pytest.raises(UserError, match=name):
            try_filters(WebFilters(**{name: str(wrong)}))
    with pytest.raises(UserError, match="cannot read"):
        try_filters(WebFilters(**{name: str(tmp_path)}))


def test_empty_lists_are_mistakes(tmp_path):
    file = write(tmp_path, ["", "  "])
    for name in ("banned_selectors", "boilerplate_words"):
        with pytest.raises(UserError, match="holds no"):
            try_filters(WebFilters(**{name: file}))


def test_lists_count_by_content(tmp_path):
    for name in ("banned_selectors", "boilerplate_words"):
        before = files_digest(WebFilters(**{name: write(tmp_path, ["nav"])}))
        assert before != files_digest(WebFilters(**{name: write(tmp_path, ["ads"])}))


def test_explain_uses_them(tmp_path, capsys):
    page = tmp_path / "page.html"
    page.write_text(PAGE.replace("Aside", "mathjax Aside"))
    selectors = write(tmp_path, [".note"], "selectors.txt")
    command = ["explain", str(page), "--mode", "paper", "mathematics=false"]
    assert main([*command, f"banned_selectors={selectors}"]) == 0
    assert "keep" in capsys.readouterr().out
    wrong = write(tmp_path, ["nav", "a["], "wrong.txt")
    assert main([*command, f"banned_selectors={wrong}"]) == 2
    assert "wrong.txt, line 2" in capsys.readouterr().err
