"""Where a stage's tasks run: here, in processes of this machine, or on many machines with Ray.

A task is a function of a module called on one picklable item; it is our own code (hostile work
inside it goes through `core.processes`), it may be called again, and it returns the same value or
leaves the same committed group each time. Outcomes come in the order of the items, whatever runs
them. Not here: hostile work on single items (`processes.py`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from mathlm.core.errors import MachineError, UserError
from mathlm.core.processes import Outcome, Pool

T = TypeVar("T")
R = TypeVar("R")

_TASK_TIMEOUT_S = 7 * 24 * 3600.0
_NO_LIMIT_MIB = 1 << 24


class Executor(Protocol):
    """What maps a function over tasks."""

    workers: int
    """How many tasks run at once."""
    remote: bool
    """Whether tasks run outside this process's reach, on machines that may be lost."""

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """The function's values in the items' order; `MachineError` where a task cannot end."""
        ...


@dataclass
class Local:
    """Processes of this machine, started once needed; with one worker, this process itself."""

    workers: int = 1
    remote: bool = False
    _pool: Pool | None = field(default=None, repr=False)

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """See `Executor`."""
        tasks = list(items)
        if min(self.workers, len(tasks)) <= 1:
            yield from map(function, tasks)
            return
        if self._pool is None:
            limits: dict[str, Any] = {"timeout_s": _TASK_TIMEOUT_S, "memory_mib": _NO_LIMIT_MIB}
            self._pool = Pool(f"{__name__}:call", workers=self.workers, **limits)
        name = f"{function.__module__}:{function.__qualname__}"
        for outcome in self._pool.map((name, task) for task in tasks):
            if not outcome.done:
                raise _error(name, outcome)
            yield outcome.value


def call(task: tuple[str, Any]) -> Any:
    """Runs in a worker: the function of a name, called on an item."""
    name, item = task
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)(item)


def _error(name: str, outcome: Outcome) -> UserError | MachineError:
    """What a task's outcome stands for; an unforeseen one is told with the task's name."""
    error = outcome.exception()
    if outcome.status == "error" and outcome.detail.startswith(type(error).__name__):
        return error
    return MachineError(f"{name.rpartition(':')[2]}: {error}")
