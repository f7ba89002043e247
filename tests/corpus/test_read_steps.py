"""Records read in parts, as columns, are those that one process reads, object by object."""

from __future__ import annotations

import datetime
import gzip
import itertools
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.core.executor import Local
from mathlm.core.progress import Progress
from mathlm.core.records import Document, Provenance
from mathlm.corpus import read_steps
from mathlm.corpus.read_steps import read_source
from mathlm.corpus.source_config import PythonSource, RecordsSource, TextSource
from mathlm.corpus.sources import Services
from mathlm.corpus.sources.tables import identifier_of
from mathlm.corpus.tables import read_documents

QUIET = Progress(quiet=True)
PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TEXT = st.sampled_from(["", " ", "\u2003\n", "\x1f", "\xa0x", "\u200b", "a", "é"]) | PLAIN
STRINGS = st.fixed_dictionaries(
    {}, optional={name: st.none() | TEXT for name in ("id", "text", "url", "date")}
)
ANY = st.none() | st.integers() | st.booleans() | TEXT | st.just("\ud800") | st.just([1])
OBJECTS = st.fixed_dictionaries(
    {}, optional={name: ANY for name in ("id", "text", "url", "date")}
) | st.sampled_from([1, None, "x"])
CAPS = st.tuples(st.none() | st.integers(1, 40), st.none() | st.integers(1, 9))


def sources(folder: Path, kind: str, files: list[list[Any]], **caps: Any) -> RecordsSource:
    """A source of a file for each list of rows."""
    for number, rows in enumerate(files):
        path = folder / f"{number}.{kind}"
        if kind == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            schema = pa.schema([(name, pa.string()) for name in ("date", "id", "text", "url")])
            pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=3)
    given_files = tuple(str(folder / f"{number}.{kind}") for number in range(len(files)))
    return RecordsSource(kind=kind, files=given_files, **caps)


def read(folder: Path, source: Any, executor: Local | None = None) -> Path:
    services = Services(QUIET, executor=executor or Local(1))
    given_source = (source, "default", services)
    read_source("s", given_source, target=(folder / "read", "key"), scratch=folder / "scratch")
    assert not (folder / "scratch").exists()
    return folder / "read"


def found(group: Path) -> tuple[list[Document], list[dict[str, Any]], list[str], list[str]]:
    """Documents, rows of the funnel, lines of failures and of drops."""
    sides = [group / f"{step}.jsonl" for step in ("read", "filter")]
    lines = [side.read_text().split("\n")[:-1] if side.is_file() else [] for side in sides]
    rows = json.loads((group / "rows.json").read_text())
    return list(read_documents(sorted(group.glob("documents-*.parquet")))), rows, *lines


def written(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode("utf-8")


def one_by_one(source: RecordsSource, files: list[list[Any]]) -> tuple[Any, ...]:
    """What is kept, failed and dropped, record after record."""
    kept, failed, dropped, taken, size = [], [], [], 0, 0
    for file, rows in zip(source.files, files, strict=True):
        name = Path(file).name
        for number, row in enumerate(rows):
            if taken == source.max_documents or size >= (source.max_bytes or 1 << 60):
                return kept, failed, dropped, taken
            taken += 1
            if not isinstance(row, dict):
                failed.append((f"{name}:{number}", "not a JSON object"))
                continue
            identifier = (
                written(row.get("id")) if row.get("id") not in (None, "") else f"{name}:{number}"
            )
            if not isinstance(row.get("text"), str):
                failed.append((identifier, "no text"))
            elif row["text"] == "\ud800":
                failed.append((identifier, "not Unicode"))
            elif not row["text"].strip():
                dropped.append((identifier, "blank"))
            else:
                url, date = (
                    None if row.get(field) is None else written(row[field]) or None
                    for field in ("url", "date")
                )
                provenance = Provenance(file=name, offset=number, url=url, date=date)
                kept.append(
                    Document(id=identifier, text=row["text"], source="s", provenance=provenance)
                )
                size += len(row["text"].encode())
    return kept, failed, dropped, taken


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, ""),
        ("", ""),
        (float("nan"), ""),
        (b"", ""),
        (b"a\xff", "a\ufffd"),
        (2**63, str(2**63)),
    ],
)
def test_ids_that_are_none_and_ids_of_other_types(value: Any, name: str) -> None:
    row = {"id": value}
    assert identifier_of(row, "id", "file:7") == (name or "file:7")
    assert identifier_of(row, "url", "") == ""


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.tuples(st.just("jsonl"), st.lists(st.lists(OBJECTS, max_size=12), max_size=4)),
        st.tuples(st.just("parquet"), st.lists(st.lists(STRINGS, max_size=12), max_size=4)),
    ),
    CAPS,
    st.tuples(st.integers(1, 900), st.integers(1, 60)),
)
def test_parts_and_columns_change_nothing(
    inputs: tuple[str, list[list[Any]]], caps: tuple[int | None, int | None], cuts: tuple[int, int]
) -> None:
    kind, files = inputs
    files = files or [[]]
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_steps, "_PART_BYTES", cuts[0])
        patch.setattr(read_steps, "_FILE_BYTES", cuts[1])
        source = sources(Path(name), kind, files, max_documents=caps[0], max_bytes=caps[1])
        documents, rows, failures, drops = found(read(Path(name), source))
    kept, failed, dropped, taken = one_by_one(source, files)
    assert documents == kept
    told = [[(line["id"], line.get("failed") or line["reason"]) for line in map(json.loads, lines)]
            for lines in (failures, drops)]  # fmt: skip
    assert told == [failed, dropped]
    assert [row["in"] for row in rows] == [taken, taken, taken - len(failed)]
    assert rows[2]["kept"] == len(kept)


def test_rows_of_other_types_of_parquet(tmp_path: Path) -> None:
    day = datetime.datetime(2024, 1, 2)
    table = pa.table({
        "id": pa.array([7, None, 9], pa.int32()),
        "text": pa.array(["one", None, "three"], pa.large_string()).dictionary_encode(),
        "url": pa.array(["", "https://a.org/", None], pa.large_string()),
        "date": pa.array([day, None, day], pa.timestamp("s")),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    source = RecordsSource(kind="parquet", files=(str(tmp_path / "a.parquet"),))
    documents, _, failures, _ = found(read(tmp_path, source))
    assert [(one.id, one.text) for one in documents] == [("7", "one"), ("9", "three")]
    assert [one.provenance.date for one in documents] == ["2024-01-02 00:00:00"] * 2
    assert [one.provenance.offset for one in documents] == [0, 2]
    assert [json.loads(line)["id"] for line in failures] == ["a.parquet:1"]
    pq.write_table(table.set_column(1, "text", pa.array([b"x"] * 3)), tmp_path / "a.parquet")
    documents, rows, _, _ = found(read(tmp_path, source))
    assert documents == [] and rows[1]["failed"] == {"no text": 3}


def test_bytes_that_are_no_utf8_are_counted(tmp_path: Path) -> None:
    """Parquet's strings are whatever their writer has put there."""
    broken = pa.array([b"good", b"bad \xff", b"\xed\xa0\x80", b"fine"]).view(pa.string())
    names = pa.array([b"a", b"b", b"c", b"d\xff"]).view(pa.string())
    table = pa.table({"id": names, "text": broken})
    pq.write_table(table, tmp_path / "a.parquet")
    source = RecordsSource(kind="parquet", files=(str(tmp_path / "a.parquet"),))
    documents, rows, failures, _ = found(read(tmp_path, source))
    assert [(one.id, one.text) for one in documents] == [("a", "good"), ("d?", "fine")]
    assert rows[1]["failed"] == {"not Unicode": 2}
    assert [json.loads(line)["id"] for line in failures] == ["b", "c"]


def test_mistakes_and_damage_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"body": ["x" * 9, "y" * 99] * 500}), path, compression="snappy")
    source = RecordsSource(kind="parquet", files=(str(path),))
    with pytest.raises(UserError, match="no column 'text'"):
        read(tmp_path, source)
    data = bytearray(path.read_bytes())
    data[20:60] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.parquet (is damaged|is no Parquet file)"):
        read(tmp_path, source.model_copy(update={"text": "body"}))
    path.write_text("no Parquet")
    with pytest.raises(UserError, match="no Parquet file"):
        read(tmp_path, source)
    assert not (tmp_path / "read").exists()


def inputs_of(folder: Path, kind: str) -> RecordsSource:
    rows = [{"id": f"r{n}", "text": f"text {n} " * 9 if n % 5 else " "} for n in range(700)]
    files = [rows[:250], rows[250:260], rows[260:]]
    return sources(folder, kind, files)


@pytest.mark.parametrize("caps", [{}, {"max_documents": 333}, {"max_bytes": 9_000}])
@pytest.mark.parametrize("kind", ["jsonl", "parquet", "files"])
def test_neither_processes_nor_kills_change_a_byte(
    tmp_path: Path, monkeypatch, kind: str, caps: dict[str, int]
) -> None:
    monkeypatch.setattr(read_steps, "_PART_BYTES", 3_000)
    monkeypatch.setattr(read_steps, "_FILE_BYTES", 1_500)
    monkeypatch.setattr(read_steps, "_PART_FILES", 5)
    if kind == "files":
        for number in range(60):
            (tmp_path / "texts").mkdir(exist_ok=True)
            (tmp_path / "texts" / f"{number}.md").write_text(f"some words {number}\n" * 90)
        folders = {"standard_library": False, "descriptions": False}
        source: Any = TextSource(folders=(str(tmp_path / "texts"),), **folders)
        caps = {name: cap // 9 for name, cap in caps.items()}
    else:
        source = inputs_of(tmp_path, kind)
    source = source.model_copy(update=caps)
    expected = files_in(read(tmp_path / "alone", source))
    with Local(3) as several:
        assert files_in(read(tmp_path / "three", source, several)) == expected
    rename, points = os.replace, 0
    for point in itertools.count(2, 23):
        calls = itertools.count(1)

        def replace(*names, calls=calls, point=point):
            if next(calls) == point:
                raise KeyboardInterrupt
            rename(*names)

        monkeypatch.setattr("os.replace", replace)
        try:
            read(tmp_path / f"{point}", source)
        except KeyboardInterrupt:
            monkeypatch.setattr("os.replace", rename)
            assert files_in(read(tmp_path / f"{point}", source)) == expected
            points += 1
            continue
        break
    assert points


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_part_that_is_there_is_not_read_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(read_steps, "_PART_BYTES", 1)
    source, read_part, parts = inputs_of(tmp_path, "jsonl"), read_steps.read_part, []

    def dying(part):
        parts.append(part.target.name)
        if len(parts) == 2:
            raise KeyboardInterrupt
        read_part(part)

    monkeypatch.setattr(read_steps, "read_part", dying)
    with pytest.raises(KeyboardInterrupt):
        read(tmp_path, source)
    assert found(read(tmp_path, source))[1][0]["in"] == 700
    assert parts == ["000000", "000001", "000001", "000002"]


def test_what_a_cap_leaves_of_files_is_counted(tmp_path: Path) -> None:
    source = PythonSource(packages=("mpmath",), max_documents=9)
    _, rows, _, _ = found(read(tmp_path, source))
    assert rows[0]["kept"] == 9 and rows[0]["dropped"]["beyond max_documents"] > 50


def test_a_cut_off_archive_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    lines = "".join(json.dumps({"text": os.urandom(30).hex()}) + "\n" for _ in range(999))
    path.write_bytes(gzip.compress(lines.encode())[:-2000])
    documents, rows, _, _ = found(read(tmp_path, RecordsSource(kind="jsonl", files=(str(path),))))
    assert 900 < len(documents) < 999 and rows[1]["failed"] == {"not a JSON object": 1}


def test_installed_packages_are_those_of_the_machine_of_the_command(tmp_path: Path) -> None:
    class Elsewhere(Local):
        def map(self, function, items):
            for item in items:
                yield pytest.fail(f"{item.name} is read by another machine")

    packages = PythonSource(packages=("mpmath",), max_documents=9)
    assert found(read(tmp_path / "a", packages, Elsewhere(remote=True)))[1][0]["kept"] == 9
    with pytest.raises(pytest.fail.Exception, match="another machine"):
        read(tmp_path / "b", inputs_of(tmp_path, "jsonl"), Elsewhere(remote=True))
