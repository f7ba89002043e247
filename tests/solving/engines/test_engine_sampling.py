"""Filters against transformers' own, draws against the exact distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from mathlm.solving.engines.protocol import Sampling
from mathlm.solving.engines.randomness import uniforms
from mathlm.solving.engines.sampling import choose, distribution, draw, penalise

torch.set_num_threads(1)


def theirs(logits: torch.Tensor, s: Sampling) -> torch.Tensor:
    """The distribution by transformers' processors, in transformers' order."""
    ids = torch.zeros(len(logits), 1, dtype=torch.long)
    scores = TemperatureLogitsWarper(s.temperature)(ids, logits)
    if s.top_k:
        scores = TopKLogitsWarper(s.top_k)(ids, scores)
    if s.top_p < 1:
        scores = TopPLogitsWarper(s.top_p)(ids, scores)
    if s.min_p:
        scores = MinPLogitsWarper(s.min_p)(ids, scores)
    return torch.softmax(scores, -1)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(2, 300),
    st.lists(
        st.builds(
            Sampling,
            temperature=st.sampled_from([0.3, 0.7, 1.0, 2.0]),
            top_k=st.sampled_from([0, 1, 5, 40]),
            top_p=st.sampled_from([1.0, 0.99, 0.9, 0.5, 0.05]),
            min_p=st.sampled_from([0.0, 0.02, 0.3]),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_filters_are_those_of_transformers(seed: int, vocabulary: int, wanted: list) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(len(wanted), vocabulary, generator=generator)
    ours = distribution(logits, wanted)
    ours = ours / ours.sum(-1, keepdim=True)
    for row, sampling in enumerate(wanted):
        expected = theirs(logits[row : row + 1], sampling)[0]
        assert torch.allclose(ours[row], expected, atol=1e-6), sampling


def test_a_flat_distribution_needs_the_full_sort_for_its_nucleus() -> None:
    logits = torch.linspace(0, 1, 1000)[None]
    kept = distribution(logits, [Sampling(temperature=1.0, top_p=0.9)]) > 0
    expected = theirs(logits, Sampling(temperature=1.0, top_p=0.9)) > 0
    assert kept.sum() > 800 and torch.equal(kept, expected)


def test_repetition_penalty_is_that_of_transformers() -> None:
    logits, seen_ids = torch.randn(3, 50), torch.tensor([[1, 4], [2, 2], [0, 49]])
    seen = torch.zeros(3, 50, dtype=torch.bool).scatter_(1, seen_ids, True)
    ours = penalise(logits, seen, torch.full((3,), 1.7))
    assert torch.equal(ours, RepetitionPenaltyLogitsProcessor(1.7)(seen_ids, logits.clone()))


def test_draws_follow_the_distribution() -> None:
    number, vocabulary = 40_000, 150
    probs = torch.rand(vocabulary, generator=torch.Generator().manual_seed(1)) ** 3
    probs[[0, 70, 149]] = 0.0
    uniform = uniforms(np.full(number, 7, dtype=np.uint64), np.arange(number))
    tokens = draw(probs.expand(number, -1), uniform)
    counts = torch.bincount(tokens, minlength=vocabulary).double()
    expected = number * (probs / probs.sum()).double()
    assert counts[expected == 0].sum() == 0
    big = expected > 5
    statistic = float(((counts - expected) ** 2 / expected)[big].sum())
    degrees = int(big.sum()) - 1
    assert statistic < degrees + 4 * (2 * degrees) ** 0.5


@pytest.mark.parametrize("vocabulary", [1, 63, 64, 65, 200])
def test_the_edges_of_a_draw_have_mass(vocabulary: int) -> None:
    probs = torch.zeros(2, vocabulary)
    probs[0, 0] = 1e-30
    probs[1, -1] = 1.0
    for uniform in (0.0, 0.5, np.nextafter(1, 0)):
        tokens = draw(probs, np.full(2, uniform))
        assert tokens.tolist() == [0, vocabulary - 1]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_a_draw_is_the_inverse_of_the_cumulative_distribution(
    seed: int, vocabulary: int, uniform: float
) -> None:
    probs = torch.rand(1, vocabulary, generator=torch.Generator().manual_seed(seed)) ** 4
    token = int(draw(probs, np.array([uniform]))[0])
    mass = probs[0].double()
    target = uniform * float(mass.sum())
    assert mass[token] > 0
    assert float(mass[:token].sum()) <= target + 1e-5 * float(mass.sum())
    assert float(mass[: token + 1].sum()) >= target - 1e-5 * float(mass.sum())


def test_greedy_and_sampled_rows_share_a_batch() -> None:
    logits = torch.randn(32, 100, generator=torch.Generator().manual_seed(3))
    wanted = [Sampling(temperature=0.0 if row % 2 else 1.0) for row in range(32)]
    choice = choose(logits, wanted, np.linspace(0, 0.999, 32))
    assert [choice.tokens[row] for row in range(1, 32, 2)] == logits[1::2].argmax(-1).tolist()
    raw = torch.log_softmax(logits, -1)
    assert all(
        abs(raw[row, token] - logprob) < 1e-6
        for row, (token, logprob) in enumerate(zip(choice.tokens, choice.logprobs, strict=True))
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"max_tokens": 0},
        {"temperature": -1},
        {"top_p": 0},
        {"top_p": 1.5},
        {"min_p": 2},
        {"top_k": -1},
        {"repetition_penalty": 0},
        {"stops": ("",)},
    ],
)
def test_settings_that_make_no_sense_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match=r"required|at least|top_k"):
        Sampling(**bad)
