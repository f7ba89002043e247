"""The funnel: how many documents each step took in, kept, dropped by reason and failed by reason.

`in = kept + dropped + failed` holds for every row, always; a row that does not add up is a defect
of ours and stops the stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

STEPS = (
    "select",
    "prefilter",
    "read",
    "filter",
    "repeated_lines",
    "url_duplicates",
    "exact_duplicates",
    "near_duplicates",
    "final_filter",
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
    noted: Counter[str] = field(default_factory=Counter)
    """What was seen and changed nothing (a digest that differs)."""

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
            **({"noted": dict(sorted(self.noted.items()))} if self.noted else {}),
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Row:
        """The row that `as_json` gave."""
        counts = (Counter(values.get(name, {})) for name in ("dropped", "failed", "noted"))
        return cls(values["step"], values["source"], values["kept"], *counts)

    def count_beyond(self, total: int | None, max_documents: int | None) -> None:
        """Count the items that a cap left unread, by the cap that did it."""
        if total is None:
            return
        taken, listed = self.taken_in, min(total, max_documents or total)
        if total > listed:
            self.dropped["beyond max_documents"] = total - listed
        if listed > taken:
            self.dropped["beyond max_bytes"] = listed - taken

    def add(self, other: Row) -> None:
        """Count what another row of the same step counted too."""
        self.kept += other.kept
        self.dropped += other.dropped
        self.failed += other.failed
        self.noted += other.noted


def outcome(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What became of all documents, in a line; and a warning for a source of which none stayed."""
    first = {row["source"]: row["in"] for row in reversed(rows)}
    last = {row["source"]: row["kept"] for row in rows}
    failed = sum(sum(row["failed"].values()) for row in rows)
    taken, kept = sum(first.values()), sum(last.values())
    yield f"{kept:,} of {taken:,} documents kept" + (f", {failed:,} failed" if failed else "")
    yield from (f"warning: nothing of {source} was kept" for source in last if not last[source])


def check(rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise `AssertionError` where a row or the chain of a source's rows does not add up."""
    kept_before: dict[str, int] = {}
    for row in rows:
        parts = row["kept"] + sum(row["dropped"].values()) + sum(row["failed"].values())
        assert row["in"] == parts, f"the funnel does not add up: {row}"
        before = kept_before.get(row["source"], row["in"])
        assert row["in"] == before, f"documents were lost before the step: {row}"
        kept_before[row["source"]] = row["kept"]
