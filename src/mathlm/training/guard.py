"""Watches the loss: a number that is none stops the run, a spike is noted with its samples.

Not a remedy: nothing is skipped or rolled back. The rule for a spike, six standard deviations over
the last 128 steps, is OLMo-core's (`allenai/OLMo-core`, SkipStepOptimizer).
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mathlm.core.errors import MachineError

_WINDOW = 128
_LEAST = 32
_DEVIATIONS = 6.0


@dataclass
class LossGuard:
    """The losses of the last steps."""

    recent: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    def is_spike(self, loss: float) -> bool:
        """Whether a loss stands out from the last ones; counts it among them."""
        spike = False
        if len(self.recent) >= _LEAST:
            mean = statistics.fmean(self.recent)
            spike = loss > mean + _DEVIATIONS * max(statistics.pstdev(self.recent), 1e-3 * mean)
        self.recent.append(loss)
        return spike


def batch_description(span: range, sources: Sequence[str]) -> dict[str, Any]:
    """The samples of a step, by source: global sample indices."""
    by_source: dict[str, list[int]] = {}
    for index, source in zip(span, sources, strict=True):
        by_source.setdefault(source, []).append(index)
    return {"first_sample": span.start, "last_sample": span.stop - 1, "samples": by_source}


def divergence(
    step: int, *, loss: float, grad_norm: float, span: range, sources: Sequence[str]
) -> MachineError:
    """The error for a step whose loss or gradient is not finite: step, samples and sources."""
    what = f"loss {loss}" if not math.isfinite(loss) else f"gradient norm {grad_norm}"
    counts = ", ".join(f"{name} {count}" for name, count in sorted(Counter(sources).items()))
    return MachineError(
        f"training stopped at step {step}: {what}; the batch was samples {span.start} to"
        f" {span.stop - 1} ({counts}), listed in logs/diverged.json; checkpoints before it are"
        " kept; a lower learning_rate or a longer warm-up may help"
    )
