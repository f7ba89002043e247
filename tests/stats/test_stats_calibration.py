"""The area under the curve against counted pairs; the calibration error of known scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.stats import auc, ece

SCORED = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30)


@given(SCORED.filter(lambda rows: len({label for _, label in rows}) == 2))
def test_auc_counts_pairs(rows):
    scores = [score / 5 for score, _ in rows]
    labels = [label for _, label in rows]
    pairs = [
        1.0 if good > bad else 0.5 if good == bad else 0.0
        for good, right in zip(scores, labels, strict=True)
        if right
        for bad, wrong in zip(scores, labels, strict=True)
        if not wrong
    ]
    interval = auc(scores, labels)
    assert interval.value == pytest.approx(sum(pairs) / len(pairs))
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_auc_interval_covers_the_truth():
    random = np.random.default_rng(4)
    covered = 0
    for _ in range(100):
        scores = np.concatenate([random.normal(1, 1, 80), random.normal(0, 1, 80)])
        interval = auc(scores.tolist(), [True] * 80 + [False] * 80)
        covered += interval.low <= 0.76025 <= interval.high
    assert covered >= 88


def test_repeated_samples_carry_no_more_than_their_problems():
    random = np.random.default_rng(5)
    scores, labels = random.random(60), random.random(60) < 0.5
    alone = auc(scores.tolist(), labels.tolist())
    many = auc(
        np.repeat(scores, 8).tolist(),
        np.repeat(labels, 8).tolist(),
        clusters=np.repeat(np.arange(60), 8).tolist(),
    )
    assert (many.low, many.high, many.n) == pytest.approx((alone.low, alone.high, 60))
    naive = auc(np.repeat(scores, 8).tolist(), np.repeat(labels, 8).tolist())
    assert naive.high - naive.low < 0.5 * (alone.high - alone.low)


def test_auc_needs_both_kinds():
    with pytest.raises(ValueError, match="both"):
        auc([0.1, 0.2], [True, True])


def test_calibrated_scores_have_little_error():
    random = np.random.default_rng(6)
    scores = random.random(20_000)
    labels = random.random(20_000) < scores
    assert ece(scores.tolist(), labels.tolist()).error < 0.02


def test_overconfident_scores_have_the_gap_as_error():
    result = ece([0.9] * 10, [True] * 5 + [False] * 5, bins=10)
    assert result.error == pytest.approx(0.4)
    assert result.largest == pytest.approx(0.4)
    assert [part.n for part in result.bins] == [10]


def test_scores_outside_zero_and_one_are_refused():
    with pytest.raises(ValueError, match="probabilities"):
        ece([1.5], [True])
