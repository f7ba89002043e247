"""What one attempt to escape is; the attempts themselves are in escapes and pretences."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attempt:
    """One attempt: what it tries, and the statuses that tell the truth about it."""

    name: str
    accepted: frozenset[str]
    program: str


def attempt(name: str, accepted: str, program: str) -> Attempt:
    """An attempt; `accepted` lists statuses with spaces between them."""
    return Attempt(name, frozenset(accepted.split()), program.strip() + "\n")
