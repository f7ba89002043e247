"""WARC headers whose names are spelt in another case, as FastWARC reads them.

Names are equal whatever their case (ISO 28500, 4), and there are writers of lower case (Rust's
`warc`); FastWARC knows the usual spelling alone, and without a length it loses the record. Places
stay what they are: only letters change.
"""

from __future__ import annotations

import re
from typing import Any

_NAMES = ("Content-Length", "Content-Type", "WARC-Type", "WARC-Record-ID")
"""Those that FastWARC looks at itself."""
_USUAL = {name.lower(): name for name in _NAMES}
_NAME = re.compile(rb"(?<=\r\n)(?:%b)(?=[ \t]*:)" % "|".join(_NAMES).encode(), re.IGNORECASE)
_LENGTH = re.compile(rb"\r\nContent-Length[ \t]*:[ \t]*\+?(\d{1,18})")
_HEADER = re.compile(rb"[\r\n]*WARC/.*?\r\n\r\n", re.DOTALL)
"""What FastWARC takes for one: whatever stands before the empty line."""
_CHUNK = 64 << 10
_ALL = 1 << 62


def is_misspelt(record: Any) -> bool:
    """Whether FastWARC has missed a name in the header of a record."""
    if record.content_length and str(record.record_type) != "unknown":
        return False
    names: tuple[str, ...] = record.headers.keys()
    return any(_USUAL.get(name.lower(), name) != name for name in names)


class Respelt:
    """A file that begins with a record, with the usual names in the headers of all its records.

    Blocks are passed over by their lengths and never changed. Headers are at most `most` bytes; at
    what is none the walk ends, and all that follows stays as it is.
    """

    def __init__(self, file: Any, most: int) -> None:
        self._file, self._most = file, most
        self._ready = self._held = b""
        self._pass = 0
        """Bytes that are left of a block."""

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; empty at the end."""
        while not self._ready and (self._pass or not self._begins_with_header()):
            if self._pass:
                data = self._held or self._file.read(_CHUNK)
                if not data:
                    break
                self._ready, self._held = data[: self._pass], data[self._pass :]
                self._pass -= len(self._ready)
            elif len(self._held) > self._most or not (data := self._file.read(_CHUNK)):
                self._pass = _ALL
            else:
                self._held += data
        found = self._ready if size < 0 else self._ready[:size]
        self._ready = self._ready[len(found) :]
        return found

    def _begins_with_header(self) -> bool:
        """Whether what is held does; the header is then ready."""
        header = _HEADER.match(self._held)
        if header is None:
            return False
        self._ready = _NAME.sub(_usual, header[0])
        self._held = self._held[header.end() :]
        length = _LENGTH.search(self._ready)
        self._pass = int(length[1]) if length else 0
        return True

    def tell(self) -> int:
        """The place in the file at which reading began, before it."""
        return int(self._file.tell())

    def close(self) -> None:
        """Nothing is open."""


def _usual(name: re.Match[bytes]) -> bytes:
    return _USUAL[name[0].decode().lower()].encode()
