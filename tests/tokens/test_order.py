import itertools
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.tokens.order import PERIOD_LIMIT, key_of, permuted, turns, whole_weights

WEIGHTS = st.lists(st.integers(1, 60) | st.integers(1, 3), min_size=1, max_size=9)


@settings(deadline=None)
@given(weights=WEIGHTS)
def test_every_prefix_is_within_one_of_the_weights(weights):
    period = sum(weights)
    counts = [0] * len(weights)
    bound = 1 - Fraction(1, 2 * len(weights) - 2) if len(weights) > 1 else 0
    for step, source in enumerate(turns(weights).tolist(), start=1):
        counts[source] += 1
        for count, weight in zip(counts, weights, strict=True):
            assert abs(count - Fraction(weight * step, period)) <= bound
    assert counts == weights


def test_two_to_one_alternates_evenly():
    assert Counter(turns([2, 1]).tolist()) == {0: 2, 1: 1}
    assert turns([1, 1]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("weights", "whole"),
    [
        ({"b": 1, "a": 0.1}, {"a": 1, "b": 10}),
        ({"a": 0.3, "b": 0.7, "none": 0}, {"a": 3, "b": 7}),
        ({"a": 2, "b": 4, "c": 1}, {"a": 2, "b": 4, "c": 1}),
        ({"a": 1e-3, "b": 1.0}, {"a": 1, "b": 1000}),
        ({"only": 0.25}, {"only": 1}),
    ],
)
def test_weights_count_as_they_are_written(weights, whole):
    assert whole_weights(weights) == whole


@given(
    st.dictionaries(st.text("abcdef", min_size=1), st.floats(1e-12, 1e3), min_size=2, max_size=8)
)
def test_a_long_cycle_is_rounded_and_loses_nobody(weights):
    whole = whole_weights(weights)
    total = sum(whole.values())
    assert total <= PERIOD_LIMIT
    assert set(whole) == set(weights)
    for name, number in whole.items():
        share = weights[name] / sum(weights.values())
        assert number >= 1
        assert abs(number / total - share) <= len(weights) / PERIOD_LIMIT + 1e-12


@pytest.mark.parametrize(
    "weights", [{}, {"a": 0}, {"a": -1}, {"a": float("nan")}, {"a": float("inf")}]
)
def test_weights_that_mean_nothing_are_refused(weights):
    with pytest.raises(UserError):
        whole_weights(weights)


@settings(deadline=None)
@given(size=st.integers(1, 700), key=st.integers(0, 2**64 - 1))
def test_a_permutation_reaches_everything_once(size, key):
    assert sorted(permuted(i, size, key) for i in range(size)) == list(range(size))


def test_permutations_are_even():
    """Every image of a place is as frequent as any other, within 5 standard deviations."""
    size, trials = 11, 11_000
    for place in (0, 5, 10):
        seen = Counter(permuted(place, size, key_of("even", trial)) for trial in range(trials))
        expected = trials / size
        chi_square = sum((seen[i] - expected) ** 2 / expected for i in range(size))
        assert chi_square < 10 + 5 * (2 * 10) ** 0.5


def test_neighbours_do_not_stay_neighbours():
    size = 10_000
    images = [permuted(i, size, 99) for i in range(size)]
    near = sum(abs(a - b) <= 10 for a, b in itertools.pairwise(images))
    assert near < 60  # 20 expected


def test_the_order_is_fixed_for_good():
    """A change here reorders the data of every run that is to be resumed."""
    assert [permuted(i, 10, key_of(1, "web", 0)) for i in range(10)] == FIXED
    assert turns([3, 2, 1]).tolist() == FIXED_TURNS


FIXED = [2, 3, 5, 1, 8, 7, 4, 9, 0, 6]
FIXED_TURNS = [0, 1, 0, 2, 1, 0]


@pytest.mark.parametrize("position", [-1, 10])
def test_a_place_outside_is_refused(position):
    with pytest.raises(IndexError):
        permuted(position, 10, 0)
