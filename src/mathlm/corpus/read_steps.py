"""The stage's step that reads sources of no web pages: a task for each part of a source.

A part is some files of records or, of a large Parquet file, some row groups; of folders and
packages, some files. Each commits a group, so that a killed run goes on after the last one, and
the parts are joined in their order. With a cap (`max_documents`, `max_bytes`) each part is read up
to the whole cap, ahead of knowing what those before it leave, and the one in which the cap is
reached is read again with what is left.
Not here: web pages (`reading.py`), which may harm the process that reads them.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from mathlm.core.executor import Executor, Local
from mathlm.core.inputs import files_of, stamps_of
from mathlm.core.storage import atomic_group, is_made_by, read_manifest
from mathlm.corpus import tables
from mathlm.corpus.config import Mode
from mathlm.corpus.filters import Filter, filters_of, first_reason, readable, suspects
from mathlm.corpus.funnel import Row
from mathlm.corpus.sides import Side, join_groups, save_sides
from mathlm.corpus.source_config import (
    CodeSource,
    ProblemsSource,
    PythonSource,
    RecordsSource,
    Source,
    TextSource,
)
from mathlm.corpus.sources import Failed, Item, Loaded, Services, list_items, load_problems
from mathlm.corpus.sources.columns import Batch, Objects, Origin, Rows
from mathlm.corpus.sources.files import load_files
from mathlm.corpus.sources.shards import labels_of
from mathlm.corpus.sources.tables import group_sizes, json_rows, parquet_batches

STEPS = ("select", "read", "filter")
_FILE_BYTES = 64 << 20
"""Text in one file of documents read: what a task of a later step does at a stretch."""
_PART_BYTES = 64 << 20
"""Records in one part, as they are stored."""
_PART_FILES = 512
_BATCH_ROWS = 256


class Stretch(NamedTuple):
    """A file of records, or some row groups of one."""

    file: str
    label: str
    """How documents call the file."""
    groups: tuple[int, int] | None = None


class Part(NamedTuple):
    """One task; a source of generated problems is one part of neither stretches nor items."""

    name: str
    source: Source
    mode: Mode
    target: Path
    key: str
    """Of the settings and all inputs."""
    stretches: tuple[Stretch, ...] = ()
    items: tuple[Item, ...] = ()
    file_bytes: int = _FILE_BYTES
    documents: int | None = None
    bytes: int | None = None
    """At most so many items are read, and none once so many bytes of text have passed."""

    def identity(self) -> str:
        """A digest of what decides the group."""
        text = repr((self.key, *self[5:]))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass
class _Taken:
    """What passed of a part so far."""

    part: Part
    filters: Mapping[str, Filter]
    writer: tables.Writer
    sides: dict[str, Side] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sides = {step: Side(Row(step, self.part.name)) for step in STEPS}

    @property
    def items(self) -> int:
        """How many items were read."""
        return self.sides["select"].row.kept

    @property
    def capped(self) -> bool:
        """Whether a cap is reached."""
        documents, size = self.part.documents, self.part.bytes
        return (documents is not None and self.items >= documents) or (
            size is not None and self.writer.bytes >= size
        )

    def add(self, loaded: Loaded) -> None:
        """Take one item."""
        self.sides["select"].row.kept += 1
        if isinstance(loaded, Failed):
            self.sides["read"].fail(loaded)
            return
        self.sides["read"].row.kept += 1
        reason = first_reason(loaded, tuple(self.filters.values()))
        document = readable(loaded) if reason is None else None
        if document is None:
            self.sides["filter"].drop(loaded.id, reason or "broken notebook")
            return
        self.sides["filter"].row.kept += 1
        self.writer.add(document)

    def add_batch(self, batch: Batch, origin: Origin) -> None:
        """Take a batch of records, up to a cap."""
        if self.part.documents is not None:
            batch = batch.head(self.part.documents - self.items)
        columns = batch.columns(origin)
        reasons = self._objections(columns.table)
        passing = np.delete(np.arange(columns.table.num_rows), list(reasons))
        table = columns.table.take(pa.array(passing)) if reasons else columns.table
        if self.part.bytes is not None:
            ends = np.cumsum(tables.sizes_of(table))
            last = int(np.searchsorted(ends, self.part.bytes - self.writer.bytes))
            read = len(batch) if last == len(ends) else int(columns.places[passing[last]]) + 1
            if read < len(batch):
                self.add_batch(batch.head(read), origin)
                return
        self.sides["select"].row.kept += len(batch)
        self.sides["read"].row.kept += columns.table.num_rows
        self.sides["filter"].row.kept += table.num_rows
        for failed in columns.failed:
            self.sides["read"].fail(failed)
        for identifier, reason in reasons.values():
            self.sides["filter"].drop(identifier, reason)
        self.writer.add_table(table)

    def _objections(self, table: pa.Table) -> dict[int, tuple[str, str]]:
        """The rows that filters drop, each with its id and the reason."""
        suspected = suspects(self.filters, table["text"].combine_chunks())
        documents = tables.documents_of(table.take(pa.array(suspected)))
        found = dict[int, tuple[str, str]]()
        for place, document in zip(suspected.tolist(), documents, strict=True):
            reason = first_reason(document, tuple(self.filters.values()))
            if reason is not None:
                found[place] = document.id, reason
        return found


def read_part(part: Part) -> None:
    """Read a part through its filters until its end or a cap, and commit what passed."""
    manifest: dict[str, Any] = {"settings": part.identity()}
    with (
        atomic_group(part.target, manifest, shared=True) as group,
        tables.working_writer(group, part.file_bytes) as writer,
    ):
        taken = _Taken(part, filters_of(part.source, part.mode), writer)
        if isinstance(part.source, RecordsSource):
            _read_records(part, part.source, taken)
        else:
            for loaded in _loaded(part):
                taken.add(loaded)
                if taken.capped:
                    break
        manifest |= {"items": taken.items, "bytes": writer.bytes}
        save_sides(group, taken.sides.values())


def _read_records(part: Part, source: RecordsSource, taken: _Taken) -> None:
    for stretch in part.stretches:
        origin = Origin(source, part.name, stretch.label)
        for batch in _batches(stretch, source):
            taken.add_batch(batch, origin)
            if taken.capped:
                return


def _batches(stretch: Stretch, source: RecordsSource) -> Iterator[Batch]:
    if source.kind == "parquet":
        fields = (source.text, source.id, source.url, source.date)
        for first, rows in parquet_batches(stretch.file, fields, stretch.groups):
            yield Rows(rows, first)
        return
    held = list[tuple[int, Any]]()
    for row in json_rows(stretch.file):
        held.append(row)
        if len(held) == _BATCH_ROWS:
            yield Objects(held)
            held = []
    yield Objects(held)


def _loaded(part: Part) -> Iterator[Loaded]:
    if isinstance(part.source, ProblemsSource):
        return load_problems(part.source, part.name)
    return load_files(part.items, part.name)


def read_source(
    name: str,
    given: tuple[Source, Mode, Services],
    *,
    target: tuple[Path, str],
    scratch: Path,
) -> None:
    """Read a source through its filters until its end or a cap, and commit what passed."""
    source, _, services = given
    parts, total = _parts(name, given, (scratch, target[1]))
    most = source.max_documents
    listed = None if total is None else min(total, most or total)
    with (
        services.progress.task(f"read {name}", listed, "documents") as task,
        _executor_for(source, services) as executor,
    ):
        read = list[Part]()
        for part in _in_order(parts, executor, (most, source.max_bytes)):
            read.append(part)
            task.advance(_manifest(part)["items"])
    rows = [Row(step, name) for step in STEPS]
    join_groups([part.target for part in read], rows, target=target, beyond=(total, most))
    shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _executor_for(source: Source, services: Services) -> Iterator[Executor]:
    """Who reads the source: installed packages are those of this machine, no other's."""
    if services.executor.remote and isinstance(source, PythonSource | TextSource):
        with Local(services.workers) as here:
            yield here
    else:
        yield services.executor


def _manifest(part: Part) -> dict[str, Any]:
    return read_manifest(part.target) or {}


def _in_order(
    parts: Sequence[Part], executor: Executor, caps: tuple[int | None, int | None]
) -> Iterator[Part]:
    """The parts as they are to be joined, each once it is read, until a cap is reached."""
    documents, size = caps
    missing = [part for part in parts if not is_made_by(part.target, part.identity())]
    wanted, reading = {part.target for part in missing}, executor.map(read_part, missing)
    for part in parts:
        if part.target in wanted:
            next(reading)
        found = _manifest(part)
        if (documents is not None and found["items"] >= documents) or (
            size is not None and found["bytes"] >= size
        ):
            exact = part._replace(documents=documents, bytes=size)
            for _ in executor.map(read_part, [exact] if exact != part else []):
                pass
            yield exact
            return
        documents = None if documents is None else documents - found["items"]
        size = None if size is None else size - found["bytes"]
        yield part


def _parts(
    name: str, given: tuple[Source, Mode, Services], place: tuple[Path, str]
) -> tuple[list[Part], int | None]:
    """The parts of a source, and how many items it has, if known."""
    source, mode, services = given
    scratch, key = place
    whole = Part(name, source, mode, scratch, key, file_bytes=_FILE_BYTES, bytes=source.max_bytes)
    total: int | None = None
    if isinstance(source, RecordsSource):
        cut = _stretches(source, services.executor)
        found = [whole._replace(stretches=one, documents=source.max_documents) for one in cut]
    elif isinstance(source, ProblemsSource):
        total, found = source.count, [whole._replace(documents=source.max_documents)]
    else:
        assert isinstance(source, PythonSource | CodeSource | TextSource)
        items = list_items(source, services.progress)
        total, items = len(items), items[: source.max_documents]
        begins = range(0, len(items), _PART_FILES)
        found = [whole._replace(items=tuple(items[b : b + _PART_FILES])) for b in begins]
    return [p._replace(target=scratch / f"{n:06d}") for n, p in enumerate(found)], total


def _stretches(source: RecordsSource, executor: Executor) -> Iterator[tuple[Stretch, ...]]:
    """Files and row groups in their order, about `_PART_BYTES` together."""
    files = list(files_of(source.files))
    sizes = [stamp.bytes or 0 for stamp in stamps_of(files)]
    large = [
        file
        for file, size in zip(files, sizes, strict=True)
        if source.kind == "parquet" and size > _PART_BYTES
    ]
    groups = dict(zip(large, executor.map(group_sizes, large), strict=True))
    labels = labels_of(files)
    held, total = list[Stretch](), 0
    for file, size in zip(files, sizes, strict=True):
        whole = Stretch(file, labels[file])
        pieces = _pieces(whole, groups[file]) if file in groups else [(whole, size)]
        for stretch, stored in pieces:
            held.append(stretch)
            total += stored
            if total >= _PART_BYTES:
                yield tuple(held)
                held, total = [], 0
    if held:
        yield tuple(held)


def _pieces(whole: Stretch, sizes: Sequence[int]) -> Iterator[tuple[Stretch, int]]:
    begin, total = 0, 0
    for number, size in enumerate(sizes):
        total += size
        if total >= _PART_BYTES or number == len(sizes) - 1:
            yield whole._replace(groups=(begin, number + 1)), total
            begin, total = number + 1, 0
