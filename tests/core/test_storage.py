"""Atomic files and groups: whole or absent; a full disk is one clear error."""

from __future__ import annotations

import errno
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from mathlm.core import storage
from mathlm.core.errors import MachineError, UserError
from mathlm.core.records import Document


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    storage.write_text(path, "one")
    with pytest.raises(RuntimeError), storage.atomic_file(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_text() == "one"
    assert os.listdir(path.parent) == ["a.txt"]


def test_a_group_appears_whole_with_its_manifest(tmp_path: Path) -> None:
    target = tmp_path / "group"
    with pytest.raises(RuntimeError), storage.atomic_group(target) as folder:
        (folder / "a").write_bytes(b"1")
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    (tmp_path / "group.part").mkdir()
    (tmp_path / "group.part" / "leftover").touch()
    for text in (b"1", b"22"):
        with storage.atomic_group(target, {"identity": "x"}) as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / "a").write_bytes(text)
    assert os.listdir(tmp_path) == ["group"]
    manifest = storage.read_manifest(target)
    assert manifest is not None
    assert manifest["identity"] == "x"
    assert list(manifest["files"]) == ["sub/a"]
    assert storage.changed_files(target) == []
    (target / "sub" / "a").write_bytes(b"23")
    assert storage.changed_files(target) == ["sub/a"]


def test_a_full_disk_is_one_clear_error_and_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match="No space left on device"):
        storage.write_text(tmp_path / "a", "text")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_jsonl_round_trip_local_and_compressed(tmp_path: Path, ending: str) -> None:
    documents = [Document(id=str(i), text="é\u2028" * i, source="web") for i in range(3)]
    path = tmp_path / "d.jsonl"
    assert storage.write_jsonl(path, documents) == 3
    if ending:
        path.with_name("d.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert list(storage.read_jsonl(f"{path}{ending}", Document)) == documents


def zstd(*parts: bytes) -> bytes:
    """A frame each with a checksum, an empty one and one to be passed over behind them."""
    compressor = pytest.importorskip("zstandard").ZstdCompressor(write_checksum=True)
    frames = [compressor.compress(part) for part in (*parts, b"")]
    return b"".join(frames) + b"\x50\x2a\x4d\x18\x03\0\0\0abc"


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_compressed_file_that_is_cut_off_or_none_never_ends_in_silence(
    tmp_path: Path, ending: str
) -> None:
    lines = [str(number).encode() * 99 for number in range(5000)]
    begin, end = b"\n".join(lines[:2000]), b"\n".join([b"", *lines[2000:]])
    packed = {".gz": gzip.compress(begin) + gzip.compress(end), ".zst": zstd(begin, end)}[ending]
    path = tmp_path / f"d.jsonl{ending}"
    path.write_bytes(packed)
    assert [line for _, line in storage.read_lines(path)] == lines
    for size in (1, 9, 400, len(packed) // 2, len(packed) - 40):
        path.write_bytes(packed[:size])
        with pytest.raises(storage.DamagedError, match=r"d.jsonl.* is damaged: "):
            list(storage.read_lines(path))
    damaged = packed[:200] + b"\xff" * 100 + packed[300:]
    for data in (damaged, b"no compressed file", b"\n".join(lines)):
        path.write_bytes(data)
        with pytest.raises(storage.DamagedError):
            list(storage.read_lines(path))


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    good: dict[str, Any] = {"id": "1", "text": "t", "source": "s"}
    path.write_text(json.dumps(good) + "\n" + json.dumps({**good, "extra": 1}) + "\n")
    with pytest.raises(UserError, match="line 2: extra"):
        list(storage.read_jsonl(path, Document))
    with pytest.raises(UserError, match="no such file"):
        list(storage.read_jsonl(tmp_path / "none.jsonl", Document))


def test_a_group_is_published_with_its_manifest_last(tmp_path: Path) -> None:
    with storage.atomic_group(tmp_path / "g") as folder:
        (folder / "a").write_bytes(b"1")
    storage.publish(tmp_path / "g", f"file://{tmp_path}/store/g")
    assert storage.changed_files(tmp_path / "store" / "g") == []
    (tmp_path / "loose").mkdir()
    with pytest.raises(UserError, match="only a finished group"):
        storage.publish(tmp_path / "loose", f"file://{tmp_path}/store/l")


def test_of_two_writers_of_a_shared_group_the_first_counts(tmp_path):
    with storage.atomic_group(tmp_path / "g", {"key": 1}, shared=True) as one:
        (one / "a").write_text("same")
        with storage.atomic_group(tmp_path / "g", {"key": 1}, shared=True) as two:
            assert one != two
            (two / "a").write_text("same")
        before = (tmp_path / "g" / "a").stat().st_ino
    assert (tmp_path / "g" / "a").stat().st_ino == before
    assert [path.name for path in tmp_path.iterdir()] == ["g"]
    with storage.atomic_group(tmp_path / "g", {"key": 2}, shared=True) as other:
        (other / "b").write_text("other settings")
    assert sorted(path.name for path in (tmp_path / "g").iterdir()) == ["b", "manifest.json"]


def test_leftovers_of_killed_writers_are_swept(tmp_path):
    (tmp_path / "x" / "g.0123.part").mkdir(parents=True)
    (tmp_path / "x" / "g.0123.old").mkdir()
    (tmp_path / "x" / "kept.part").write_text("a file")
    storage.sweep(tmp_path)
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["kept.part"]
