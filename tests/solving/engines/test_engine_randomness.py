"""The counter-based generator against its published vectors, and what its keys separate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.solving.engines.randomness import philox4x32, stream_key, uniforms

# kat_vectors of Random123 1.14 (Salmon et al.): counter, key, words after ten rounds.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def words(text: str) -> tuple[np.ndarray, ...]:
    return tuple(np.array([int(word, 16)], dtype=np.uint64) for word in text.split())


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_published_vectors(counter: str, key: str, expected: str) -> None:
    made = philox4x32(words(counter), words(key))
    assert [int(word[0]) for word in made] == [int(word, 16) for word in expected.split()]


def test_uniforms_are_uniform_and_independent_of_order() -> None:
    key = stream_key(1, "p", 0, ())
    positions = np.arange(50_000)
    drawn = uniforms(np.full(50_000, key, dtype=np.uint64), positions)
    assert drawn.min() >= 0 and drawn.max() < 1
    counts, _ = np.histogram(drawn, bins=100, range=(0, 1))
    statistic = ((counts - 500) ** 2 / 500).sum()
    assert statistic < 149.4  # chi-square, 99 degrees of freedom, p = 0.0008
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.02
    alone = uniforms(np.array([key], dtype=np.uint64), np.array([777]))
    assert alone[0] == drawn[777]


@given(
    st.tuples(st.integers(0, 2**40), st.text(max_size=4), st.integers(0, 99)),
    st.tuples(st.integers(0, 2**40), st.text(max_size=4), st.integers(0, 99)),
    st.lists(st.integers(0, 9), max_size=3),
)
def test_every_part_of_the_identity_counts(a: tuple, b: tuple, branch: list[int]) -> None:
    left, right = stream_key(*a, tuple(branch)), stream_key(*b, tuple(branch))
    assert (left == right) == (a == b)
    assert stream_key(*a, (*branch, 0)) != left
