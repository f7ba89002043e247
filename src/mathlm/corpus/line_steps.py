"""The stage's steps that cut repeated lines: counts by file, sums over all, files without them.

Counts are sorted by key, so that ranges of keys are summed one at a time, as in `partition.py`.
Not here: what a line is (`repeated_lines.py`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mathlm.core.executor import Executor
from mathlm.core.ngrams import Hashes, Positions
from mathlm.core.records import Document
from mathlm.core.storage import atomic_file, atomic_group, is_made_by, read_json
from mathlm.corpus import tables
from mathlm.corpus.duplicate_config import RepeatedLines
from mathlm.corpus.funnel import Row
from mathlm.corpus.partition import key_range
from mathlm.corpus.repeated_lines import cut, domain_of, key_of, keys_of
from mathlm.corpus.sides import Side, join_groups, save_sides

STEP = "repeated_lines"
_RANGE_LINES = 1 << 21
_PART_BYTES = 256 << 20


Counts = tuple[Hashes, Hashes, Positions]
"""Keys of lines (ascending), the key of each one's domain, how many documents have it."""


class Counting(NamedTuple):
    """One task: the lines of one file of documents."""

    file: Path
    target: Path
    key: str


class Cutting(NamedTuple):
    """One task: one file of documents without the repeated lines."""

    source: str
    file: Path
    repeated: Path
    target: Path
    key: str


def count_lines(task: Counting) -> None:
    """Commit how many documents of each domain there are, and how many have each line."""
    domains: Counter[str] = Counter()
    counts: list[Counts] = []
    with atomic_group(task.target, {"settings": task.key}, shared=True) as group:
        for table in tables.read_batches([task.file], ["id", "text", "provenance"]):
            counts.append(_lines_in(table, domains))
            if len(counts) > 32:
                counts = [_merged(counts)]
        names = ("keys", "owners", "counts")
        for name, column in zip(names, _merged(counts), strict=True):
            np.save(group / f"{name}.npy", column)
        named = {str(key_of(domain, "")): number for domain, number in sorted(domains.items())}
        (group / "domains.json").write_text(json.dumps(named), encoding="utf-8")


def _lines_in(table: pa.Table, domains: Counter[str]) -> Counts:
    """The lines of some documents; the domains of these are counted, too."""
    keys, owners = list[int](), list[int]()
    for row in table.to_pylist():
        url, content_type = row["provenance"]["url"], row["provenance"]["content_type"]
        domain = domain_of(url, content_type, row["id"])
        if domain is not None:
            domains[domain] += 1
            found = keys_of(domain, row["text"])
            keys += found
            owners += [key_of(domain, "")] * len(found)
    return _summed(np.array(keys, np.uint64), np.array(owners, np.uint64))


def _summed(keys: Hashes, owners: Hashes, counts: Positions | None = None) -> Counts:
    """Each key once, ascending, with its domain and the sum of its counts."""
    distinct, first, which = np.unique(keys, return_index=True, return_inverse=True)
    weights = np.ones(len(keys), np.int64) if counts is None else counts
    return distinct, owners[first], np.bincount(which, weights, len(distinct)).astype(np.int64)


def _merged(counts: Sequence[Counts]) -> Counts:
    empty = (np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64))
    keys, owners, numbers = zip(*counts, empty, strict=False)
    return _summed(np.concatenate(keys), np.concatenate(owners), np.concatenate(numbers))


class Summing(NamedTuple):
    """One task: the lines in one range of keys."""

    groups: Sequence[Path]
    part: int
    parts: int
    least: Path
    """Array of two rows: the keys of domains (ascending), above how many documents lines go."""


def find_repeated(
    groups: Sequence[Path], settings: RepeatedLines, executor: Executor, target: Path
) -> None:
    """Write the keys of the lines that enough documents of their domain have, ascending."""
    domains: Counter[str] = Counter()
    for group in groups:
        domains.update(read_json(group / "domains.json"))
    owners = np.array(sorted(map(int, domains)), np.uint64)
    documents = np.array([domains[str(owner)] for owner in owners.tolist()], np.int64)
    least = np.maximum(settings.documents, settings.share * documents)
    limits = target.with_name("domains.npy")
    with atomic_file(limits) as file:
        np.save(file, np.stack([owners, np.floor(least).astype(np.uint64)]))
    lines = sum(len(np.load(group / "keys.npy", mmap_mode="r")) for group in groups)
    parts = max(1, -(-lines // _RANGE_LINES))
    tasks = (Summing(groups, part, parts, limits) for part in range(parts))
    with atomic_file(target) as file:
        np.save(file, np.concatenate([np.empty(0, np.uint64), *executor.map(repeated_in, tasks)]))
    limits.unlink()


def repeated_in(task: Summing) -> Hashes:
    """The keys of a range's lines that enough documents have, ascending."""
    owners, least = np.load(task.least)
    keys, owner, counts = _merged(list(_ranges(task.groups, task.part, task.parts)))
    if not len(keys):
        return keys
    enough = counts.astype(np.uint64) > least[np.searchsorted(owners, owner)]
    return keys[enough]  # type: ignore[no-any-return]


def _ranges(groups: Sequence[Path], part: int, parts: int) -> Iterator[Counts]:
    for group in groups:
        columns = [np.load(group / f"{n}.npy", mmap_mode="r") for n in ("keys", "owners", "counts")]
        here = key_range(columns[0], part, parts)
        yield columns[0][here], columns[1][here], columns[2][here]


def cut_lines(task: Cutting) -> None:
    """Commit a file's documents without the repeated lines."""
    repeated: Hashes = np.load(task.repeated)
    side = Side(Row(STEP, task.source))
    with (
        atomic_group(task.target, {"settings": task.key}, shared=True) as group,
        tables.working_writer(group, _PART_BYTES) as writer,
    ):
        for document in tables.read_documents([task.file]):
            left = _without(document, repeated, side)
            if left is not None:
                side.row.kept += 1
                writer.add(left)
        save_sides(group, [side])


def _without(document: Document, repeated: Hashes, side: Side) -> Document | None:
    """The document without the repeated lines, or None where nothing else is in it."""
    domain = domain_of(document.provenance.url, document.provenance.content_type, document.id)
    found = None if domain is None else cut(domain, document.text, repeated)
    if found is None or not found.lines:
        return document
    side.row.noted["lines cut"] += found.lines
    side.row.noted["characters cut"] += found.characters
    side.row.noted["documents with lines cut"] += 1
    if not found.text.strip():
        side.drop(document.id, "only repeated lines")
        return None
    return document.model_copy(update={"text": found.text})


def without_repeated_lines(
    read: dict[str, Path], settings: RepeatedLines, executor: Executor, *, target: tuple[Path, str]
) -> None:
    """For each source a group `target / source` of its documents without repeated lines."""
    path, key = target
    files = [(s, file) for s, at in read.items() for file in sorted(at.glob("documents-*.parquet"))]
    counted = [path / "counts" / f"{number:06d}" for number in range(len(files))]
    tasks = (Counting(file, to, key) for (_, file), to in zip(files, counted, strict=True))
    for _ in executor.map(count_lines, (t for t in tasks if not is_made_by(t.target, key))):
        pass
    repeated = path / "repeated.npy"
    find_repeated(counted, settings, executor, repeated)
    parts = [path / "parts" / f"{number:06d}" for number in range(len(files))]
    cuts = (Cutting(s, file, repeated, to, key) for (s, file), to in zip(files, parts, strict=True))
    for _ in executor.map(cut_lines, (t for t in cuts if not is_made_by(t.target, key))):
        pass
    for source in read:
        of_source = [to for (s, _), to in zip(files, parts, strict=True) if s == source]
        join_groups(of_source, [Row(STEP, source)], target=(path / source, key))
