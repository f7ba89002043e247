"""Rows of a data file, whatever its form: JSONL, JSON, CSV or Parquet, local or remote.

Not here: what a row means (`data` and the task files). A file that cannot be read whole is the
user's mistake; nothing of it is dropped silently.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import fsspec

from mathlm.core.errors import UserError

Row = Mapping[str, Any]
STEM = "_stem"
"""Column that every row has beside its own: the file's name without its ending."""
_PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz"}
MAX_BYTES = 1 << 30
"""Bytes that a packed file may unpack to."""
_FORMS = ".jsonl, .json, .csv, .parquet (.gz, .zst)"


def read_bytes(place: str) -> bytes:
    """The file's bytes as they lie there; UserError where there is none."""
    try:
        with fsspec.open(place, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise UserError(f"no such file: {place}") from None
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"cannot read {place}: {error}") from None
    assert isinstance(data, bytes)
    return data


def parse_rows(place: str, data: bytes, header: tuple[str, ...] = ()) -> list[Row]:
    """The rows of a file's bytes, by the ending of its name.

    `header` names the columns of a CSV file without a line for them. Raises UserError with the
    place in the file that cannot be read.
    """
    path = PurePosixPath(place.partition("?")[0])
    try:
        if path.suffix in _PACKED:
            data = _unpacked(data, _PACKED[path.suffix])
            path = path.with_suffix("")
        rows = list(_rows(path.suffix, data, header))
    except (ValueError, OSError, EOFError, RecursionError) as error:
        raise UserError(f"{place} cannot be read: {error}") from None
    return [{**row, STEM: path.stem} for row in rows]


def _unpacked(data: bytes, compression: str) -> bytes:
    if compression not in fsspec.compression.compr:
        raise ValueError(f"{compression} files need the package of that name")
    try:
        with fsspec.compression.compr[compression](io.BytesIO(data), mode="rb") as file:
            unpacked = file.read(MAX_BYTES + 1)
    except Exception as error:  # noqa: BLE001 (each of the libraries has its own)
        raise ValueError(f"it is no whole file of {compression}: {error}") from None
    if len(unpacked) > MAX_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_BYTES >> 20} MiB")
    return bytes(unpacked)


def _rows(ending: str, data: bytes, header: tuple[str, ...]) -> Iterator[Row]:
    if ending == ".jsonl":
        yield from _jsonl(data)
    elif ending == ".json":
        yield from _objects(json.loads(data.decode("utf-8")))
    elif ending == ".csv":
        text = io.StringIO(data.decode("utf-8"), newline="")
        reader = csv.DictReader(text, fieldnames=header or None, strict=True)
        try:
            yield from reader
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}") from None
    elif ending == ".parquet":
        yield from _parquet(data)
    else:
        raise ValueError(f"its name ends in '{ending}', data come as {_FORMS}")


def _jsonl(data: bytes) -> Iterator[Row]:
    for number, line in enumerate(data.decode("utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield from _objects([json.loads(line)])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None


def _objects(values: Any) -> Iterator[Row]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ValueError("not an object with the columns' names")
    yield from values


def _parquet(data: bytes) -> Iterator[Row]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise ValueError(
            "Parquet needs pyarrow (pip install 'mathlm[corpus]'); .jsonl does not"
        ) from None
    yield from parquet.read_table(io.BytesIO(data)).to_pylist()
