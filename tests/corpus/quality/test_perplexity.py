"""Perplexity under a KenLM model that was written by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.corpus.quality.normal_form import normalise
from mathlm.corpus.quality.perplexity import perplexity, published_perplexity

ARPA = Path(__file__).parent / "tiny.arpa"


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("Let  X = «Ünïcode»—12…", 'let x = "unicode" - 00...'),
        ("Poincaré’s １２٣", "poincare's 000"),
        ("two\nlines\x00\x85of", "two lines of"),
        ("，。、「x」《y》∶：？！（）；–．～━〈〉【】％►", ',.,"x""y"::?!();-. ~-<>[]%-'),
        ("a\x07b \x9f c", "ab c"),
        ("", ""),
        ("ΑΒΓ", "αβγ"),
    ],
)
def test_normal_form(line, plain):
    assert normalise(line) == plain


@given(st.text(max_size=100))
def test_normal_form_of_any_line(line):
    once = normalise(line)
    assert normalise(once) == once or not line.isascii()
    assert "\n" not in once


class TestModel:
    @pytest.fixture(autouse=True)
    def _package(self):
        pytest.importorskip("kenlm", reason="kenlm is not installed (it needs a C++ compiler)")

    def test_by_hand(self):
        # <s> let -0.2, let x -0.1, x be: back-off -0.1 and -0.9, be </s> -0.3; 4 words with the end
        assert perplexity("let x be", str(ARPA)) == pytest.approx(10 ** (1.6 / 4), rel=1e-5)
        # the second line: -0.2 - 0.1, then x </s>: -0.1 - 0.7; 3 words
        both = perplexity("Let X be\n\nlet x", str(ARPA))
        assert both == pytest.approx(10 ** (2.7 / 7), rel=1e-5)
        assert perplexity("let foo", str(ARPA)) > both

    def test_as_published(self):
        # The two lines are one sentence, whose end counts for the sum and not among the words.
        import kenlm

        total = kenlm.Model(str(ARPA)).score("let x be let x")
        found = published_perplexity("Let X be\n\nlet x", str(ARPA))
        assert found == pytest.approx(10 ** (-total / 5), rel=1e-5)
        assert published_perplexity(" \n", str(ARPA)) == float("inf")

    def test_no_text(self):
        assert perplexity(" \n", str(ARPA)) == float("inf")
        assert perplexity("\ud800\0", str(ARPA)) > 1

    def test_mistakes(self, tmp_path):
        with pytest.raises(UserError, match="no such"):
            perplexity("x", str(tmp_path / "a.arpa"))
        shutil.copy(__file__, tmp_path / "b.arpa")
        with pytest.raises(UserError, match="no KenLM model"):
            perplexity("x", str(tmp_path / "b.arpa"))
