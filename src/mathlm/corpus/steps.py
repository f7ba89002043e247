"""The corpus stage's steps: each reads committed groups and commits one group of its own.

A group of a step holds its side files (`sides.py`) and its outcome: `documents-*.parquet` after
reading, `kept.npy` (a flag for each document as read) after a step that only marks. Not here: their
order (`stage.py`), duplicates (`duplicate_steps.py`), overlaps (`overlap_steps.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mathlm.core.storage import atomic_group
from mathlm.corpus import sources, split, tables
from mathlm.corpus.filters import Filter, filters_of, first_reason, readable
from mathlm.corpus.funnel import Row
from mathlm.corpus.sides import Side, rows_of, save_sides
from mathlm.corpus.source_config import Source
from mathlm.corpus.sources import Failed, Services

Flags = npt.NDArray[np.bool_]
_PART_BYTES = 64 << 20
"""Text in one file of documents read: what one task does at a stretch."""
Target = tuple[Path, str]
"""Where a group goes and the key of the settings that made it."""

__all__ = [
    "filters_of",
    "read_source",
    "rows_of",
    "write_source",
]


def _ids(read: Path) -> list[str]:
    paths = sorted(read.glob("documents-*.parquet"))
    batches = tables.read_batches(paths, ["id"])
    return [identifier for table in batches for identifier in table.column("id").to_pylist()]


def read_source(
    name: str,
    source: Source,
    given: tuple[Mapping[str, Filter], Services],
    *,
    target: Target,
) -> None:
    """Read a source through its filters until its end or a cap, and commit what passed."""
    filters, services = given
    opened = sources.read(name, source, services)
    select, read, filtered = (Side(Row(step, name)) for step in ("select", "read", "filter"))
    path, key = target
    total = (
        None if opened.total is None else min(opened.total, source.max_documents or opened.total)
    )
    with (
        atomic_group(path, {"settings": key}) as group,
        services.progress.task(f"read {name}", total, "documents") as task,
        tables.Writer(group, "documents", _PART_BYTES) as writer,
    ):
        for loaded in opened.loaded:
            task.advance()
            select.row.kept += 1
            if isinstance(loaded, Failed):
                read.fail(loaded)
                continue
            read.row.kept += 1
            reason = first_reason(loaded, tuple(filters.values()))
            document = readable(loaded) if reason is None else None
            if document is None:
                filtered.drop(loaded.id, reason or "broken notebook")
                continue
            filtered.row.kept += 1
            writer.add(document)
            if source.max_bytes is not None and writer.bytes >= source.max_bytes:
                break
        select.row.count_beyond(opened.total, source.max_documents)
        save_sides(group, (select, read, filtered))


def write_source(
    held_out: float, shard_bytes: int, given: tuple[Path, list[Path]], *, target: Target
) -> None:
    """Commit a source's documents, parted into `train` and `heldout`, in the order of reading."""
    read, marks = given
    kept: Flags = np.logical_and.reduce([np.load(mark / "kept.npy") for mark in marks])
    ids = [identifier for identifier, stays in zip(_ids(read), kept, strict=True) if stays]
    out = pa.array(sorted(split.held_out(ids, held_out)), pa.string())
    path, key = target
    manifest: dict[str, Any] = {"settings": key, "splits": {}}
    with atomic_group(path, manifest) as group:
        with (
            tables.Writer(group, "train", shard_bytes) as train,
            tables.Writer(group, "heldout", shard_bytes) as heldout,
        ):
            for table in _kept_tables(read, kept):
                aside = pc.is_in(table["id"], value_set=out)
                heldout.add_table(table.filter(aside))
                train.add_table(table.filter(pc.invert(aside)))
        for name, writer in (("train", train), ("heldout", heldout)):
            counts = {"documents": writer.documents, "bytes": writer.bytes}
            manifest["splits"][name] = counts


def _kept_tables(read: Path, kept: Flags) -> Iterator[pa.Table]:
    begin = 0
    for table in tables.read_batches(sorted(read.glob("documents-*.parquet"))):
        yield table.filter(pa.array(kept[begin : begin + table.num_rows]))
        begin += table.num_rows
