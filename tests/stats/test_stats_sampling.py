"""pass@k and avg@k against enumeration of all subsets and the cases of another harness."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.stats import avg_at_k, pass_at_k, pass_curve


@given(st.lists(st.booleans(), min_size=1, max_size=9))
def test_pass_at_k_equals_the_enumeration(right):
    for k in range(1, len(right) + 1):
        subsets = list(itertools.combinations(right, k))
        expected = sum(any(subset) for subset in subsets) / len(subsets)
        assert pass_at_k(len(right), sum(right), k) == pytest.approx(expected)
        assert pass_curve(len(right), sum(right))[k - 1] == pytest.approx(expected)


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
