"""maj@k against enumeration of all subsets, simulation, and in time."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.stats import Votes, maj_at_k, votes_of, voting


def _enumerated_majority(classes, right, k):
    total, subsets = 0.0, list(itertools.combinations(range(len(classes)), k))
    for subset in subsets:
        counts = {}
        for index in subset:
            if classes[index] is not None:
                counts.setdefault(classes[index], []).append(right[index])
        if counts:
            best = max(len(group) for group in counts.values())
            leaders = [name for name, group in counts.items() if len(group) == best]
            total += sum(right[classes.index(name)] for name in leaders) / len(leaders)
    return total / len(subsets)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([None, 0, 1, 2, 3]), min_size=1, max_size=9), st.integers(0, 3))
def test_majority_equals_the_enumeration_for_every_k(classes, gold):
    right = [name == gold for name in classes]
    curve = maj_at_k(votes_of(classes, right))
    for k in range(1, len(classes) + 1):
        assert curve[k - 1] == pytest.approx(_enumerated_majority(classes, right, k), abs=1e-12)


def test_two_right_classes_share_their_wins():
    """Equivalent answers that were not merged still count as right when either of them wins."""
    curve = maj_at_k(Votes((2, 2, 3), (1.0, 1.0, 0.0)))
    assert curve[0] == pytest.approx(4 / 7)
    assert curve[6] == 0.0


def test_majority_of_256_samples_is_quick_and_exact_at_both_ends():
    votes = Votes(tuple([60, 59, 30, *([1] * 57)]), tuple([0.0, 1.0, *([0.0] * 58)]), abstain=50)
    curve = maj_at_k(votes)
    assert curve[0] == pytest.approx(59 / 256)
    assert curve[-1] == 0.0
    assert len(curve) == 256


def test_abstentions_alone_score_nothing():
    assert maj_at_k(votes_of([None, None], [False, False])).tolist() == [0.0, 0.0]


COUNTS = st.lists(st.integers(1, 7), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(COUNTS, st.integers(0, 3), st.data())
def test_curves_do_not_depend_on_the_order_of_classes(counts, abstain, data):
    values = [data.draw(st.sampled_from([0.0, 1.0, 0.5])) for _ in counts]
    order = data.draw(st.permutations(range(len(counts))))
    turned = Votes(tuple(counts[i] for i in order), tuple(values[i] for i in order), abstain)
    curve = maj_at_k(Votes(tuple(counts), tuple(values), abstain))
    assert curve.tolist() == pytest.approx(maj_at_k(turned).tolist(), abs=1e-12)
    share = sum(c * v for c, v in zip(counts, values, strict=True)) / (sum(counts) + abstain)
    assert curve[0] == pytest.approx(share)


@settings(max_examples=20, deadline=None)
@given(COUNTS, st.integers(0, 3))
def test_the_classes_share_every_vote(counts, abstain):
    """Summed over the classes the chances to win are those that anybody voted."""
    total = sum(
        maj_at_k(Votes(tuple(counts), tuple(float(i == j) for j in range(len(counts))), abstain))
        for i in range(len(counts))
    )
    n = sum(counts) + abstain
    for k in range(1, n + 1):
        silent = np.prod([(abstain - i) / (n - i) for i in range(k)])
        assert total[k - 1] == pytest.approx(1 - silent, abs=1e-9)


def test_more_samples_than_a_double_can_count_are_resampled(monkeypatch):
    votes = Votes((400, 350, 300, 2, 2), (0.0, 1.0, 0.0, 0.0, 1.0), abstain=50)
    assert votes.n > 1000
    sampled = maj_at_k(votes)
    monkeypatch.setattr(voting, "_MAX_EXACT", 5)
    small = Votes((8, 7, 4, 1), (0.0, 1.0, 0.0, 1.0), abstain=3)
    noisy = voting._curve(((8, 0.0), (7, 1.0), (4, 0.0), (1, 1.0)), 4)
    monkeypatch.undo()
    exact = maj_at_k(Votes(small.counts, small.values, 4))
    assert np.abs(noisy - exact).max() < 0.05
    assert sampled[0] == pytest.approx(352 / 1104, abs=0.03)
    assert sampled[-1] == 0.0


def test_a_whole_benchmark_of_256_samples_takes_seconds():
    """Five hundred problems here, 5,000 in benchmarks/majority.py."""
    random = np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(500):
        shares = random.dirichlet([1.5, *[0.05] * 40])
        counts = [int(c) for c in random.multinomial(246, shares) if c]
        maj_at_k(Votes(tuple(counts), (1.0, *[0.0] * (len(counts) - 1)), 10))
    assert time.perf_counter() - start < 10
