"""The corpus stage's steps: each reads committed groups and commits one group of its own.

A group of a step holds `rows.json` (its rows of the funnel), `<step>.jsonl` (what it dropped and
failed, one object a line) and its outcome: `documents-*.parquet` after reading, `kept.npy` (a flag
for each document as read) after a step that only marks. Not here: their order (`stage.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mathlm.core.records import Document, Problem, Provenance
from mathlm.core.storage import atomic_group, read_json, write_json
from mathlm.corpus import sources, split, tables
from mathlm.corpus.config import CorpusConfig, Decontamination, NearDuplicates
from mathlm.corpus.decontaminate import Decontaminator
from mathlm.corpus.duplicates import (
    Arrays,
    Fingerprints,
    Links,
    exact_duplicates,
    fingerprint,
    near_duplicates,
)
from mathlm.corpus.filters import Filter, filters_of, first_reason, readable
from mathlm.corpus.funnel import Row
from mathlm.corpus.source_config import Source
from mathlm.corpus.sources import Failed, Services

Flags = npt.NDArray[np.bool_]
Target = tuple[Path, str]
"""Where a group goes and the key of the settings that made it."""

__all__ = [
    "filters_of",
    "fingerprint_source",
    "index_problems",
    "mark_duplicates",
    "mark_overlaps",
    "read_source",
    "rows_of",
    "write_source",
]


@dataclass
class _Side:
    """A step's row of the funnel and the lines of its side file."""

    row: Row
    lines: list[str] = field(default_factory=list)

    def drop(self, identifier: str, reason: str, **more: Any) -> None:
        """Count and note a document that is dropped."""
        self.row.dropped[reason] += 1
        self._note(identifier, {"reason": reason, **more})

    def fail(self, failed: Failed) -> None:
        """Count and note an item of which no document could be made."""
        self.row.failed[failed.reason] += 1
        more = {"detail": failed.detail} if failed.detail else {}
        self._note(failed.id, {"failed": failed.reason, **more})

    def _note(self, identifier: str, more: dict[str, Any]) -> None:
        line = {"source": self.row.source, "id": identifier, **more}
        self.lines.append(json.dumps(line, ensure_ascii=False) + "\n")


def _save(group: Path, sides: Iterable[_Side]) -> None:
    sides = list(sides)
    write_json(group / "rows.json", [side.row.as_json() for side in sides])
    for side in sides:
        if side.lines:
            text = "".join(side.lines).encode("utf-8", "backslashreplace")
            (group / f"{side.row.step}.jsonl").write_bytes(text)


def rows_of(group: Path) -> list[dict[str, Any]]:
    """The rows of the funnel that a committed group holds."""
    return list(read_json(group / "rows.json"))


def _texts(read: Path) -> Iterator[str]:
    for table in tables.read_batches(sorted(read.glob("documents-*.parquet")), ["text"]):
        yield from table.column("text").to_pylist()


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
    select, read, filtered = (_Side(Row(step, name)) for step in ("select", "read", "filter"))
    path, key = target
    total = (
        None if opened.total is None else min(opened.total, source.max_documents or opened.total)
    )
    with (
        atomic_group(path, {"settings": key}) as group,
        services.progress.task(f"read {name}", total, "documents") as task,
        tables.Writer(group, "documents", 256 << 20) as writer,
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
        _count_beyond(select.row, opened.total, source.max_documents)
        _save(group, (select, read, filtered))


def _count_beyond(row: Row, total: int | None, max_documents: int | None) -> None:
    """Count the items that a cap left unread, by the cap that did it."""
    if total is None:
        return
    listed = min(total, max_documents or total)
    if total > listed:
        row.dropped["beyond max_documents"] = total - listed
    if listed > row.kept:
        row.dropped["beyond max_bytes"] = listed - row.kept


def fingerprint_source(read: Path, settings: NearDuplicates, *, target: Target) -> None:
    """Commit the fingerprints of a source's documents."""
    arrays = fingerprint(_texts(read), settings)
    path, key = target
    with atomic_group(path, {"settings": key}) as group:
        for name, array in arrays._asdict().items():
            np.save(group / f"{name}.npy", array)


def _gather(groups: Mapping[str, tuple[Path, Path]], config: CorpusConfig) -> Fingerprints:
    """The fingerprints of all sources, one after another."""
    parts, ids, names, near = [], list[str](), list[str](), []
    for name, (read, prints) in groups.items():
        arrays = Arrays(*(np.load(prints / f"{field}.npy") for field in Arrays._fields))
        parts.append(arrays)
        ids += _ids(read)
        names += [name] * len(arrays.lengths)
        near.append(arrays.any_words & config.sources[name].near_duplicates)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    whole = Arrays(*columns)
    return Fingerprints(
        ids, names, whole.lengths, whole.exact, whole.values, whole.keys, np.concatenate(near)
    )


def mark_duplicates(
    groups: Mapping[str, tuple[Path, Path]], config: CorpusConfig, *, target: Target
) -> None:
    """Commit, for each source, which documents stay after exact and near deduplication."""
    prints = _gather(groups, config)
    path, key = target
    scratch = path.with_name(path.name + ".keys")
    exact = exact_duplicates(prints, scratch, config.near.partitions)
    near = near_duplicates(prints, exact, config.near, scratch)
    begin = 0
    with atomic_group(path, {"settings": key}) as group:
        for name in groups:
            end = begin + prints.sources.count(name)
            (group / name).mkdir()
            _mark_source(group / name, prints, range(begin, end), (exact, near))
            begin = end


def _mark_source(
    group: Path, prints: Fingerprints, documents: range, links: tuple[Links, Links]
) -> None:
    name, kept = group.name, np.ones(len(documents), bool)
    sides = (_Side(Row("exact_duplicates", name)), _Side(Row("near_duplicates", name)))
    for place, document in enumerate(documents):
        for side, reason, gone in zip(sides, ("exact", "near"), links, strict=True):
            if document in gone:
                stays = gone[document]
                of = {"of": prints.ids[stays], "of_source": prints.sources[stays]}
                side.drop(prints.ids[document], f"{reason} duplicate", **of)
                kept[place] = False
                break
            side.row.kept += 1
    np.save(group / "kept.npy", kept)
    _save(group, sides)


def index_problems(problems: Iterable[Problem], settings: Decontamination) -> Decontaminator:
    """The test problems' n-grams."""
    return Decontaminator(problems, settings)


def mark_overlaps(
    index: Decontaminator, source: Source, given: tuple[Path, Path], *, target: Target
) -> None:
    """Commit which documents of a source stay after decontamination."""
    read, marks = given
    path, key = target
    kept: Flags = np.load(marks / "kept.npy")
    left = np.flatnonzero(kept).tolist()
    side = _Side(Row("decontaminate", path.name))
    if source.decontaminate and len(index):
        ids = _ids(read)
        texts = (text for text, stays in zip(_texts(read), kept.tolist(), strict=True) if stays)
        for place, overlap in zip(left, index.overlaps(texts, source.evidence), strict=True):
            if overlap is not None:
                kept[place] = False
                side.drop(ids[place], f"overlap with {overlap.task}", **overlap._asdict())
    side.row.kept = int(kept.sum())
    with atomic_group(path, {"settings": key}) as group:
        np.save(group / "kept.npy", kept)
        _save(group, [side])


def write_source(
    held_out: float, shard_bytes: int, given: tuple[Path, list[Path]], *, target: Target
) -> None:
    """Commit a source's documents, parted into `train` and `heldout`, in the order of reading."""
    read, marks = given
    kept: Flags = np.logical_and.reduce([np.load(mark / "kept.npy") for mark in marks])
    ids = [identifier for identifier, stays in zip(_ids(read), kept, strict=True) if stays]
    out = split.held_out(ids, held_out)
    path, key = target
    manifest: dict[str, Any] = {"settings": key, "splits": {}}
    with atomic_group(path, manifest) as group:
        with (
            tables.Writer(group, "train", shard_bytes) as train,
            tables.Writer(group, "heldout", shard_bytes) as heldout,
        ):
            for document in _kept_documents(read, kept):
                (heldout if document.id in out else train).add(document)
        for name, writer in (("train", train), ("heldout", heldout)):
            counts = {"documents": writer.documents, "bytes": writer.bytes}
            manifest["splits"][name] = counts


def _kept_documents(read: Path, kept: Flags) -> Iterator[Document]:
    paths = sorted(read.glob("documents-*.parquet"))
    begin = 0
    for table in tables.read_batches(paths):
        part = table.filter(kept[begin : begin + table.num_rows])
        begin += table.num_rows
        for row in part.to_pylist():
            row["provenance"] = Provenance.model_construct(**row["provenance"])
            yield Document.model_construct(**row)
