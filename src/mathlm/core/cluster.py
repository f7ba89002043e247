"""Tasks on many machines with Ray: the same functions and order as `executor.Local`.

Inputs and outcomes of tasks lie on storage that all machines share under the same path; over the
wire go only tasks and small values. A machine that is lost takes its tasks with it, and they run
again elsewhere: until it is known to be dead, two attempts of one task may be at work at once,
which is why they commit groups with `shared=True`. Every machine needs mathlm installed.
Ray's usage statistics are off. Not here: what the tasks do.
"""

from __future__ import annotations

import itertools
import logging
import os
import socket
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, TypeVar

from mathlm.core.errors import MachineError, UserError
from mathlm.core.executor import Executor, Local

T = TypeVar("T")
R = TypeVar("R")

_REACH_S = 10.0
_RETRIES = 20
"""How often a task may lose its machine; one that takes every machine with it must end."""
_WAITING = 4
"""Tasks handed out for each core, those at work included."""


@dataclass
class RayTasks:
    """A connection to a Ray cluster, or with `local` to one that is started on this machine.

    `address`: what `ray.init` takes (`ray://host:10001`, `host:6379`, `auto`), or `local`.
    """

    address: str
    workers: int
    remote: bool = True

    def __enter__(self) -> RayTasks:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError:
            raise UserError("engine.ray needs Ray: pip install 'mathlm[ray]'") from None
        self._reach()
        options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if self.address == "local":
            options |= {"num_cpus": self.workers, "include_dashboard": False}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # its own deprecations are no news for our user
                ray.init(None if self.address == "local" else self.address, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"engine.ray: no cluster at {self.address!r}: {reason}") from None
        self.workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
        return self

    def _reach(self) -> None:
        """Refuse an address where nobody listens: Ray itself would try for minutes."""
        host, colon, port = self.address.removeprefix("ray://").rpartition(":")
        if colon and port.isdigit():
            try:
                socket.create_connection((host.strip("[]"), int(port)), _REACH_S).close()
            except OSError as error:
                raise UserError(f"engine.ray: no cluster at {self.address!r}: {error}") from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        import ray

        ray.shutdown()
        return False

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """See `executor.Executor`."""
        import ray

        task = ray.remote(function).options(
            num_cpus=1, max_retries=_RETRIES, retry_exceptions=False
        )
        remaining = iter(items)
        window = _WAITING * self.workers
        waiting = deque(task.remote(item) for item in itertools.islice(remaining, window))
        try:
            while waiting:
                value: R = ray.get(waiting[0])
                waiting.popleft()
                waiting.extend(task.remote(item) for item in itertools.islice(remaining, 1))
                yield value
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, UserError | MachineError):
                raise cause from None
            raise
        except ray.exceptions.RayError as error:
            raise MachineError(f"a task was lost: {str(error).splitlines()[0]}") from None
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)


def executor_for(address: str | None, workers: int) -> Local | RayTasks:
    """Where tasks run: this machine without an address, else Ray. Use it as a context."""
    return Local(workers) if address is None else RayTasks(address, workers)


__all__ = ["Executor", "RayTasks", "executor_for"]
