"""MinHash against exact Jaccard similarity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.corpus.minhash import Signatures, band_keys, signatures


def together(texts, **shape) -> Signatures:
    parts = list(signatures(texts, **shape))
    return Signatures(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def pair(shared: int, each: int, seed: int) -> tuple[str, str]:
    """Two texts of unigrams with Jaccard similarity shared / (shared + 2·each)."""
    names = [f"w{seed}x{number}" for number in range(shared + 2 * each)]
    return " ".join(names[: shared + each]), " ".join(names[:shared] + names[shared + each :])


@pytest.mark.parametrize(("shared", "each"), [(800, 100), (600, 200), (200, 400), (40, 10)])
def test_agreement_estimates_jaccard_without_bias(shared, each):
    texts = [text for seed in range(300) for text in pair(shared, each, seed)]
    values = together(texts, words=1).values
    estimate = (values[0::2] == values[1::2]).mean(axis=1)
    true = shared / (shared + 2 * each)
    assert abs(estimate.mean() - true) < 0.015
    # binomial spread over 112 values; few words share places, which widens it
    assert estimate.std() < (1.25 if shared > 100 else 2.2) * (true * (1 - true) / 112) ** 0.5


def test_chance_of_a_shared_band_is_the_one_of_lsh():
    texts = [text for seed in range(600) for text in pair(800, 100, seed)]
    keys = together(texts, words=1).keys
    candidates = (keys[0::2] == keys[1::2]).any(axis=1).mean()
    assert abs(candidates - (1 - (1 - 0.8**8) ** 14)) < 0.04  # 0.924


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(alphabet="ab \n", max_size=40), min_size=1, max_size=8))
def test_a_signature_depends_on_its_text_alone(texts):
    whole = together(texts)
    for number, text in enumerate(texts):
        (alone,) = signatures([text])
        assert alone.any_words[0] == whole.any_words[number] == bool(text.split())
        if text.split():
            assert np.array_equal(alone.values[0], whole.values[number])
            assert np.array_equal(alone.keys[0], whole.keys[number])


def test_case_and_space_change_nothing_order_does():
    found = together(["A b  c d e f", "a B c\nd e f", "f e d c b a", "a b", "b a", "x x", "y y"])
    assert np.array_equal(found.values[0], found.values[1])
    for left, right in ((0, 2), (3, 4), (5, 6)):
        assert (found.values[left] != found.values[right]).all()


def test_a_key_stands_for_all_values_of_its_band():
    values = np.arange(12, dtype=np.uint32).reshape(1, 12)
    keys = band_keys(values, 3)
    for place in range(12):
        changed = values.copy()
        changed[0, place] += 1
        equal = band_keys(changed, 3) == keys
        assert equal.tolist() == [[band != place // 4 for band in range(3)]]
    assert len(set(band_keys(np.zeros((1, 12), np.uint32), 3)[0].tolist())) == 3


def test_another_deal_finds_what_one_misses():
    texts = [text for seed in range(400) for text in pair(700, 150, seed)]  # similarity 0.7
    keys = together(texts, words=1, deals=2).keys
    agree = keys[0::2] == keys[1::2]
    assert agree.shape[1] == 28
    first, both = agree[:, :14].any(axis=1).mean(), agree.any(axis=1).mean()
    assert abs(first - (1 - (1 - 0.7**8) ** 14)) < 0.08
    assert abs(both - (1 - (1 - 0.7**8) ** 28)) < 0.08
    assert np.array_equal(keys[:, :14], together(texts, words=1).keys)


@pytest.mark.parametrize(
    "sentence",
    ["设函数在闭区间上连续且可导则存在一点使得等式成立", "関数は連続である", "ฟังก์ชันต่อเนื่องบนช่วงปิด"],
)
def test_scripts_without_spaces_have_words(sentence):
    text = "".join(f"{sentence}{chr(0x4E00 + number)}" for number in range(60))
    close = text.replace(chr(0x4E00 + 30), "")
    values = together([text, close, text[::-1]]).values
    assert 0.8 < (values[0] == values[1]).mean() < 1
    assert (values[0] == values[2]).mean() < 0.2


def test_a_long_text_is_its_own_neighbour_whatever_the_pieces():
    words = [f"w{number % 70_000}" for number in range(90_000)]
    texts = [" ".join(words), "new " + " ".join(words), " ".join(words[:45_000]), "x" * 3_000_000]
    found = together(texts)
    assert (found.values[0] == found.values[1]).mean() > 0.95
    assert (found.values[0] == found.values[2]).mean() < 0.8
    assert found.any_words.all()
    assert np.array_equal(found.values[2], together(texts[2:3]).values[0])
