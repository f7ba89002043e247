"""WARC files read as an independent reader (warcio) reads them, from any place, broken or whole."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import itertools
import random
import uuid

import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator as Warcio

from mathlm.corpus.sources.archives import Archive, Place
from mathlm.corpus.sources.respelt import Respelt

FILES = {
    "dolma/sample-0000.warc.gz": None,
    "dolma/sample-0001.warc.gz": None,
    "resiliparse/block-sized-records.warc": None,
    "resiliparse/block-sized-records.warc.gz": None,
    "resiliparse/block-sized-records.warc.lz4": "resiliparse/block-sized-records.warc",
    "resiliparse/clueweb-quirk.warc.gz": None,
    "resiliparse/warcfile.warc": None,
    "resiliparse/warcfile.warc.gz": None,
    "resiliparse/warcfile.warc.lz4": "resiliparse/warcfile.warc",
}
"""The files, and the one that warcio reads where it cannot read the file itself (LZ4)."""


START = Place(0)


def opened(path, end=None, limit=1000):
    return contextlib.closing(Archive(str(path), end, lambda record: limit))


def peer_records(path):
    """(type, record id, offset, sha256 of the payload without its HTTP header) by warcio."""
    with path.open("rb") as file:
        records = Warcio(file)
        for record in records:
            data = record.raw_stream.read()
            yield (
                record.rec_type,
                record.rec_headers.get_header("WARC-Record-ID"),
                records.get_record_offset(),
                hashlib.sha256(data).hexdigest(),
            )


def our_records(path):
    with opened(path, limit=1 << 30) as archive:
        for found in archive.records(START):
            assert not found.reason
            headers = found.record.headers
            digest = hashlib.sha256(found.data).hexdigest()
            yield str(found.record.record_type), headers.get("WARC-Record-ID"), found.offset, digest


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(FILES))
def test_records_are_those_of_warcio(data_dir, name):
    folder = data_dir / "web" / "warc"
    ours = list(our_records(folder / name))
    theirs = list(peer_records(folder / (FILES[name] or name)))
    assert len(ours) == len(theirs) > 2
    for mine, other in zip(ours, theirs, strict=True):
        assert mine[0] == other[0]
        assert mine[1].strip("<>") == other[1].strip("<>")
        assert mine[3] == other[3]
        assert FILES[name] or mine[2] == other[2]


def uuid_of(body):
    return uuid.uuid5(uuid.NAMESPACE_URL, body.decode())


def warc_record(body, kind="response", extra=""):
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    named = f"WARC-Record-ID: <urn:uuid:{uuid_of(body)}>\r\n"
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\n{named}{extra}Content-Type: application/http\r\n"
    return f"{head}Content-Length: {len(http)}\r\n\r\n".encode() + http + b"\r\n\r\n"


def bodies(path, place=START, end=None):
    with opened(path, end) as archive:
        return [found.reason or found.data.decode("latin-1") for found in archive.records(place)]


LARGE = warc_record(b"x" * 2000)
PAGES = [f"<p>page {number}".encode() for number in range(6)]
"""Payloads of which each is told from the others."""


def bgzip(records, size=100):
    """As bgzip does it: members of a size, wherever records begin in them, and an empty one."""
    data = b"".join(records)
    parts = (data[i : i + size] for i in range(0, len(data), size))
    return b"".join(map(gzip.compress, parts)) + gzip.compress(b"")


LAYOUTS = {
    "plain": b"".join,
    "members": lambda records: b"".join(map(gzip.compress, records)),
    "one member": lambda records: gzip.compress(b"".join(records)),
    "pairs": lambda records: b"".join(
        gzip.compress(b"".join(records[i : i + 2])) for i in range(0, len(records), 2)
    ),
    "bgzip": bgzip,
    "zstd": lambda records: b"".join(map(zstandard.compress, records)),
    "lz4": lambda records: b"".join(map(lz4.frame.compress, records)),
}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_reading_goes_on_behind_any_record(tmp_path, layout):
    path = tmp_path / "a.warc"
    path.write_bytes(LAYOUTS[layout]([warc_record(page) for page in PAGES]))
    whole = bodies(path)
    assert whole == [page.decode() for page in PAGES]
    for taken in range(1, len(PAGES) + 1):
        with opened(path) as archive:
            records = archive.records(START)
            for _ in range(taken):
                next(records)
            after = archive.after()
            assert bodies(path, after) == whole[taken:]
            if taken == len(PAGES):
                continue
            for phase in ("work", "read"):
                _, going_on = archive.leave(after, phase)
                rest = [] if going_on is None else bodies(path, going_on)
                if layout not in ("one member", "pairs", "bgzip") or phase == "work":
                    assert rest == whole[taken + 1 :]
                else:
                    assert set(rest) <= set(whole[taken + 1 :])
            if taken + 1 < len(PAGES):  # the record behind it kills its worker, too
                _, going_on = archive.leave(after, "work")
                found, going_on = archive.leave(going_on, "work")
                assert str(uuid_of(PAGES[taken + 1])) in found.record.record_id
                rest = [] if going_on is None else bodies(path, going_on)
                assert rest == whole[taken + 2 :]


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_ranges_have_each_record_once(tmp_path, layout):
    path = tmp_path / "a.warc"
    path.write_bytes(LAYOUTS[layout]([warc_record(page) for page in PAGES]))
    size = path.stat().st_size
    for step in (1, 7, 50, 120, 400):
        found, expected = [], 0
        for begin in range(0, size, step):
            end = min(begin + step, size)
            with opened(path, end) as archive:
                start = archive.find_start(begin, end)
                assert start == (expected if expected is not None and expected < end else None)
                if start is not None:
                    found += [f.data.decode() for f in archive.records(Place(start))]
                    expected = archive.next
        assert found == [page.decode() for page in PAGES]


@pytest.mark.parametrize("layout", ["plain", "members", "zstd", "lz4"])
@pytest.mark.parametrize("wrong", [-30, -1, 1, 30, 150, 400, 10**6, 10**18])
def test_a_wrong_length_loses_no_other_record(tmp_path, layout, wrong):
    records = [warc_record(page) for page in PAGES]
    length = len(records[2]) - 4 - records[2].index(b"HTTP/1.1 ")
    records[2] = records[2].replace(f": {length}\r".encode(), f": {length + wrong}\r".encode())
    path = tmp_path / "a.warc"
    path.write_bytes(LAYOUTS[layout](records))
    found = bodies(path)
    others = {page.decode() for page in [*PAGES[:2], *PAGES[3:]]}
    assert others <= set(found)
    assert len(found) <= len(PAGES) + 1


@pytest.mark.parametrize(
    ("name", "data", "reasons"),
    [
        ("nothing", b"", []),
        ("no WARC", b"<html>no archive</html>" * 100, ["no WARC file"]),
        ("garbage in front", b"garbage\n" + warc_record(b"one"), ["broken record", "one"]),
        ("garbage, gz", b"garbage" + gzip.compress(warc_record(b"one")), ["broken record", "one"]),
        ("garbage behind", gzip.compress(warc_record(b"one")) + b"gar", ["one", "broken record"]),
        ("endless header", b"WARC/1.0\r\n" + b"a" * 10**6, ["no WARC file"]),
        ("no length", b"WARC/1.0\r\nWARC-Type: response\r\n\r\nx\r\n\r\n" + warc_record(b"one"),
         ["", "broken record", "one"]),
        ("too large", gzip.compress(LARGE) * 2 + gzip.compress(warc_record(b"y")),
         ["too large", "too large", "y"]),
        ("too large, plain", LARGE * 2 + warc_record(b"y"),
         ["too large", "too large", "y"]),
        ("cut off", warc_record(b"one") + warc_record(b"x" * 500)[:300], ["one", "cut off"]),
    ],
)  # fmt: skip
def test_broken_files(tmp_path, name, data, reasons):
    path = tmp_path / "a.warc"
    path.write_bytes(data)
    assert bodies(path) == reasons


@pytest.mark.parametrize("layout", ["members", "zstd", "lz4"])
def test_a_flipped_bit_costs_one_record(tmp_path, layout):
    """Every byte of the third of six frames is flipped in turn: the other five come through."""
    members = [LAYOUTS[layout]([warc_record(page * 9)]) for page in PAGES]
    begin = sum(map(len, members[:2]))
    whole = b"".join(members)
    for place in range(begin, begin + len(members[2])):
        data = bytearray(whole)
        data[place] ^= 0x10
        path = tmp_path / "a.warc"
        path.write_bytes(data)
        found = bodies(path)
        assert {(page * 9).decode() for page in [*PAGES[:2], *PAGES[3:]]} <= set(found), place
        assert len(found) in (5, 6, 7)


def test_a_page_whose_checksum_fails_is_broken(tmp_path):
    """All of its bytes can be had, but nobody knows whether they are right."""
    members = [gzip.compress(warc_record(page)) for page in PAGES]
    members[2] = members[2][:-6] + bytes([members[2][-6] ^ 1]) + members[2][-5:]
    path = tmp_path / "a.warc.gz"
    path.write_bytes(b"".join(members))
    pages = [page.decode() for page in PAGES]
    assert bodies(path) == [*pages[:2], "broken record", *pages[3:]]
    path.write_bytes(gzip.compress(b"".join(map(warc_record, PAGES)))[:-6])
    assert bodies(path) == [*pages[:5], "cut off"]


def in_another_case(record):
    """The record with the names in its header in lower case, as some writers have them."""
    head, _, block = record.partition(b"\r\n\r\n")
    version, *lines = head.split(b"\r\n")
    fields = (line.partition(b":") for line in lines)
    lower = [version, *(name.lower() + b":" + value for name, _, value in fields)]
    return b"\r\n".join(lower) + b"\r\n\r\n" + block


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("every", [1, 2])
def test_names_in_a_header_may_be_in_any_case(tmp_path, layout, every):
    pages = [page * 999 if number == 2 else page for number, page in enumerate(PAGES)]
    pages[3] += in_another_case(warc_record(b"within a page"))
    records = [
        record if number % every else in_another_case(record)
        for number, record in enumerate(map(warc_record, pages))
    ]
    path = tmp_path / "a.warc"
    path.write_bytes(LAYOUTS[layout](records))
    assert [data for _, data in in_steps(path, [100])] == pages
    assert [data for _, data in in_steps(path, [1])] == pages
    with opened(path) as archive:
        ids = [found.record.record_id.strip("<>") for found in archive.records(START)]
    assert ids == [f"urn:uuid:{uuid_of(page)}" for page in pages]


@given(
    blocks=st.lists(st.binary(max_size=300), max_size=5),
    behind=st.sampled_from([b"", b"junk", b"WARC/1.0\r\ncontent-length: 5", b"WARC/1.0\r\nx" * 90]),
    sizes=st.lists(st.integers(1, 90), min_size=1),
)
def test_headers_alone_are_respelt_and_nothing_moves(blocks, behind, sizes):
    head, line = b"WARC/1.1\r\nContent-Length: %d\r\nx: \r y\n\r\n\r\n", b"\ncontent-length: 7\n"
    records = [head % len(block + line) + block + line + b"\r\n\r\n" for block in blocks]
    file = io.BytesIO(b"".join(map(in_another_case, records)) + behind)
    respelt, found = Respelt(file, 100), b""
    for size in itertools.cycle(sizes):
        data = respelt.read(size)
        assert len(data) <= size
        found += data
        if not data:
            break
    assert found == b"".join(records) + behind


PIECES = st.sampled_from(["good", "pair", "garbage", "broken", "long", "short", "large", "cut"])


def piece(kind, number, plain):
    """A stretch of a file, whole or broken in one of the ways seen in the wild."""
    record = warc_record(f"<p>{kind} {number}".encode() * 3)
    if kind == "large":
        record = warc_record(f"{number}".encode() * 1500)
    if kind in ("long", "short"):
        length = len(record) - 4 - record.index(b"HTTP/1.1 ")
        wrong = length + (77 if kind == "long" else -9)
        record = record.replace(f": {length}\r".encode(), f": {wrong}\r".encode())
    if kind == "garbage":
        return f"garbage {number}\n".encode() * 9
    if kind == "pair":
        record += warc_record(f"<p>second {number}".encode())
    data = record if plain else gzip.compress(record)
    if kind == "cut":
        return data[: len(data) // 2]
    if kind == "broken":
        return data[:60] + b"\xff\xff\xff" + data[63:]
    return data


def in_steps(path, sizes, end=None):
    """What is found where the file is opened anew behind so many records; the last size goes on."""
    place, found, sizes = START, [], iter(sizes)
    size = 1
    while place is not None:
        size = next(sizes, size)
        with opened(path, end, 300_000) as archive:
            records = archive.records(place)
            taken = list(itertools.islice(records, size))
            found += taken
            place = archive.after() if len(taken) == size else None
    return [(one.offset, one.reason or one.data) for one in found]


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(PIECES, max_size=7),
    plain=st.booleans(),
    sizes=st.lists(st.integers(1, 4), max_size=8),
)
def test_from_any_place_the_rest_is_the_same(tmp_path_factory, kinds, plain, sizes):
    path = tmp_path_factory.mktemp("rest") / "a.warc"
    path.write_bytes(b"".join(piece(kind, n, plain) for n, kind in enumerate(kinds)))
    whole = bodies(path)
    good = {f"<p>good {n}" * 3 for n, kind in enumerate(kinds) if kind == "good"}
    if not plain:
        assert good <= set(whole)
    for taken in range(1, len(whole) + 1):
        with opened(path) as archive:
            for _ in zip(range(taken), archive.records(START), strict=False):
                pass
            assert bodies(path, archive.after()) == whole[taken:]
    assert in_steps(path, sizes) == in_steps(path, [100])


LARGE_PIECES = st.sampled_from(["good", "good", "record", "flip", "last", "cut", "many", "garbage"])


@settings(max_examples=150, deadline=None)
@given(
    kinds=st.lists(LARGE_PIECES, min_size=2, max_size=6),
    seed=st.integers(0, 1 << 32),
    sizes=st.lists(st.integers(1, 3), max_size=6),
    layout=st.sampled_from(["members", "members", "zstd", "lz4"]),
)
def test_damage_is_found_alike_from_any_place(
    tmp_path_factory, mutation, kinds, seed, sizes, layout
):
    """Records longer and shorter than what a decoder or a reader takes at a time, some damaged."""
    rng = random.Random(seed)
    parts = []
    for number, kind in enumerate(kinds):
        size = rng.choice([10, 300, 3000, 9000, 20_000, 60_000])
        page = rng.randbytes(size).hex().encode() * rng.choice([1, 1, 5])
        records = [
            mutation.record(page, number * 10 + i) for i in range(3 if kind == "many" else 1)
        ]
        part = LAYOUTS[layout]([b"".join(records)])
        if kind == "record" and layout == "members":
            part = mutation.broken_record(page, number, rng)
        if kind in ("flip", "many"):
            part = mutation.flip(part, rng)
        if kind == "last":
            part = part[:-1] + bytes([part[-1] ^ 1])
        if kind == "cut":
            part = mutation.cut(part, rng)
        parts.append(rng.randbytes(500) if kind == "garbage" else part)
    path = tmp_path_factory.mktemp("damage") / "a.warc"
    path.write_bytes(b"".join(parts))
    assert in_steps(path, sizes) == in_steps(path, [100])


@pytest.mark.parametrize("size", [100, 3000, 9000, 20_000, 50_000, 70_000, 130_000, 270_000])
def test_a_checksum_that_fails_behind_records_of_any_size(tmp_path, mutation, size):
    """Whether a decoder comes to the damage while it reads an earlier record is all the same."""
    path = tmp_path / "a.warc.gz"
    for between in (10, 1000, 10_000, 50_000):
        members = [
            gzip.compress(mutation.record(random.Random(n).randbytes(one // 2).hex().encode(), n))
            for n, one in enumerate([size, between, 60_000, 400])
        ]
        members[2] = members[2][:-1] + b"\xff"
        path.write_bytes(b"".join(members))
        whole = in_steps(path, [100])
        assert in_steps(path, [1]) == whole
        found = [data if isinstance(data, str) else len(data) for _, data in whole]
        assert found == [size, between, "broken record", 400]


@pytest.mark.data
@pytest.mark.parametrize(
    "seed", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 24))]
)
def test_mutated_archives_alike_from_any_place(tmp_path, mutation, data_dir, seed):
    """The archives of the fuzz test, opened anew behind every record, and behind some."""
    origin = data_dir / "web" / "webkit_bench" / "origin"
    pages = [path.read_bytes() for path in sorted(origin.glob("*.html"))]
    rng = random.Random(seed)
    path = tmp_path / "a.warc.gz"
    path.write_bytes(mutation.archive(pages, range(500), rng, {}))
    whole = in_steps(path, [10_000])
    assert len(whole) > 450
    assert in_steps(path, [1]) == whole
    assert in_steps(path, [rng.randint(1, 30) for _ in range(600)]) == whole
