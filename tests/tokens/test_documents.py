import gzip
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from mathlm.core.errors import UserError
from mathlm.tokens.documents import StoreName, corpus_files, read_texts, user_files


def write_parquet(path, texts, column="text"):
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"id": [str(n) for n in range(len(texts))], column: texts}), path)


def test_parquet_in_the_layout_of_hugging_face_is_read_in_order(tmp_path):
    texts = [f"text {number}" for number in range(1000)]
    write_parquet(tmp_path / "a.parquet", texts, column="content")
    assert list(read_texts(str(tmp_path / "a.parquet"), column="content")) == texts


def test_parquet_with_a_null_or_bytes_that_are_no_utf8_yields_none(tmp_path):
    bad = pa.StringArray.from_buffers(
        2, pa.py_buffer(b"\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00"), pa.py_buffer(b"a\xff")
    )
    parquet.write_table(pa.table({"text": bad}), tmp_path / "bad.parquet")
    write_parquet(tmp_path / "null.parquet", ["a", None])
    assert list(read_texts(str(tmp_path / "bad.parquet"))) == ["a", None]
    assert list(read_texts(str(tmp_path / "null.parquet"))) == ["a", None]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_jsonl_rows_without_text_yield_none(tmp_path, name):
    lines = [json.dumps({"text": "x"}), "{torn", "[1]", json.dumps({"text": 3}), "", '{"text":""}']
    data = "\n".join([*lines, "[" * 100_000]).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert list(read_texts(str(tmp_path / name))) == ["x", None, None, None, "", None]


def test_files_of_a_corpus_are_found_by_source_and_split(tmp_path):
    for name in ("web/train-00001", "web/train-00000", "web/heldout-00000", "code/train-00000"):
        write_parquet(tmp_path / "documents" / f"{name}.parquet", ["a"])
    found = corpus_files(tmp_path)
    assert list(found) == [
        StoreName("code", "train"),
        StoreName("web", "heldout"),
        StoreName("web", "train"),
    ]
    assert [path[-19:] for path in found[StoreName("web", "train")]] == [
        "train-00000.parquet",
        "train-00001.parquet",
    ]


def test_files_of_a_user_take_globs_and_splits(tmp_path):
    for name in ("b.parquet", "a.parquet"):
        write_parquet(tmp_path / name, ["a"])
    found = user_files({"own": f"{tmp_path}/*.parquet", "own.heldout": f"{tmp_path}/a.parquet"})
    assert [path.rsplit("/", 1)[1] for path in found[StoreName("own", "train")]] == [
        "a.parquet",
        "b.parquet",
    ]
    assert len(found[StoreName("own", "heldout")]) == 1
    assert list(read_texts(found[StoreName("own", "train")][0])) == ["a"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda p: list(read_texts(f"{p}/a.csv")), "documents come as"),
        (lambda p: list(read_texts(f"{p}/none.parquet")), "no such file"),
        (lambda p: list(read_texts(f"{p}/none.jsonl")), "no such file"),
        (lambda p: list(read_texts(f"{p}/a.parquet", column="body")), "no column 'body', but id"),
        (lambda p: list(read_texts(f"{p}/number.parquet")), "holds int64, not text"),
        (lambda p: list(read_texts(f"{p}/fake.parquet")), "is no Parquet file"),
        (lambda p: user_files({"a": f"{p}/*.nothing"}), "nothing matches"),
        (lambda p: user_files({"a/b": f"{p}/*"}), "is no name"),
        (corpus_files, "holds no SOURCE"),
    ],
)
def test_mistakes_are_named(tmp_path, call, says):
    write_parquet(tmp_path / "a.parquet", ["a"])
    write_parquet(tmp_path / "number.parquet", [1])
    (tmp_path / "fake.parquet").write_bytes(b"x" * 100)
    with pytest.raises(UserError, match=says):
        call(tmp_path)
