"""The stage's steps that find duplicates: fingerprints of each group, then marks over all.

Fingerprints are a committed group for each file of documents, under `signatures/`, where they
stay for later runs to be deduplicated against. The marks are one group with a folder for each
group of documents: `kept.npy`, the funnel's rows and the side files that name the kept twins.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mathlm.core.errors import UserError
from mathlm.core.executor import Executor
from mathlm.core.storage import atomic_file, atomic_group
from mathlm.corpus import tables
from mathlm.corpus.clusters import Links
from mathlm.corpus.duplicate_config import Duplicates
from mathlm.corpus.duplicates import find_duplicates
from mathlm.corpus.fingerprints import (
    Kind,
    Run,
    documents_in,
    gather_names,
    runs_of,
    write_fingerprints,
)
from mathlm.corpus.funnel import Row
from mathlm.corpus.sides import Side, save_sides

SIGNATURES = "signatures"
_STEPS: dict[Kind, str] = {
    "url": "url_duplicates",
    "exact": "exact_duplicates",
    "near": "near_duplicates",
}
_NEW = 2


class Part(NamedTuple):
    """A committed group of documents of one source, and where its fingerprints and marks go."""

    source: str
    name: str
    """The source, or `source/number`."""
    read: Path
    prints: Path

    def files(self) -> list[Path]:
        """Its documents, in order."""
        return sorted(self.read.glob("documents-*.parquet"))

    def groups(self) -> list[Path]:
        """Where the fingerprints of each file stand."""
        return [self.prints / file.stem for file in self.files()]


class Fingerprinting(NamedTuple):
    """One task: the fingerprints of one file of documents."""

    file: Path
    target: Path
    settings: Duplicates
    near: bool
    key: str


def fingerprint(task: Fingerprinting) -> None:
    """Commit the fingerprints of a file of documents."""
    with atomic_group(task.target, {"settings": task.key}, shared=True) as group:
        batches = tables.read_batches([task.file])
        write_fingerprints(batches, task.settings, group, near=task.near)


def earlier_groups(directories: Sequence[str]) -> Iterator[Path]:
    """The groups of fingerprints that earlier corpus stages kept.

    Raises `UserError` for a directory that has none.
    """
    for given in directories:
        root = Path(given).expanduser()
        found = sorted(root.glob(f"{SIGNATURES}/**/kept.npy"))
        found = found or sorted(root.glob(f"*/{SIGNATURES}/**/kept.npy"))
        if not found:
            raise UserError(
                f"duplicates.against: {given} is no finished corpus stage with {SIGNATURES}/ "
                "(made with `duplicates.keep = false`, or not finished)"
            )
        yield from (path.parent for path in found)


def drop_other_signatures(directory: Path, parts: Sequence[Part]) -> None:
    """Remove what other settings, inputs or lost machines have left among the signatures."""
    wanted = {group for part in parts for group in part.groups()}
    for group in directory.glob("*/*"):
        if group not in wanted:
            shutil.rmtree(group)


def keep_signatures(part: Part, kept: npt.NDArray[np.bool_]) -> None:
    """Note which documents of a finished run stay, which makes its fingerprints complete."""
    begin = 0
    for group in part.groups():
        end = begin + documents_in(group)
        with atomic_file(group / "kept.npy") as file:
            np.save(file, kept[begin:end])
        begin = end


def mark_duplicates(
    parts: Sequence[Part], settings: Duplicates, executor: Executor, *, target: tuple[Path, str]
) -> None:
    """Commit, for each group of documents, which stay after all kinds of deduplication."""
    path, key = target
    before = list(earlier_groups(settings.against))
    runs = runs_of(before, settings)
    kept = [np.empty(0, bool), *(np.load(group / "kept.npy") for group in before)]
    standing = (~np.concatenate(kept)).astype(np.int8)
    first = len(standing)
    runs += runs_of([group for part in parts for group in part.groups()], settings, first)
    ends = np.cumsum([run.documents for run in runs]).tolist()
    documents = ends[-1] if ends else 0
    standing = np.concatenate((standing, np.full(documents - first, _NEW, np.int8)))
    with atomic_group(path, {"settings": key}) as group:
        scratch = group / "scratch"
        scratch.mkdir()
        links = find_duplicates(runs, settings, standing, (scratch, executor.map))
        (scratch / "gone.npy").unlink(missing_ok=True)
        scratch.rmdir()
        for part in parts:
            count = sum(map(documents_in, part.groups()))
            folder = group / part.name
            folder.mkdir(parents=True)
            _mark(part, folder, runs, _within(links, range(first, first + count)))
            first += count


class _Marked(NamedTuple):
    documents: range
    links: dict[Kind, Links]


def _within(links: dict[Kind, Links], documents: range) -> _Marked:
    parts = {kind: link.within(documents.start, documents.stop) for kind, link in links.items()}
    return _Marked(documents, parts)


def _mark(part: Part, folder: Path, runs: Sequence[Run], marked: _Marked) -> None:
    """Write one group's flags, rows and side files."""
    first, left = marked.documents.start, len(marked.documents)
    kept = np.ones(left, bool)
    sides = []
    for kind, step in _STEPS.items():
        side = Side(Row(step, part.source))
        links = marked.links.get(kind, Links(np.empty(0, np.int64), np.empty(0, np.int64)))
        for identifier, twin in _named(links, runs):
            side.drop(identifier, f"{kind} duplicate", **twin)
        kept[links.documents - first] = False
        left -= len(links.documents)
        side.row.kept = left
        sides.append(side)
    np.save(folder / "kept.npy", kept)
    save_sides(folder, sides)


def _named(links: Links, runs: Sequence[Run]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The id of each document that goes, with the id and source of the one that stays."""
    if not len(links.documents):
        return
    columns = ["id", "source"]
    ids = gather_names(runs, links.documents, ["id"])["id"].to_pylist()
    twins, which = np.unique(links.stays, return_inverse=True)
    names = gather_names(runs, twins, columns).take(pa.array(which)).to_pylist()
    for identifier, twin in zip(ids, names, strict=True):
        yield identifier, {"of": twin["id"], "of_source": twin["source"]}
