"""How much memory a process and its children hold, watched while a block runs.

Where `/proc` is absent (macOS) the figure is the process's own high-water mark.
"""

from __future__ import annotations

import os
import resource
import sys
import threading

_EVERY_S = 0.5


def _children(pid: int) -> list[int]:
    """Processes whose parent is `pid`, over all its threads."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
    except OSError:
        pass  # it has ended, or the kernel does not tell
    return found


def resident_mib(pid: int | None = None) -> float:
    """Resident memory of a process and all its descendants, in MiB (shared pages count in each)."""
    own = pid or os.getpid()
    total = 0
    try:
        with open(f"/proc/{own}/statm", encoding="ascii") as file:
            total = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        if pid is None:
            unit = 1 if sys.platform == "darwin" else 1024
            total = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return total / 2**20 + sum(resident_mib(child) for child in _children(own))


class MemoryWatch:
    """Samples `resident_mib` twice a second while its block runs; `peak_mib` is the largest."""

    def __init__(self) -> None:
        self.peak_mib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="memory-watch")

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self.peak_mib = max(self.peak_mib, resident_mib())

    def __enter__(self) -> MemoryWatch:
        self.peak_mib = resident_mib()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.peak_mib = round(max(self.peak_mib, resident_mib()), 1)
