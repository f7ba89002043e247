"""Paired tests against enumeration, simulation and known tables."""

import itertools
import math

import numpy as np
import pytest

from mathlm.stats import (
    compare,
    holm,
    mcnemar_exact,
    minimum_detectable_difference,
    minimum_detectable_shift,
    paired_permutation,
)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 5), (5, 1), (10, 10), (0, 8), (3, 17)])
def test_mcnemar_counts_the_coin_throws(b, c):
    n = b + c
    heads = [sum(throws) for throws in itertools.product((0, 1), repeat=n)] if n <= 12 else None
    result = mcnemar_exact(b, c, 50)
    assert result.difference == pytest.approx((c - b) / 50)
    assert result.low <= result.difference <= result.high
    if heads is not None:
        away = abs(b - n / 2)
        assert result.p_value == pytest.approx(sum(abs(h - n / 2) >= away for h in heads) / 2**n)


def test_mcnemar_known_value():
    """3 against 17: twice P(X <= 3) for 20 fair throws = 0.0025768."""
    assert mcnemar_exact(3, 17).p_value == pytest.approx(0.00257683, rel=1e-5)


def test_mcnemar_refuses_impossible_counts():
    with pytest.raises(ValueError, match="discordant"):
        mcnemar_exact(5, 6, 10)
    assert mcnemar_exact(0, 0, 0).p_value == 1.0


def test_permutation_of_binary_items_is_mcnemar():
    first = [1.0] * 3 + [0.0] * 9 + [1.0] * 5
    second = [0.0] * 3 + [1.0] * 9 + [1.0] * 5
    exact = mcnemar_exact(3, 9, 17)
    permuted = paired_permutation(first, second)
    assert permuted.p_value == pytest.approx(exact.p_value)
    assert permuted.difference == pytest.approx(exact.difference)


def test_sampled_permutation_is_near_the_exact_one():
    first = [1.0] * 8 + [0.0] * 20
    second = [0.0] * 8 + [1.0] * 20
    assert paired_permutation(first, second).p_value == pytest.approx(
        mcnemar_exact(8, 20).p_value, abs=0.01
    )


def test_clusters_flip_together():
    """Sixteen copies of six items are six items: the p-value cannot fall below 2 / 2^6."""
    first = [0.0] * 96
    second = [1.0] * 96
    clusters = [index // 16 for index in range(96)]
    assert paired_permutation(first, second, clusters=clusters).p_value == pytest.approx(2 / 64)
    assert paired_permutation(first, second).p_value < 0.001


def test_false_alarms_are_as_rare_as_promised():
    random = np.random.default_rng(0)
    alarms = sum(
        paired_permutation(*random.normal(size=(2, 40)).tolist(), resamples=400).p_value <= 0.05
        for _ in range(200)
    )
    assert alarms <= 20


def test_weights_give_bits_per_byte():
    result = paired_permutation([10.0, 20.0], [8.0, 16.0], weights=[4.0, 8.0])
    assert result.difference == pytest.approx(-0.5)
    assert (result.low, result.high) == (-0.5, -0.5)


def test_compare_takes_the_test_that_fits():
    assert compare([1, 0, 1], [1, 1, 1]).test == "mcnemar_exact"
    assert compare([1, 0], [1, 1], clusters=["p", "p"]).test == "permutation"
    assert compare([0.5, 0.1], [0.2, 0.3]).test == "permutation"


def test_the_detectable_difference_is_detected_with_that_power():
    n, discordant = 200, 0.2
    d = minimum_detectable_difference(n, discordant)
    random = np.random.default_rng(5)
    found = 0
    for _ in range(400):
        draws = random.choice(
            3, p=[(discordant + d) / 2, (discordant - d) / 2, 1 - discordant], size=n
        )
        b, c = int((draws == 0).sum()), int((draws == 1).sum())
        found += abs(b - c) / math.sqrt(max(1, b + c)) > 1.96
    assert found / 400 == pytest.approx(0.8, abs=0.06)


def test_detectable_differences_shrink_with_items():
    assert minimum_detectable_difference(32, 0.02) == math.inf
    assert minimum_detectable_difference(400, 0.2) < minimum_detectable_difference(100, 0.2)
    assert minimum_detectable_shift(400, 1.0) == pytest.approx(0.14008, rel=1e-3)


def test_holm_by_hand():
    """Holm 1979: the k-th smallest of m is multiplied by m - k + 1, never below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_large_sets_stay_quick_and_exact():
    assert mcnemar_exact(2400, 2600, 100_000).p_value == pytest.approx(0.00488, abs=2e-4)
    random = np.random.default_rng(0)
    first = random.integers(0, 17, 20_000) / 16
    result = paired_permutation(first.tolist(), random.permutation(first).tolist())
    assert result.p_value > 0.001
