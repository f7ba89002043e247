"""Data files in every form, and what is said of those that cannot be read."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pytest

from mathlm.core.errors import UserError
from mathlm.tasks import rows
from mathlm.tasks.rows import STEM, parse_rows, read_bytes

ROWS = [{"question": "1+1?", "answer": "2"}, {"question": "a\n\u2028b", "answer": "\u221a3"}]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", JSONL),
        ("a.jsonl.gz", gzip.compress(JSONL)),
        ("a.jsonl.bz2", bz2.compress(JSONL)),
        ("a.jsonl.xz", lzma.compress(JSONL)),
        ("a.json", json.dumps(ROWS).encode()),
        ("a.csv", 'question,answer\n1+1?,2\n"a\n\u2028b",\u221a3\n'.encode()),
    ],
)
def test_the_same_rows_in_every_form(name: str, data: bytes) -> None:
    assert parse_rows(name, data) == [{**row, STEM: "a"} for row in ROWS]


def test_a_csv_file_without_a_header() -> None:
    (row,) = parse_rows("b.csv", b'"x, y",1\n', ("question", "answer"))
    assert row == {"question": "x, y", "answer": "1", STEM: "b"}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", b'{"q": 1}\n{"q"', "a.jsonl cannot be read: line 2: "),
        ("a.jsonl", b"[1]\n", "line 1: not an object with the columns' names"),
        ("a.jsonl", b"\xff\n", "'utf-8' codec"),
        ("a.jsonl", b"[" * 100_000, "cannot be read"),
        ("a.json", b'{"q": 1}', "not an object with the columns' names"),
        ("a.csv", b'q\n"open', "unexpected end of data"),
        ("a.jsonl.gz", b"no gzip", "it is no whole file of gzip"),
        (
            "a.jsonl.gz",
            gzip.compress(b'{"q": 1}\n' * 99)[:-9] + b"\xff" * 9,
            "no whole file of gzip",
        ),
        ("a.jsonl.zst", b"no zstd", "it is no whole file of zstd"),
        ("a.parquet", b"no parquet", "Parquet magic bytes not found"),
        ("a.txt", b"text", "its name ends in '.txt', data come as .jsonl"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(name: str, data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=name.replace(".", r"\.")) as caught:
        parse_rows(name, data)
    assert message in str(caught.value)


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rows, "MAX_BYTES", 1 << 20)
    with pytest.raises(UserError, match="unpacks to more than 1 MiB"):
        parse_rows("a.jsonl.gz", gzip.compress(bytes(2 << 20)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_bytes(str(tmp_path / "a.jsonl"))
    with pytest.raises(UserError, match="cannot read"):
        read_bytes(str(tmp_path))
