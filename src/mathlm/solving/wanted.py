"""The completions that a stage is to have, numbered in the order of its file, none of them made.

A completion found on disk counts as one of them only if its hash says that the same model, prompt,
sampling and seed made it: a changed prompt never meets stale text. Not here: disks (`store`).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mathlm.core.errors import UserError
from mathlm.core.records import Problem
from mathlm.solving.store import Head

Fingerprint = Callable[[Problem, str], int]
"""64 bits of a hash of all that decides what a solver (by name) makes of a problem."""


class Job(NamedTuple):
    """One completion to be made."""

    place: int
    """Among the wanted ones, from 0."""
    problem: Problem
    solver: str
    sample: int
    key: str
    """What the completion carries as its `key`."""


class Wanted:
    """Problems x solvers x samples, in this order."""

    def __init__(
        self,
        problems: Sequence[Problem],
        samples: Mapping[str, int],
        fingerprint: Fingerprint,
    ) -> None:
        self._problems, self._samples = problems, dict(samples)
        self._per_problem = sum(self._samples.values())
        self._offset = {}
        offset = 0
        for name, number in self._samples.items():
            self._offset[name] = offset
            offset += number
        self._row = {(problem.task, problem.id): row for row, problem in enumerate(problems)}
        if len(self._row) < len(problems):
            raise UserError(f"two problems of a task have the id {_twice(problems)!r}")
        self._column = {name: column for column, name in enumerate(self._samples)}
        self._keys = array(
            "Q", (fingerprint(problem, name) for problem in problems for name in self._samples)
        )

    def __len__(self) -> int:
        return len(self._problems) * self._per_problem

    def _key(self, row: int, name: str) -> str:
        return f"{self._keys[row * len(self._samples) + self._column[name]]:016x}"

    def number(self, head: Head) -> int | None:
        """The place of a completion; None where it is not wanted, or was made otherwise."""
        row = self._row.get((head.task, head.problem_id))
        if row is None or not 0 <= head.sample_index < self._samples.get(head.solver, 0):
            return None
        if head.key != self._key(row, head.solver):
            return None
        return row * self._per_problem + self._offset[head.solver] + head.sample_index

    def __iter__(self) -> Iterator[Job]:
        return self.share(0, 1)

    def share(self, first: int, step: int) -> Iterator[Job]:
        """The completions of every `step`-th problem from `first` on."""
        for row in range(first, len(self._problems), step):
            place = row * self._per_problem
            for name, samples in self._samples.items():
                key = self._key(row, name)
                for sample in range(samples):
                    yield Job(place, self._problems[row], name, sample, key)
                    place += 1


def _twice(problems: Sequence[Problem]) -> str:
    seen: set[tuple[str, str]] = set()
    for problem in problems:
        if (problem.task, problem.id) in seen:
            return problem.id
        seen.add((problem.task, problem.id))
    return ""
