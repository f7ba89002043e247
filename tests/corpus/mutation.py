"""WARC files with broken pages and records between whole ones, for the fuzz test."""

from __future__ import annotations

import gzip
import random
import uuid
import zlib

SENTENCE = "Every integer above one is a product of primes in one way, up to their order. "
INJECTED = {"segfault": "crashed", "hang": "timeout", "exit": "crashed", "balloon": "memory"}


def control(number: int) -> bytes:
    """A whole page that can be told from all others."""
    return f"<html><body><h1>Control {number}</h1><p>{SENTENCE * 3}</p></body></html>".encode()


def flip(data: bytes, rng: random.Random) -> bytes:
    """Some bits are flipped."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 60)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    """The end is missing."""
    return data[: rng.randrange(1, len(data))]


def splice(data: bytes, rng: random.Random) -> bytes:
    """A stretch stands somewhere else, once more or many times."""
    begin, to = rng.randrange(len(data)), rng.randrange(len(data))
    part = data[begin : begin + rng.randint(1, 3000)]
    return data[:to] + part * rng.choice([1, 2, 300]) + data[to:]


def nested(data: bytes, rng: random.Random) -> bytes:
    """Tags within tags, far deeper than any page."""
    tag = rng.choice(
        [b"<div>", b"<b><i>", b"<table><tr><td>", b"<math><mrow>", b"<ul><li>", b"<svg>"]
    )
    return tag * rng.choice([100, 3000, 60_000]) + data


def noise(data: bytes, rng: random.Random) -> bytes:
    """Bytes that no text has."""
    strange = rng.choice([b"\0", b"\xed\xa0\x80", b"\xff\xfe", b"\x1b[2J", b"\xf4\x90\x80\x80"])
    to = rng.randrange(len(data))
    return data[:to] + strange * rng.choice([1, 500]) + data[to:]


def misnamed(data: bytes, rng: random.Random) -> bytes:
    """The page names another character set."""
    name = rng.choice([b"utf-16", b"shift_jis", b"utf-7", b"no-such", b"hz", b"iso-2022-jp"])
    return b'<meta charset="' + name + b'">' + data


def formulas(data: bytes, rng: random.Random) -> bytes:
    """Formulas that never end, or that nest."""
    part = rng.choice([b"$", b"$$\\frac{", b"\\begin{align}", b"\\(", b"`", b"\\left(", b"<msup>"])
    return data[:2000] + part * rng.choice([10, 20_000]) + data[2000:4000]


PAGES = (flip, cut, splice, nested, noise, misnamed, formulas)


def record(page: bytes, number: int, http: bytes = b"", length: int | None = None) -> bytes:
    """A record of a WARC file, uncompressed."""
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + http + b"\r\n" + page
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\n"
        f"WARC-Record-ID: <urn:uuid:{uuid.UUID(int=number)}>\r\n"
        f"WARC-Target-URI: https://example.org/{number}\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
        f"Content-Type: application/http\r\nContent-Length: {length or len(body)}\r\n\r\n"
    )
    return head.encode() + body + b"\r\n\r\n"


def broken_record(page: bytes, number: int, rng: random.Random) -> bytes:
    """A gzip member that is wrong in one way or another."""
    choice = rng.randrange(9)
    whole = gzip.compress(record(page, number), 1)
    if choice == 0:
        return flip(whole, rng)
    if choice == 1:
        return cut(whole, rng)
    if choice == 2:
        return gzip.compress(flip(record(page, number)[:600], rng), 1)
    if choice == 3:
        wrong = rng.choice([1, 40, len(page) // 2, len(page) + 5000, 10**9, 10**15])
        return gzip.compress(record(page, number, length=wrong), 1)
    if choice == 4:
        return rng.randbytes(rng.randint(1, 5000)) + whole
    if choice == 5:
        coding = rng.choice([b"gzip", b"br", b"zstd", b"deflate", b"gzip, gzip", b"x" * 3000])
        return gzip.compress(record(page, number, b"Content-Encoding: " + coding + b"\r\n"), 1)
    if choice == 6:
        bomb = zlib.compress(b"<p>" * rng.choice([10**6, 2 * 10**7]), 9)
        return gzip.compress(record(bomb, number, b"Content-Encoding: deflate\r\n"), 1)
    if choice == 7:
        http = b"Transfer-Encoding: chunked\r\n"
        chunked = b"%x\r\n%b\r\n" % (rng.choice([3, len(page), 10**12]), page)
        return gzip.compress(record(chunked, number, http), 1)
    spliced = record(page, number)
    to = rng.randrange(400)
    return gzip.compress(
        spliced[:to] + rng.choice([b"\r\n\r\n", b"\0", b":", b"WARC/1.0\r\n"]) + spliced[to:], 1
    )


def archive(
    pages: list[bytes], numbers: range, rng: random.Random, inject: dict[int, str]
) -> bytes:
    """Records of the numbers: every fifth is a control, some are injected, the rest is broken."""
    members = []
    for number in numbers:
        page = rng.choice(pages)[:60_000]
        if number in inject:
            members.append(gzip.compress(record(f"<!--{inject[number]}-->".encode(), number), 1))
        elif number % 5 == 0:
            members.append(gzip.compress(record(control(number), number), 1))
        elif number % 5 == 1:
            members.append(broken_record(page, number, rng))
        else:
            for _ in range(rng.randint(1, 3)):
                page = rng.choice(PAGES)(page, rng)
            members.append(gzip.compress(record(page, number), 1))
    return b"".join(members)
