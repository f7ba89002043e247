"""Intervals against the published formula's roots, exact coverage and each other."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.stats import bootstrap, bootstrap_ratio, wilson


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_ends_solve_the_score_equation(pair):
    k, n = pair
    interval = wilson(k, n)
    for end in (interval.low, interval.high):
        if 0 < end < 1:
            score = abs(k / n - end) / math.sqrt(end * (1 - end) / n)
            assert score == pytest.approx(1.959963985, rel=1e-6)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_wilson_of_the_sat_set():
    """32 items, 17 right: 36 to 69 % (reference/evaluation.md, section 2)."""
    interval = wilson(17, 32)
    assert (round(interval.low, 2), round(interval.high, 2)) == (0.36, 0.69)


def test_wilson_covers_nearly_as_promised():
    n, p = 40, 0.3
    covered = sum(
        math.comb(n, k) * p**k * (1 - p) ** (n - k)
        for k in range(n + 1)
        if wilson(k, n).low <= p <= wilson(k, n).high
    )
    assert 0.93 < covered < 0.97


def test_wilson_edges_and_refusals():
    assert wilson(0, 0) == wilson(0, 0, 0.5)
    assert wilson(0, 10).low == 0.0
    assert wilson(10, 10).high == 1.0
    with pytest.raises(ValueError, match="successes"):
        wilson(3, 2)
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, 95)


def test_bootstrap_of_independent_items_agrees_with_the_normal_interval():
    values = np.random.default_rng(3).normal(2.0, 1.0, size=500)
    interval = bootstrap(values.tolist())
    half = 1.96 * values.std(ddof=1) / math.sqrt(500)
    assert interval.value == pytest.approx(values.mean())
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.08)


def test_repeated_samples_widen_the_interval_only_when_clustered():
    """Copies of an item carry no information: clustering gives back the interval of the items."""
    items = (np.random.default_rng(1).random(100) < 0.4).astype(float).tolist()
    copies = [item for item in items for _ in range(16)]
    names = [index for index in range(100) for _ in range(16)]
    alone, clustered = bootstrap(items), bootstrap(copies, clusters=names)
    naive = bootstrap(copies)
    assert clustered == alone
    assert (naive.high - naive.low) < 0.5 * (alone.high - alone.low)


def test_bootstrap_repeats_itself_and_depends_on_the_seed():
    values = [0.0, 1.0, 1.0, 0.5, 0.25, 0.1]
    assert bootstrap(values, seed=7) == bootstrap(values, seed=7)
    assert bootstrap(values, seed=7, resamples=11) != bootstrap(values, seed=8, resamples=11)


def test_ratio_weights_documents_by_their_bytes():
    interval = bootstrap_ratio([10.0, 1.0], [5.0, 1.0])
    assert interval.value == pytest.approx(11 / 6)
    assert (interval.low, interval.high) == (1.0, 2.0)


@settings(max_examples=30)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30))
def test_the_interval_holds_the_value(values):
    interval = bootstrap(values, resamples=50)
    assert interval.low <= interval.value <= interval.high


def test_bootstrap_refuses_what_it_cannot_estimate():
    with pytest.raises(ValueError, match="no items"):
        bootstrap([])
    with pytest.raises(ValueError, match="positive"):
        bootstrap_ratio([1.0], [0.0])
    with pytest.raises(ValueError, match="cluster"):
        bootstrap([1.0, 2.0], clusters=["a"])


def test_counting_repeats_gives_the_same_distribution():
    """Sixteenths (few values: drawn by count) beside the same with a jitter (drawn by item)."""
    values = np.random.default_rng(2).integers(0, 17, 400) / 16
    counted = bootstrap(values.tolist(), resamples=8000)
    drawn = bootstrap((values + 1e-9 * np.arange(400)).tolist(), resamples=8000)
    assert counted.low == pytest.approx(drawn.low, abs=2e-3)
    assert counted.high == pytest.approx(drawn.high, abs=2e-3)


def test_very_many_items_take_the_normal_interval():
    values = np.random.default_rng(2).random(60_000)
    interval = bootstrap(values.tolist())
    half = 1.959964 * values.std(ddof=1) / math.sqrt(60_000)
    assert (interval.low, interval.high) == pytest.approx(
        (values.mean() - half, values.mean() + half)
    )
