"""A limit on processor time inside a worker process: the same answer on a busy machine.

The worker is ours and its main thread runs the work, so that a signal may end it; the caller's
process never sees one. What hangs inside C code is killed from outside at the wall-clock limit.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

CPU_S = 2.0
_AGAIN_S = 0.2
"""Pause until the next signal, for code that swallowed the last one."""

T = TypeVar("T")


class _OverTime(BaseException):
    """Not an Exception: SymPy and the parser catch those."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise _OverTime


def limited(work: Callable[[], T]) -> T:
    """What `work` returns; raises TimeoutError after CPU_S seconds of this process's time."""
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, CPU_S, _AGAIN_S)
    try:
        return work()
    except _OverTime:
        raise TimeoutError(f"over {CPU_S:g} s") from None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
