"""The variance split and the comparison over seeds by simulation; Student's t against SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.stats import compare_seeds, variance_split
from mathlm.stats.intervals import student_p, student_two_sided


def test_variance_is_split_into_problems_and_samples():
    random = np.random.default_rng(2)
    means = random.normal(0, 2.0, size=400)
    scores = [(mean + random.normal(0, 1.0, size=8)).tolist() for mean in means]
    split = variance_split(scores)
    assert split.problems == pytest.approx(4.0, rel=0.15)
    assert split.samples == pytest.approx(1.0, rel=0.1)
    assert split.error_samples == pytest.approx(np.sqrt(1 / 3200), rel=0.1)
    observed = np.array([np.mean(row) for row in scores]).std(ddof=1) / 20
    assert np.hypot(split.error_problems, split.error_samples) == pytest.approx(observed, rel=0.01)


def test_variance_of_single_samples_goes_to_the_problems():
    split = variance_split([[0.0], [1.0], [1.0], [0.0]])
    assert split.samples == 0.0
    assert split.problems == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="two problems"):
        variance_split([[1.0]])


@settings(deadline=None)
@given(st.floats(0, 40), st.floats(0.6, 500))
def test_student_agrees_with_scipy(t, freedom):
    scipy = pytest.importorskip("scipy.stats")
    assert student_p(t, freedom) == pytest.approx(2 * scipy.t.sf(t, freedom), rel=1e-6, abs=1e-12)


def test_student_quantiles_of_the_printed_table():
    assert student_two_sided(0.95, 4) == pytest.approx(2.776, abs=5e-4)
    assert student_two_sided(0.99, 10) == pytest.approx(3.169, abs=5e-4)
    assert student_two_sided(0.95, 1) == pytest.approx(12.706, abs=5e-4)


def _seeds(random, effect, runs=4, problems=150, between=0.03):
    """Scores [run, problem] of two systems whose runs differ by a seed effect of their own."""
    hard = random.normal(0.5, 0.1, problems)
    means = []
    for shift in (0.0, effect):
        seeds = random.normal(0, between, (runs, 1))
        means.append(hard + shift + seeds + random.normal(0, 0.2, (runs, problems)))
    return means


def test_seeds_keep_the_error_rate_that_problems_alone_break():
    random = np.random.default_rng(1)
    alarms = problems_only = 0
    for _ in range(200):
        first, second = _seeds(random, 0.0)
        gaps = (second - first).mean(axis=0)
        found = compare_seeds(first.mean(axis=1), second.mean(axis=1), gaps.tolist())
        alarms += found.p_value <= 0.05
        problems_only += abs(gaps.mean()) > 1.96 * gaps.std(ddof=1) / np.sqrt(len(gaps))
    assert alarms <= 20
    assert problems_only > 50


def test_seeds_find_a_large_effect_and_name_the_parts():
    first, second = _seeds(np.random.default_rng(2), 0.2)
    gaps = (second - first).mean(axis=0).tolist()
    found = compare_seeds(first.mean(axis=1), second.mean(axis=1), gaps)
    assert found.p_value < 0.001
    assert found.low < found.difference < found.high
    assert found.error_seeds > found.error_problems > 0
    one = compare_seeds(first.mean(axis=1)[:1], second.mean(axis=1), gaps)
    assert one.deviations[0] is None
    assert compare_seeds([0.1], [0.2], [0.1, 0.1]) is None
