"""The corpus stage's steps: each reads committed groups and commits one group of its own.

A group of a step holds its side files (`sides.py`) and its outcome: `documents-*.parquet` after
reading, `kept.npy` (a flag for each document as read) after a step that only marks. Not here: their
order (`stage.py`), duplicates (`duplicate_steps.py`), overlaps (`overlap_steps.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mathlm.core.storage import atomic_group
from mathlm.corpus import sources, tables
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
]


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
        tables.working_writer(group, _PART_BYTES) as writer,
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
