"""An HTTP response's payload as the browser would get it: unchunked and decompressed, in limits.

Archives keep payloads as sent, or already decoded under unchanged headers (Common Crawl renames
them to `X-Crawl-…`): a payload that is not coded as its header says is taken as it is.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from typing import Any

_CHUNK_SIZE = re.compile(rb"\s*([0-9A-Fa-f]{1,15})\s*(?:;[^\r\n]*)?\r?\n")
_CODECS = {"gzip": "gzip", "x-gzip": "gzip", "br": "brotli", "zstd": "zstd"}
_MAX_CODINGS = 3
_ALGORITHMS = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512"})


class TooLargeError(ValueError):
    """The payload is larger than the limit once it is decompressed."""


def unchunk(data: bytes) -> bytes:
    """The payload of chunked transfer; what is there of it where the last chunk is missing.

    Data that do not begin with a chunk's size come back as they are.
    """
    parts: list[bytes] = []
    place = 0
    while match := _CHUNK_SIZE.match(data, place):
        size = int(match[1], 16)
        if size == 0:
            break
        parts.append(data[match.end() : match.end() + size])
        place = match.end() + size
        if data.startswith(b"\r\n", place):
            place += 2
    return b"".join(parts) if place else data


def decompress(data: bytes, codings: str, max_bytes: int) -> bytes:
    """The payload without its content codings (`gzip`, `deflate`, `br`, `zstd`).

    Raises `TooLargeError` beyond `max_bytes`. Cut-off data give what could be had; data that are
    not coded so come back as they are.
    """
    names = [name.strip().lower() for name in codings.split(",") if name.strip()]
    for name in reversed(names[:_MAX_CODINGS]):
        if name == "deflate":
            data = _inflate(data, max_bytes)
        elif name in _CODECS:
            data = _decode(data, _CODECS[name], max_bytes)
    return data


def _inflate(data: bytes, max_bytes: int) -> bytes:
    """Deflate with zlib's header, or bare as some servers send it."""
    for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        decoder = zlib.decompressobj(window)
        try:
            out = decoder.decompress(data, max_bytes + 1)
        except zlib.error:
            continue
        if len(out) > max_bytes:
            raise TooLargeError
        return out
    return data


def _decode(data: bytes, codec: str, max_bytes: int) -> bytes:
    import pyarrow as pa

    parts: list[bytes] = []
    size = 0
    try:
        with pa.CompressedInputStream(pa.BufferReader(data), codec) as stream:
            while part := stream.read(1 << 20):
                parts.append(part)
                size += len(part)
                if size > max_bytes:
                    raise TooLargeError
    except OSError:
        pass  # cut off, or never compressed
    return b"".join(parts) if parts else data


def matches_digest(declared: str, *candidates: bytes) -> bool | None:
    """Whether `WARC-Payload-Digest` (`sha1:…` in base 32 or hexadecimal) fits a candidate.

    Writers differ in whether chunked transfer counts: hence several. None where the algorithm is
    unknown.
    """
    name, _, value = declared.strip().partition(":")
    name = name.lower().replace("-", "")
    if name not in _ALGORITHMS or not value:
        return None
    wanted = value.strip().rstrip("=").lower()
    return any(wanted in _spellings(hashlib.new(name, data)) for data in candidates)


def _spellings(digest: Any) -> tuple[str, str]:
    raw = digest.digest()
    return raw.hex(), base64.b32encode(raw).decode("ascii").rstrip("=").lower()
