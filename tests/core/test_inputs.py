"""Files from outside of a run: what counts as the same, changed, added, gone."""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from mathlm.core import inputs
from mathlm.core.errors import UserError
from mathlm.core.inputs import compare, expand, files_of, named, stamp_of, stamps_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.jsonl").write_text(name * 10)
    return tmp_path


def look(folder: Path) -> inputs.Inputs:
    return compare({"files": partial(named, [f"{folder}/*.jsonl"])}, folder / "stage")


def later(path: Path, text: str | None = None) -> None:
    if text is not None:
        path.write_text(text)
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 10**9))


def test_what_becomes_of_noted_files(folder: Path) -> None:
    first = look(folder)
    assert first.before is None and not first.changes and first.fingerprint()
    first.note(folder / "stage")
    assert look(folder).fingerprint() == first.fingerprint() and not look(folder).changes
    later(folder / "a.jsonl")  # a copy of the same bytes
    assert look(folder).fingerprint() == first.fingerprint() and not look(folder).changes
    later(folder / "a.jsonl", "A" * 10)  # another text of the same size
    (folder / "b.jsonl").unlink()
    (folder / "d.jsonl").write_text("new")
    found = look(folder)
    names = (str(folder / name) for name in ("a.jsonl", "d.jsonl", "b.jsonl"))
    changed, added, gone = names
    assert found.differences() == [
        f"files: 1 changed ({changed}), 1 added ({added}), 1 gone ({gone})"
    ]
    assert found.other and found.fingerprint() != first.fingerprint()


def test_the_same_size_and_time_is_believed_and_a_new_time_alone_is_not_hashed_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(folder).note(folder / "stage")
    later(folder / "c.jsonl")
    look(folder).note(folder / "stage")
    inputs._digest.cache_clear()
    monkeypatch.setattr(inputs, "sha256_of", lambda path: pytest.fail("read again"))
    assert not look(folder).changes


def test_sources_too_large_to_be_read_twice_are_told_apart_by_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "DIGEST_BYTES", 29)
    look(folder).note(folder / "stage")
    later(folder / "a.jsonl")
    assert look(folder).changes["files"].changed == [str(folder / "a.jsonl")]


def test_what_is_gone_is_remembered_until_it_is_back(folder: Path) -> None:
    first = look(folder)
    first.note(folder / "stage")
    text = (folder / "a.jsonl").read_bytes()
    (folder / "a.jsonl").unlink()
    gone = look(folder)
    assert not gone.other and "1 gone" in gone.differences()[0]
    gone.note(folder / "stage")
    assert "1 gone" in look(folder).differences()[0]
    (folder / "a.jsonl").write_bytes(text)
    assert not look(folder).changes and look(folder).fingerprint() == first.fingerprint()


def test_a_store_that_does_not_answer_changes_nothing(folder: Path) -> None:
    first = look(folder)
    first.note(folder / "stage")

    def fails() -> list[inputs.InputFile]:
        raise ConnectionError("no route to host\nand more")

    found = compare({"files": fails}, folder / "stage")
    assert found.differences() == ["files: cannot be looked at (no route to host)"]
    assert found.fingerprint() == first.fingerprint() and not found.other


def test_many_names_are_told_by_number(folder: Path) -> None:
    look(folder).note(folder / "stage")
    for number in range(7):
        (folder / f"x{number}.jsonl").write_text("x")
    assert "7 added (" in look(folder).differences()[0]
    assert look(folder).differences()[0].endswith("and 4 more)")


def test_names_that_are_no_unicode(folder: Path) -> None:
    path = os.fsdecode(os.fsencode(folder) + b"/\xff.jsonl")
    with open(path, "w", encoding="ascii") as file:
        file.write("x")
    look(folder).note(folder / "stage")
    assert not look(folder).changes and look(folder).fingerprint()


def test_paths_and_globs(folder: Path) -> None:
    assert expand(f"{folder}/[ab].jsonl") == [str(folder / "a.jsonl"), str(folder / "b.jsonl")]
    assert list(named([f"{folder}/none.jsonl"])) == []
    with pytest.raises(UserError, match=r"no such file: .*none"):
        list(files_of([f"{folder}/none*"]))
    with pytest.raises(UserError, match="no such file"):
        stamp_of(str(folder / "none"))
    with pytest.raises(UserError, match="cannot open"):
        stamp_of("nothing://bucket/a")
    assert stamp_of(str(folder / "a.jsonl")).bytes == 10


def test_many_far_files_are_asked_for_at_once_and_nobody_waits_behind_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sixteen at a time, in order; the rest is left when one fails, also while others hang."""
    asked: list[str] = []
    hang = threading.Event()

    def look(url: str) -> inputs.Stamp:
        asked.append(url)
        if url.endswith("refused"):
            raise PermissionError(13, "Permission denied", url)
        if url.endswith("hangs"):
            hang.wait(30)
        return inputs.Stamp(len(url))

    monkeypatch.setattr(inputs, "_look", look)
    urls = [f"s3://bucket/{'x' * n}" for n in range(40)]
    assert [stamp.bytes for stamp in stamps_of(urls)] == [len(url) for url in urls]
    asked.clear()
    begin = time.monotonic()
    hanging = [f"s3://bucket/{n}-hangs" for n in range(40)]
    with pytest.raises(UserError, match="no permission to read s3://bucket/refused"):
        stamps_of(["s3://bucket/refused", *hanging])
    assert time.monotonic() - begin < 10
    hang.set()
    time.sleep(0.2)
    assert len(asked) <= 17 + 16
