"""The language of prose with formulas and code in it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.corpus.quality import fasttext
from mathlm.corpus.quality.language import detect, probability
from mathlm.corpus.quality.scores import score

TEXTS = [
    ("en", "Let $f$ be a continuous function on the closed interval $[a, b]$. Then it is bounded."),
    ("en", "The eigenvalues of `scipy.linalg.eigh(a, b)` are real when the matrix is symmetric."),
    ("de", "Es sei $f$ eine stetige Funktion auf dem abgeschlossenen Intervall $[a, b]$. Dann ist"
           " sie beschränkt und nimmt ihr Maximum an."),
    ("fr", "Soit $f$ une fonction continue sur l'intervalle fermé $[a, b]$. Alors elle est bornée"
           " et atteint ses bornes."),
    ("es", "Sea $f$ una función continua en el intervalo cerrado $[a, b]$. Entonces está acotada."),
    ("el", "Έστω $f$ μια συνεχής συνάρτηση στο κλειστό διάστημα. Τότε είναι φραγμένη."),
    ("ru", "Пусть $f$ — непрерывная функция на отрезке $[a, b]$. Тогда она ограничена."),
    ("zh", "设 $f$ 是 闭区间 $[a, b]$ 上 的 连续 函数 ， 则 它 在 该 区间 上 有界 。"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text"), TEXTS)
def test_languages(language, text):
    assert probability(text, language) >= 0.5
    assert detect(text)[0] == language
    if language != "en":
        assert probability(text, "en", min_words=4) < 0.5


def test_too_few_words_say_no_language():
    assert probability("$$x^2 + y^2 = z^2$$ qed", "en", min_words=10) == 1
    assert probability("$$x^2$$", "en") == 0
    assert detect("") == ("", 0.0)


def test_formulas_and_code_do_not_count():
    text = TEXTS[0][1]
    noise = " $$\\sum_{n=1}^\\infty \\frac{1}{n^2}$$ `der_die_das.und(nicht)` " * 30
    assert probability(noise + text, "en") >= 0.5


def test_it_is_deterministic_and_bounded():
    text = "The theorem holds for every ring. " * 100_000
    start = time.perf_counter()
    assert probability(text, "en") == probability(text, "en")
    assert time.perf_counter() - start < 10


@settings(max_examples=60)
@given(st.text(max_size=200))
def test_any_text(text):
    assert 0 <= probability(text + "\ud800", "en") <= 1


TINY = str(Path(__file__).parent / "tiny_fasttext.bin")
"""600 made-up lines of each label, 26 words, 8 dimensions, written by fastText 0.9.2."""


class TestFastText:
    @pytest.fixture(autouse=True)
    def _package(self):
        pytest.importorskip("fasttext", reason="fasttext-predict is not installed")

    def test_the_published_form_of_a_text(self):
        """Whole, formulas too, in small letters, wherever its lines end."""
        text = "THE LEMMA\nAND THE THEOREM $guitar football guitar football guitar$"
        line = "the lemma and the theorem $guitar football guitar football guitar$"
        whole = fasttext.label_probability(line, TINY, "__label__positive")
        assert score(text, TINY, published=True) == whole
        assert score(text.lower(), TINY) > 0.5 > whole, "by default formulas say nothing"
        chosen = {"model": TINY, "published": True}
        assert probability(text, "positive", **chosen) == whole

    @pytest.mark.parametrize(
        ("text", "low", "high"),
        [("the lemma and the theorem", 0.99, 1), ("guitar and football", 0, 0.01)],
    )
    def test_probabilities_as_fasttext_gave_them(self, text, low, high):
        assert low <= fasttext.label_probability(text, TINY, "__label__positive") <= high

    def test_lines_and_surrogates(self):
        one = fasttext.label_probability("lemma\nguitar", TINY, "__label__positive")
        assert one == fasttext.label_probability("lemma guitar", TINY, "__label__positive")
        fasttext.label_probability("\ud800\0", TINY, "__label__positive")

    def test_mistakes(self, tmp_path):
        with pytest.raises(UserError, match="no label __label__en; it has __label__negative"):
            fasttext.label_probability("x", TINY, "__label__en")
        with pytest.raises(UserError, match="no such"):
            fasttext.label_probability("x", str(tmp_path / "a.bin"), "a")
        (tmp_path / "b.bin").write_bytes(b"no model")
        with pytest.raises(UserError, match="no fastText model"):
            fasttext.label_probability("x", str(tmp_path / "b.bin"), "a")

    def test_as_a_language_model(self):
        with pytest.raises(UserError, match="__label__en"):
            probability("one word", "en", model=TINY)
