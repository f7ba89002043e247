"""Compressed frames, decoded as the libraries of their formats decode them, whole and damaged."""

from __future__ import annotations

import gzip
import io
import random
import tracemalloc
import zlib

import lz4.frame
import pytest
import zstandard
from fastwarc.stream_io import ZstdWriter
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.corpus.sources.archives import Archive, Place
from mathlm.corpus.sources.frames import Frames, Unit

PACK = {"gzip": gzip.compress, "lz4": lz4.frame.compress, "zstd": zstandard.compress}


def content(frame):
    """The whole content of a frame."""
    return b"".join(iter(frame.read, b""))


class Short(io.BytesIO):
    """A file that gives fewer bytes than it is asked for, as a far one may."""

    def read(self, size=-1):
        return super().read(max(1, size // 3))


@given(
    parts=st.lists(st.binary(max_size=300), min_size=1, max_size=5),
    times=st.sampled_from([1, 700]),
    kind=st.sampled_from(sorted(PACK)),
    file=st.sampled_from([io.BytesIO, Short]),
)
def test_frames_hold_what_was_packed(parts, times, kind, file):
    parts = [part * times for part in parts]
    packed = [PACK[kind](part) for part in parts]
    frames, offset = Frames(file(b"".join(packed))), 0
    for part, data in zip(parts, packed, strict=True):
        frame = frames.open(offset)
        assert frame.offset == offset
        assert content(frame) == part
        assert not frame.damage
        offset += len(data)
        assert frame.end == offset
    assert frames.open(offset) is None


@given(
    part=st.binary(min_size=1, max_size=3000),
    place=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
    times=st.sampled_from([1, 100]),
)
@settings(max_examples=200)
def test_a_damaged_member_gives_nothing_that_zlib_does_not(part, place, bit, times):
    packed = bytearray(gzip.compress(part * times))
    packed[10 + int(place * (len(packed) - 10))] ^= 1 << bit  # the ten of the header tell little
    frame = Frames(io.BytesIO(packed)).open(0)
    expected, error = b"", False
    decoder = zlib.decompressobj(wbits=31)
    for byte in packed:
        try:
            expected += decoder.decompress(bytes([byte]))
        except zlib.error:
            error = True
            break
    found = content(frame)
    assert found == expected or (frame.damage and expected.startswith(found))
    assert bool(frame.damage) == (error or not decoder.eof)


@pytest.mark.parametrize("kind", sorted(PACK))
def test_what_is_cut_off_is_said(kind):
    packed = PACK[kind](random.Random(0).randbytes(50_000))
    for size in (8, 9, 20, 1000, len(packed) // 2, len(packed) - 1):
        frame = Frames(io.BytesIO(packed[:size])).open(0)
        assert len(content(frame)) <= 50_000
        assert frame.damage == "cut off"


@pytest.mark.parametrize("kind", sorted(PACK))
def test_a_bomb_comes_in_pieces(kind):
    packed = PACK[kind](bytes(300 << 20))
    frame = Frames(io.BytesIO(packed)).open(0)
    tracemalloc.start()
    size = 0
    while data := frame.read():
        size += len(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 300 << 20
    assert peak < 80 << 20


def test_frames_that_are_passed_over():
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
    packed = zstandard.compress(b"one")
    frame = Frames(io.BytesIO(skippable * 2 + packed)).open(0)
    assert (frame.offset, content(frame)) == (2 * len(skippable), b"one")
    assert Frames(io.BytesIO(skippable)).open(0) is None


def test_a_unit_ends_where_a_record_begins():
    parts = [b"WARC/1.0 one", b" goes on", b"", b"WARC/1.1 two", b"WARC"]
    packed = [gzip.compress(part) for part in parts]
    unit = Unit(Frames(io.BytesIO(b"".join(packed))).open(0))
    assert b"".join(iter(lambda: unit.read(5), b"")) == b"WARC/1.0 one goes on"
    assert unit.following.offset == unit.end == sum(map(len, packed[:3]))
    second = Unit(unit.following)
    assert b"".join(iter(second.read, b"")) == b"WARC/1.1 twoWARC"
    assert second.is_last


@pytest.mark.parametrize("compress", [True, False])
def test_a_dictionary_in_front(tmp_path, mutation, compress):
    """The files of ArchiveTeam begin with a dictionary; FastWARC wrote this one."""
    pages = [mutation.control(number) * 3 for number in range(300)]
    records = [mutation.record(page, number) for number, page in enumerate(pages)]
    trained = zstandard.train_dictionary(4096, records).as_bytes()
    path = tmp_path / "a.warc.zst"
    with path.open("wb") as file:
        writer = ZstdWriter(file, dictionary=trained, compress_dictionary_frame=compress)
        for record in records:
            writer.write(record)
            writer.finish()
        writer.close()
    archive = Archive(str(path), None, lambda record: 1 << 20)
    assert [found.data for found in archive.records(Place(0))] == pages
    middle = archive.find_start(path.stat().st_size // 2)
    rest = [found.data for found in archive.records(Place(middle))]
    assert rest == pages[-len(rest) :]
    assert 100 < len(rest) < 200
