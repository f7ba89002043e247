"""The user's own records: lines of JSON, or rows of Parquet, with a field of text.

Not here: fields that hold web pages (`rows.py`), what the texts must be. A line that cannot be read
is a counted failure, never the end.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

from mathlm.core.errors import UserError
from mathlm.core.inputs import files_of
from mathlm.core.records import Document, Provenance
from mathlm.core.storage import read_lines
from mathlm.core.streams import open_bytes
from mathlm.corpus.source_config import RecordsSource
from mathlm.corpus.sources.items import Failed, Loaded

_BATCH_ROWS = 256


def read_records(config: RecordsSource, source: str) -> Iterator[Loaded]:
    """A document or a failure for each record, in the order of files and records."""
    fields = (config.text, config.id, config.url, config.date)
    for file in files_of(config.files):
        for number, row in rows_of(file, config.kind, fields):
            yield _document(row, config, (source, file, number))


def rows_of(file: str, kind: str, fields: tuple[str, ...]) -> Iterator[tuple[int, Any]]:
    """Rows with their numbers; of Parquet only the fields, the first of which must be there.

    A line that is no JSON is None, and so is what a damaged file ends in.
    """
    return _parquet_rows(file, fields) if kind == "parquet" else _json_rows(file)


def _json_rows(file: str) -> Iterator[tuple[int, Any]]:
    number = -1
    try:
        for number, line in read_lines(file):
            if line.strip():
                yield number, _json(line)
    except _broken():
        yield number + 1, None


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _broken() -> tuple[type[Exception], ...]:
    """What reading a compressed file raises where it is cut off or damaged."""
    try:
        from zstandard import ZstdError
    except ImportError:
        return EOFError, zlib.error, gzip.BadGzipFile
    return EOFError, zlib.error, gzip.BadGzipFile, ZstdError


def _parquet_rows(file: str, fields: tuple[str, ...]) -> Iterator[tuple[int, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with open_bytes(file) as stream:
            table = pq.ParquetFile(stream)
            if fields[0] not in table.schema_arrow.names:
                raise UserError(f"{file} has no column {fields[0]!r} (set `text` or `html`)")
            columns = [n for n in fields if n in table.schema_arrow.names]
            for batch in table.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
                for row in batch.to_pylist():
                    yield number, row
                    number += 1
    except pa.ArrowInvalid as error:
        raise UserError(f"{file} is no Parquet file: {error}") from None


def identifier_of(row: dict[str, Any], field: str, otherwise: str) -> str:
    """The row's id as text that can be written."""
    value = row.get(field)
    return otherwise if value is None else str(value).encode("utf-8", "replace").decode("utf-8")


def _document(row: Any, config: RecordsSource, place: tuple[str, str, int]) -> Loaded:
    source, file, number = place
    name = file.rpartition("/")[2]
    provenance = Provenance(file=name, offset=number)
    if not isinstance(row, dict):
        return Failed(f"{name}:{number}", "not a JSON object", provenance=provenance)
    url, date = (identifier_of(row, field, "") or None for field in (config.url, config.date))
    provenance = Provenance(file=name, offset=number, url=url, date=date)
    identifier = identifier_of(row, config.id, f"{name}:{number}")
    text = row.get(config.text)
    if not isinstance(text, str):
        return Failed(identifier, "no text", provenance=provenance)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return Failed(identifier, "not Unicode", "a lone surrogate", provenance)
    return Document(id=identifier, text=text, source=source, provenance=provenance)
