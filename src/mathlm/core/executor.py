"""Where a stage's tasks run: here, in processes of this machine, or on many machines with Ray.

A task is a function of a module called on one picklable item; it is our own code (hostile work
inside it goes through `core.processes`), it may be called again, and it returns the same value or
leaves the same committed group each time. Outcomes come in the order of the items, whatever runs
them. Not here: hostile work on single items (`processes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from mathlm.core.errors import MachineError
from mathlm.core.processes import Pool

T = TypeVar("T")
R = TypeVar("R")

_TASK_TIMEOUT_S = 7 * 24 * 3600.0
_NO_LIMIT_MIB = 1 << 24


class Executor(Protocol):
    """What maps a function over tasks."""

    workers: int
    """How many tasks run at once."""

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """The function's values in the items' order; `MachineError` where a task cannot end."""
        ...


@dataclass
class Local:
    """Processes of this machine; with one worker, this process itself."""

    workers: int = 1

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """See `Executor`."""
        tasks = list(items)
        workers = min(self.workers, len(tasks))
        if workers <= 1:
            yield from map(function, tasks)
            return
        limits: dict[str, Any] = {"timeout_s": _TASK_TIMEOUT_S, "memory_mib": _NO_LIMIT_MIB}
        name = f"{function.__module__}:{function.__qualname__}"
        with Pool(name, workers=workers, **limits) as pool:
            for outcome in pool.map(tasks):
                if not outcome.done:
                    raise MachineError(f"{name}: {outcome.status}, {outcome.detail}")
                yield outcome.value
