"""Learning rates against the formula as GPT-NeoX's llemma branch states it, and its bounds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.training.config import TrainConfig
from mathlm.training.schedule import SHAPES, learning_rate


def config(**settings):
    return TrainConfig(**{"steps": 100, "warmup_steps": 10, "learning_rate": 1e-4} | settings)


def llemma(step, steps=48_000, warmup=500, peak=1e-4, ratio=0.033):
    """Written from the description of the branch, not from the code under test."""
    if step <= warmup:
        return peak * step / warmup
    progress = (step - warmup) / (steps - warmup)
    return peak * (ratio + 0.967 * 0.5 * (math.cos(math.pi * progress) + 1))


@pytest.mark.parametrize("step", [1, 250, 499, 500, 501, 12_345, 42_000, 47_999, 48_000])
def test_llemma_7b(step):
    settings = config(steps=48_000, warmup_steps=500)
    assert learning_rate(settings, step) == pytest.approx(llemma(step), rel=1e-12)


@pytest.mark.parametrize(
    ("schedule", "step", "ratio"),
    [
        ("cosine", 55, 0.5165),
        ("linear", 55, 0.5165),
        ("linear", 100, 0.033),
        ("constant", 99, 1.0),
        ("wsd", 82, 1.0),
        ("wsd", 91, 0.5165),
        ("wsd", 100, 0.033),
    ],
)
def test_values(schedule, step, ratio):
    assert learning_rate(config(schedule=schedule), step) == pytest.approx(1e-4 * ratio)


@given(
    st.sampled_from(sorted(SHAPES)),
    st.integers(1, 300),
    st.integers(0, 320),
    st.sampled_from([0.0, 0.033, 0.5, 1.0]),
    st.integers(1, 300),
)
def test_bounds_and_direction(schedule, steps, warmup, ratio, step):
    settings = config(schedule=schedule, steps=steps, warmup_steps=warmup, final_ratio=ratio)
    step = min(step, steps)
    rate = learning_rate(settings, step)
    assert 0 < rate <= 1e-4 * (1 + 1e-12) or (rate == 0 and ratio == 0 and step == steps)
    if step > 1:
        before = learning_rate(settings, step - 1)
        assert rate >= before if step <= warmup else rate <= before * (1 + 1e-12)
    if step == steps > warmup and schedule != "constant":
        assert rate == pytest.approx(1e-4 * ratio, abs=1e-18)
