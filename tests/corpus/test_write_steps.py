"""Shards written apart are those that one writer makes in one go, whoever writes them."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.executor import Local
from mathlm.core.records import Document, Provenance
from mathlm.core.storage import atomic_group, changed_files, read_manifest, write_manifest
from mathlm.corpus import split, tables
from mathlm.corpus.write_steps import Written, write_source

TEXTS = st.sampled_from(["", "a", "bb", "é", "ccc", "dddddd"])
STAYS = st.sampled_from([True, True, True, False])
ROWS = st.lists(st.tuples(st.integers(0, 30), TEXTS, STAYS, STAYS), max_size=40)


def document(number: int, text: str) -> Document:
    provenance = Provenance(file="f", offset=number)
    return Document(id=f"d{number}", text=text, source="s", provenance=provenance)


def source(folder: Path, rows: list[tuple[int, str, bool, bool]], part_bytes: int) -> Written:
    """A group of documents, and two of marks."""
    with (
        atomic_group(folder / "read") as group,
        tables.working_writer(group, part_bytes) as writer,
    ):
        for number, text, *_ in rows:
            writer.add(document(number, text))
    for place, name in enumerate(("duplicates", "decontaminate"), 2):
        with atomic_group(folder / name) as group:
            np.save(group / "kept.npy", np.array([row[place] for row in rows], bool))
    return Written(folder / "read", (folder / "duplicates", folder / "decontaminate"), 0.2, 1)


def held_out(ids: list[str], share: float) -> set[str]:
    """Ids whose position is below the share; the lowest one where none is and there are several."""
    chosen = {one for one in ids if split.position(one) < share}
    if share and not chosen and len(set(ids)) > 1:
        chosen.add(min(ids, key=lambda one: (split.position(one), one)))
    return chosen


def in_one_go(folder: Path, kept: list[Document], share: float, shard_bytes: int) -> None:
    """What one process writes, document after document."""
    folder.mkdir()
    out = held_out([one.id for one in kept], share)
    with (
        tables.Writer(folder, "train", shard_bytes) as train,
        tables.Writer(folder, "heldout", shard_bytes) as aside,
    ):
        for one in kept:
            (aside if one.id in out else train).add(one)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


@settings(max_examples=100, deadline=None)
@given(
    ROWS,
    st.sampled_from([0.0, 0.001, 0.2, 0.9]),
    st.integers(1, 60),
    st.integers(1, 20),
    st.tuples(st.integers(1, 12), st.integers(1, 8)),
)
def test_shards_written_apart(
    rows: list[tuple[int, str, bool, bool]],
    share: float,
    part_bytes: int,
    shard_bytes: int,
    group: tuple[int, int],
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        patch.setattr(tables, "_GROUP_BYTES", group[0])
        patch.setattr(tables, "_GROUP_ROWS", group[1])
        given_rows = source(folder, rows, part_bytes)
        written = Written(given_rows.read, given_rows.marks, share, shard_bytes)
        target = folder / "out"
        write_source(written, Local(1), target=(target, "key"), scratch=folder / "scratch")
        kept = [document(number, text) for number, text, one, other in rows if one and other]
        in_one_go(folder / "expected", kept, share, shard_bytes)
        assert files_in(target) == files_in(folder / "expected")
        assert changed_files(target) == []
        splits = (read_manifest(target) or {})["splits"]
        out = held_out([one.id for one in kept], share)
        sizes = [len(one.text.encode()) for one in kept if one.id in out]
        assert splits["heldout"] == {"documents": len(sizes), "bytes": sum(sizes)}
        assert splits["train"]["documents"] == len(kept) - len(sizes)


def many(folder: Path) -> Written:
    """A source of several files, of each of which a row group and more is held out."""
    rows = [(n, f"text {n} " * 20, n % 7 != 3, n % 11 != 5) for n in range(3000)]
    given_rows = source(folder, rows, 90_000)
    assert len(list(given_rows.read.glob("*.parquet"))) > 4
    return Written(given_rows.read, given_rows.marks, 0.3, 50_000)


def test_neither_processes_nor_kills_change_a_byte(tmp_path: Path, monkeypatch) -> None:
    written = many(tmp_path)
    with Local(1) as alone:
        write_source(written, alone, target=(tmp_path / "a", "k"), scratch=tmp_path / "s")
    expected = files_in(tmp_path / "a")
    assert sum(name.startswith("heldout") for name in expected) > 1
    with Local(3) as several:
        write_source(written, several, target=(tmp_path / "b", "k"), scratch=tmp_path / "t")
    assert files_in(tmp_path / "b") == expected
    rename = os.replace
    for point in itertools.count(1, 7):
        calls = itertools.count(1)

        def replace(*names, calls=calls, point=point):
            if next(calls) == point:
                raise KeyboardInterrupt
            rename(*names)

        to = {"target": (tmp_path / f"c{point}", "k"), "scratch": tmp_path / f"s{point}"}
        monkeypatch.setattr("os.replace", replace)
        with Local(1) as alone:
            try:
                write_source(written, alone, **to)
            except KeyboardInterrupt:
                assert not to["target"][0].exists()
                monkeypatch.undo()
                write_source(written, alone, **to)
                assert files_in(to["target"][0]) == expected
                continue
        break
    assert point > 30


def test_other_settings_make_the_shards_afresh(tmp_path: Path) -> None:
    written = many(tmp_path)
    for key, share in (("k", 0.3), ("l", 0.6)):
        other = Written(written.read, written.marks, share, 50_000)
        to = tmp_path / "out"
        write_source(other, Local(1), target=(to, key), scratch=tmp_path / "s")
        ids = pq.read_table(to / "heldout-00000.parquet")["id"].to_pylist()
        assert all(split.position(one) < share for one in ids)
    assert any(split.position(one) >= 0.3 for one in ids)


def test_the_manifest_of_a_folder_takes_over_what_groups_inside_have_noted(
    tmp_path: Path, monkeypatch
) -> None:
    with atomic_group(tmp_path / "out" / "group") as group:
        (group / "a").write_bytes(b"1")
    whole = write_manifest(tmp_path / "out")
    hashed = []
    monkeypatch.setattr("mathlm.core.storage.sha256_of", lambda path: hashed.append(path.name))
    assert write_manifest(tmp_path / "out") == whole and hashed == []
    (tmp_path / "out" / "group" / "a").write_bytes(b"2")
    os.utime(tmp_path / "out" / "group" / "a", (2e9, 2e9))
    write_manifest(tmp_path / "out")
    assert hashed == ["a"]
