"""Records of a WARC file from any place in it, over whatever is broken between them.

FastWARC parses (Bevendorff et al., *Elastic ChatNoir*, ECIR 2018); this module adds what hostile
files need: after an error reading goes on at the next place where a record starts, and a range of
a file can be read alone. A start is where a compressed frame begins with a record (`frames.py`), or
a line of a plain file that FastWARC reads as a WARC header. A page may hold such bytes on purpose:
whoever reads ranges has to compare where one ended with where the next began (`corpus/reading.py`).
Not here: what a record means (`warc.py`).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Generator, Iterator
from typing import Any, Literal, NamedTuple

from mathlm.core.streams import Stream
from mathlm.corpus.sources.frames import BROKEN, CUT, FRAMES, RECORD, Frame, Frames, Unit
from mathlm.corpus.sources.respelt import Respelt, is_misspelt

_LINES = re.compile(rb"(?<=\n)WARC/[01]\.")
_EITHER = re.compile(FRAMES.pattern + b"|" + _LINES.pattern)
"""For files that begin with neither: whatever stands in front, archives may follow."""
_WINDOW = 1 << 20
_OVERLAP = 16
_PEEK = 64 << 10
_MAX_HEADER = 64 << 10
_CHUNK = 1 << 20
_BEYOND = 1 << 62
"""A place behind the end of any file."""
TOO_LARGE = "too large"
NO_ARCHIVE = "no WARC file"

Phase = Literal["next", "read", "work"]
Mark = Callable[[Phase], None]
"""Told before each step that a file could crash or hang."""


class Place(NamedTuple):
    """Where reading goes on: the start of a record, and how many records to pass over from it."""

    offset: int
    skip: int = 0


class Found(NamedTuple):
    """A record, its payload without HTTP header and, where it is broken, the reason."""

    offset: int
    """Where it starts; within a frame of several records, where the frame does."""
    record: Any
    """FastWARC's, or None where not even the header could be read."""
    data: bytes = b""
    reason: str = ""


_Run = Generator[Found, None, int | None]
"""What is found from a start on; returns where to go on, if anywhere."""


class Archive:
    """An open WARC file, read from a place on to the last record that starts before `end`.

    Of each record, `limit_of(record)` bytes are read at most; 0 leaves its payload alone. What is
    found from a place on is the same whether reading came to it or began there.
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
        self._starts = FRAMES if Frames(self._probe).open(0) else _EITHER
        if head.startswith(RECORD):
            self._starts = _LINES
        self._frames = Frames(self._stream)
        self._following: Frame | None = None
        """The frame at which the last unit ended."""
        self._after = Place(0)
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
                if start >= position and self._is_start(start):
                    return start
            if len(window) < _WINDOW:
                return None
            position += _WINDOW - _OVERLAP
        return None

    def _is_start(self, offset: int) -> bool:
        """Whether a frame that begins with a record, or a line with a header, starts there."""
        frame = Frames(self._probe).open(offset)
        if frame is not None:
            return frame.offset == offset and frame.begins() and not frame.damage
        self._probe.seek(offset)
        return _Reader(io.BytesIO(self._probe.read(_PEEK))).next() is not None

    def records(self, place: Place) -> Iterator[Found]:
        """The records from `place` on, broken ones with the reason."""
        at = None if place.offset == _BEYOND else place.offset
        skip = place.skip
        while at is not None and (self._end is None or at < self._end):
            frame, self._following = self._following, None
            if frame is None or frame.offset != at:
                frame = self._frames.open(at)
            at = yield from self._plain(at, skip) if frame is None else self._unit(frame, skip)
            skip = 0
        self.next = at

    def after(self) -> Place:
        """The place behind the records found so far."""
        return self._after

    def leave(self, place: Place, phase: Phase) -> tuple[Found, Place | None]:
        """The record at a place, unread because it killed a worker in `phase`, and where to go on.

        What died while it read may have been led astray by the file: then it goes on at the next
        start, else behind the record.
        """
        frame = self._frames.open(place.offset)
        self._stream.seek(place.offset)
        unit = None if frame is None else Unit(frame)
        reader = _Reader(unit or self._stream)
        last = place.offset
        for _ in range(place.skip):
            passed = reader.next()
            last = passed.stream_pos if unit is None and passed is not None else last
        record = None if phase == "next" else reader.next()
        if record is not None:
            last = record.stream_pos if unit is None else last
        elif unit is None and place.skip:
            last = self.find_start(last + 1) or last
        found = Found(last, record)
        if phase != "work" or record is None:
            return found, _place(self.find_start(last + 1))
        if unit is None or reader.next() is not None or reader.judged(None, unit)[1]:
            return found, Place(place.offset, place.skip + 1)
        return found, _place(self._behind(unit, reader))

    def _plain(self, start: int, skip: int) -> _Run:
        """Records of a plain file from `start` on until something is broken."""
        self._stream.seek(start)
        reader = _Reader(self._stream)
        last, number = start, 0
        while True:
            self._mark("next")
            record = reader.next()
            if record is None:
                break
            last, number = record.stream_pos, number + 1
            if self._end is not None and last >= self._end:
                return int(last)
            if number <= skip:
                continue
            self._mark("read")
            found = _read(record, last, self._limit_of(record))
            if found.reason not in ("", TOO_LARGE):
                going_on = self.find_start(last + 1)
                yield self._given(found, going_on)
                return going_on
            yield self._given(found, last, 1)
        if not reader.broken:
            return None
        going_on = self.find_start(last + 1)
        nothing = going_on is None and start == number == 0
        found = Found(last, None, reason=NO_ARCHIVE if nothing else BROKEN)
        yield self._given(found, going_on)
        return going_on

    def _unit(self, frame: Frame, skip: int) -> _Run:
        """The records of a unit, each given once it is known whether it is the last."""
        unit = Unit(frame)
        reader = _Reader(unit)
        self._mark("next")
        record, found = reader.next(), None
        while record is not None:
            number = reader.number
            if number > skip:
                self._mark("read")
                found = _read(record, unit.offset, self._limit_of(record))
            record = reader.next()
            if record is not None and found is not None:
                yield self._given(found, unit.offset, number)
        found, broken = reader.judged(found, unit)
        going_on = self._behind(unit, reader)
        if found is not None:
            place = (unit.offset, reader.number) if broken else (going_on,)
            yield self._given(found, *place)
        if broken and skip <= reader.number:
            nothing = going_on is None and unit.offset == reader.number == 0
            reason = NO_ARCHIVE if nothing else broken
            yield self._given(Found(unit.offset, None, reason=reason), going_on)
        return going_on

    def _behind(self, unit: Unit, reader: _Reader) -> int | None:
        """Where reading goes on behind a unit, if anywhere."""
        if reader.broken or unit.damage:
            return self.find_start(unit.offset + 1)
        self._following = unit.following
        if unit.following is not None:
            return unit.following.offset
        return None if unit.is_last else self.find_start(unit.end)

    def _given(self, found: Found, offset: int | None, skip: int = 0) -> Found:
        """Note that a record is given, and where reading goes on behind it."""
        self._after = Place(_BEYOND if offset is None else offset, skip)
        self._mark("work")
        return found


class _Reader:
    """FastWARC over the bytes of a plain file or of a unit."""

    def __init__(self, file: Any) -> None:
        self._file, self._begin = file, file.tell()
        self._records = _parse(file)
        self._respells = False
        self.number = 0
        """Records so far."""
        self.broken = False
        """Whether what follows them is none."""
        self._ends = 0

    def next(self) -> Any:
        """The next record; None at the end, and where something else follows."""
        try:
            record = next(self._records)
            if not self._respells and is_misspelt(record):
                record = self._again()
        except StopIteration:
            return None
        except OSError:
            self.broken = True
            return None
        self.number += 1
        self._ends = record.stream_pos + record.content_length
        return record

    def _again(self) -> Any:
        """The same record, with the usual names in its header and in all that follow."""
        self._respells = True
        self._file.seek(self._begin)
        self._records = _parse(Respelt(self._file, _MAX_HEADER))
        for _ in range(self.number):
            next(self._records)
        return next(self._records)

    def judged(self, last: Found | None, unit: Unit) -> tuple[Found | None, str]:
        """The last record of a unit, and why what stands behind it is broken, if it is.

        A frame's checksum stands at its end: what it fails for is the last record in it.
        """
        while not self.broken and unit.read(_CHUNK):
            pass
        hurt = bool(unit.damage) and not self.broken and self._ends > unit.last_frame
        if last is not None and (hurt or last.reason == CUT):
            last = last._replace(data=b"", reason=unit.damage or "wrong length")
        junk = not (self.broken or unit.damage or unit.following or unit.is_last)
        if self.broken or junk or (unit.damage and not hurt):
            return last, unit.damage or BROKEN
        return last, ""


def _parse(file: Any) -> Iterator[Any]:
    from fastwarc.warc import ArchiveIterator

    return ArchiveIterator(file, parse_http=False, max_header_len=_MAX_HEADER, stream_detect=False)


def read_record(data: bytes, limit: int) -> Found:
    """The first record of some bytes of a WARC, with its payload up to `limit` bytes."""
    frame = Frames(io.BytesIO(data)).open(0)
    unit = None if frame is None else Unit(frame)
    reader = _Reader(io.BytesIO(data) if unit is None else unit)
    record = reader.next()
    if record is None:
        return Found(0, None, reason=BROKEN)
    found = _read(record, 0, limit)
    if unit is None or reader.next() is not None:
        return found
    return reader.judged(found, unit)[0] or found


def _read(record: Any, offset: int, limit: int) -> Found:
    """A record with its payload, of which no more than `limit` bytes are read; 0: none."""
    if limit == 0:
        return Found(offset, record)
    record.is_http = record.is_http or _holds_http(record)
    try:
        record.parse_http(quirks_mode=True, max_header_len=_MAX_HEADER)
        declared = record.content_length
        data = _read_up_to(record.reader, limit + 1)
    except OSError:
        return Found(offset, record, reason=BROKEN)
    if len(data) > limit:
        return Found(offset, record, reason=TOO_LARGE)
    return Found(offset, record, data, CUT if len(data) < declared else "")


def _holds_http(record: Any) -> bool:
    """Whether a record's block is an HTTP message: a response is one, unless it says otherwise."""
    kind = (record.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    return kind == "application/http" or (not kind and str(record.record_type) == "response")


def _read_up_to(reader: Any, size: int) -> bytes:
    """At most `size` bytes, in steps: a length that a header claims is never asked for at once."""
    parts: list[bytes] = []
    while size > 0 and (part := reader.read(min(size, _CHUNK))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _place(offset: int | None) -> Place | None:
    return None if offset is None else Place(offset)
