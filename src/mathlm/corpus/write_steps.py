"""The stage's step that writes documents: a task for each input file, then one for each shard.

The first kind of task notes, row by row, whether a document stays, on which side it is and how many
bytes its text has. From these alone follows which rows make up each shard, so that shards are
written apart, at once, and are those that one writer would have made in one go (tested). The tasks
of `train` put aside what is held out between their rows, of which the shards of `heldout` are made:
hardly a row group is read twice. A task holds one row group that it reads and one for each file
that it writes.
Not here: which documents are held out (`split.py`), when a file ends (`tables.Writer`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mathlm.core.executor import Executor
from mathlm.core.storage import atomic_group, is_made_by, link_members, read_manifest
from mathlm.corpus import split, tables

Split = Literal["train", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "heldout")
_ASIDE, _CODES = "aside", "codes.npy"
_ALL = 1 << 62


class Planning(NamedTuple):
    """One task: which rows of a file of documents go where."""

    file: Path
    marks: tuple[Path, ...]
    """Groups with a `kept.npy` of the source's documents: a document stays by all of them."""
    first: int
    """The file's first document among the source's."""
    held_out: float
    always: str | None
    """An id that is held out whatever its hash."""
    target: Path
    key: str


class Piece(NamedTuple):
    """A range of a file's rows."""

    file: Path
    begin: int
    end: int
    plan: Path | None = None
    """The group that says which of the rows are of `train`; None: all are of the shard."""


class Writing(NamedTuple):
    """One task: a shard."""

    side: Split
    number: int
    pieces: tuple[Piece, ...]
    target: Path
    key: str

    def name(self) -> str:
        """The shard's file."""
        return f"{self.side}-{self.number:05d}.parquet"

    def aside(self) -> Path:
        """What is held out between the rows of a shard of `train`; absent where nothing is."""
        return self.target / f"{_ASIDE}-{self.number:05d}.parquet"


def plan_file(task: Planning) -> None:
    """Commit the signed size of each row's text, plus one: held out below zero, gone at zero."""
    sizes, ids = [np.empty(0, np.int64)], list[pa.Array]()
    for table in tables.read_batches([task.file], ["id", "bytes"]):
        sizes.append(tables.sizes_of(table))
        ids += table["id"].chunks
    codes = np.concatenate(sizes) + 1
    rows = slice(task.first, task.first + len(codes))
    for mark in task.marks:
        codes[~np.load(mark / "kept.npy", mmap_mode="r")[rows]] = 0
    ids_of = pa.chunked_array(ids, pa.string())
    summary = {"settings": task.key, **(_hold_out(codes, ids_of, task) if task.held_out else {})}
    summary |= {side: _sums(codes, side) for side in SPLITS}
    with atomic_group(task.target, summary, shared=True) as group:
        np.save(group / _CODES, codes)


def _hold_out(codes: npt.NDArray[np.int64], ids: pa.ChunkedArray, task: Planning) -> dict[str, Any]:
    """Put documents on the other side by their ids; returns what `_lowest` asks of a file."""
    kept = np.flatnonzero(codes)
    names: list[str] = ids.take(pa.array(kept)).to_pylist()
    if not names:
        return {}
    places = np.array([split.position(name) for name in names], float)
    always = np.array([name == task.always for name in names], bool)
    codes[kept[(places < task.held_out) | always]] *= -1
    ends = {min(names), max(names)}
    return {"lowest": min(zip(places.tolist(), names, strict=True)), "ids": sorted(ends)}


def _sums(codes: npt.NDArray[np.int64], side: Split) -> dict[str, int]:
    here = np.abs(codes[codes > 0 if side == "train" else codes < 0])
    return {"documents": len(here), "bytes": int(here.sum()) - len(here)}


def write_shard(task: Writing) -> None:
    """Commit one shard as a group of its own, with what is held out between its rows."""
    numbered = partial(tables.Writer, shard_bytes=_ALL, first=task.number)
    with (
        atomic_group(task.target, {"settings": task.key}, shared=True) as group,
        numbered(group, task.side) as shard,
        contextlib.ExitStack() as stack,
    ):
        aside: tables.Writer | None = None
        for piece in task.pieces:
            codes = None if piece.plan is None else np.load(piece.plan / _CODES, mmap_mode="r")
            for begin, table in tables.read_groups(piece.file, piece.begin, piece.end):
                if codes is None:
                    shard.add_table(table)
                    continue
                here = codes[begin : begin + table.num_rows]
                shard.add_table(table.filter(pa.array(here > 0)))
                if (here < 0).any():
                    aside = aside or stack.enter_context(numbered(group, _ASIDE))
                    aside.add_table(table.filter(pa.array(here < 0)))


class _Rows(NamedTuple):
    """Rows of a file, for some of which a shard is looked for."""

    whole: Piece
    wanted: npt.NDArray[np.intp]
    """Ascending."""
    bytes: npt.NDArray[np.int64]
    """Of the text of each row wanted."""


def _cut(files: Iterable[_Rows], shard_bytes: int) -> Iterator[list[Piece]]:
    """Shards as `tables.Writer` would begin and end them; all rows of all files are in one."""
    pieces, held = list[Piece](), 0
    for whole, wanted, sizes in files:
        ends = np.cumsum(sizes)
        begin, start, before = whole.begin, 0, 0
        while start < len(wanted):
            end = int(np.searchsorted(ends, before + shard_bytes - held, side="right"))
            if end <= start and held:
                row = int(wanted[start])
                yield [*pieces, whole._replace(begin=begin, end=row)]
                pieces, held, begin = [], 0, row
                continue
            end = max(end, start + 1)
            held += int(ends[end - 1]) - before
            start, before = end, int(ends[end - 1])
        pieces.append(whole._replace(begin=begin))
    yield pieces


def _train_rows(plans: Iterable[Planning]) -> Iterator[_Rows]:
    for plan in plans:
        codes = np.load(plan.target / _CODES, mmap_mode="r")
        wanted = np.flatnonzero(codes > 0)
        whole = Piece(plan.file, 0, len(codes), plan.target)
        yield _Rows(whole, wanted, codes[wanted] - 1)


def _held_out_rows(tasks: Iterable[Writing]) -> Iterator[_Rows]:
    """What the shards of `train` have put aside."""
    for task in tasks:
        codes = [np.empty(0, np.int64)]
        for piece in task.pieces:
            assert piece.plan is not None
            rows = np.load(piece.plan / _CODES, mmap_mode="r")[piece.begin : piece.end]
            codes.append(rows[rows < 0])
        sizes = -1 - np.concatenate(codes)
        if len(sizes):
            whole = Piece(task.aside(), 0, len(sizes))
            yield _Rows(whole, np.arange(len(sizes)), sizes)


@dataclass(frozen=True)
class Written:
    """What is to be written of one source, and how."""

    read: Path
    """The group of its documents."""
    marks: tuple[Path, ...]
    held_out: float
    shard_bytes: int


def write_source(
    written: Written, executor: Executor, *, target: tuple[Path, str], scratch: Path
) -> None:
    """Commit a source's documents, parted into `train` and `heldout`, in the order of reading."""
    path, key = target
    plans = _planned(written, executor, (scratch, key))
    train = _shards(_cut(_train_rows(plans), written.shard_bytes), "train", (scratch, key))
    _write(train, executor)
    kept_out = _cut(_held_out_rows(train), written.shard_bytes)
    held_out = _shards(kept_out, "heldout", (scratch, key))
    _write(held_out, executor)
    manifest: dict[str, Any] = {"settings": key, "splits": {}}
    for side in SPLITS:
        sums = [(read_manifest(plan.target) or {})[side] for plan in plans]
        counts = {name: sum(one[name] for one in sums) for name in ("documents", "bytes")}
        manifest["splits"][side] = counts
    known: dict[str, Any] = {}
    with atomic_group(path, manifest, known=known) as group:
        for task in (*train, *held_out):
            known |= link_members(task.target, {task.name(): task.name()}, group)


def _shards(cut: Iterable[Sequence[Piece]], side: Split, given: tuple[Path, str]) -> list[Writing]:
    scratch, key = given
    return [
        Writing(side, number, tuple(pieces), scratch / f"{side}-{number:05d}", key)
        for number, pieces in enumerate(cut)
    ]


def _write(tasks: Sequence[Writing], executor: Executor) -> None:
    """Write the shards that are not there yet."""
    for _ in executor.map(write_shard, [t for t in tasks if not is_made_by(t.target, t.key)]):
        pass


def _planned(written: Written, executor: Executor, given: tuple[Path, str]) -> list[Planning]:
    """The committed plans of all files; a source of two ids or more has one held out at least."""
    scratch, key = given
    plans, first = list[Planning](), 0
    for number, file in enumerate(sorted(written.read.glob("documents-*.parquet"))):
        to = scratch / "plans" / f"{number:06d}"
        plans.append(Planning(file, written.marks, first, written.held_out, None, to, key))
        first += tables.number_of_rows(file)
    found = _make(plans, executor)
    lowest = _lowest(found) if written.held_out else None
    if lowest is None:
        return plans
    folder, other = scratch / "plans-lowest", f"{key}, {lowest}"
    plans = [
        plan._replace(always=lowest, target=folder / plan.target.name, key=other) for plan in plans
    ]
    _make(plans, executor)
    return plans


def _lowest(found: Sequence[dict[str, Any]]) -> str | None:
    """The id that is held out since no hash is low enough; None where one is, or one id is all."""
    named = [one for one in found if "lowest" in one]
    if any(one["heldout"]["documents"] for one in found):
        return None
    if len({name for one in named for name in one["ids"]}) < 2:
        return None
    return str(min(one["lowest"] for one in named)[1])


def _make(plans: Sequence[Planning], executor: Executor) -> list[dict[str, Any]]:
    """Make the plans that are not there yet; returns the manifests of all."""
    for _ in executor.map(plan_file, [p for p in plans if not is_made_by(p.target, p.key)]):
        pass
    return [read_manifest(plan.target) or {} for plan in plans]
