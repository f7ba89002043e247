"""The user's own records: lines of JSON, or rows of Parquet.

Not here: what they hold, web pages (`rows.py`) or text (`columns.py`). A line that cannot be read
is a counted failure, never the end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mathlm.core.errors import UserError
from mathlm.core.storage import DamagedError, read_lines
from mathlm.core.streams import open_bytes
from mathlm.corpus.sources.items import writable

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 256


def rows_of(file: str, kind: str, fields: tuple[str, ...]) -> Iterator[tuple[int, Any]]:
    """Rows with their numbers; of Parquet only the fields, the first of which must be there.

    A line that is no JSON is None, and so is what a damaged file ends in.
    """
    if kind != "parquet":
        yield from json_rows(file)
        return
    for first, batch in parquet_batches(file, fields):
        yield from enumerate(objects_of(batch), first)


def json_rows(file: str) -> Iterator[tuple[int, Any]]:
    """Lines with their numbers, empty ones left out."""
    number = -1
    try:
        for number, line in read_lines(file):
            if line.strip():
                yield number, _json(line)
    except DamagedError:
        yield number + 1, None


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def parquet_batches(
    file: str, fields: tuple[str, ...], groups: tuple[int, int] | None = None
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches of the fields, each with the number of its first row; of some row groups or of all.

    Raises `UserError` where the file is none, is damaged or lacks the first field.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_bytes(file) as stream:
            table = pq.ParquetFile(stream)
            if fields[0] not in table.schema_arrow.names:
                raise UserError(f"{file} has no column {fields[0]!r} (set `text` or `html`)")
            begin, end = groups or (0, table.num_row_groups)
            first = sum(table.metadata.row_group(group).num_rows for group in range(begin))
            batches = table.iter_batches(
                batch_size=_BATCH_ROWS,
                columns=[name for name in fields if name in table.schema_arrow.names],
                row_groups=range(begin, end),
            )
            for batch in batches:
                yield first, batch
                first += batch.num_rows
    except pa.ArrowInvalid as error:
        raise UserError(f"{file} is no Parquet file: {error}") from None
    except OSError as error:
        raise UserError(f"{file} is damaged: {error}") from None


def group_sizes(file: str) -> list[int]:
    """The bytes of each of a Parquet file's row groups, as stored."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_bytes(file) as stream:
            found = pq.read_metadata(stream)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{file} is no Parquet file: {error}") from None
    groups = map(found.row_group, range(found.num_row_groups))
    return [
        sum(group.column(number).total_compressed_size for number in range(group.num_columns))
        for group in groups
    ]


def objects_of(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as objects; text that is not UTF-8 has lone surrogates for the bytes that are none."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError:
        columns = {name: _values(batch.column(at)) for at, name in enumerate(batch.schema.names)}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(column: pa.Array) -> list[Any]:
    import pyarrow as pa

    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        pass
    try:
        values = column.cast(pa.large_binary()).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # such bytes deep inside a structure
        return [None] * len(column)
    return [value and value.decode("utf-8", "surrogateescape") for value in values]


def identifier_of(row: dict[str, Any], field: str, otherwise: str) -> str:
    """The row's id as text that can be written; `otherwise` where there is none."""
    value = row.get(field)
    if value is None or value in ("", b"") or (isinstance(value, float) and math.isnan(value)):
        return otherwise
    return writable(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))
