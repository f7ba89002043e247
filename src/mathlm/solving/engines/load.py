"""How well an engine was used: batch fill, idle share, tokens per second. Clocks: for logs only."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(slots=True)
class EngineLoad:
    """Counts over an engine's life."""

    max_rows: int
    steps: int = 0
    row_steps: int = 0
    """Rows summed over the steps that fed any."""
    model_tokens: int = 0
    prompt_tokens: int = 0
    """Prompt tokens computed; shared ones count once."""
    shrinks: int = 0
    """How often the device ran out of memory and the batch was made smaller."""
    busy_s: float = 0.0
    first_s: float = 0.0
    last_s: float = 0.0

    def step(self, rows: int, seconds: float) -> None:
        """Count one step of the engine."""
        self.last_s = time.perf_counter()
        self.first_s = self.first_s or self.last_s - seconds
        self.busy_s += seconds
        if rows:
            self.steps += 1
            self.row_steps += rows

    def summary(self) -> dict[str, float | int]:
        """Mean batch fill (share of `max_rows`), idle share, tokens and tokens per second."""
        span = self.last_s - self.first_s
        return {
            "max_rows": self.max_rows,
            "steps": self.steps,
            "mean_batch_fill": self.row_steps / (self.steps * self.max_rows) if self.steps else 0.0,
            "idle_share": max(0.0, 1 - self.busy_s / span) if span else 0.0,
            "model_tokens": self.model_tokens,
            "prompt_tokens_computed": self.prompt_tokens,
            "tokens_per_s": self.model_tokens / span if span else 0.0,
            "seconds": span,
            "out_of_memory": self.shrinks,
        }
