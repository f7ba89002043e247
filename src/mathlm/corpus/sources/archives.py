"""Records of a WARC file from any place in it, over whatever is broken between them.

FastWARC parses (Bevendorff et al., *Elastic ChatNoir*, ECIR 2018); this module adds what hostile
files need: after an error reading goes on at the next place where a record starts, and a range of
a file can be read alone. A start is where a gzip, LZ4 or Zstandard frame, or a line of a plain
file, begins that FastWARC reads as a WARC header. A page may hold such bytes on purpose: whoever
reads ranges has to compare where one ended with where the next began (`corpus/reading.py`).
Not here: what a record means (`warc.py`).
"""

from __future__ import annotations

import io
import re
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any, Literal, NamedTuple

from mathlm.core.streams import Stream

_FRAMES = re.compile(rb"\x1f\x8b\x08|\x04\x22\x4d\x18|\x28\xb5\x2f\xfd")
_LINES = re.compile(rb"(?<=\n)WARC/[01]\.")
_EITHER = re.compile(_FRAMES.pattern + b"|" + _LINES.pattern)
"""For files that begin with neither: whatever stands in front, archives may follow."""
_WINDOW = 1 << 20
_OVERLAP = 16
_PEEK = 64 << 10
_MAX_HEADER = 64 << 10
_CHUNK = 1 << 20
_INSIDE = b"\nWARC/1."
_LATEST = 4
_BEYOND = 1 << 62
"""A place behind the end of any file."""
_BROKEN = "broken record"
TOO_LARGE = "too large"

Phase = Literal["next", "read", "work"]
Mark = Callable[[Phase], None]
"""Told before each step that a file could crash or hang."""


class Place(NamedTuple):
    """Where reading goes on: the start of a record, and how many records to pass over from it."""

    offset: int
    skip: int = 0


class Found(NamedTuple):
    """A record, its payload (HTTP header included) and, where it is broken, the reason."""

    offset: int
    record: Any
    """FastWARC's, or None where not even the header could be read."""
    data: bytes = b""
    reason: str = ""


class Archive:
    """An open WARC file, read from a place on to the last record that starts before `end`.

    Of each record, `limit_of(record)` bytes are read at most; 0 leaves its payload alone.
    """

    def __init__(
        self,
        file: str,
        end: int | None,
        limit_of: Callable[[Any], int],
        mark: Mark = lambda phase: None,
    ) -> None:
        self._stream, self._probe = Stream(file), Stream(file)
        self._end, self._limit_of, self._mark = end, limit_of, mark
        head = self._probe.read(_OVERLAP)
        self._compressed = not head.startswith(b"WARC/")
        self._starts = _LINES if not self._compressed else _FRAMES
        if self._compressed and not _FRAMES.match(head):
            self._starts = _EITHER
        self._anchor = Place(0)
        self._passed = 0
        self._latest: deque[tuple[int, int, Any]] = deque(maxlen=_LATEST)
        self.next: int | None = None
        """Once `records` has ended: where the first record behind the range starts, if any."""

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._probe.close()

    def find_start(self, begin: int, end: int | None = None) -> int | None:
        """The first place from `begin` and before `end` where a record starts, if any."""
        position = begin
        while end is None or position < end:
            before = 1 if position else 0
            self._probe.seek(position - before)
            window = self._probe.read(_WINDOW)
            for match in self._starts.finditer(window if before else b"\n" + window):
                start = position - 1 + match.start()
                if end is not None and start >= end:
                    return None
                if start >= position and self._header_at(start) is not None:
                    return start
            if len(window) < _WINDOW:
                return None
            position += _WINDOW - _OVERLAP
        return None

    def _header_at(self, offset: int) -> dict[str, str] | None:
        """The header of the record that starts there, or None where none does."""
        self._probe.seek(offset)
        record = _first_record(self._probe.read(_PEEK))
        return None if record is None else dict(record.headers.to_dict())

    def records(self, place: Place) -> Iterator[Found]:
        """The records from `place` on, broken ones with the reason."""
        at = None if place.offset == _BEYOND else place.offset
        skip = place.skip
        while at is not None and (self._end is None or at < self._end):
            self._enter(at)
            at = yield from self._run(at, skip)
            skip = 0
        self.next = at

    def leave(self, place: Place, phase: Phase) -> tuple[Found, Place | None]:
        """The record at a place, unread because it killed a worker in `phase`, and where to go on.

        What died while it read may have been led astray by the file: then it goes on at the next
        start, else behind the record.
        """
        from fastwarc.warc import ArchiveIterator

        self._stream.seek(place.offset)
        iterator = ArchiveIterator(self._stream, parse_http=False, max_header_len=_MAX_HEADER)
        last: int | None = place.offset
        for _ in range(place.skip):
            last = next(iterator).stream_pos
        if phase == "next":
            last = self.find_start((last or 0) + 1) if place.skip else last
            found = Found(place.offset if last is None else last, None)
        else:
            record = next(iterator)
            last, found = record.stream_pos, Found(record.stream_pos, record)
            if phase == "work":
                return found, Place(place.offset, place.skip + 1)
        start = None if last is None else self.find_start(last + 1)
        return found, None if start is None else Place(start)

    def after(self) -> Place:
        """The place behind the records found so far.

        Within a gzip member of several records FastWARC's places are not exact: so the record that
        starts at a place must be the one that was found.
        """
        for number, offset, record in reversed(self._latest):
            if self._is_at(record, offset):
                self._anchor, self._passed = Place(offset), self._passed - number
                self._latest.clear()
                self._latest.append((0, offset, record))
                break
        return Place(self._anchor.offset, self._passed)

    def _run(self, start: int, skip: int) -> Generator[Found, None, int | None]:
        """Records from `start` until something is broken; returns where to go on, if anywhere."""
        from fastwarc.warc import ArchiveIterator

        self._stream.seek(start)
        iterator = ArchiveIterator(self._stream, parse_http=False, max_header_len=_MAX_HEADER)
        last = start
        while True:
            self._mark("next")
            try:
                record = next(iterator)
            except StopIteration:
                return None
            except OSError:
                going_on = self.find_start(last + 1)
                nothing = going_on is None and self._passed == 0 and start == 0
                found = self._found(last, None, reason="no WARC file" if nothing else _BROKEN)
                yield self._enter(going_on, found)
                return going_on
            last = record.stream_pos
            if self._end is not None and last >= self._end and self._is_at(record, last):
                return last
            if self._passed < skip:
                self._passed += 1
                continue
            found = self._read(record)
            if found.reason and (self._compressed or found.reason != TOO_LARGE):
                going_on = self.find_start(last + 1)
                yield self._enter(going_on, found)
                return going_on
            yield found

    def _enter(self, at: int | None, found: Found | None = None) -> Any:
        """From now on places are counted from here; `found` is handed back."""
        self._anchor, self._passed = Place(_BEYOND if at is None else at), 0
        self._latest.clear()
        return found

    def _is_at(self, record: Any, offset: int) -> bool:
        """Whether the record itself starts there, and not only the gzip member after it."""
        if record is None:
            return False
        return self._header_at(offset) == dict(record.headers.to_dict())

    def _found(self, offset: int, record: Any, data: bytes = b"", reason: str = "") -> Found:
        self._latest.append((self._passed, offset, record))
        self._passed += 1
        self._mark("work")
        return Found(offset, record, data, reason)

    def _read(self, record: Any) -> Found:
        limit, offset = self._limit_of(record), record.stream_pos
        if limit == 0:
            return self._found(offset, record)
        self._mark("read")
        try:
            record.parse_http(quirks_mode=True, max_header_len=_MAX_HEADER)
            declared = record.content_length
            data = _read_up_to(record.reader, limit + 1)
        except OSError:
            return self._found(offset, record, reason=_BROKEN)
        if reason := _reason(len(data), limit, declared):
            return self._found(offset, record, reason=reason)
        if self._compressed and _INSIDE in data and self._overran(offset, len(data)):
            return self._found(offset, record, reason="wrong length")
        return self._found(offset, record, data)

    def _overran(self, offset: int, size: int) -> bool:
        """Whether a payload of `size` bytes went beyond the gzip member in which it began."""
        self._probe.seek(offset)
        member = _first_member(self._probe, size + _MAX_HEADER)
        record = None if member is None else _first_record(member)
        return record is not None and len(_read_up_to(record.reader, size)) < size


def _first_member(stream: Stream, max_bytes: int) -> bytes | None:
    """The gzip member that starts here, up to `max_bytes` of it; None where none does."""
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
    parts: list[bytes] = []
    size = 0
    while not decoder.eof and size < max_bytes and (packed := stream.read(_PEEK)):
        try:
            parts.append(decoder.decompress(packed, max_bytes - size))
        except zlib.error:
            return None
        size += len(parts[-1])
        if decoder.unconsumed_tail:
            break
    return b"".join(parts)


def read_record(data: bytes, limit: int) -> Found:
    """The first record of some bytes of a WARC, with its payload up to `limit` bytes."""
    record = _first_record(data)
    if record is None:
        return Found(0, None, reason=_BROKEN)
    try:
        record.parse_http(quirks_mode=True, max_header_len=_MAX_HEADER)
        declared = record.content_length
        payload = _read_up_to(record.reader, limit + 1)
    except OSError:
        return Found(0, record, reason=_BROKEN)
    return Found(0, record, payload[:limit], _reason(len(payload), limit, declared))


def _reason(size: int, limit: int, declared: int) -> str:
    """What is wrong with a payload of which `size` bytes could be read, if anything."""
    if size > limit:
        return TOO_LARGE
    return "cut off" if size < declared else ""


def _first_record(data: bytes) -> Any:
    """The first record of some bytes of a WARC file, or None where its header cannot be read."""
    from fastwarc.warc import ArchiveIterator

    stream = io.BytesIO(data)
    try:
        return next(iter(ArchiveIterator(stream, parse_http=False, max_header_len=_MAX_HEADER)))
    except (OSError, StopIteration):
        return None


def _read_up_to(reader: Any, size: int) -> bytes:
    """At most `size` bytes, in steps: a length that a header claims is never asked for at once."""
    parts: list[bytes] = []
    while size > 0 and (part := reader.read(min(size, _CHUNK))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
