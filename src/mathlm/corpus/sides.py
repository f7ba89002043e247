"""What a step leaves beside its outcome: rows of the funnel and the lines of its side file.

A committed group holds `rows.json` (its rows) and `<step>.jsonl` (what it dropped and failed, one
object a line); with them its outcome, `documents-*.parquet` or `kept.npy` or both.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mathlm.core.records import Provenance
from mathlm.core.storage import atomic_group, link_members, read_json, write_json
from mathlm.corpus.funnel import Row
from mathlm.corpus.sources import Failed


@dataclass
class Side:
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
        self._note(failed.id, {"failed": failed.reason, **more, **place_of(failed.provenance)})

    def add(self, other: Side) -> None:
        """Count and note what another side of the same step has."""
        self.row.add(other.row)
        self.lines += other.lines

    def text(self) -> bytes:
        """The lines as they stand in a side file."""
        return "".join(self.lines).encode("utf-8", "backslashreplace")

    def _note(self, identifier: str, more: dict[str, Any]) -> None:
        line = {"source": self.row.source, "id": identifier, **more}
        self.lines.append(json.dumps(line, ensure_ascii=False) + "\n")


def place_of(provenance: Provenance) -> dict[str, Any]:
    """Where a page is to be found again: its URL, and the file and place of a record."""
    found = {"url": provenance.url} if provenance.url else {}
    if provenance.offset is None:
        return found
    return {**found, "file": provenance.file, "offset": provenance.offset}


def save_sides(group: Path, sides: Iterable[Side]) -> None:
    """Write the rows and side files of a group's steps."""
    sides = list(sides)
    save_rows(group, [side.row for side in sides])
    for side in sides:
        if side.lines:
            (group / f"{side.row.step}.jsonl").write_bytes(side.text())


def save_rows(group: Path, rows: Iterable[Row]) -> None:
    """Write the rows of a group's steps."""
    write_json(group / "rows.json", [row.as_json() for row in rows])


def rows_of(group: Path) -> list[dict[str, Any]]:
    """The rows of the funnel that a committed group holds."""
    return list(read_json(group / "rows.json"))


def join_groups(
    groups: Sequence[Path],
    rows: Sequence[Row],
    *,
    target: tuple[Path, str],
    beyond: tuple[int | None, int | None] = (None, None),
) -> None:
    """Commit the groups that steps made of a source's parts as one; `rows` are theirs, empty.

    `beyond`: how many items the source has and at most so many are read; the first step counts
    what was left unread.
    """
    path, key = target
    flags, known = list[Path](), dict[str, Any]()
    with atomic_group(path, {"settings": key}, known=known) as whole:
        for number, group in enumerate(groups):
            known |= _join(group, number, {row.step: row for row in rows}, whole)
            flags += group.glob("kept.npy")
        if flags:
            np.save(whole / "kept.npy", np.concatenate([np.load(file) for file in flags]))
        rows[0].count_beyond(*beyond)
        save_rows(whole, rows)


def _join(group: Path, number: int, rows: Mapping[str, Row], whole: Path) -> dict[str, Any]:
    """Add a part's counts, side files and documents; returns the manifest's entries of these."""
    for other in map(Row.of, rows_of(group)):
        rows[other.step].add(other)
    for side in (f"{step}.jsonl" for step in rows):
        if (group / side).is_file():
            with (group / side).open("rb") as part, (whole / side).open("ab") as to:
                shutil.copyfileobj(part, to)
    files = sorted(file.name for file in group.glob("documents-*.parquet"))
    return link_members(group, {n: f"documents-{number:06d}-{n[-13:]}" for n in files}, whole)
