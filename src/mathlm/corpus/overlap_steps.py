"""The stage's step that finds overlaps with test problems: a task for each file of documents.

The problems lie in one file; each worker indexes them once. Not here: what counts as an overlap
(`decontaminate.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mathlm.core.executor import Executor
from mathlm.core.records import Problem
from mathlm.core.storage import atomic_group, read_jsonl
from mathlm.corpus import tables
from mathlm.corpus.config import Decontamination
from mathlm.corpus.decontaminate import Decontaminator, Overlap
from mathlm.corpus.funnel import Row
from mathlm.corpus.sides import Side, save_sides
from mathlm.corpus.source_config import Evidence, Source


class Searching(NamedTuple):
    """One task: the overlaps of one file of documents."""

    problems: Path
    settings: Decontamination
    evidence: Evidence
    file: Path
    flags: Path
    """`kept.npy` of the source: documents that are gone are not searched."""
    first: int
    """The file's first document among the source's."""


class Hit(NamedTuple):
    """A document that overlaps a problem; `place` counts the source's documents."""

    place: int
    id: str
    overlap: Overlap


@functools.lru_cache(maxsize=1)
def _index(problems: Path, settings: Decontamination) -> Decontaminator:
    return Decontaminator(read_jsonl(problems, Problem), settings)


def search(task: Searching) -> list[Hit]:
    """The documents of a file that overlap problems."""
    index = _index(task.problems, task.settings)
    kept = np.load(task.flags, mmap_mode="r")
    hits: list[Hit] = []
    begin = task.first
    for table in tables.read_batches([task.file], ["id", "text"]):
        stays = kept[begin : begin + table.num_rows]
        left = table.filter(stays)
        places = (np.flatnonzero(stays) + begin).tolist()
        found = index.overlaps(left["text"].to_pylist(), task.evidence)
        for place, identifier, overlap in zip(places, left["id"].to_pylist(), found, strict=True):
            if overlap is not None:
                hits.append(Hit(place, identifier, overlap))
        begin += table.num_rows
    return hits


def mark_overlaps(
    source: Source,
    given: tuple[Path, Path, tuple[Path, Decontamination]],
    executor: Executor,
    *,
    target: tuple[Path, str],
) -> None:
    """Commit which documents of a source stay after decontamination.

    `given`: its documents, their marks so far, and the problems with what counts as an overlap.
    """
    read, marks, (problems, settings) = given
    path, key = target
    flags = marks / "kept.npy"
    kept = np.load(flags)
    side = Side(Row("decontaminate", path.name))
    if source.decontaminate and problems.stat().st_size:
        tasks = _tasks(Searching(problems, settings, source.evidence, read, flags, 0))
        for hit in (hit for hits in executor.map(search, tasks) for hit in hits):
            kept[hit.place] = False
            side.drop(hit.id, f"overlap with {hit.overlap.task}", **hit.overlap._asdict())
    side.row.kept = int(kept.sum())
    with atomic_group(path, {"settings": key}) as group:
        np.save(group / "kept.npy", kept)
        save_sides(group, [side])


def _tasks(whole: Searching) -> Iterator[Searching]:
    first = 0
    for file in sorted(whole.file.glob("documents-*.parquet")):
        yield whole._replace(file=file, first=first)
        first += tables.number_of_rows(file)
