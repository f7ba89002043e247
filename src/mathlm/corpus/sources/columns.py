"""Records of text as columns: a table of documents for each batch, and the records that are none.

Columns of Parquet become columns of documents without an object a record, where they hold strings;
lines of JSON, and Parquet of other types, go through objects and end in the same table. What a text
must be is not said here. A record's number is its row or line in the file, from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mathlm.core.records import Provenance
from mathlm.corpus.source_config import RecordsSource
from mathlm.corpus.sources.items import Failed
from mathlm.corpus.sources.tables import identifier_of, objects_of
from mathlm.corpus.tables import PROVENANCE, SCHEMA


class Columns(NamedTuple):
    """What became of a batch of records."""

    table: pa.Table
    """Documents, in `SCHEMA`."""
    places: npt.NDArray[np.int64]
    """The place of each one among the records."""
    failed: list[Failed]


class Origin(NamedTuple):
    """Where records come from: the source's settings and name, and the file's name."""

    config: RecordsSource
    source: str
    file: str

    def failed(self, number: int, identifier: str | None, reason: str, detail: str = "") -> Failed:
        """The failure of a record."""
        name = f"{self.file}:{number}" if identifier is None else identifier
        return Failed(name, reason, detail, Provenance(file=self.file, offset=number))


class Batch(Protocol):
    """Some records of a file."""

    def __len__(self) -> int: ...

    def head(self, number: int) -> Batch:
        """The first ones."""

    def columns(self, origin: Origin) -> Columns:
        """The documents in them."""


@dataclass(frozen=True)
class Objects:
    """Records as objects, each with its number; None is a line that could not be read."""

    rows: Sequence[tuple[int, Any]]

    def __len__(self) -> int:
        return len(self.rows)

    def head(self, number: int) -> Objects:
        """See `Batch`."""
        return Objects(self.rows[:number])

    def columns(self, origin: Origin) -> Columns:
        """See `Batch`."""
        config, failed, places = origin.config, list[Failed](), list[int]()
        columns: dict[str, list[Any]] = {name: [] for name in ("id", "text", "url", "date")}
        numbers: list[int] = []
        for place, (number, row) in enumerate(self.rows):
            if not isinstance(row, dict):
                failed.append(origin.failed(number, None, "not a JSON object"))
                continue
            identifier = identifier_of(row, config.id, f"{origin.file}:{number}")
            text = row.get(config.text)
            if (reason := _no_text(text)) is not None:
                failed.append(origin.failed(number, identifier, *reason))
                continue
            places.append(place)
            numbers.append(number)
            columns["id"].append(identifier)
            columns["text"].append(text)
            for name, key in (("url", config.url), ("date", config.date)):
                columns[name].append(identifier_of(row, key, "") or None)
        arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
        table = _table(arrays, np.array(numbers, np.int64), origin)
        return Columns(table, np.array(places, np.int64), failed)


def _no_text(text: Any) -> tuple[str, ...] | None:
    """Why a value is no text that can be written."""
    if not isinstance(text, str):
        return ("no text",)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "not Unicode", "a lone surrogate"
    return None


@dataclass(frozen=True)
class Rows:
    """Rows of Parquet, of which the first has the number `first`."""

    batch: pa.RecordBatch
    first: int

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    def head(self, number: int) -> Rows:
        """See `Batch`."""
        return Rows(self.batch.slice(0, number), self.first)

    def columns(self, origin: Origin) -> Columns:
        """See `Batch`."""
        config, numbers = origin.config, self.first + np.arange(len(self))
        try:
            texts = self._strings(config.text, numbers=False)
            ids = _unless_empty(self._strings(config.id))
            urls, dates = self._strings(config.url), self._strings(config.date)
        except pa.ArrowInvalid:
            return Objects(list(enumerate(objects_of(self.batch), self.first))).columns(origin)
        if ids.null_count:
            named = pc.binary_join_element_wise(
                f"{origin.file}:", pa.array(numbers).cast("string"), ""
            )
            ids = pc.coalesce(ids, named)
        missing = np.flatnonzero(~texts.is_valid().to_numpy(zero_copy_only=False))
        failed = [
            origin.failed(self.first + place, ids[place].as_py(), "no text")
            for place in missing.tolist()
        ]
        arrays = {
            "id": ids,
            "text": texts,
            "url": _unless_empty(urls),
            "date": _unless_empty(dates),
        }
        places = np.arange(len(self))
        if failed:
            places = np.delete(places, missing)
            arrays = {name: column.take(pa.array(places)) for name, column in arrays.items()}
        return Columns(_table(arrays, numbers[places], origin), places, failed)

    def _strings(self, field: str, *, numbers: bool = True) -> pa.Array:
        """A column as strings; `ArrowInvalid` where each value has to be looked at."""
        named = self.batch.schema.names.count(field)
        if not named:
            return pa.nulls(len(self), pa.string())
        column = self.batch.column(field) if named == 1 else pa.nulls(len(self), pa.binary())
        kind = column.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
            column.validate(full=True)  # Parquet promises UTF-8, and nobody has checked it
            return column.cast(pa.string())
        if numbers and pa.types.is_integer(kind):
            return column.cast(pa.string())
        raise pa.ArrowInvalid(f"{field} holds no strings")


def _unless_empty(column: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _table(
    columns: dict[str, pa.Array], numbers: npt.NDArray[np.int64], origin: Origin
) -> pa.Table:
    """Documents of these ids, texts, URLs and dates."""
    rows = len(numbers)
    known = {
        "file": pa.repeat(pa.scalar(origin.file, pa.string()), rows),
        "offset": pa.array(numbers, pa.int64()),
        "url": columns["url"],
        "date": columns["date"],
    }
    parts = [known.get(field.name, pa.nulls(rows, field.type)) for field in PROVENANCE]
    provenance = pa.StructArray.from_arrays(parts, fields=list(PROVENANCE))
    source = pa.repeat(pa.scalar(origin.source, pa.string()), rows)
    return pa.table([columns["id"], columns["text"], source, provenance], schema=SCHEMA)
