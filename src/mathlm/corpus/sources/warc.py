"""WARC and WET records to pages: which are pages, and what is known of each.

Pages are the HTML among `response` and `resource` records with a status of 200 to 299; in WET
files the `conversion` records. All others are skipped with a reason that the funnel counts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mathlm.core.records import Provenance
from mathlm.core.streams import is_far
from mathlm.corpus.source_config import UrlsSource, WarcSource, WetSource
from mathlm.corpus.sources.archives import TOO_LARGE, Archive, Found, Mark, Phase, Place
from mathlm.corpus.sources.index import HTML_TYPES
from mathlm.corpus.sources.items import Failed, Page, Skipped, Taken, writable
from mathlm.corpus.sources.payload import TooLargeError, decompress, matches_digest, unchunk
from mathlm.corpus.sources.shards import Shard

HTML = frozenset(HTML_TYPES)
_VAGUE = frozenset({"", "application/octet-stream", "unknown/unknown", "text/unknown"})
_SNIFF = re.compile(
    rb"<!doctype\s+html|<html\b|<head\b|<body\b|<title\b|<h1\b|<p\b|<div\b|<table\b", re.IGNORECASE
)
_SNIFF_WINDOW = 1024
_ENDS_TYPE = re.compile("[;,]")
_TOPS = ("image", "audio", "video", "font", "application", "text")
_MAX_VALUE = 4096
CUT = "truncated by the crawler"
_URN = re.compile(r"<?(urn:uuid:[0-9A-Fa-f-]{36})>?")


class Records:
    """What a source makes of records: which hold pages, and what is known of each."""

    def __init__(self, source: WarcSource | WetSource | UrlsSource) -> None:
        is_wet = isinstance(source, WetSource)
        self._wanted = {"conversion"} if is_wet else {"response", "resource"}
        self._drop_truncated = not isinstance(source, WetSource) and source.truncated == "drop"
        self.max_bytes = source.max_page_mib << 20

    def limit_of(self, record: Any) -> int:
        """How much of a record is to be read: nothing of those that hold no page."""
        return self.max_bytes if str(record.record_type) in self._wanted else 0

    def take(self, found: Found, file: str) -> Taken:
        """What a record is: a page, nothing of interest, or broken."""
        if found.record is None:
            return failure(found, file, found.reason)
        provenance = provenance_of(found, file)
        identifier = provenance.record_id or f"{file}:{found.offset}"
        kind = str(found.record.record_type)
        if kind not in self._wanted:
            return Skipped(identifier, f"{kind} record")
        if found.reason:
            return failure(found, file, found.reason)
        cut = found.record.headers.get("WARC-Truncated") is not None
        if cut and self._drop_truncated:
            return Skipped(identifier, CUT)
        noted = (CUT,) if cut else ()
        if kind == "conversion":
            return Page(identifier, found.data, None, provenance, is_text=True, noted=noted)
        if reason := _no_page(found):
            return Skipped(identifier, reason)
        page = Page(identifier, found.data, None, provenance, noted=noted)
        return self._decoded(page, found.record.http_headers)

    def _decoded(self, page: Page, http: Any) -> Taken:
        """The page without chunked transfer and compression."""
        if http is None:
            return page
        data, transfer = page.data, http.get("Transfer-Encoding") or ""
        if "chunked" in transfer.lower():
            data = unchunk(data)
        try:
            data = decompress(data, transfer, self.max_bytes)
            data = decompress(data, http.get("Content-Encoding") or "", self.max_bytes)
        except TooLargeError:
            return Failed(page.id, TOO_LARGE, provenance=page.provenance)
        stored = None if data is page.data else page.data
        return replace(page, data=data, stored=stored, content_type=http.get("Content-Type"))


def provenance_of(found: Found, file: str) -> Provenance:
    """What a record's header says of it."""
    headers = found.record.headers
    named = _URN.fullmatch(headers.get("WARC-Record-ID") or "")
    return Provenance(
        file=file,
        offset=found.offset,
        record_id=named[1] if named else None,
        url=_clean((headers.get("WARC-Target-URI") or "").strip("<> ")),
        date=_clean(headers.get("WARC-Date")),
        digest=_clean(headers.get("WARC-Payload-Digest")),
        content_type=_content_types(found.record)[0] or None,
    )


def failure(found: Found, file: str, reason: str) -> Failed:
    """A record as a failure."""
    place = f"{file}:{found.offset}"
    if found.record is None:
        return Failed(place, reason, provenance=Provenance(file=file, offset=found.offset))
    provenance = provenance_of(found, file)
    return Failed(provenance.record_id or place, reason, provenance=provenance)


class ArchivePages:
    """The pages of a range of a WARC or WET file."""

    def __init__(self, source: WarcSource | WetSource, shard: Shard, mark: Mark) -> None:
        self._records = Records(source)
        self._file = shard.file if is_far(shard.file) else shard.label
        self._begin, self._end = shard.begin, shard.end
        self._archive = Archive(shard.file, shard.end, self._records.limit_of, mark)

    def start(self) -> Place | None:
        """Where the first record of the range starts, if one does."""
        if self._begin == 0:
            return Place(0)
        found = self._archive.find_start(self._begin, self._end)
        return None if found is None else Place(found)

    def pages(self, place: Place) -> Iterator[Taken]:
        """What there is from a place on to the end of the range."""
        for found in self._archive.records(place):
            yield self._records.take(found, self._file)

    def after(self) -> Place:
        """The place behind what `pages` gave so far."""
        return self._archive.after()

    def leave(self, place: Place, phase: Phase, reason: str) -> tuple[Failed, Place | None]:
        """The record at the place as a failure, and where to go on."""
        found, going_on = self._archive.leave(place, phase)
        return failure(found, self._file, reason), going_on

    @property
    def next(self) -> int | None:
        """Once `pages` has ended: where the first record behind the range starts, if any."""
        return self._archive.next

    def close(self) -> None:
        """Close the file."""
        self._archive.close()


def verified(page: Page) -> tuple[Page, str | None]:
    """The page with its digest checked, and a note where the digest differs.

    What is not confirmed is replaced by the sha256 of the stored payload.
    """
    stored = page.data if page.stored is None else page.stored
    declared = page.provenance.digest
    fits = None
    if declared is not None:
        fits = matches_digest(declared, stored)
        if fits is False and page.stored is not None:
            fits = matches_digest(declared, unchunk(stored), page.data)
    if fits:
        return page, None
    digest = hashlib.sha256(stored).hexdigest()
    provenance = page.provenance.model_copy(update={"digest": digest})
    return replace(page, provenance=provenance), "payload digest differs" if fits is False else None


def _no_page(found: Found) -> str | None:
    """Why a response is no page: its status or its type."""
    http = found.record.http_headers
    status = None if http is None else http.status_code
    if status is not None and not 200 <= status < 300:
        return f"status {status // 100}xx" if 100 <= status < 600 else "status unknown"
    types = _content_types(found.record)
    if not HTML.isdisjoint(types):
        return None
    if not _VAGUE.isdisjoint(types[:1]):
        return None if _SNIFF.search(found.data, 0, _SNIFF_WINDOW) else "not HTML: unknown"
    top = types[0].partition("/")[0]
    return f"not HTML: {top if top in _TOPS else 'other'}"


def _content_types(record: Any) -> tuple[str, str]:
    """The type by the HTTP header (of a resource: the WARC's), and as the crawler identified it."""
    http = record.http_headers
    named = record.headers.get("Content-Type") if http is None else http.get("Content-Type")
    identified = record.headers.get("WARC-Identified-Payload-Type")
    return _plain_type(named), _plain_type(identified)


def _plain_type(value: str | None) -> str:
    """The type alone; where a server has sent the header twice, the first."""
    return _ENDS_TYPE.split(_clean(value) or "", 1)[0].strip(" \t\"'").lower()[:100]


def _clean(value: str | None) -> str | None:
    """A header's value as text that can be written; None where there is none."""
    if not value:
        return None
    return writable(value).strip()[:_MAX_VALUE] or None
