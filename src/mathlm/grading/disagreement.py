"""Where policies differ on the same answers: counts for each pair of policies, and the items.

Not here: grading (`verdicts`, `stage`) and printing (`mathlm grade`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

from mathlm.core.records import Verdict

ByPolicy = Mapping[str, Sequence[Verdict]]
"""Verdicts of the same answers in the same order, by policy."""


def differing(by_policy: ByPolicy) -> Iterator[tuple[int, tuple[Verdict, ...]]]:
    """The place and the verdicts of every answer that not all policies accept or all refuse."""
    for place, row in enumerate(zip(*by_policy.values(), strict=True)):
        if len({verdict.status == "correct" for verdict in row}) > 1:
            yield place, row


def pair_counts(by_policy: ByPolicy) -> dict[tuple[str, str], int]:
    """How many answers the first policy of a pair accepts and the second does not."""
    accepted = {
        name: [verdict.status == "correct" for verdict in verdicts]
        for name, verdicts in by_policy.items()
    }
    return {
        (first, second): sum(
            a and not b for a, b in zip(accepted[first], accepted[second], strict=True)
        )
        for first, second in permutations(by_policy, 2)
    }


def table(by_policy: ByPolicy) -> list[str]:
    """The counts as lines of text: rows accept what columns do not."""
    names = list(by_policy)
    counts = pair_counts(by_policy)
    wide = max(map(len, [*names, "accepts, not ->"]))
    lines = ["accepts, not ->".ljust(wide) + "".join(name.rjust(14) for name in names)]
    for row in names:
        cells = ["." if row == column else str(counts[row, column]) for column in names]
        lines.append(row.ljust(wide) + "".join(cell.rjust(14) for cell in cells))
    return lines
