"""Documents in Parquet, written with the same bytes each time, and read back in batches.

Not here: which documents. Columns: id, text, source, provenance (a struct of its fields).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mathlm.core.records import Document, Provenance

_NUMBERS = {"offset"}
PROVENANCE = pa.struct(
    [(name, pa.int64() if name in _NUMBERS else pa.string()) for name in Provenance.model_fields]
)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("source", pa.string()),
        ("provenance", PROVENANCE),
    ]
)
_GROUP_BYTES = 4 << 20
_GROUP_ROWS = 4096


def table_of(documents: list[Document]) -> pa.Table:
    """Documents as a table of `SCHEMA`."""
    return pa.table(
        {
            "id": [document.id for document in documents],
            "text": [document.text for document in documents],
            "source": [document.source for document in documents],
            "provenance": [document.provenance.model_dump() for document in documents],
        },
        schema=SCHEMA,
    )


class Writer:
    """Writes documents to `<stem>-00000.parquet` and on, a new file each `shard_bytes` of text."""

    def __init__(self, directory: Path, stem: str, shard_bytes: int) -> None:
        self._directory, self._stem, self._shard_bytes = directory, stem, shard_bytes
        self._held: list[Document] = []
        self._tables: list[pa.Table] = []
        self._held_bytes = self._held_rows = self._file_bytes = 0
        self._file: Any = None
        self._files = 0
        self.documents = self.bytes = 0

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._files == 0:
            self._open()
        self._close()

    def add(self, document: Document) -> None:
        """Write one document."""
        size = len(document.text.encode("utf-8"))
        if self._file_bytes + self._held_bytes and size > self._room:
            self._flush()
            self._close()
        self._held.append(document)
        self._count(1, size)

    def add_table(self, table: pa.Table) -> None:
        """Write documents that are a table of `SCHEMA` already, without making objects of them."""
        sizes = pc.binary_length(table["text"]).to_numpy()
        start = 0
        while start < len(sizes):
            fitting = int(np.searchsorted(np.cumsum(sizes[start:]), self._room, side="right"))
            if fitting == 0 and self._file_bytes + self._held_bytes:
                self._flush()
                self._close()
                continue
            end = start + max(1, fitting)
            self._move()
            self._tables.append(table.slice(start, end - start))
            self._count(end - start, int(sizes[start:end].sum()))
            start = end

    @property
    def _room(self) -> int:
        return self._shard_bytes - self._file_bytes - self._held_bytes

    def _count(self, documents: int, size: int) -> None:
        self._held_bytes += size
        self._held_rows += documents
        self.documents += documents
        self.bytes += size
        if self._held_bytes >= _GROUP_BYTES or self._held_rows >= _GROUP_ROWS:
            self._flush()

    def _move(self) -> None:
        """Make a table of the documents held, so that those of a table follow them."""
        if self._held:
            self._tables.append(table_of(self._held))
            self._held = []

    def _open(self) -> None:
        name = f"{self._stem}-{self._files:05d}.parquet"
        self._file = pq.ParquetWriter(self._directory / name, SCHEMA, compression="zstd")
        self._files += 1
        self._file_bytes = 0

    def _flush(self) -> None:
        self._move()
        if not self._tables:
            return
        if self._file is None:
            self._open()
        self._file.write_table(pa.concat_tables(self._tables).combine_chunks())
        self._file_bytes += self._held_bytes
        self._tables, self._held_bytes, self._held_rows = [], 0, 0

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._file_bytes = None, 0


def number_of_rows(path: Path) -> int:
    """How many documents a file holds, by its footer."""
    return int(pq.read_metadata(path).num_rows)


def read_batches(paths: Iterable[Path], columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Tables of at most 1024 rows, in the order of the files."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024, columns=columns):
                yield pa.Table.from_batches([batch])


def read_documents(paths: Iterable[Path]) -> Iterator[Document]:
    """All documents, in the order of the files."""
    for table in read_batches(paths):
        for row in table.to_pylist():
            row["provenance"] = Provenance.model_construct(**row["provenance"])
            yield Document.model_construct(**row)
