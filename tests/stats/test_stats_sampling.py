"""pass@k, avg@k and maj@k against enumeration of all subsets; the variance split by simulation."""

import itertools
import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.stats import Votes, avg_at_k, maj_at_k, pass_at_k, variance_split, votes_of


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
    start = time.perf_counter()
    curve = maj_at_k(votes)
    assert time.perf_counter() - start < 5
    assert curve[0] == pytest.approx(59 / 256)
    assert curve[-1] == 0.0
    assert len(curve) == 256


def test_abstentions_alone_score_nothing():
    assert maj_at_k(votes_of([None, None], [False, False])).tolist() == [0.0, 0.0]


def test_majority_refuses_too_many_samples():
    with pytest.raises(ValueError, match="1000"):
        maj_at_k(Votes((1001,), (1.0,)))


@given(st.lists(st.booleans(), min_size=1, max_size=9))
def test_pass_at_k_equals_the_enumeration(right):
    for k in range(1, len(right) + 1):
        subsets = list(itertools.combinations(right, k))
        expected = sum(any(subset) for subset in subsets) / len(subsets)
        assert pass_at_k(len(right), sum(right), k) == pytest.approx(expected)


def test_pass_at_k_is_refused_with_too_few_samples():
    with pytest.raises(ValueError, match="needs at least 3"):
        pass_at_k(2, 1, 3)
    with pytest.raises(ValueError, match="right of"):
        pass_at_k(2, 3, 1)


def test_avg_at_k_of_the_first_samples():
    assert avg_at_k([True, False, False, True]) == 0.5
    assert avg_at_k([True, False, False, True], 1) == 1.0
    with pytest.raises(ValueError, match="avg@5"):
        avg_at_k([True], 5)


def test_cases_of_lighteval(data_dir):
    """Their tables: samples against a gold, compared as strings (numbers only in these)."""
    for name in ("pass_at_k_math", "avg_at_k_math"):
        for case in json.loads((data_dir / f"graders/{name}.json").read_text())["test_cases"]:
            (gold,) = case["doc"]["choices"]
            right = [text == gold for text in case["model_response"]["text"]]
            k = case["metric_params"]["k"]
            got = (
                avg_at_k(right, k)
                if name.startswith("avg")
                else pass_at_k(len(right), sum(right), k)
            )
            (expected,) = case["expected_output"].values()
            assert got == pytest.approx(expected, abs=case["tolerance"])


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
