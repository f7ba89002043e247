"""Which documents are held out of training: by a hash of the id, so that it never changes.

Not by position or by shuffling: adding a document moves no other from one side to the other
(the published corpus cuts by line order, defect 14 of Proof-Pile-2). A document is held out whose
id stands below a share; where there are several ids and none does, the lowest one is, so that a
small source has something to be measured on (Proof-Pile-2 holds out max(1, 0.005 n) too).
"""

from __future__ import annotations

import hashlib


def position(identifier: str) -> float:
    """A fixed pseudo-random number in [0, 1) for an id."""
    digest = hashlib.sha256(b"held out\0" + identifier.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
