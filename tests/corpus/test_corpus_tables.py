"""Documents written as rows and as tables end in the same rows and the same files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.records import Document, Provenance
from mathlm.corpus import tables

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def written(folder: Path, texts: list[str], shard_bytes: int, sizes: list[int]) -> list[list[str]]:
    """The texts of each file, with as many documents a table as `sizes` says (0: one row)."""
    documents = [
        Document(id=str(n), text=text, source="s", provenance=Provenance(file="f", offset=n))
        for n, text in enumerate(texts)
    ]
    with tables.Writer(folder, "x", shard_bytes) as writer:
        for size in [*sizes, len(documents)]:
            part, documents = documents[: max(1, size)], documents[max(1, size) :]
            if size == 0 and part:
                writer.add(part[0])
            elif part:
                writer.add_table(tables.table_of(part))
    files = sorted(folder.glob("x-*.parquet"))
    assert list(tables.read_documents(files)) == [
        Document(id=str(n), text=text, source="s", provenance=Provenance(file="f", offset=n))
        for n, text in enumerate(texts)
    ]
    assert writer.documents == len(texts) and writer.bytes == sum(len(t.encode()) for t in texts)
    return [pq.read_table(file)["text"].to_pylist() for file in files]


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, max_size=25), st.integers(1, 200), st.lists(st.integers(0, 9), max_size=12))
def test_tables_and_rows_are_written_alike(
    texts: list[str], shard_bytes: int, sizes: list[int]
) -> None:
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as other,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(tables, "_GROUP_BYTES", 50)
        patch.setattr(tables, "_GROUP_ROWS", 5)
        by_row = written(Path(one), texts, shard_bytes, [0] * len(texts))
        mixed = written(Path(other), texts, shard_bytes, sizes)
        for file in Path(one).iterdir():  # the same row groups, too
            assert file.read_bytes() == Path(other, file.name).read_bytes()
    assert mixed == by_row
    for file in mixed:
        size = sum(len(text.encode()) for text in file)
        longest = len([text for text in file if text])
        assert size <= shard_bytes or longest == 1
