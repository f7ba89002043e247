"""What a source yields: items that can be listed cheaply, then documents or counted failures.

Listing and loading are apart, so that a cap is set on the listing, what lies beyond it is counted
without being read, and loading may go through worker processes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mathlm.core.records import Document, Provenance


def writable(text: str) -> str:
    """The text as UTF-8 can have it: names of files and JSON may hold lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8")


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


@dataclass(frozen=True)
class Skipped:
    """A record that is no page (a request, an image, a redirect), with the reason."""

    id: str
    reason: str


@dataclass(frozen=True)
class Page:
    """One web page as its source has it, decompressed; neither decoded nor parsed yet."""

    id: str
    data: bytes
    content_type: str | None = None
    """The HTTP header's whole value, for its character set."""
    provenance: Provenance = field(default_factory=Provenance)
    is_text: bool = False
    """Whether `data` is text already (WET) and no HTML."""
    noted: tuple[str, ...] = ()
    """What the funnel counts beside the outcome: `truncated by the crawler`."""
    stored: bytes | None = None
    """The payload before chunked transfer and compression were undone, where it is another."""


Loaded = Document | Failed
Taken = Page | Skipped | Failed
"""What a reader of web pages yields for each record."""
