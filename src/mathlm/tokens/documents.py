"""Texts out of Parquet and JSONL files: the corpus stage's and anybody's with a text column.

Not a filter: nothing is judged here. A row without text comes out as None, so that the caller
counts it. Layout of the corpus stage: `documents/SOURCE/SPLIT-NNNNN.parquet`; of the Hugging Face
datasets: any Parquet or JSONL files with one column of text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mathlm.core.errors import UserError
from mathlm.core.inputs import expand
from mathlm.core.storage import read_lines
from mathlm.core.streams import open_bytes, retried

_SHARD = re.compile(r"(?P<split>[A-Za-z0-9_]+)-\d+\.parquet")
_JSONL = (".jsonl", ".jsonl.gz", ".jsonl.zst")
_ROWS = 256


class StoreName(NamedTuple):
    """Which store a text belongs to."""

    source: str
    split: str

    def __str__(self) -> str:
        return f"{self.source}.{self.split}"


def corpus_files(corpus: Path) -> dict[StoreName, list[str]]:
    """Parquet files of a corpus stage by source and split, everything in sorted order."""
    found: dict[StoreName, list[str]] = {}
    for path in sorted((corpus / "documents").glob("*/*.parquet")):
        if match := _SHARD.fullmatch(path.name):
            found.setdefault(StoreName(path.parent.name, match["split"]), []).append(str(path))
    if not found:
        raise UserError(f"{corpus}/documents holds no SOURCE/SPLIT-NNNNN.parquet file")
    return dict(sorted(found.items()))


def user_files(patterns: Mapping[str, str]) -> dict[StoreName, list[str]]:
    """Files of `SOURCE[.SPLIT] = path, glob or URL`; a pattern that matches none is refused."""
    found: dict[StoreName, list[str]] = {}
    for name, pattern in sorted(patterns.items()):
        source, _, split = name.partition(".")
        if not re.fullmatch(r"[\w-]+(\.[\w-]+)?", name):
            raise UserError(f"files: {name!r} is no name of the form SOURCE or SOURCE.SPLIT")
        files = retried(pattern, partial(expand, pattern))
        if not files:
            raise UserError(f"files.{name}: nothing matches {pattern}")
        found[StoreName(source, split or "train")] = files
    return found


def read_texts(path: str, *, column: str = "text") -> Iterator[str | None]:
    """Texts of one Parquet or JSONL file in order; None for a row that has none."""
    if path.endswith(_JSONL):
        yield from _jsonl(path, column)
    elif path.endswith(".parquet"):
        yield from _parquet(path, column)
    else:
        raise UserError(f"{path}: documents come as .parquet, {', '.join(_JSONL)}")


def _jsonl(path: str, column: str) -> Iterator[str | None]:
    for _, line in read_lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield None
            continue
        text = row.get(column) if isinstance(row, dict) else None
        yield text if isinstance(text, str) else None


def _parquet(path: str, column: str) -> Iterator[str | None]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with open_bytes(path) as raw, parquet.ParquetFile(raw) as file:
            kind = dict(zip(file.schema_arrow.names, file.schema_arrow.types, strict=True))
            if column not in kind:
                raise UserError(f"{path} has no column {column!r}, but {', '.join(kind)}")
            if not (pa.types.is_string(kind[column]) or pa.types.is_large_string(kind[column])):
                raise UserError(f"{path}: column {column!r} holds {kind[column]}, not text")
            for batch in file.iter_batches(batch_size=_ROWS, columns=[column]):
                yield from _values(batch.column(0))
    except pa.ArrowInvalid as error:
        raise UserError(f"{path} is no Parquet file: {error}") from None


def _values(column: Any) -> list[str | None]:
    """Texts of an Arrow array; one that is not UTF-8 (nothing checks that on writing) is None."""
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> str | None:
    try:
        value = scalar.as_py()
    except UnicodeDecodeError:
        return None
    return value if isinstance(value, str) else None
