import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.core.storage import changed_files
from mathlm.tokens.store import TokenStore, find_stores, write_store


def make(directory, documents, *, dtype="uint16", end_id=0):
    with write_store(directory, end_id=end_id, dtype=dtype) as writer:
        for tokens in documents:
            writer.add(tokens, 2 * len(tokens))
    return TokenStore(directory)


@settings(deadline=None, max_examples=50)
@given(
    documents=st.lists(st.lists(st.integers(0, 65535), max_size=20), max_size=12),
    dtype=st.sampled_from(["uint16", "uint32"]),
)
def test_what_is_written_is_read(tmp_path_factory, documents, dtype):
    store = make(tmp_path_factory.mktemp("store") / "s", documents, dtype=dtype, end_id=7)
    assert [store.document(i).tolist() for i in range(store.num_documents)] == [
        [*tokens, 7] for tokens in documents
    ]
    assert store.tokens.tolist() == [t for tokens in documents for t in [*tokens, 7]]
    assert store.tokens.dtype == np.dtype(dtype)
    assert store.offsets.dtype == np.uint64
    assert store.offsets[-1] == store.num_tokens == len(store.tokens)
    assert store.document_bytes.tolist() == [2 * len(tokens) for tokens in documents]
    assert store.num_bytes == sum(2 * len(tokens) for tokens in documents)
    assert changed_files(store.directory) == []


def test_sidecars_run_parallel_to_the_tokens(tmp_path):
    kinds = {"loss_mask": "uint8", "value": "float32"}
    with write_store(tmp_path / "s", end_id=0, sidecars=kinds) as writer:
        writer.add([5, 6], 2, loss_mask=[0, 1, 1], value=[0.5, 0, -1])
        writer.add([], 0, loss_mask=[1], value=[2])
    store = TokenStore(tmp_path / "s")
    assert store.sidecar("loss_mask").tolist() == [0, 1, 1, 1]
    assert store.sidecar("value").tolist() == [0.5, 0, -1, 2]
    with pytest.raises(UserError, match="no sidecar 'labels'"):
        store.sidecar("labels")


@pytest.mark.parametrize(
    ("tokens", "sidecars", "says"),
    [
        ([1], {}, "sidecars"),
        ([1], {"loss_mask": [1]}, r"\(1,\) for 1 tokens and an end"),
        ([70000], {"loss_mask": [1, 1]}, "does not fit uint16"),
        ([-1], {"loss_mask": [1, 1]}, "does not fit uint16"),
        ([1], {"loss_mask": [1, 300]}, "does not fit uint8"),
    ],
)
def test_what_would_be_stored_wrongly_is_refused(tmp_path, tokens, sidecars, says):
    with (
        pytest.raises(ValueError, match=says),
        write_store(tmp_path / "s", end_id=0, sidecars={"loss_mask": "uint8"}) as writer,
    ):
        writer.add(tokens, 1, **sidecars)
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_sent_to_another_process_as_its_path(tmp_path):
    store = make(tmp_path / "s", [list(range(10_000))])
    data = pickle.dumps(store)
    assert len(data) < 500
    assert pickle.loads(data).tokens.tolist() == store.tokens.tolist()


def test_a_document_outside_is_refused(tmp_path):
    store = make(tmp_path / "s", [[1]])
    for number in (-1, 1):
        with pytest.raises(IndexError):
            store.document(number)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda d: (d / "meta.json").unlink(), "is no token store"),
        (lambda d: (d / "tokens.bin").unlink(), "lacks tokens.bin"),
        (lambda d: (d / "tokens.bin").write_bytes(b"abc"), "is torn"),
        (lambda d: (d / "tokens.bin").write_bytes(b"ab"), "not hold what its meta"),
        (lambda d: (d / "tokens.idx").write_bytes(b"a" * 16), "not hold what its meta"),
        (lambda d: (d / "meta.json").write_text('{"format": "other"}'), "format 'other'"),
    ],
)
def test_a_spoilt_store_is_named(tmp_path, spoil, says):
    make(tmp_path / "s", [[1, 2, 3]])
    spoil(tmp_path / "s")
    with pytest.raises(UserError, match=says):
        TokenStore(tmp_path / "s")


def test_stores_of_a_stage_are_found_by_split(tmp_path):
    for name in ("web.train", "code.heldout", "code.train"):
        make(tmp_path / "stores" / name, [[1]])
    assert list(find_stores(tmp_path, "train")) == ["code", "web"]
    assert list(find_stores(tmp_path, "heldout")) == ["code"]
