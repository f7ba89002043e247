"""Compressed WARC files frame by frame: gzip members, Zstandard and LZ4 frames.

What a frame's bytes give is decided by them alone, however the reader came to them: each is decoded
from its start, in pieces that end at the same places of the file. So reading at a stretch and going
on from any place agree about damaged files, too. A `Unit` is what one reader of records gets: a
frame and those behind it that do not begin with a record, as bgzip or one long member have them.
Zstandard files may begin with a dictionary (https://iipc.github.io/warc-specifications/,
"Zstandard for WARC"). Not here: what a record is (`archives.py`).
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable
from typing import Any, Protocol

from zlib_ng import zlib_ng

FRAMES = re.compile(rb"\x1f\x8b\x08|\x04\x22\x4d\x18|\x28\xb5\x2f\xfd")
"""How frames begin: gzip, LZ4, Zstandard."""
RECORD = b"WARC/"
_MOST = 1 << 18
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18....", re.DOTALL)
"""A frame that LZ4 and Zstandard pass over, with its length."""
_DICTIONARY = b"\x5d\x2a\x4d\x18"
_TRAINED = b"\x37\xa4\x30\xec"
_MAX_DICTIONARY = 16 << 20
BROKEN, CUT = "broken record", "cut off"


class Decoder(Protocol):
    """Decodes one frame."""

    piece: int
    """Bytes that are given to it at a time."""

    @property
    def wants(self) -> bool:
        """Whether it needs more bytes to go on."""

    @property
    def eof(self) -> bool:
        """Whether the frame is complete."""

    @property
    def unused(self) -> int:
        """How many of the bytes given lie behind the frame."""

    def decode(self, data: bytes) -> bytes:
        """Some of the content; raises any exception where the frame is damaged."""


class _Gzip:
    piece = 8 << 10

    def __init__(self) -> None:
        self._decoder = zlib_ng.decompressobj(wbits=31)

    @property
    def wants(self) -> bool:
        return not self._decoder.unconsumed_tail

    @property
    def eof(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def unused(self) -> int:
        return len(self._decoder.unused_data)

    def decode(self, data: bytes) -> bytes:
        return bytes(self._decoder.decompress(data or self._decoder.unconsumed_tail, _MOST))


class _Lz4:
    piece = 8 << 10

    def __init__(self) -> None:
        from lz4.frame import LZ4FrameDecompressor

        self._decoder = LZ4FrameDecompressor()

    @property
    def wants(self) -> bool:
        return bool(self._decoder.needs_input)

    @property
    def eof(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def unused(self) -> int:
        return len(self._decoder.unused_data or b"")

    def decode(self, data: bytes) -> bytes:
        return bytes(self._decoder.decompress(data, _MOST))


class _Zstd:
    piece = 256
    """Four bytes may stand for 128 KiB, and there is no other bound on what a call returns."""
    wants = True

    def __init__(self, dictionary: Any) -> None:
        from zstandard import ZstdDecompressor

        given = {} if dictionary is None else {"dict_data": dictionary}
        self._decoder = ZstdDecompressor(**given).decompressobj()

    @property
    def eof(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def unused(self) -> int:
        return len(self._decoder.unused_data)

    def decode(self, data: bytes) -> bytes:
        return bytes(self._decoder.decompress(data))


class Frames:
    """The frames of an open file."""

    def __init__(self, file: io.RawIOBase | io.BytesIO) -> None:
        self._file = file
        self._begin, self._buffer = 0, b""

    def open(self, offset: int) -> Frame | None:
        """The frame that begins at a place, or behind what is to be passed over there, if any."""
        while _SKIPPABLE.match(head := self._read(offset, 8)):
            offset += 8 + int.from_bytes(head[4:], "little")
        decoder: Callable[[], Decoder]
        if head.startswith(b"\x1f\x8b\x08"):
            decoder = _Gzip
        elif head.startswith(b"\x04\x22\x4d\x18"):
            decoder = _Lz4
        elif head.startswith(b"\x28\xb5\x2f\xfd"):
            decoder = functools.partial(_Zstd, self._dictionary)
        else:
            return None
        return Frame(self, offset, decoder())

    def piece(self, offset: int, size: int) -> bytes:
        """The bytes from a place up to the next multiple of `size`, or the end of the file."""
        return self._read(offset, size - offset % size)

    def _read(self, offset: int, size: int) -> bytes:
        """The bytes at a place; a far file is asked for nothing twice while reading goes on."""
        if not self._begin <= offset <= self._begin + len(self._buffer):
            self._begin, self._buffer = offset, b""
        missing = offset + size - self._begin - len(self._buffer)
        if missing > 0:
            self._file.seek(offset + size - missing)  # others read the file as well
            self._begin, self._buffer = offset, self._buffer[offset - self._begin :]
        while missing > 0 and (data := self._file.read(missing)):
            self._buffer += data
            missing -= len(data)
        at = offset - self._begin
        return self._buffer[at : at + size]

    @functools.cached_property
    def _dictionary(self) -> Any:
        """The Zstandard dictionary with which the file begins, if it does."""
        from zstandard import ZstdCompressionDict, ZstdDecompressor, ZstdError

        head = self._read(0, 8)
        size = int.from_bytes(head[4:], "little")
        if not head.startswith(_DICTIONARY) or size > _MAX_DICTIONARY:
            return None
        data = self._read(8, size)
        try:
            if not data.startswith(_TRAINED):
                data = ZstdDecompressor().decompress(data, max_output_size=_MAX_DICTIONARY)
            return ZstdCompressionDict(data)
        except ZstdError:
            return None


class Frame:
    """One frame, decoded from its start on."""

    def __init__(self, frames: Frames, offset: int, decoder: Decoder) -> None:
        self.frames, self.offset = frames, offset
        self._decoder, self._position = decoder, offset
        self._head = b""
        self.damage = ""
        """Where decoding ended before the frame did: why."""

    @property
    def end(self) -> int:
        """Once all is read: the place behind the frame."""
        return self._position - self._decoder.unused

    def begins(self) -> bool:
        """Whether a record begins with it; or nobody can say because not even that is whole."""
        while len(self._head) < len(RECORD) and (more := self._decode()):
            self._head += more
        if self.damage and len(self._head) < len(RECORD):
            return True
        return self._head.startswith(RECORD)

    def read(self) -> bytes:
        """The next bytes of its content; none at the end, and from the first damage on."""
        head, self._head = self._head, b""
        return head or self._decode()

    def _decode(self) -> bytes:
        decoder = self._decoder
        while not (decoder.eof or self.damage):
            data = self.frames.piece(self._position, decoder.piece) if decoder.wants else b""
            starved = decoder.wants and not data
            self._position += len(data)
            try:
                content = decoder.decode(data)
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 (each library has its own)
                self.damage = BROKEN
                return b""
            if content:
                return content
            if starved and not decoder.eof:
                self.damage = CUT
        return b""


class Unit:
    """A frame, and those behind it that go on with it, as a file that is read from its beginning.

    It ends where a frame begins with a record, at the first damage and at what is no frame.
    """

    def __init__(self, frame: Frame) -> None:
        self._frames, self.offset = frame.frames, frame.offset
        self._frame: Frame | None = frame
        self._ready = b""
        self._given = self._begun = 0
        self.damage = ""
        """Why it ends, where a frame is damaged."""
        self.following: Frame | None = None
        """Once it ended: the frame behind it."""
        self.end = frame.offset
        """Once it ended: the place behind it."""
        self.is_last = False
        """Whether the file ends with it."""

    @property
    def last_frame(self) -> int:
        """Where, in the content, the last frame so far begins."""
        return self._begun

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes of the content; empty at the end."""
        while not self._ready:
            if self._frame is None:
                return b""
            self._ready = self._frame.read()
            if not self._ready:
                self._next(self._frame)
        data = self._ready if size < 0 else self._ready[:size]
        self._ready = self._ready[len(data) :]
        self._given += len(data)
        return data

    def _next(self, frame: Frame) -> None:
        self._frame, self.damage, self.end = None, frame.damage, frame.end
        if frame.damage:
            return
        following = frame.frames.open(frame.end)
        self.is_last = following is None and not frame.frames.piece(frame.end, 1)
        if following is not None and following.begins():
            self.following = following
        elif following is not None:
            self._frame, self._begun = following, self._given

    def tell(self) -> int:
        """How many bytes of the content were read."""
        return self._given

    def seek(self, place: int) -> None:
        """Begin anew: there is no other place to go to."""
        assert place == 0
        frame = self._frames.open(self.offset)
        assert frame is not None
        self.__init__(frame)  # type: ignore[misc]

    def close(self) -> None:
        """Nothing is open."""
