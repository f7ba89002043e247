"""Completions on disk: written as they come, found again after any kill, merged in order.

While a stage runs, every writer (a process, a shard) appends to a journal of its own,
`journal/WRITER.jsonl`: one `Completion` a line in the order in which they came, so that others
may read along. What one call of a solver made is one write: the tree it came from, if any (each
with a `parent`), then the answer. At the end all are merged into `completions.jsonl`, ordered by
(task, problem, solver, sample), and the journals go. In memory is only where each one lies.

Safety: every write reaches the operating system at once, so that a killed process loses only what
was in flight; every five seconds (and at the end) it is forced to the disk, so that a power cut
loses no more than that. Not here: which completions are wanted (`wanted`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel, ValidationError

from mathlm.core.errors import UserError
from mathlm.core.records import Completion
from mathlm.core.storage import atomic_file, disk_errors

COMPLETIONS = "completions.jsonl"
JOURNAL = "journal"
_SYNC_S = 5.0


class Head(BaseModel):
    """What a completion answers, and the hash of what made it."""

    task: str
    problem_id: str
    solver: str
    sample_index: int
    key: str = ""
    parent: str | None = None
    finish_reason: str = ""


Number = Callable[[Head], int | None]
"""The place of a completion among the wanted ones; None where it is none of them."""


class CompletionStore:
    """The wanted completions of one stage directory; use it as a context while generating."""

    def __init__(
        self,
        directory: Path,
        size: int,
        number: Number,
        *,
        writer: str = "1-of-1",
        reuse: Sequence[Path] = (),
    ) -> None:
        """Index what is there: in `directory`, and in other stages' directories to `reuse`."""
        self.path = directory / COMPLETIONS
        self.torn = 0
        """Lines that a kill left unreadable: what they held is made again."""
        self._directory, self._number = directory, number
        self._journal_path = directory / JOURNAL / f"{writer}.jsonl"
        self._files: list[Path] = []
        # Where each wanted completion lies; a million of them take 13 MB.
        self._file = array("h", [-1]) * size
        self._start = array("q", [0]) * size
        self._length = array("i", [0]) * size
        self.found = 0
        """How many of the wanted ones are there."""
        self._end = 0
        self._journal: int | None = None
        self._own = -1
        self._synced = 0.0
        for folder in (*reuse, directory):
            self._index_folder(folder)

    def _index_folder(self, folder: Path) -> None:
        journals = sorted((folder / JOURNAL).glob("*.jsonl"))
        for path in (folder / COMPLETIONS, *journals):
            if path.is_file():
                self._index(path)

    def _index(self, path: Path) -> None:
        """Note where each wanted completion of a file lies."""
        self._files.append(path)
        mine = path == self._journal_path
        with open(path, "rb") as file:
            start = end = 0  # of the group of lines that an answer closes
            for line in file:
                end += len(line)
                head = _head(line)
                if head is None:
                    self.torn += 1
                elif head.parent is not None:
                    continue
                else:
                    # What a broken machine could not make is tried again.
                    place = None if head.finish_reason == "error" else self._number(head)
                    if place is not None:
                        self._put(place, len(self._files) - 1, start, length=end - start)
                    self._end = end if mine else self._end
                start = end

    def _put(self, place: int, file: int, start: int, *, length: int) -> None:
        self.found += self._file[place] < 0
        self._file[place], self._start[place], self._length[place] = file, start, length

    def __contains__(self, place: int) -> bool:
        return self._file[place] >= 0

    def __enter__(self) -> Self:
        """Open this writer's journal; UserError where another process holds it."""
        with disk_errors(self._journal_path):
            self._journal_path.parent.mkdir(parents=True, exist_ok=True)
            self._journal = os.open(self._journal_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._journal)
                raise UserError(f"another process writes to {self._journal_path}") from None
            os.ftruncate(self._journal, self._end)  # what a kill tore, so that lines stay whole
        if self._journal_path not in self._files:
            self._files.append(self._journal_path)
        self._own = self._files.index(self._journal_path)
        self._synced = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._journal is not None:
            with disk_errors(self._journal_path):
                os.fsync(self._journal)
                os.close(self._journal)
            self._journal = None

    def add(self, place: int, answers: Sequence[Completion]) -> None:
        """Keep one solver's answer (and its tree), with the system before this returns."""
        assert self._journal is not None, "open the store first"
        data = _lines(answers)
        with disk_errors(self._journal_path):
            left = data
            while left:
                left = left[os.write(self._journal, left) :]
            if time.monotonic() - self._synced > _SYNC_S:
                os.fsync(self._journal)
                self._synced = time.monotonic()
        self._put(place, self._own, self._end, length=len(data))
        self._end += len(data)

    def merge(self, others: Mapping[int, Completion] | None = None) -> None:
        """Write `completions.jsonl`, in the order of the places, and let the journals go.

        `others` are completions by place that are not kept in a journal (errors).
        """
        with atomic_file(self.path) as file:
            for data in self._ordered(others or {}):
                file.write(data)
        with disk_errors(self._directory):
            shutil.rmtree(self._directory / JOURNAL, ignore_errors=True)

    def _ordered(self, others: Mapping[int, Completion]) -> Iterator[bytes]:
        opened = [os.open(path, os.O_RDONLY) for path in self._files]
        try:
            for place, file in enumerate(self._file):
                if file >= 0:
                    yield os.pread(opened[file], self._length[place], self._start[place])
                else:
                    yield _lines((others[place],))
        finally:
            for descriptor in opened:
                os.close(descriptor)


def _lines(answers: Sequence[Completion]) -> bytes:
    """The tree, then the answer that closes the group."""
    answer, *tree = answers
    if answer.parent is not None or any(completion.parent is None for completion in tree):
        raise ValueError("an answer has no parent, and what it came from has one")
    lines = (c.model_dump_json(exclude_defaults=True).encode() for c in (*tree, answer))
    return b"".join(line + b"\n" for line in lines)


def _head(line: bytes) -> Head | None:
    """What a line's completion answers, or None for a line that a kill tore."""
    if not line.endswith(b"\n"):
        return None
    try:
        return Head.model_validate_json(line)
    except ValidationError:
        return None
