"""The stage's steps that find duplicates: fingerprints of each group, then marks over all.

Fingerprints are a committed group for each file of documents, under `signatures/`, where they
stay for later runs to be deduplicated against. The marks are one group with a folder for each
group of documents: `kept.npy`, the funnel's rows and the side files that name the kept twins.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

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
from mathlm.corpus.sides import Side, save_rows

SIGNATURES = "signatures"
_STEPS: dict[Kind, str] = {
    "url": "url_duplicates",
    "exact": "exact_duplicates",
    "near": "near_duplicates",
}
_KEPT = "kept.npy"
"""Which documents stay: fingerprints without it are of a run that is not finished."""
_NEW = 2
_NAMED = 1 << 16
"""Lines of a side file that one task makes."""


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


def earlier_groups(directories: Sequence[str], own: Path) -> Iterator[Path]:
    """The groups of fingerprints that earlier corpus stages kept, beside the `own` stage.

    Raises `UserError` for a directory that has none, and for the stage itself.
    """
    own = own.resolve()
    for given in directories:
        root = Path(given).expanduser()
        if root.resolve() == own:
            raise UserError(f"duplicates.against: {given} is what is to be made, no earlier run")
        found = sorted(root.glob(f"{SIGNATURES}/**/runs.json"))
        if not found:
            beside = (path for path in root.glob("*") if path.resolve() != own)
            found = sorted(
                one for path in beside for one in path.glob(f"{SIGNATURES}/**/runs.json")
            )
        if not found or not all(path.with_name(_KEPT).is_file() for path in found):
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
        with atomic_file(group / _KEPT) as file:
            np.save(file, kept[begin:end])
        begin = end


def mark_duplicates(
    parts: Sequence[Part],
    settings: Duplicates,
    executor: Executor,
    *,
    earlier: Sequence[Path],
    target: tuple[Path, str],
) -> None:
    """Commit, for each group of documents, which stay after all kinds of deduplication."""
    path, key = target
    runs = runs_of(earlier, settings)
    kept = [np.empty(0, bool), *(np.load(group / _KEPT) for group in earlier)]
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
            marked = _within(links, range(first, first + count))
            _mark(part, folder, marked, (runs, executor))
            first += count


class _Marked(NamedTuple):
    documents: range
    links: dict[Kind, Links]


def _within(links: dict[Kind, Links], documents: range) -> _Marked:
    parts = {kind: link.within(documents.start, documents.stop) for kind, link in links.items()}
    return _Marked(documents, parts)


class Naming(NamedTuple):
    """One task: lines that say which document stays for each one that goes."""

    source: str
    kind: Kind
    links: Links
    runs: Sequence[Run]


def _mark(part: Part, folder: Path, marked: _Marked, given: tuple[Sequence[Run], Executor]) -> None:
    """Write one group's flags, rows and side files."""
    runs, executor = given
    first, left = marked.documents.start, len(marked.documents)
    kept = np.ones(left, bool)
    rows = []
    for kind, step in _STEPS.items():
        row = Row(step, part.source)
        if kind in marked.links and len(marked.links[kind].documents):
            gone, stays = marked.links[kind]
            tasks = [
                Naming(part.source, kind, Links(gone[b : b + _NAMED], stays[b : b + _NAMED]), runs)
                for b in range(0, len(gone), _NAMED)
            ]
            with (folder / f"{step}.jsonl").open("wb") as file:
                file.writelines(executor.map(lines_of, tasks))
            kept[gone - first] = False
            row.dropped[_reason(kind)] = len(gone)
            left -= len(gone)
        row.kept = left
        rows.append(row)
    np.save(folder / _KEPT, kept)
    save_rows(folder, rows)


def _reason(kind: Kind) -> str:
    return f"{kind} duplicate"


def lines_of(task: Naming) -> bytes:
    """The lines of a side file for documents that go, each with the one that stays."""
    side = Side(Row(_STEPS[task.kind], task.source))
    columns = ["id", "source"]
    ids = gather_names(task.runs, task.links.documents, ["id"])["id"].to_pylist()
    twins, which = np.unique(task.links.stays, return_inverse=True)
    names = gather_names(task.runs, twins, columns).take(pa.array(which)).to_pylist()
    for identifier, twin in zip(ids, names, strict=True):
        side.drop(identifier, _reason(task.kind), of=twin["id"], of_source=twin["source"])
    return side.text()
