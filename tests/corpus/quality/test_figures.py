"""Figures of repetition, accents, boilerplate: mathematics passes, what they are for does not."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.corpus.filter_config import WebFilters
from mathlm.corpus.quality import figures

LIMITS = WebFilters()
RNG = random.Random(3)
WORDS = [f"{a}{b}" for a in ("ka", "lo", "mi", "ne", "pu", "ra") for b in ("ba", "de", "fi", "go")]


def prose(words, seed=0):
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) + rng.choice(WORDS) for _ in range(words))


IDENTITIES = "\n".join(
    f"{n}. For all $x$ in $(0, {n})$ we have $$\\int_0^x t^{{{n}}} dt = \\frac{{x^{{{n + 1}}}}}"
    f"{{{n + 1}}}.$$"
    for n in range(1, 60)
)
MATRIX = "$$\\begin{pmatrix}" + " \\\\ ".join(["0 & 0 & 0 & 0"] * 60) + "\\end{pmatrix}$$\n"
TABLE = "\n".join(f"| {n} | {n * n} | {n**3} |" for n in range(80))
THREAD = "\n\n".join([f"> {prose(40, 1)}\n\n{prose(60, 2 + n)}" for n in range(3)])
MATHEMATICS = {
    "identities": IDENTITIES,
    "matrix": prose(80) + "\n" + MATRIX * 3 + prose(60, 5),
    "table": prose(120) + "\n" + TABLE,
    "thread with quotes": THREAD,
    "proof": "\n".join(f"Let $x_{n}$ be in $X$. {prose(30, n)}" for n in range(20)),
}
SPAM = {
    "repeated_lines": "\n".join(["Buy the very best calculators here now"] * 30 + [prose(40)]),
    "repeated_words": " ".join([prose(30)] * 12),
    "frequent_ngram": " ".join(f"cheap homework {prose(1, n)}" for n in range(100)),
    "boilerplate": "Skip to main content\nWe use cookies to improve\nSign in\nShare this\nHello",
    "accents": "Où est passé l'été dernier ? À la fête, là où nous étions près de la forêt.",
    "alphabetic": " ".join(str(n) for n in range(400)),
}
RULES = {
    "accents": LIMITS.max_accents,
    "repeated_lines": LIMITS.max_repeated_lines,
    "repeated_words": LIMITS.max_repeated_words,
    "frequent_ngram": LIMITS.max_frequent_ngram,
    "boilerplate": LIMITS.max_boilerplate,
}


def within(name, text):
    figure = getattr(figures, name)(text)
    assert 0 <= figure <= 1
    return figure >= LIMITS.min_alphabetic if name == "alphabetic" else figure <= RULES[name]


@pytest.mark.parametrize("kind", MATHEMATICS)
def test_mathematics_passes(kind):
    for name in (*RULES, "alphabetic"):
        assert within(name, MATHEMATICS[kind]), (name, getattr(figures, name)(MATHEMATICS[kind]))


@pytest.mark.parametrize("name", SPAM)
def test_what_a_figure_is_for(name):
    assert not within(name, SPAM[name]), getattr(figures, name)(SPAM[name])


def test_repeated_words_are_those_inside_repeated_ngrams():
    once, words = prose(100), prose(50, 9)
    assert figures.repeated_words(once) == 0
    text = f"{words} {once} {words}"
    assert figures.repeated_words(text) == pytest.approx(50 / 200, abs=0.001)


def test_accents_are_openwebmaths():
    assert figures.accents("üïöêäâîûôèéà" + "x" * 12) == 0.5
    assert figures.accents("ñçåøœ") == 0


@pytest.mark.parametrize("unit", ["a ", "a\n", "| ", "$x$ ", "\u0301", "é", "0 ", "copyright ©\n"])
def test_hostile_text_takes_linear_time(unit):
    text = unit * (1_000_000 // len(unit))
    start = time.perf_counter()
    for name in (*RULES, "alphabetic"):
        getattr(figures, name)(text)
    assert time.perf_counter() - start < 10


@given(st.text(max_size=300))
def test_figures_are_shares_of_any_text(text):
    for name in (*RULES, "alphabetic"):
        assert 0 <= getattr(figures, name)(text) <= 1
        assert 0 <= getattr(figures, name)(text + "\ud800") <= 1


def test_repetition_stays_in_bounds_for_any_mix():
    for seed in range(30):
        rng = random.Random(seed)
        text = " ".join(rng.choice(["a", "b", "$x$", "12", "\n"]) for _ in range(300))
        assert 0 <= figures.frequent_ngram(text) <= 1
        assert 0 <= figures.repeated_words(text) <= 1


NOTICES = [
    "Sign in",
    "© 2024",
    "Privacy Policy",
    "click here to",
    "We use cookies",
    "COPYRIGHT (C)",
]


@given(
    st.lists(
        st.tuples(st.text(" \t#*->|•·[]", max_size=4), st.sampled_from([*NOTICES, "Let", "x²"]))
        | st.tuples(st.text(max_size=5), st.text(max_size=12)),
        max_size=6,
    )
)
def test_the_pass_over_a_text_misses_no_line_of_boilerplate(pieces):
    text = "\n".join(before + words for before, words in pieces)
    found = any(figures.is_boilerplate(line) for line in text.split("\n"))
    assert figures.has_boilerplate(text) or not found
    assert found or figures.boilerplate(text) == 0
