"""Labelled texts for the classifier stage: out of finished corpus stages, or files of the user's.

Of more texts than are wanted the ones with the lowest hash of their ids are taken, so that the
choice depends neither on order nor on files.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mathlm.core.errors import UserError
from mathlm.core.storage import read_lines
from mathlm.corpus import tables

_PREFIX = "__label__"


class Text(NamedTuple):
    """A text before it has a label; `label` is the field's value where a file has one."""

    source: str
    id: str
    text: str
    label: Any = None
    url: str | None = None

    @property
    def key(self) -> str:
        """Names the text among all sources."""
        return f"{self.source}\t{self.id}"


def parquet_files(corpora: Iterable[Path]) -> list[tuple[str, Path]]:
    """Source and path of each file of training documents of finished corpus stages, in order."""
    return [
        (folder.name, path)
        for corpus in corpora
        for folder in sorted((corpus / "documents").iterdir())
        for path in sorted(folder.glob("train-*.parquet"))
    ]


def read_texts(corpora: Sequence[Path], files: Sequence[str], fields: tuple[str, str]) -> Texts:
    """The texts of corpus stages' training documents, then of the files."""
    return Texts(parquet_files(corpora), tuple(files), fields)


class Texts:
    """Can be gone through many times."""

    def __init__(
        self, documents: list[tuple[str, Path]], files: tuple[str, ...], fields: tuple[str, str]
    ) -> None:
        self._documents, self._files = documents, files
        self._fields = fields

    def __iter__(self) -> Iterator[Text]:
        for source, path in self._documents:
            for document in tables.read_documents([path]):
                where = document.provenance.url or document.provenance.file
                yield Text(source, document.id, document.text, None, where)
        for file in self._files:
            yield from _read_file(file, *self._fields)

    def ids(self) -> Iterator[str]:
        """The keys alone."""
        for source, path in self._documents:
            for table in tables.read_batches([path], ["id"]):
                for identifier in table.column("id").to_pylist():
                    yield f"{source}\t{identifier}"
        for file in self._files:
            for text in _read_file(file, *self._fields):
                yield text.key


def _read_file(file: str, text_field: str, label_field: str) -> Iterator[Text]:
    name = file.rpartition("/")[2]
    rows = _parquet_rows if name.endswith(".parquet") else _json_rows
    number = -1
    for number, row in enumerate(rows(file)):
        text = row.get(text_field) if isinstance(row, dict) else None
        if isinstance(text, str):
            identifier = str(row.get("id", f"{name}:{number}"))
            yield Text(name, identifier, text, row.get(label_field), row.get("url"))
        elif number == 0:
            raise UserError(f"{file} has no field {text_field!r} of text (set `text`)")
    if number < 0:
        raise UserError(f"{file} holds no texts")


def _json_rows(file: str) -> Iterator[Any]:
    for number, line in read_lines(file):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            raise UserError(f"{file}, line {number + 1} is no JSON") from None


def _parquet_rows(file: str) -> Iterator[Any]:
    import pyarrow as pa

    try:
        for table in tables.read_batches([Path(file)]):
            yield from table.to_pylist()
    except FileNotFoundError:
        raise UserError(f"no such file: {file}") from None
    except pa.ArrowInvalid as error:
        raise UserError(f"{file} is no Parquet file: {error}") from None


def sample(texts: Texts, most: int) -> Iterator[Text]:
    """At most so many of the texts: those with the lowest hash of their keys, in their order."""

    def place(key: str) -> bytes:
        return hashlib.sha256(b"sample\0" + key.encode("utf-8", "replace")).digest()

    chosen = set(heapq.nsmallest(most, set(texts.ids()), key=place))
    return (text for text in texts if text.key in chosen)


def label_value(value: Any, scale: float, positive: Sequence[str]) -> float | None:
    """A field's label as a number from 0 to 1, or None where it has none."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        return None if math.isnan(value) else min(1.0, max(0.0, value / scale))
    if isinstance(value, str) and value.strip():
        word = value.strip().lower().removeprefix(_PREFIX)
        return 1.0 if word in positive else 0.0
    return None
