"""Sizes against the models that transformers builds from them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mathlm.models import ModelSizes, create_llama

torch.set_num_threads(1)


@settings(max_examples=10, deadline=None)
@given(
    st.integers(1, 3),
    st.sampled_from([(8, 4, 1), (8, 4, 2), (24, 3, 3), (32, 2, 1)]),
    st.integers(2, 40),
    st.booleans(),
)
def test_parameters_are_counted(layers, widths, vocab, tied):
    hidden, heads, kv_heads = widths
    sizes = ModelSizes(layers=layers, hidden=hidden, heads=heads, kv_heads=kv_heads, tied=tied)
    model = create_llama(sizes, vocab_size=vocab, seed=0)
    assert sizes.parameters(vocab) == sum(weight.numel() for weight in model.parameters())


def test_code_llama_7b_has_its_published_size():
    sizes = ModelSizes(layers=32, hidden=4096, heads=32, intermediate=11008)
    assert sizes.parameters(32_016) == 6_738_546_688


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden": 100, "heads": 3},
        {"hidden": 12, "heads": 4},
        {"heads": 4, "kv_heads": 3},
        {"a": 1},
    ],
)
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValidationError):
        ModelSizes(**wrong)
