"""The records of a run: `metrics.jsonl` without clocks, `logs/` with them.

Not shown to the user here (`mathlm.core.progress`). A checkpoint knows how many bytes
`metrics.jsonl` had; a resumed run cuts the file there and writes the same lines again.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import IO, Any

from mathlm.core.storage import disk_errors

METRICS = "metrics.jsonl"


class MetricsFile:
    """An append-only JSONL file of steps, cut back on resumption."""

    def __init__(self, path: Path, *, size: int) -> None:
        with disk_errors(path):
            self._file: IO[bytes] = open(path, "ab")  # noqa: SIM115 - closed by `close`
            self._file.truncate(size)
            self._file.seek(0, os.SEEK_END)

    def write(self, values: dict[str, Any]) -> None:
        """Append one line; numbers that are not finite are refused."""
        self._file.write(json.dumps(values, allow_nan=False).encode("utf-8") + b"\n")

    def commit(self) -> int:
        """Force all lines to the disk; the file's size in bytes."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class SpeedLog:
    """Tokens a second over stretches of at least a second, appended to `logs/speed.jsonl`."""

    def __init__(
        self, directory: Path, *, flops_per_token: float, peak: float, peak_origin: str
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._flops_per_token = flops_per_token
        self._peak = peak
        self._peak_origin = peak_origin
        self.tokens_per_second = 0.0
        self.restart()

    def restart(self) -> None:
        """Begin a new stretch now: what came before (validation, a checkpoint) does not count."""
        self._since = time.perf_counter()
        self._tokens = 0

    def count(self, step: int, tokens: int, memory_mib: float) -> None:
        """Count the tokens of a step; write a line where the stretch has lasted a second."""
        self._tokens += tokens
        seconds = time.perf_counter() - self._since
        if seconds < 1.0:
            return
        self.tokens_per_second = self._tokens / seconds
        line = {
            "step": step,
            "tokens_per_s": round(self.tokens_per_second, 1),
            "mfu": round(self.tokens_per_second * self._flops_per_token / self._peak, 4),
            "peak_flops": self._peak_origin,
            "memory_mib": round(memory_mib, 1),
        }
        self._append("speed.jsonl", line)
        self.restart()

    def note_spike(self, line: dict[str, Any]) -> None:
        """Append a batch whose loss stands out to `logs/spikes.jsonl`."""
        self._append("spikes.jsonl", line)

    def _append(self, name: str, line: dict[str, Any]) -> None:
        with open(self._directory / name, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
