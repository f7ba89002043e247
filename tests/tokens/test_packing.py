import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.tokens.packing import Packing, best_fit
from mathlm.tokens.store import TokenStore, write_store


def make(directory, documents, masks=None):
    sidecars = {"loss_mask": "uint8"} if masks else {}
    with write_store(directory, end_id=0, sidecars=sidecars) as writer:
        for number, tokens in enumerate(documents):
            writer.add(tokens, 1, **({"loss_mask": masks[number]} if masks else {}))
    return TokenStore(directory)


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(10, 30))
def test_bins_hold_every_item_once_and_never_overflow(lengths, capacity):
    bins = best_fit(lengths, capacity)
    assert sorted(item for members in bins for item in members) == list(range(len(lengths)))
    fills = [sum(min(lengths[item], capacity) for item in members) for members in bins]
    assert all(fill <= capacity for fill in fills)
    # a fit never leaves two bins whose content would fit into one
    assert all(a + b > capacity for a, b in zip(sorted(fills), sorted(fills)[1:], strict=False))


def test_best_fit_meets_a_perfect_packing():
    assert best_fit([6, 4, 5, 5, 10], 10) == [(4,), (0, 1), (2, 3)]


@settings(deadline=None, max_examples=40)
@given(
    documents=st.lists(st.lists(st.integers(1, 99), max_size=14), min_size=1, max_size=12),
    length=st.integers(4, 20),
)
def test_documents_stay_whole_and_positions_restart(tmp_path_factory, documents, length):
    store = make(tmp_path_factory.mktemp("p") / "s", documents)
    packing = Packing(store, sequence_length=length, pad_id=1)
    seen = []
    for number in range(len(packing.bins)):
        packed = packing.sequence(number)
        assert {array.shape for array in packed} == {(length + 1,)}
        for document in packing.bins[number]:
            own = packed.documents == document
            whole = [*documents[document], 0][: length + 1]
            assert packed.tokens[own].tolist() == whole
            assert packed.positions[own].tolist() == list(range(len(whole)))
            assert packed.loss_mask[own].tolist() == [0] + [1] * (len(whole) - 1)
            assert np.ptp(np.flatnonzero(own)) == len(whole) - 1
            seen.append(document)
        padding = packed.documents < 0
        assert (packed.tokens[padding] == 1).all()
        assert not packed.loss_mask[padding].any()
    assert sorted(seen) == list(range(len(documents)))
    assert packing.cut == sum(len(d) + 1 > length + 1 for d in documents)


def test_the_mask_of_a_conversation_is_kept(tmp_path):
    store = make(tmp_path / "s", [[5, 6, 7], [8]], masks=[[0, 0, 1, 1], [1, 1]])
    packed = Packing(store, sequence_length=7, pad_id=1).sequence(0)
    assert packed.tokens.tolist() == [5, 6, 7, 0, 8, 0, 1, 1]
    assert packed.loss_mask.tolist() == [0, 0, 1, 1, 0, 1, 0, 0]


def test_every_epoch_covers_every_sequence_once(tmp_path):
    packing = Packing(make(tmp_path / "s", [[2] * 6] * 9), sequence_length=7, pad_id=1, seed=4)
    epochs = [[packing.sample(9 * e + i).documents.max() for i in range(9)] for e in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(9))
    assert epochs[0] != epochs[1]
    assert packing.fill == 7 / 8


def test_an_empty_store_is_refused(tmp_path):
    with pytest.raises(UserError, match="no document"):
        Packing(make(tmp_path / "s", []), sequence_length=7, pad_id=1)
