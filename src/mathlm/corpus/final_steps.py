"""The stage's step that filters once more when duplicates are gone: a task for each file.

Which filters and edits wait for it is `filter_config.WebFilters.final`. A document that is gone,
for whatever reason, keeps its place with an empty text, so that flags before and after count the
same documents. Texts have passed extraction and its limits; here they meet filters of linear time
outside of killable workers, as in the other steps over documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mathlm.core.errors import MachineError, UserError
from mathlm.core.executor import Executor
from mathlm.core.records import Document
from mathlm.core.storage import atomic_group, is_made_by
from mathlm.corpus import tables
from mathlm.corpus.batches import settings_of
from mathlm.corpus.edits import Edit
from mathlm.corpus.filters import Filter, finish
from mathlm.corpus.funnel import Row
from mathlm.corpus.sides import Side, join_groups, save_sides
from mathlm.corpus.sources import Failed

STEP = "final_filter"
_PART_BYTES = 256 << 20


class Filtering(NamedTuple):
    """One task: the final filters over one file of documents."""

    source: str
    settings: str
    """As `batches.settings_of` reads them."""
    file: Path
    flags: Path
    """`kept.npy` of the source after duplicates."""
    first: int
    """The file's first document among the source's."""
    target: Path
    key: str


def filter_file(task: Filtering) -> None:
    """Commit a file's documents as the final filters leave them, and which of them stay."""
    final = settings_of(task.settings).gates.final
    size = tables.number_of_rows(task.file)
    kept = np.load(task.flags, mmap_mode="r")[task.first : task.first + size].copy()
    side = Side(Row(STEP, task.source))
    with (
        atomic_group(task.target, {"settings": task.key}, shared=True) as group,
        tables.working_writer(group, _PART_BYTES) as writer,
    ):
        for place, document in enumerate(tables.read_documents([task.file])):
            left = _finish(document, final, side) if kept[place] else None
            kept[place] = left is not None
            writer.add(left or document.model_copy(update={"text": ""}))
        side.row.kept = int(kept.sum())
        np.save(group / "kept.npy", kept)
        save_sides(group, [side])


def _finish(document: Document, final: Mapping[str, Filter | Edit], side: Side) -> Document | None:
    """The document that stays; None for one that is dropped, or by which a filter fails."""
    try:
        found = finish(document, final)
    except (UserError, MachineError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 (the item boundary, as in reading)
        side.fail(Failed(document.id, "error", f"{type(error).__name__}: {error}"[:300]))
        return None
    if isinstance(found, str):
        side.drop(document.id, found)
        return None
    return found


def filter_finally(
    source: str,
    given: tuple[Path, Path, str],
    executor: Executor,
    *,
    target: tuple[Path, str],
    scratch: Path,
) -> None:
    """Commit a source's documents after the final filters, as one group.

    `given`: its documents, their flags so far, and the settings as JSON. `scratch` holds the
    groups of its files.
    """
    read, flags, settings = given
    _, key = target
    tasks, first = list[Filtering](), 0
    for number, file in enumerate(sorted(read.glob("documents-*.parquet"))):
        to = scratch / f"{number:06d}"
        tasks.append(Filtering(source, settings, file, flags, first, to, key))
        first += tables.number_of_rows(file)
    for _ in executor.map(filter_file, [t for t in tasks if not is_made_by(t.target, key)]):
        pass
    join_groups([task.target for task in tasks], [Row(STEP, source)], target=target)
