"""Completions on disk: written as they come, found again after any kill, merged in order.

While a stage runs, every answer of a solver is one line of an append-only journal (a JSON list:
the answer, then the tree it came from); a line torn by a kill is dropped and made again. When all
are there they are merged into `completions.jsonl`, ordered by (task, problem, solver, sample), and
the journal goes. A larger number of samples starts from that file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from pydantic import TypeAdapter, ValidationError

from mathlm.core.records import Completion
from mathlm.core.storage import disk_errors, read_jsonl, write_jsonl

Key = tuple[str, str, str, int]
"""Task, problem id, solver and sample index."""

_ANSWERS = TypeAdapter(tuple[Completion, ...])


def key_of(completion: Completion) -> Key:
    """What a completion answers."""
    return (
        completion.task,
        completion.problem_id,
        completion.solver,
        completion.sample_index,
    )


class CompletionStore:
    """The completions of one stage directory; use it as a context while generating."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "completions.jsonl"
        self._journal_path = directory / "completions.journal.jsonl"
        self._made: dict[Key, tuple[Completion, ...]] = {}
        self.torn = 0
        """Journal lines that a kill left unreadable."""
        self._load()
        self._journal: IO[bytes] | None = None

    def _load(self) -> None:
        if self.path.is_file():
            for completion in read_jsonl(self.path, Completion):
                key = key_of(completion)
                self._made[key] = (*self._made.get(key, ()), completion)
        if self._journal_path.is_file():
            good = 0
            for line in self._journal_path.read_bytes().splitlines(keepends=True):
                answers = _answers(line)
                if answers is None:
                    self.torn += 1
                else:
                    self._made[key_of(answers[0])] = answers
                    good += len(line) if not self.torn else 0
            if self.torn:
                self._rewrite()

    def _rewrite(self) -> None:
        """Leave only whole lines in the journal, so that the next one starts on its own."""
        with disk_errors(self._journal_path):
            part = self._journal_path.with_name(self._journal_path.name + ".part")
            part.write_bytes(b"".join(_line(answers) for answers in self._made.values()))
            os.replace(part, self._journal_path)

    def __enter__(self) -> Self:
        with disk_errors(self._journal_path):
            self._journal = open(self._journal_path, "ab", buffering=0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._journal is not None:
            self._journal.close()

    def __contains__(self, key: Key) -> bool:
        return key in self._made

    def __len__(self) -> int:
        return len(self._made)

    def add(self, answers: Sequence[Completion]) -> None:
        """Keep one solver's answer (and its tree), on disk before this returns."""
        assert self._journal is not None, "open the store first"
        line = _line(answers)
        with disk_errors(self._journal_path):
            self._journal.write(line)
        self._made[key_of(answers[0])] = tuple(answers)

    def merge(self, keys: Iterable[Key]) -> int:
        """Write the completions of `keys`, in that order, and let the journal go."""
        number = write_jsonl(self.path, self._ordered(keys))
        with disk_errors(self._journal_path):
            self._journal_path.unlink(missing_ok=True)
        return number

    def _ordered(self, keys: Iterable[Key]) -> Iterator[Completion]:
        for key in keys:
            yield from self._made[key]


def _line(answers: Sequence[Completion]) -> bytes:
    return _ANSWERS.dump_json(tuple(answers), exclude_defaults=True) + b"\n"


def _answers(line: bytes) -> tuple[Completion, ...] | None:
    """The completions of a whole line, or None for one that a kill tore."""
    if not line.endswith(b"\n"):
        return None
    try:
        answers: Any = _ANSWERS.validate_json(line)
    except ValidationError:
        return None
    return answers or None
