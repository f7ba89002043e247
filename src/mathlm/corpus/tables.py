"""Documents in Parquet, written with the same bytes each time, and read back in batches.

Not here: which documents. Columns: id, text, source, provenance (a struct of its fields); between
steps also `bytes`, the size of the text, so that shards are planned without reading texts.
Files and row groups end by the rows alone, however these were handed over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
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
WORKING = SCHEMA.append(pa.field("bytes", pa.int64()))
"""What steps hand to one another."""
_REPEATED = ["source", *(f"provenance.{field.name}" for field in PROVENANCE)]
"""Columns for which Parquet builds dictionaries: ids and texts are hardly ever equal."""
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
    """Writes documents to `<stem>-00000.parquet` and on, a new file each `shard_bytes` of text.

    Files are numbered from `first`; there is one, be it empty.
    """

    def __init__(
        self, directory: Path, stem: str, shard_bytes: int, schema: pa.Schema = SCHEMA, *,
        first: int = 0,
    ) -> None:  # fmt: skip
        self._directory, self._stem, self._shard_bytes = directory, stem, shard_bytes
        self._schema = schema
        self._held: list[Document] = []
        self._tables: list[pa.Table] = []
        self._held_bytes = self._held_rows = self._file_bytes = 0
        self._file: Any = None
        self._next = first
        self.documents = self.bytes = 0

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:  # a file that could not be written cannot be ended either
            with contextlib.suppress(Exception):
                self._close()
            return
        self._flush()
        if self.documents == 0:
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
        ends = np.cumsum(sizes_of(table))
        start = 0
        while start < len(ends):
            written = int(ends[start - 1]) if start else 0
            fitting = int(np.searchsorted(ends, written + self._room, side="right"))
            if fitting <= start and self._file_bytes + self._held_bytes:
                self._flush()
                self._close()
                continue
            whole = int(np.searchsorted(ends, written + _GROUP_BYTES - self._held_bytes)) + 1
            end = min(max(start + 1, fitting), whole, start + _GROUP_ROWS - self._held_rows)
            self._move()
            self._tables.append(table.slice(start, end - start).select(SCHEMA.names))
            self._count(end - start, int(ends[end - 1]) - written)
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
        name = f"{self._stem}-{self._next:05d}.parquet"
        self._file = pq.ParquetWriter(
            self._directory / name, self._schema, compression="zstd", use_dictionary=_REPEATED
        )
        self._next += 1
        self._file_bytes = 0

    def _flush(self) -> None:
        self._move()
        if not self._tables:
            return
        if self._file is None:
            self._open()
        table = pa.concat_tables(self._tables).combine_chunks()
        if "bytes" in self._schema.names:
            table = table.append_column(self._schema.field("bytes"), pa.array(sizes_of(table)))
        self._file.write_table(table)
        self._file_bytes += self._held_bytes
        self._tables, self._held_bytes, self._held_rows = [], 0, 0

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._file_bytes = None, 0


def working_writer(group: Path, part_bytes: int) -> Writer:
    """Writes `documents-*.parquet`, which a later step reads."""
    return Writer(group, "documents", part_bytes, WORKING)


def sizes_of(table: pa.Table) -> npt.NDArray[np.int64]:
    """The bytes (UTF-8) of each text."""
    column = table["bytes"] if "bytes" in table.column_names else pc.binary_length(table["text"])
    return np.asarray(column, np.int64)


def number_of_rows(path: Path) -> int:
    """How many documents a file holds, by its footer."""
    return int(pq.read_metadata(path).num_rows)


def read_batches(paths: Iterable[Path], columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Tables of at most 1024 rows, in the order of the files."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024, columns=columns):
                yield pa.Table.from_batches([batch])


def read_groups(path: Path, begin: int, end: int) -> Iterator[tuple[int, pa.Table]]:
    """Tables of the rows from `begin` to before `end`, one a row group, each with its first row."""
    first = 0
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            after = first + file.metadata.row_group(number).num_rows
            if first < end and begin < after:
                table = file.read_row_group(number, columns=SCHEMA.names, use_threads=False)
                low, high = max(begin, first), min(end, after)
                yield low, table.slice(low - first, high - low)
            first = after


def read_documents(paths: Iterable[Path]) -> Iterator[Document]:
    """All documents, in the order of the files."""
    for table in read_batches(paths, SCHEMA.names):
        yield from documents_of(table)


def count_origins(paths: Iterable[Path]) -> Iterator[tuple[str | None, str | None, int]]:
    """Repositories and licences of documents with their numbers; a pair may come more than once."""
    columns = ["provenance.repository", "provenance.licence"]
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1 << 16, columns=columns):
                found = batch.column("provenance")
                names = ("repository", "licence")
                pairs = pa.table({name: found.field(name) for name in names})
                counted = pairs.group_by(pairs.column_names).aggregate([([], "count_all")])
                for row in counted.to_pylist():
                    yield row["repository"], row["licence"], row["count_all"]


def documents_of(table: pa.Table) -> Iterator[Document]:
    """The documents of a table of `SCHEMA`."""
    for row in table.to_pylist():
        row["provenance"] = Provenance.model_construct(**row["provenance"])
        yield Document.model_construct(**row)
