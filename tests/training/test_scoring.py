"""Scoring of documents against a naive loop over transformers, and the windows' properties."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mathlm.models import ModelSizes, create_llama
from mathlm.training.scoring import nats_of_documents, windows

torch.set_num_threads(1)


@given(st.integers(0, 200), st.integers(1, 40), st.integers(1, 40))
def test_every_target_is_scored_once_with_context(length, window, stride):
    stride = min(stride, window)
    found = list(windows(7, length, window=window, stride=stride))
    scored = [t for piece in found for t in range(piece.scored, piece.stop)]
    assert scored == list(range(length))
    for number, piece in enumerate(found):
        assert piece.document == 7
        assert 0 < piece.length <= window
        assert piece.start <= piece.scored
        if number:
            assert piece.length == window, "later windows are full"
            assert piece.scored - piece.start >= window - stride, "and read this much before"


@pytest.fixture(scope="module")
def model():
    sizes = ModelSizes(layers=2, hidden=32, heads=2)
    return create_llama(sizes, vocab_size=50, seed=0, max_positions=16).eval()


def documents(lengths):
    random = np.random.default_rng(0)
    return [random.integers(1, 50, length).astype(np.uint16) for length in lengths]


@torch.no_grad()
def naive(model, tokens, window, stride):
    """One target at a time, from transformers' own loss over the context that a window gives."""
    row = [0, *map(int, tokens)]
    total = 0.0
    for piece in windows(0, len(tokens), window=window, stride=stride):
        for target in range(piece.scored, piece.stop):
            ids = torch.tensor([row[piece.start : target + 2]])
            labels = torch.full_like(ids, -100)
            labels[0, -1] = ids[0, -1]
            total += float(model(input_ids=ids, labels=labels, use_cache=False).loss)
    return total


@pytest.mark.parametrize(("window", "stride"), [(16, 16), (16, 8), (7, 3), (1, 1)])
@pytest.mark.parametrize("batch_tokens", [1, 40, 10_000])
def test_nats_are_those_of_a_naive_loop(model, window, stride, batch_tokens):
    texts = documents([1, 40, 0, 5, 16, 17, 33])
    found = nats_of_documents(
        model, texts, first_id=0, window=window, stride=stride, batch_tokens=batch_tokens
    )
    expected = [naive(model, tokens, window, stride) for tokens in texts]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found[2] == 0


def test_more_context_helps_a_model_that_uses_it(model):
    texts = documents([64])
    unigram = nats_of_documents(model, texts, first_id=0, window=1, stride=1, batch_tokens=64)[0]
    assert 0.8 * 64 * math.log(50) < unigram < 1.5 * 64 * math.log(50)


def test_no_documents(model):
    assert nats_of_documents(model, [], first_id=0, window=4, stride=2, batch_tokens=9).shape == (
        0,
    )
