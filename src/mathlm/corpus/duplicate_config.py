"""Settings of the search for duplicates: by URL, by text, by likeness, and lines of boilerplate.

Not here: what is done with them (`duplicates.py`, `minhash.py`, `urls.py`, `repeated_lines.py`).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from mathlm.core.stage import StageConfig, neutral


class NearDuplicates(StageConfig):
    """MinHash LSH: bands × rows on word n-grams (FineWeb's 14 × 8 on 5-grams)."""

    words: int = Field(5, ge=1)
    """Words in a shingle."""
    bands: int = Field(14, ge=1, le=256)
    """Number of bands; two documents are compared when one band agrees."""
    rows: int = Field(8, ge=1, le=256)
    """Values in a band: with one deal P(compared) = 1 - (1 - s^rows)^bands at similarity s."""
    deals: int = Field(2, ge=1, le=8)
    """How often the same values are dealt into bands, each time in another order. 1 is the
    published scheme, which missed 1.2 % of planted pairs at similarity 0.85 to 0.87; 2 missed
    0.3 % of them."""
    similarity: float = Field(0.7, ge=0, le=1)
    """Compared documents are joined when this share of the bands × rows values agrees."""
    partitions: int | None = neutral(None, ge=1, le=65536)
    """Ranges into which the keys are parted, each worked alone: more take less memory, and never
    change the outcome. None takes as many as keep a part under a quarter of a million keys."""


class RepeatedLines(StageConfig):
    """Lines that so many documents of a domain share that they are its furniture, not its text."""

    documents: int = Field(0, ge=0)
    """A line goes when more than so many documents of its domain have it; 0 leaves all lines."""
    share: float = Field(0.1, ge=0, le=1)
    """It goes only where more than this share of the domain's documents have it: what mathematics
    says often on a large site ("Let $G$ be a finite group.") stays."""


class Duplicates(StageConfig):
    """Which kinds of duplicates are looked for, and against which earlier runs."""

    urls: bool = True
    """Whether of the documents of one URL (normalised) only one stays."""
    exact: bool = True
    """Whether of the documents of one text (up to white space and Unicode form) one stays."""
    near: NearDuplicates = NearDuplicates()
    """How near duplicates are found (`near_duplicates = false` at a source leaves it out)."""
    lines: RepeatedLines = RepeatedLines()
    """Which lines that a domain repeats are cut from its pages."""
    against: tuple[str, ...] = ()
    """Directories of earlier corpus stages: what they have is a duplicate here. Their texts are
    not read, only their `signatures/`."""
    keep: bool = True
    """Whether `signatures/` stays, so that a later run can name this one in `against` (about
    0.6 kB a document)."""


def with_published(given: dict[str, Any]) -> dict[str, Any]:
    """The settings as given, OpenWebMath's in the place of those that are not, as far as they go.

    It had SimHash at 0.7 over texts alone (text-dedup); here it is MinHash at 0.7, dealt once.
    """
    near = given.get("near", {})
    if isinstance(near, dict):
        near = {"deals": 1, **near}
    return {"urls": False, **given, "near": near}
