"""How completions ended, and what a user should know of it before looking at their accuracy.

A prompt that does not fit into the model's context, or a limit that cuts most answers off, would
otherwise look like a weak model. Not here: what the answers are worth (`stage`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from mathlm.core.records import Completion

NO_ROOM = "no_room"
"""Ending of a completion whose prompt left no room for a single token."""
_MANY = 0.1
"""Share of cut-off completions from which they are worth a line."""

Endings = dict[str, dict[str, dict[str, int]]]
"""Number of completions by task, solver and how they ended."""


def endings(completions: Iterable[Completion]) -> Endings:
    """How the completions of each task and solver ended."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for completion in completions:
        reason: str = completion.finish_reason
        if reason == "budget" and not completion.cost.model_tokens:
            reason = NO_ROOM
        counts.setdefault((completion.task, completion.solver), Counter())[reason] += 1
    found: Endings = {}
    for (task, solver), counter in counts.items():
        found.setdefault(task, {})[solver] = dict(sorted(counter.items()))
    return found


def remarks(found: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Iterator[str]:
    """A line for each task and solver whose completions ended in a way that costs accuracy."""
    for task, solvers in found.items():
        for solver, counts in solvers.items():
            total = sum(counts.values())
            if none := counts.get(NO_ROOM, 0):
                yield (
                    f"{task}, {solver}: {none:,} of {total:,} prompts do not fit into the model's"
                    " context and count as wrong: ask with fewer shots (shots = 1) or a shorter"
                    " prompt"
                )
            if (cut := counts.get("length", 0)) > _MANY * total:
                yield (
                    f"{task}, {solver}: {100 * cut / total:.0f} % of the answers were cut off by"
                    " max_tokens"
                )
