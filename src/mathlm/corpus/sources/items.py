"""What a source yields: items that can be listed cheaply, then documents or counted failures.

Listing and loading are apart, so that a cap is set on the listing, what lies beyond it is counted
without being read, and loading may go through worker processes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mathlm.core.records import Document, Provenance


@dataclass(frozen=True)
class Item:
    """Something that may become a document: a file, or a text that is already there."""

    id: str
    path: str | None = None
    """File to read; None where `text` is given."""
    text: str | None = None
    provenance: Provenance = field(default_factory=Provenance)


@dataclass(frozen=True)
class Failed:
    """An item of which no document could be made, with the reason that the funnel counts."""

    id: str
    reason: str
    detail: str = ""
    provenance: Provenance = field(default_factory=Provenance)


Loaded = Document | Failed
