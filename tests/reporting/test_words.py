import pytest

from mathlm.reporting import words


def row(metric="accuracy", difference=0.1, low=0.05, high=0.15, p_value=0.001, n=100):
    return {
        "metric": metric,
        "difference": difference,
        "low": low,
        "high": high,
        "p_value": p_value,
        "n": n,
    }


@pytest.mark.parametrize(
    ("changes", "outcome", "meaning"),
    [
        ({}, "better", "better by 10.0 points"),
        ({"difference": -0.1, "low": -0.15, "high": -0.05}, "worse", "worse by 10.0 points"),
        ({"p_value": 0.2}, "unclear", "no difference shown (±5 points)"),
        ({"low": -0.01, "p_value": 0.04}, "unclear", "no difference shown (±8 points)"),
        ({"metric": "bits_per_byte"}, "worse", "predicts this text worse: forgotten"),
        (
            {"metric": "bits_per_byte", "difference": -0.1, "low": -0.2, "high": -0.05},
            "better",
            "predicts this text better than before",
        ),
        ({"metric": "bits_per_byte", "p_value": 0.3}, "unclear", "no difference shown"),
        (
            {"metric": "bits_per_byte", "p_value": 1.0, "n": 1},
            "unclear",
            "no difference shown; only 1 document",
        ),
    ],
)
def test_what_a_comparison_means(changes, outcome, meaning):
    comparison = row(**changes)
    assert words.outcome(comparison) == outcome
    assert words.meaning(comparison) == meaning


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: words.figure(0.1234, "accuracy"), "12.3 %"),
        (lambda: words.figure(1.23456, "bits_per_byte"), "1.235"),
        (lambda: words.interval(row()), "5.0–15.0"),
        (lambda: words.difference(-0.1, "accuracy"), "−10.0"),
        (lambda: words.difference(0.1, "bits_per_byte"), "+0.100"),
        (lambda: words.difference_interval(row(low=-0.05)), "−5.0 to +15.0"),
        (lambda: words.p_value(1e-9), "< 0.001"),
        (lambda: words.p_value(0.0312), "0.031"),
        (lambda: words.p_value(0.51), "0.51"),
        (lambda: words.count(1234567), "1\u202f234\u202f567"),
        (lambda: words.size(999), "999 B"),
        (lambda: words.size(1_500_000), "1.5 MB"),
        (lambda: words.power(1.31e11), "1.3 × 10¹¹"),
        (lambda: words.power(0), "0.0 × 10⁰"),
        (lambda: words.seconds(59.94), "59.9 s"),
        (lambda: words.seconds(61.2), "1 min 01 s"),
        (lambda: words.seconds(3725), "1 h 02 min"),
        (lambda: words.metric_name("maj@8"), "maj@8"),
        (lambda: words.metric_name("bits_per_byte"), "bits per byte"),
    ],
)
def test_figures_as_people_read_them(call, text):
    assert call() == text


def test_levels_sort_by_their_numbers():
    names = ["Level 10", "Level 2", "easy", "3", "Level", ""]
    assert sorted(names, key=words.natural) == ["", "3", "Level", "Level 2", "Level 10", "easy"]
