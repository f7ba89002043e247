"""What duplicates are judged by, kept on disk in runs of documents, so that no text is read again.

A run (at most 32,768 documents) is a folder of `names.parquet` (id, source and what decides which
copy stays) and, for each kind of key, `<kind>-keys.npy` in ascending order with
`<kind>-rows.npy`, the document of each. Keys being sorted, any range of them is a slice of the
file: partitions of any number are read from the same files (`partition.py`).
Kinds: `url` and `exact` (128 bits, the lower half in `<kind>-rest.npy`) and `near` (bands).
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import functools
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mathlm.core.errors import UserError
from mathlm.core.ngrams import EXACT, Hashes, Positions
from mathlm.corpus import minhash
from mathlm.corpus.duplicate_config import Duplicates
from mathlm.corpus.urls import normalise_url

Kind = Literal["url", "exact", "near"]
_ASCII_SPACE = "\t\n\r\f\v\x1c\x1d\x1e\x1f"
RUN_DOCUMENTS = 1 << 15
FORMAT = 1
"""Raised when stored fingerprints mean something else; part of what two runs must share."""
NAMES = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("quality", pa.float64()),
        ("length", pa.int64()),
        ("date", pa.int64()),
        ("text", pa.uint64()),
    ]
)
"""`length` in characters, `date` in seconds since 1970 (null: none), `text` a hash of it."""


class Run(NamedTuple):
    """Where a run of fingerprints lies and which documents it is, counted over all runs."""

    path: str
    first: int
    documents: int

    def load(self, name: str) -> npt.NDArray[Any]:
        """One of its arrays, mapped, not read."""
        return np.load(f"{self.path}/{name}.npy", mmap_mode="r")  # type: ignore[no-any-return]

    def names(self, columns: list[str]) -> pa.Table:
        """Columns of `names.parquet`."""
        return pq.read_table(f"{self.path}/names.parquet", columns=columns)


@functools.lru_cache(maxsize=1)
def _many_marks() -> re.Pattern[str]:
    """More than 30 combining marks in a row (the limit of UAX #15's stream-safe text).

    No writing has such runs, and normalising one takes time quadratic in its length.
    """
    marks = "".join(
        re.escape(chr(c)) for c in range(0x300, 0x20000) if unicodedata.combining(chr(c))
    )
    return re.compile(f"[{marks}]{{31}}")


def exact_key(text: str) -> bytes:
    """16 bytes that are equal for texts that differ in white space or Unicode form alone."""
    if not text.isascii() and not _many_marks().search(text):
        text = unicodedata.normalize("NFC", text)
    return _digest(one_space(text))


def one_space(text: str) -> str:
    """`" ".join(text.split())`, several times faster."""
    for space in _ASCII_SPACE:
        text = text.replace(space, " ")
    text = EXACT.blank(text)
    while "  " in text:
        text = text.replace("  ", " ")
    return text.strip(" ")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def seconds_of(date: str | None) -> int | None:
    """A date as seconds since 1970: ISO 8601, HTTP's form, or an index's 14 digits; else None."""
    if not date:
        return None
    if date.isdigit() and len(date) == 14:
        date = f"{date[:8]}T{date[8:]}"
    found: datetime.datetime | None = None
    with contextlib.suppress(ValueError, OverflowError):
        found = datetime.datetime.fromisoformat(date.strip())
    if found is None:
        with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
            found = email.utils.parsedate_to_datetime(date)
    if found is None:
        return None
    aware = found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    return int((aware - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).total_seconds())


def write_fingerprints(
    batches: Iterable[pa.Table], settings: Duplicates, group: Path, *, near: bool = True
) -> int:
    """Fill `group` with the runs of some documents and `runs.json`; returns their number.

    `batches` have the columns of documents; without `near` they can be no near duplicates.
    """
    counts, held = list[int](), list[_Judged]()
    for batch, ends_run in _pieces(batches):
        held.append(_judge(batch, settings))
        if ends_run:
            counts.append(_write_run(held, group / f"{len(counts):05d}", near=near))
            held = []
    if held:
        counts.append(_write_run(held, group / f"{len(counts):05d}", near=near))
    record = {"format": FORMAT, "shape": shape_of(settings), "documents": counts}
    (group / "runs.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
    return sum(counts)


def shape_of(settings: Duplicates) -> dict[str, int]:
    """The settings that decide what a stored signature means."""
    near = settings.near
    return {"words": near.words, "bands": near.bands, "rows": near.rows, "deals": near.deals}


def _pieces(batches: Iterable[pa.Table]) -> Iterator[tuple[pa.Table, bool]]:
    """Tables of which none lies in two runs, and whether it is the last of a run."""
    rows = 0
    for batch in batches:
        begin = 0
        while begin < batch.num_rows:
            part = batch.slice(begin, RUN_DOCUMENTS - rows)
            begin, rows = begin + part.num_rows, rows + part.num_rows
            yield part, rows == RUN_DOCUMENTS
            rows %= RUN_DOCUMENTS


class _Judged(NamedTuple):
    """What is kept of some documents: all but their texts."""

    names: pa.Table
    urls: list[bytes]
    """A digest of each URL, empty where there is none."""
    exact: bytes
    signatures: minhash.Signatures


def _judge(table: pa.Table, settings: Duplicates) -> _Judged:
    provenance = table["provenance"].combine_chunks()
    urls = provenance.field("url").to_pylist() if settings.urls else [None] * table.num_rows
    texts = table["text"].to_pylist()
    exact = b"".join(map(exact_key, texts))
    parts = list(minhash.signatures(texts, **shape_of(settings)))
    whole = minhash.Signatures(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    scored = "quality" in table.column_names
    columns = {
        "id": table["id"],
        "source": table["source"],
        "quality": table["quality"] if scored else pa.nulls(table.num_rows),
        "length": list(map(len, texts)),
        "date": pa.array(map(seconds_of, provenance.field("date").to_pylist()), pa.int64()),
        "text": np.frombuffer(exact, "<u8")[::2],
    }
    digests = [_digest(normalise_url(url)) if url else b"" for url in urls]
    return _Judged(pa.table(columns).cast(NAMES), digests, exact, whole)


def _write_run(held: list[_Judged], folder: Path, *, near: bool) -> int:
    """Write the fingerprints of a run; returns the number of its documents."""
    folder.mkdir()
    urls = [digest for one in held for digest in one.urls]
    with_url = np.array([bool(digest) for digest in urls], bool)
    _save_wide(folder, "url", b"".join(urls), np.flatnonzero(with_url))
    _save_wide(folder, "exact", b"".join(one.exact for one in held), np.arange(len(urls)))
    any_words, values, keys = (
        np.concatenate(column) for column in zip(*(one.signatures for one in held), strict=True)
    )
    judged = np.flatnonzero(any_words) if near else np.empty(0, np.intp)
    order = np.argsort(keys[judged], axis=None)
    np.save(folder / "near-keys.npy", keys[judged].ravel()[order])
    np.save(folder / "near-rows.npy", np.repeat(judged, keys.shape[1])[order].astype(np.uint16))
    np.save(folder / "values.npy", values)
    names = pa.concat_tables([one.names for one in held])
    pq.write_table(names, folder / "names.parquet", compression="zstd")
    return len(urls)


def _save_wide(folder: Path, kind: Kind, digests: bytes, rows: npt.NDArray[np.intp]) -> None:
    """Keys of 128 bits in ascending order: the upper halves, the lower ones, their documents."""
    halves: Hashes = np.frombuffer(digests, "<u8").reshape(-1, 2)
    order = np.lexsort((rows, halves[:, 1], halves[:, 0]))
    np.save(folder / f"{kind}-keys.npy", halves[order, 0])
    np.save(folder / f"{kind}-rest.npy", halves[order, 1])
    np.save(folder / f"{kind}-rows.npy", rows[order].astype(np.uint16))


def runs_of(groups: Sequence[Path], settings: Duplicates, first: int = 0) -> list[Run]:
    """The runs of groups that `write_fingerprints` filled, their documents counted from `first`.

    Raises `UserError` where they were made with another shape of signatures.
    """
    runs: list[Run] = []
    for group in groups:
        record = json.loads((group / "runs.json").read_text(encoding="utf-8"))
        _check_shape(group, record, settings)
        for number, documents in enumerate(record["documents"]):
            runs.append(Run(str(group / f"{number:05d}"), first, documents))
            first += documents
    return runs


def documents_in(group: Path) -> int:
    """How many documents a group's fingerprints are of."""
    return sum(json.loads((group / "runs.json").read_text(encoding="utf-8"))["documents"])


def _check_shape(group: Path, record: dict[str, Any], settings: Duplicates) -> None:
    now = {"format": FORMAT, **shape_of(settings)}
    before = {"format": record["format"], **record["shape"]}
    differing = [
        f"{key} {before.get(key)} → {now[key]}" for key in now if before.get(key) != now[key]
    ]
    if differing:
        raise UserError(
            f"the signatures in {group} were made with other settings ({', '.join(differing)}): "
            "set them alike in `duplicates.near`, or make that run again"
        )


def gather(runs: Sequence[Run], documents: Positions, name: str) -> npt.NDArray[Any]:
    """Rows of the array `name` for documents in any order; each run's file is mapped once."""
    firsts = np.array([run.first for run in runs])
    order = np.argsort(documents, kind="stable")
    ordered = documents[order]
    ends = np.searchsorted(ordered, np.append(firsts[1:], np.iinfo(np.int64).max))
    begin, parts = 0, list[npt.NDArray[Any]]()
    for run, end in zip(runs, ends.tolist(), strict=True):
        if end > begin:
            parts.append(run.load(name)[ordered[begin:end] - run.first])
            begin = end
    gathered = np.concatenate(parts)
    result = np.empty_like(gathered)
    result[order] = gathered
    return result


def gather_names(runs: Sequence[Run], documents: Positions, columns: list[str]) -> pa.Table:
    """Columns of `names.parquet` for documents in ascending order."""
    parts, begin = list[pa.Table](), 0
    for run in runs:
        end = int(np.searchsorted(documents, run.first + run.documents))
        if end > begin:
            parts.append(run.names(columns).take(pa.array(documents[begin:end] - run.first)))
            begin = end
    return pa.concat_tables(parts)
