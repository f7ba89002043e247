"""The user's own documents: lines of JSON, or Parquet, with a field of text.

Not here: what the texts must be. A line that cannot be read is a counted failure, never the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mathlm.core.errors import UserError
from mathlm.core.records import Document, Provenance
from mathlm.core.storage import read_lines
from mathlm.corpus.source_config import RecordsSource
from mathlm.corpus.sources.items import Failed, Loaded


def read_records(config: RecordsSource, source: str) -> Iterator[Loaded]:
    """A document or a failure for each record, in the order of files and records."""
    rows = _parquet_rows if config.kind == "parquet" else _json_rows
    for file in config.files:
        for number, row in rows(file, config):
            yield _document(row, config, (source, file, number))


def _json_rows(file: str, config: RecordsSource) -> Iterator[tuple[int, Any]]:
    for number, line in read_lines(file):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError):
            yield number, None


def _parquet_rows(file: str, config: RecordsSource) -> Iterator[tuple[int, Any]]:
    import fsspec
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with fsspec.open(file, "rb") as stream:
            table = pq.ParquetFile(stream)
            if config.text not in table.schema_arrow.names:
                raise UserError(f"{file} has no column {config.text!r} (set `text`)")
            columns = [n for n in (config.text, config.id) if n in table.schema_arrow.names]
            for batch in table.iter_batches(batch_size=1024, columns=columns):
                for row in batch.to_pylist():
                    yield number, row
                    number += 1
    except FileNotFoundError:
        raise UserError(f"no such file: {file}") from None
    except pa.ArrowInvalid as error:
        raise UserError(f"{file} is no Parquet file: {error}") from None


def _document(row: Any, config: RecordsSource, place: tuple[str, str, int]) -> Loaded:
    source, file, number = place
    name = file.rpartition("/")[2]
    provenance = Provenance(file=name, offset=number)
    if not isinstance(row, dict):
        return Failed(f"{name}:{number}", "not a JSON object", provenance=provenance)
    identifier = row.get(config.id)
    identifier = f"{name}:{number}" if identifier is None else str(identifier)
    text = row.get(config.text)
    if not isinstance(text, str):
        return Failed(identifier, "no text", provenance=provenance)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return Failed(identifier, "not Unicode", "a lone surrogate", provenance)
    return Document(id=identifier, text=text, source=source, provenance=provenance)
