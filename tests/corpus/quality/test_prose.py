"""Prose and formulas told apart; all of it in linear time and without raising."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.corpus.quality.prose import (
    count_formulas,
    is_formula,
    plain_words,
    prose,
    words_and_formulas,
)

COUNTS = [
    ("Let $x$ be a number.", 1),
    ("Let $x^2$ and $$\\int f$$ and \\(a\\) and \\[b\\]", 4),
    ("It costs $5 and $7.", 0),
    ("from $5-$7 a piece", 0),
    ("echo $HOME/$USER", 0),
    ("`$x^2$` and\n```\n$y^2$\n```", 0),
    ("an unfinished $x + y", 0),
    ("\\$x\\$ is escaped", 0),
    ("the $n$th term", 1),
    ("\\begin{align} a &= b \\end{align}", 1),
    ("\\frac{1}{2} without delimiters", 1),
    ("C:\\temp\\new and \\w+", 0),
    ("no mathematics", 0),
    ("", 0),
]


@pytest.mark.parametrize(("text", "number"), COUNTS)
def test_formulas_are_counted(text, number):
    assert count_formulas(text) == number


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Let $x$ be in $$X$$.", "Let be in ."),
        ("```\ncode $x$\n```\nwords `more code` end", "words end"),
        ("see [the page](http://a.b/c) or http://x.y/z now", "see [the page] or now"),
        ("It costs $5 and $7.", "It costs $5 and $7."),
        ("\\textbf{bold} words", "{bold} words"),
    ],
)
def test_prose(text, words):
    assert prose(text).split() == words.split()


def test_plain_words_leave_names_in_code_out():
    text = "scipy.linalg.blas(alpha, x) returns the LeastSquares solution of f_2(x), bien sûr."
    assert plain_words(text, 1000) == ["x", "returns", "the", "solution", "of", "bien", "sûr"]
    assert len(" ".join(plain_words("word " * 10_000, 100))) <= 110


def test_a_formula_is_one_word():
    words = words_and_formulas("a $x + y$ b $$\na\n+ b\n$$")
    assert [is_formula(word) for word in words] == [False, True, False, True]


HOSTILE = [
    "$" * 200_000,
    "$a" * 100_000,
    "\\[" * 100_000,
    "\\(x" * 70_000,
    "`" * 200_001,
    "```" * 70_000,
    "`a\n" * 70_000,
    "](" * 100_000,
    "http" * 50_000,
    "\\a{" * 70_000,
    "\\begin{align" * 20_000,
    "$$$" * 70_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_takes_linear_time(text):
    start = time.perf_counter()
    prose(text), count_formulas(text), words_and_formulas(text), plain_words(text, 1000)
    assert time.perf_counter() - start < 5


@given(st.text(st.sampled_from("$\\[]()`\n ax5é\ud800\0{}_^"), max_size=60))
def test_nothing_raises(text):
    assert count_formulas(text) >= 0
    assert len(prose(text)) <= 2 * len(text) + 10
    words_and_formulas(text), plain_words(text, 50)
