"""Pages one by one: files of a folder, a column of Parquet or JSON lines, fetched records.

Not here: archives that are read through (`warc.py`), records of text (`tables.py`).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mathlm.core.records import Provenance
from mathlm.corpus.source_config import HtmlSource, RecordsSource, UrlsSource
from mathlm.corpus.sources.archives import Mark, Phase, Place, read_record
from mathlm.corpus.sources.items import Failed, Page, Skipped, Taken
from mathlm.corpus.sources.shards import Shard
from mathlm.corpus.sources.tables import identifier_of, rows_of
from mathlm.corpus.sources.warc import Records

_TYPE = "text/html"


class _Counted:
    """Places are numbers of rows; each row is read whole before it is worked on."""

    def __init__(self, mark: Mark) -> None:
        self._mark, self._at = mark, 0

    def start(self) -> Place | None:
        """The first row."""
        return Place(0)

    def after(self) -> Place:
        """The row behind what `pages` gave so far."""
        return Place(self._at)

    @property
    def next(self) -> int | None:
        """Nothing follows: these inputs are not cut into ranges."""
        return None

    def _count(self, taken: Iterator[Taken], begin: int) -> Iterator[Taken]:
        self._at = begin
        while True:
            self._mark("next")
            found = next(taken, None)
            if found is None:
                return
            self._at += 1
            self._mark("work")
            yield found

    def close(self) -> None:
        """Nothing is held open."""


class FilePages(_Counted):
    """The pages of some files of a folder."""

    def __init__(self, source: HtmlSource, shard: Shard, mark: Mark) -> None:
        super().__init__(mark)
        self._items, self._max_bytes = shard.items, source.max_page_mib << 20

    def pages(self, place: Place) -> Iterator[Taken]:
        """The pages from a place on."""
        return self._count(map(self._load, self._items[place.offset :]), place.offset)

    def leave(self, place: Place, phase: Phase, reason: str) -> tuple[Failed, Place | None]:
        """The file at the place as a failure, and the next one."""
        identifier, _, provenance = self._items[place.offset]
        failed = Failed(identifier, reason, provenance=Provenance(**provenance))
        return failed, Place(place.offset + 1)

    def _load(self, item: tuple[str, str, dict[str, Any]]) -> Taken:
        identifier, path, fields = item
        provenance = Provenance(**{**fields, "content_type": _TYPE})
        try:
            with Path(path).open("rb") as file:
                data = file.read(self._max_bytes + 1)
        except OSError as error:
            return Failed(identifier, "unreadable", error.strerror or "", provenance)
        if len(data) > self._max_bytes:
            return Failed(identifier, "too large", provenance=provenance)
        return Page(identifier, data, None, provenance)


class ColumnPages(_Counted):
    """The pages in a column of a file of records."""

    def __init__(self, source: RecordsSource, shard: Shard, mark: Mark) -> None:
        super().__init__(mark)
        self._source, self._file, self._name = source, shard.file, shard.label

    def pages(self, place: Place) -> Iterator[Taken]:
        """The pages from a row on."""
        source = self._source
        fields = (source.html or "", source.id, source.url)
        rows = itertools.islice(rows_of(self._file, source.kind, fields), place.offset, None)
        return self._count((self._load(number, row) for number, row in rows), place.offset)

    def leave(self, place: Place, phase: Phase, reason: str) -> tuple[Failed, Place | None]:
        """The row at the place as a failure, and the next one where rows can still be read."""
        name = self._name
        provenance = Provenance(file=name, offset=place.offset)
        going_on = Place(place.offset + 1) if phase == "work" else None
        return Failed(f"{name}:{place.offset}", reason, provenance=provenance), going_on

    def _load(self, number: int, row: Any) -> Taken:
        source, name = self._source, self._name
        provenance = Provenance(file=name, offset=number, content_type=_TYPE)
        if not isinstance(row, dict):
            return Failed(f"{name}:{number}", "not a JSON object", provenance=provenance)
        identifier = identifier_of(row, source.id, f"{name}:{number}")
        if url := identifier_of(row, source.url, ""):
            provenance = provenance.model_copy(update={"url": url})
        html = row.get(source.html or "")
        if not isinstance(html, str | bytes):
            return Failed(identifier, "no page", provenance=provenance)
        data = html if isinstance(html, bytes) else html.encode("utf-8", "replace")
        if len(data) > source.max_page_mib << 20:
            return Failed(identifier, "too large", provenance=provenance)
        return Page(identifier, data, None, provenance)


class FetchedPages(_Counted):
    """The pages of a list of URLs, as `index.fetch` left them."""

    def __init__(self, source: UrlsSource, shard: Shard, mark: Mark) -> None:
        super().__init__(mark)
        self._records, self._log = Records(source), Path(shard.file)
        self._lines = [json.loads(line) for line in self._log.read_bytes().splitlines()]

    def pages(self, place: Place) -> Iterator[Taken]:
        """The pages from a line on."""
        return self._count(map(self._load, self._lines[place.offset :]), place.offset)

    def leave(self, place: Place, phase: Phase, reason: str) -> tuple[Failed, Place | None]:
        """The line's record as a failure, and the next one."""
        line = self._lines[place.offset]
        provenance = Provenance(file=line.get("file"), offset=line.get("offset"), url=line["url"])
        return Failed(line["url"], reason, provenance=provenance), Place(place.offset + 1)

    def _load(self, line: dict[str, Any]) -> Taken:
        if "dropped" in line:
            return Skipped(line["url"], line["dropped"])
        if "failed" in line:
            return Failed(line["url"], line["failed"], provenance=Provenance(url=line["url"]))
        with self._log.with_suffix(".warc.gz").open("rb") as archive:
            archive.seek(line["at"])
            data = archive.read(line["length"])
        found = read_record(data, self._records.max_bytes)
        return self._records.take(found._replace(offset=line["offset"]), line["file"])
