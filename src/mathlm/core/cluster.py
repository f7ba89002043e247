"""Tasks on many machines with Ray: the same functions and order as `executor.Local`.

Inputs and outcomes of tasks lie on storage that all machines share under the same path; over the
wire go only tasks and small values. A machine that is lost takes its tasks with it, and they run
again elsewhere: until it is known to be dead, two attempts of one task may be at work at once,
which is why they commit groups with `shared=True`. Every machine needs the same mathlm and sees the
same files (`machines.py` asks them first).
Ray's usage statistics are off. Not here: what the tasks do.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

from mathlm.core.errors import MachineError, UserError
from mathlm.core.executor import Executor, Local
from mathlm.core.machines import require_alike

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
    `folder` and `files`: where tasks write and what they read, which every machine must see.
    """

    address: str
    workers: int
    folder: Path | None = None
    files: Sequence[str] = ()
    remote: bool = True

    def __enter__(self) -> RayTasks:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        if self.address.startswith("ray://") and _has_token():
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # a head started here asks for it
        try:
            import ray
        except ImportError:
            raise UserError("engine.ray needs Ray: pip install 'mathlm[ray]'") from None
        self._reach()
        self._connect(ray)
        try:
            self.workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
            if self.address != "local":
                require_alike(ray, self.folder, self.files)
        except BaseException:
            ray.shutdown()
            raise
        return self

    def _reach(self) -> None:
        """Refuse an address where nobody listens: Ray itself would try for minutes."""
        host, colon, port = self.address.removeprefix("ray://").rpartition(":")
        if colon and port.isdigit():
            try:
                socket.create_connection((host.strip("[]"), int(port)), _REACH_S).close()
            except OSError as error:
                raise UserError(f"engine.ray: no cluster at {self.address!r}: {error}") from None

    def _connect(self, ray: Any) -> None:
        options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if self.address == "local":
            options |= {"num_cpus": self.workers, "include_dashboard": False}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # its own deprecations are no news for our user
                ray.init(None if self.address == "local" else self.address, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            if "mismatch" in reason:
                reason = f"it runs another version: {' '.join(str(error).split())}"
            elif "timeout" in reason:
                reason += " (is it Ray that listens there, and RAY_AUTH_MODE and the token alike?)"
            raise UserError(f"engine.ray: no cluster at {self.address!r}: {reason}") from None

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

        task = ray.remote(_here(function)).options(
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
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise MachineError(f"a task was lost: {str(error).splitlines()[0]}") from None
        finally:
            with contextlib.suppress(ConnectionError):
                for reference in waiting:
                    ray.cancel(reference, force=True)


def _here(function: Callable[[T], R]) -> Callable[[T], R]:
    """The function, called in this process's folder where the machine has it: for relative paths.

    It is nested, so that it travels as code and not by its name.
    """
    folder = str(Path.cwd())

    def call(item: T) -> R:
        with contextlib.suppress(OSError):
            os.chdir(folder)
        return function(item)

    return call


def _has_token() -> bool:
    """Whether Ray finds a token for clusters that ask for one: its client does not look itself."""
    named = os.environ.get("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")
    return "RAY_AUTH_TOKEN" in os.environ or Path(named).expanduser().is_file()


def executor_for(
    address: str | None, workers: int, folder: Path | None = None, files: Sequence[str] = ()
) -> Local | RayTasks:
    """Where tasks run: this machine without an address, else Ray. Use it as a context."""
    return Local(workers) if address is None else RayTasks(address, workers, folder, files)


__all__ = ["Executor", "RayTasks", "executor_for"]
