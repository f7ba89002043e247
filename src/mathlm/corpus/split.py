"""Which documents are held out of training: by a hash of the id, so that it never changes.

Not by position or by shuffling: adding a document moves no other from one side to the other
(the published corpus cuts by line order, defect 14 of Proof-Pile-2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def position(identifier: str) -> float:
    """A fixed pseudo-random number in [0, 1) for an id."""
    digest = hashlib.sha256(b"held out\0" + identifier.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def held_out(ids: Iterable[str], share: float) -> set[str]:
    """Ids below `share`; where there are several and none is below, the lowest one.

    Without that a small source would have nothing to be measured on (Proof-Pile-2 holds out
    max(1, 0.005 n) too).
    """
    positions = {identifier: position(identifier) for identifier in ids}
    chosen = {identifier for identifier, place in positions.items() if place < share}
    if share > 0 and not chosen and len(positions) > 1:
        chosen.add(min(positions, key=lambda identifier: (positions[identifier], identifier)))
    return chosen
