"""A batch of web pages, in a worker process: read, gates, extraction, filters.

What a page may do to the process (crash, hang, swallow memory) ends the process and nothing else:
a few bytes in a file say which record was under work. A batch is short (by time, size and number),
so that little is done again. Not here: what the parent does with it (`reading.py`).
"""

from __future__ import annotations

import functools
import io
import json
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from pydantic import TypeAdapter

from mathlm.core.records import Document, Provenance
from mathlm.core.streams import tell_waiting
from mathlm.corpus.edits import tidy
from mathlm.corpus.filter_config import WebFilters
from mathlm.corpus.filters import Gates, first_reason, gates_of
from mathlm.corpus.funnel import Row
from mathlm.corpus.sides import Side, place_of
from mathlm.corpus.source_config import HtmlSource, RecordsSource, Source, UrlsSource, WebSource
from mathlm.corpus.sources.archives import Mark, Phase, Place
from mathlm.corpus.sources.items import Failed, Loaded, Page, Skipped, Taken
from mathlm.corpus.sources.rows import ColumnPages, FetchedPages, FilePages
from mathlm.corpus.sources.shards import Shard
from mathlm.corpus.sources.warc import ArchivePages, verified

STEPS = ("select", "prefilter", "read", "filter")
_MAX_SECONDS = 0.5
_MAX_RECORDS = 1024
_MAX_TEXT = 4 << 20
_PROGRESS = struct.Struct("<c?q")
_PHASES: dict[bytes, Phase] = {b"n": "next", b"r": "read", b"w": "work"}
_NO_PHASE = b"-"


class Blame(NamedTuple):
    """A record that killed a worker: where in the reading of it, and how."""

    phase: Phase
    reason: str


class Request(NamedTuple):
    """What is asked of a worker."""

    shard: Shard
    place: Place | None
    """None: from the shard's beginning."""
    progress: str
    """File that says what is under work."""
    records: int | None = None
    """At most so many records."""
    pages: int | None = None
    """At most so many pages (`max_documents`)."""
    bytes: int | None = None
    """No more once so many bytes of text passed (`max_bytes`)."""
    blame: Blame | None = None
    """The record at `place` is not to be read but counted as failed."""


@dataclass
class Batch:
    """What became of some records."""

    name: str
    first: Place | None = None
    """Where the batch began; None where the shard holds no record."""
    place: Place | None = None
    """Where the next batch begins; None at the end of the shard."""
    next: int | None = None
    """At the end: where the first record behind the shard starts."""
    documents: list[Document] = field(default_factory=list)
    sides: dict[str, Side] = field(default_factory=dict)
    records: int = 0
    bytes: int = 0
    """Of the documents' text."""
    capped: bool = False
    """Whether a cap ended the batch, and with it the source."""

    def __post_init__(self) -> None:
        self.sides = {step: Side(Row(step, self.name)) for step in STEPS}

    def skip(self, skipped: Skipped) -> None:
        """Count a record that is no page."""
        self.sides["select"].drop(skipped.id, skipped.reason)

    def pass_to(self, step: str) -> Side:
        """The step's side, once all earlier ones are noted to have kept the page."""
        for earlier in STEPS[: STEPS.index(step)]:
            self.sides[earlier].row.kept += 1
        return self.sides[step]

    def keep(self, document: Document) -> None:
        """Take a document that passed everything."""
        self.pass_to("filter").row.kept += 1
        self.documents.append(document)
        self.bytes += len(document.text.encode("utf-8"))


class Pages(Protocol):
    """An input of web pages, read from any place on."""

    @property
    def next(self) -> int | None:
        """Once `pages` has ended: where the first record behind the shard starts, if any."""

    def start(self) -> Place | None:
        """Where the first record is, if there is one."""

    def pages(self, place: Place) -> Iterator[Taken]:
        """What there is from a place on."""

    def after(self) -> Place:
        """The place behind what was given so far."""

    def leave(self, place: Place, phase: Phase, reason: str) -> tuple[Failed, Place | None]:
        """A record as a failure, and where to go on."""

    def close(self) -> None:
        """Close what is open."""


def open_pages(source: WebSource, shard: Shard, mark: Mark) -> Pages:
    """The reader of a source's shard."""
    if isinstance(source, HtmlSource):
        return FilePages(source, shard, mark)
    if isinstance(source, RecordsSource):
        return ColumnPages(source, shard, mark)
    if isinstance(source, UrlsSource):
        return FetchedPages(source, shard, mark)
    return ArchivePages(source, shard, mark)


class _Open:
    """The input that this process has open: the next batch of it goes on where the last ended."""

    def __init__(self, source: WebSource, request: Request) -> None:
        self.key = (request.shard, request.progress)
        self._file = os.open(request.progress, os.O_RDWR)
        self._phase = _NO_PHASE
        tell_waiting(self._note)
        self.number = 0
        """Records of the batch that are done with."""
        self.reader = open_pages(source, request.shard, self._mark)
        self._place: Place | None = None
        self._pages: Iterator[Taken] = iter(())

    def pages(self, place: Place) -> Iterator[Taken]:
        """The pages from a place on."""
        if place != self._place:
            self._pages = iter(self.reader.pages(place))
        self.number = 0
        return self._pages

    def after(self) -> Place:
        """The place behind the records so far."""
        self._place = self.reader.after()
        return self._place

    def _mark(self, phase: Phase) -> None:
        self._phase = phase[:1].encode()
        self._note(False)

    def _note(self, waiting: bool) -> None:
        os.pwrite(self._file, _PROGRESS.pack(self._phase, waiting, self.number), 0)

    def close(self) -> None:
        """Close the input."""
        tell_waiting(lambda begins: None)
        self.reader.close()
        os.close(self._file)


class UnderWork(NamedTuple):
    """What a worker was at when it died."""

    phase: Phase | None
    """None where it had not come to a record."""
    waiting: bool
    """Whether it waited for a far file."""
    number: int
    """Records of the batch that were done."""


def under_work(progress: str) -> UnderWork:
    """What the worker was at, by what it left in its file."""
    with open(progress, "rb") as file:
        data = file.read(_PROGRESS.size)
    if len(data) < _PROGRESS.size:
        return UnderWork(None, False, 0)
    phase, waiting, number = _PROGRESS.unpack(data)
    return UnderWork(_PHASES.get(phase), waiting, number)


_open: _Open | None = None


@dataclass(frozen=True)
class Settings:
    """What decides the outcome of every batch of a source."""

    name: str
    source: WebSource
    gates: Gates


@functools.lru_cache(maxsize=4)
def settings_of(text: str) -> Settings:
    """The settings from their JSON: `{"name": …, "source": …, "mode": …, "filters": …}`."""
    values = json.loads(text)
    source: Any = TypeAdapter(Source).validate_python(values["source"])
    filters = values["filters"] and WebFilters.model_validate(values["filters"])
    return Settings(values["name"], source, gates_of(source, values["mode"], filters))


def settings_text(name: str, source: WebSource, mode: str, filters: WebFilters | None) -> str:
    """The JSON that `settings_of` reads."""
    chosen = filters and filters.model_dump(mode="json")
    source_values = source.model_dump(mode="json")
    return json.dumps({"name": name, "source": source_values, "mode": mode, "filters": chosen})


def close() -> None:
    """Close the input that this process has open."""
    global _open  # noqa: PLW0603
    if _open is not None:
        _open.close()
    _open = None


def prepare(*, settings: str) -> None:
    """Import what pages need and load the models, before the limits on pages count."""
    from fastwarc.warc import ArchiveIterator

    from mathlm.corpus.html import extract

    chosen = settings_of(settings)
    list(ArchiveIterator(io.BytesIO(b"")))
    sentence = "The sum of two even numbers $a$ and $b$ is an even number as well. "
    text = extract(f"<p>{sentence * 9}</p>").text
    document = Document.model_construct(id="", text=text, source="", provenance=Provenance())
    first_reason(document, tuple(chosen.gates.text.values()))


def read_batch(request: Request, *, settings: str) -> Batch:
    """Runs in the worker: the next records of a shard, judged."""
    global _open  # noqa: PLW0603 (the process works for one shard at a time)
    chosen = settings_of(settings)
    if _open is None or _open.key != (request.shard, request.progress):
        close()
        _open = _Open(chosen.source, request)
    reader, batch = _open.reader, Batch(chosen.name)
    batch.first = request.place if request.place is not None else reader.start()
    if batch.first is None:
        return batch
    if request.blame is not None:
        failed, batch.place = reader.leave(batch.first, *request.blame)
        batch.pass_to("read").fail(failed)
        return batch
    _fill(batch, _open, request, chosen)
    return batch


def _fill(batch: Batch, opened: _Open, request: Request, settings: Settings) -> None:
    assert batch.first is not None
    until = time.monotonic() + _MAX_SECONDS
    most = min(_MAX_RECORDS, request.records or _MAX_RECORDS)
    for taken in opened.pages(batch.first):
        _judge(taken, batch, settings)
        opened.number += 1
        batch.records += 1
        pages = batch.sides["select"].row.kept
        if (request.pages is not None and pages >= request.pages) or (
            request.bytes is not None and batch.bytes >= request.bytes
        ):
            batch.capped = True
            return
        if opened.number >= most or batch.bytes >= _MAX_TEXT or time.monotonic() > until:
            batch.place = opened.after()
            return
    batch.next = opened.reader.next


def _judge(taken: Taken, batch: Batch, settings: Settings) -> None:
    """Count one record by what becomes of it."""
    if isinstance(taken, Skipped):
        batch.skip(taken)
    elif isinstance(taken, Failed):
        batch.pass_to("read").fail(taken)
    else:
        for note in taken.noted:
            batch.sides["select"].row.noted[note] += 1
        try:
            judge_page(taken, batch, settings)
        except MemoryError:
            raise  # what the page holds may not be free again: a new process goes on
        except Exception as error:  # noqa: BLE001 (the item boundary: a bad page is a value)
            detail = f"{type(error).__name__}: {error}"[:300]
            batch.pass_to("read").fail(Failed(taken.id, "error", detail, taken.provenance))


class Judged(NamedTuple):
    """What becomes of a page: dropped for a reason at a step, kept, or (`Failed`) without text."""

    reason: str | None
    step: str = "filter"
    loaded: Loaded | None = None
    """None where the page was dropped before it was parsed."""
    note: str | None = None


def judge(page: Page, settings: Settings) -> Judged:
    """A page through gates, extraction and filters, the cheap ones first."""
    gates = settings.gates
    reason = gates.url(page.provenance.url) if page.provenance.url else None
    reason = reason or prefilter(page, gates)
    if reason is not None:
        return Judged(reason, "prefilter")
    loaded, note = document_of(page, settings)
    if isinstance(loaded, Failed):
        if loaded.reason == "too_many_links":
            return Judged(f"more than {gates.rules.max_links} links", "prefilter", note=note)
        return Judged(loaded.reason, "read", loaded, note)
    return Judged(first_reason(loaded, tuple(gates.text.values())), "filter", loaded, note)


def prefilter(page: Page, gates: Gates) -> str | None:
    """Why a page is not worth its extraction, or None."""
    from mathlm.corpus.html import extract

    if page.is_text:
        return None
    reason = gates.raw(page.data)
    if reason is None and gates.needs_text(page.data):
        found = extract(page.data, url=page.provenance.url, content_type=page.content_type)
        reason = gates.plain(found.text) if found.reason is None else None
    return reason


def judge_page(page: Page, batch: Batch, settings: Settings) -> None:
    """Count a page by what becomes of it, and keep it if it passes."""
    judged = judge(page, settings)
    if judged.note is not None:
        batch.sides["read"].row.noted[judged.note] += 1
    if isinstance(judged.loaded, Failed):
        batch.pass_to("read").fail(judged.loaded)
    elif judged.reason is None and judged.loaded is not None:
        batch.keep(judged.loaded)
    else:
        place = place_of(page.provenance)
        batch.pass_to(judged.step).drop(page.id, judged.reason or "", **place)


def document_of(page: Page, settings: Settings) -> tuple[Loaded, str | None]:
    """The page's text with its provenance, or why there is none; and a note for the funnel."""
    from mathlm.corpus.html import extract
    from mathlm.corpus.html.charset import decode

    page, note = verified(page)
    if page.is_text:
        decoded = decode(page.data)
        text, declared, used = decoded.text, decoded.declared, decoded.used
        reason, detail = None, ""
    else:
        found = extract(
            page.data,
            url=page.provenance.url,
            content_type=page.content_type,
            rules=settings.gates.rules,
        )
        text, reason, detail = found.text, found.reason, found.detail
        declared, used = found.charset_declared, found.charset
    provenance = page.provenance.model_copy(
        update={"charset_declared": declared, "charset_used": used}
    )
    if reason:
        return Failed(page.id, reason, detail, provenance), note
    text = tidy(text, settings.gates.edits)
    return Document(id=page.id, text=text, source=settings.name, provenance=provenance), note
