"""The funnel: how many documents each step took in, kept, dropped by reason and failed by reason.

`in = kept + dropped + failed` holds for every row, always; a row that does not add up is a defect
of ours and stops the stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

STEPS = (
    "select",
    "read",
    "filter",
    "url_duplicates",
    "exact_duplicates",
    "near_duplicates",
    "decontaminate",
)


@dataclass
class Row:
    """One step of one source."""

    step: str
    source: str
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def taken_in(self) -> int:
        """Documents that came into the step."""
        return self.kept + self.dropped.total() + self.failed.total()

    def as_json(self) -> dict[str, Any]:
        """The row as it stands in `funnel.json`."""
        return {
            "step": self.step,
            "source": self.source,
            "in": self.taken_in,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
            "failed": dict(sorted(self.failed.items())),
        }


def check(rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise `AssertionError` where a row or the chain of a source's rows does not add up."""
    kept_before: dict[str, int] = {}
    for row in rows:
        parts = row["kept"] + sum(row["dropped"].values()) + sum(row["failed"].values())
        assert row["in"] == parts, f"the funnel does not add up: {row}"
        before = kept_before.get(row["source"], row["in"])
        assert row["in"] == before, f"documents were lost before the step: {row}"
        kept_before[row["source"]] = row["kept"]
