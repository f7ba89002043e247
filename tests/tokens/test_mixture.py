import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.tokens.mixture import Mixture
from mathlm.tokens.store import TokenStore, write_store

LENGTH = 8
SIZES = {"web": 100, "code": 57, "general": 9}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    for number, (name, size) in enumerate(sorted(SIZES.items())):
        with write_store(folder / name, end_id=65535) as writer:
            writer.add(np.arange(size - 1) + 1000 * number, size)
    return {name: TokenStore(folder / name) for name in SIZES}


WEIGHTS = st.fixed_dictionaries({name: st.integers(0, 20) for name in SIZES}).filter(
    lambda weights: any(weights.values())
)


@settings(deadline=None, max_examples=60)
@given(weights=WEIGHTS, seed=st.integers(0, 5))
def test_shares_of_any_prefix_and_the_ledger(stores, weights, seed):
    mixture = Mixture(stores, weights, sequence_length=LENGTH, seed=seed)
    counts = Counter()
    for index in range(150):
        counts[mixture.source_of(index)] += 1
        ledger = mixture.counts(index + 1)
        for name, share in ledger.items():
            assert abs(counts[name] - weights[name] / sum(weights.values()) * (index + 1)) < 1
            assert share.sequences == counts[name]
            assert share.epochs == counts[name] / mixture.windows[name]
        assert set(ledger) == {name for name in weights if weights[name]}


@settings(deadline=None, max_examples=40)
@given(weights=WEIGHTS, seed=st.integers(0, 5))
def test_an_epoch_covers_each_window_once(stores, weights, seed):
    mixture = Mixture(stores, weights, sequence_length=LENGTH, seed=seed)
    seen = {}
    for index in range(400):
        place = mixture.place(index)
        seen.setdefault((place.source, place.epoch), []).append(place.window)
    last = {source: max(e for s, e in seen if s == source) for source, _ in seen}
    for (source, epoch), windows in seen.items():
        assert len(set(windows)) == len(windows)
        if epoch < last[source]:
            assert sorted(windows) == list(range(mixture.windows[source]))


def test_windows_are_cut_as_in_neox(stores):
    """Documents joined, cut every LENGTH tokens, one more for the last label."""
    mixture = Mixture(stores, {"web": 1}, sequence_length=LENGTH, seed=0)
    assert mixture.windows["web"] == (100 - 1) // LENGTH
    for index in range(30):
        start = mixture.place(index).window * LENGTH
        sample = mixture.sample(index)
        assert sample.dtype == np.int64
        assert sample.tolist() == stores["web"].tokens[start : start + LENGTH + 1].tolist()


def test_epochs_differ_and_seeds_differ(stores):
    def order(seed, epoch):
        mixture = Mixture(stores, {"web": 1}, sequence_length=LENGTH, seed=seed)
        return [mixture.place(epoch * 12 + i).window for i in range(12)]

    orders = [order(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert len({tuple(one) for one in orders}) == 9


@given(world=st.integers(1, 7), start=st.integers(0, 60))
def test_ranks_that_stride_see_the_order_of_one(stores, world, start):
    """What each rank asks for after a resume at `start`, put together, is the one order."""
    weights = {"web": 5, "code": 2, "general": 1}
    one = Mixture(stores, weights, sequence_length=LENGTH, seed=1)
    whole = [one.sample(index).tolist() for index in range(90)]
    got = {}
    for rank in range(world):
        own = Mixture(stores, dict(reversed(weights.items())), sequence_length=LENGTH, seed=1)
        for index in range(start + rank, 90, world):
            got[index] = own.sample(index).tolist()
    assert [got[index] for index in range(start, 90)] == whole[start:]


def test_a_far_index_costs_no_more_than_a_near_one(stores):
    mixture = Mixture(stores, {"web": 2, "code": 1}, sequence_length=LENGTH, seed=1)
    assert mixture.sample(10**15).shape == (LENGTH + 1,)
    assert mixture.counts(3 * 10**15)["web"].sequences == 2 * 10**15


@pytest.mark.parametrize(
    ("weights", "length", "says"),
    [
        ({"web": 1, "missing": 1}, 8, "names missing, but the stores are"),
        ({"web": 1, "general": 1}, 9, "general holds 9 tokens, fewer than one sequence of 9"),
        ({"web": 0}, 8, "above 0"),
        ({"web": 1}, 0, "at least 1"),
    ],
)
def test_mistakes_are_named_before_the_work(stores, weights, length, says):
    with pytest.raises(UserError, match=says):
        Mixture(stores, weights, sequence_length=length, seed=0)


def test_a_source_of_weight_zero_may_be_too_small(stores):
    mixture = Mixture(stores, {"web": 1, "general": 0}, sequence_length=50, seed=0)
    assert mixture.sources == ("web",)


def test_it_imports_neither_torch_nor_transformers():
    code = "import sys, mathlm.tokens.mixture, mathlm.tokens.stage, mathlm.tokens.packing; "
    code += "print(sorted({'torch', 'transformers', 'pyarrow', 'tokenizers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"
