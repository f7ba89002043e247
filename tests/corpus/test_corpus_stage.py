"""The corpus stage as a whole: what it writes, that it adds up, and that kills change nothing."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mathlm.cli import main
from mathlm.core.errors import UserError
from mathlm.core.processes import Outcome
from mathlm.core.records import Problem
from mathlm.core.stage import StageContext
from mathlm.corpus import batches
from mathlm.corpus.config import CorpusConfig
from mathlm.corpus.funnel import STEPS, check
from mathlm.corpus.stage import run

LEAK = "Nadia plants 17 rows of 23 tulips each in the spring garden and picks 40 of them later."
WORDS = [f"word{number}" for number in range(3000)]


def prose(seed, words=120):
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) for _ in range(words))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder of small inputs: records with every fault, pages, general text."""
    folder = tmp_path_factory.mktemp("corpus") / "inputs"
    (folder / "pages").mkdir(parents=True)
    (folder / "notes").mkdir()
    rows = [{"id": f"n{number}", "text": prose(number)} for number in range(40)]
    rows += [
        {"id": "copy", "text": prose(3).replace(" ", "\n")},
        {"id": "close", "text": prose(4, 119) + " otherword"},
        {"id": "leak", "text": f"{prose(50)} {LEAK} {prose(51)}"},
        {"id": "blank", "text": " \n"},
        {"id": "none"},
        {"id": "number", "text": 3},
        {"text": prose(60)},
    ]
    lines = [json.dumps(row) for row in rows] + ["{broken", "[1]", json.dumps({"text": "\ud800"})]
    with gzip.open(folder / "records.jsonl.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")
    for number in range(6):
        (folder / "pages" / f"{number}.html").write_text(prose(100 + number))
    (folder / "pages" / "bad.html").write_text("crash")
    (folder / "notes" / "a.md").write_text(prose(200))
    (folder / "notes" / "b.py").write_text("import numpy\n" + prose(201))
    (folder / "notes" / "c.txt").write_bytes(b"\xff\xfe not UTF-8")
    return folder


_spec = importlib.util.spec_from_file_location("reading", Path(__file__).with_name("reading.py"))
shared = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(shared)
patched = threading.Lock()


class Crash(BaseException):
    """What a page that reads "crash" does to its process."""


def open_pages(**settings):
    """Batches are read in this process; a page that reads "crash" ends it."""
    pool = shared.PoolHere(**settings)
    run_whole, document_of = pool.run, batches.document_of

    def hostile(page, source):
        if page.data == b"crash":
            raise Crash
        return document_of(page, source)

    def run(request):
        with patched:
            batches.document_of = hostile
            try:
                return run_whole(request)
            except Crash:
                return Outcome("crashed", detail="the worker died of SIGSEGV")
            finally:
                batches.document_of = document_of

    pool.run = run
    return pool


def problems():
    yield Problem(id="p", task="planted", prompt=LEAK)


def config_for(inputs, **more):
    general = {"standard_library": False, "descriptions": False, "folders": [str(inputs / "notes")]}
    sources = {
        "records": {"kind": "jsonl", "files": [str(inputs / "records.jsonl.gz")]},
        "web": {"kind": "html", "folders": [str(inputs / "pages"), str(inputs / "absent")]},
        "general": {"kind": "text", **general},
        "problems": {"kind": "problems", "count": 30},
    }
    return CorpusConfig.model_validate({"sources": sources, **more})


def make(directory, config, **more):
    context = StageContext("corpus", directory, workers=more.pop("workers", 1))
    given = {"problems": problems, "open_pages": open_pages, **more}
    run(context, config, **given)
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def funnel_of(directory):
    rows = json.loads((directory / "funnel.json").read_text())
    return {(row["step"], row["source"]): row for row in rows}


def test_every_document_is_accounted_for(tmp_path, inputs):
    out = tmp_path / "out"
    files = make(out, config_for(inputs))
    rows = json.loads((out / "funnel.json").read_text())
    check(rows)
    of_web_only = ("prefilter",)
    off = ("repeated_lines", "final_filter")  # unless they are asked for
    done = [step for step in STEPS if step not in off]
    steps = [step for step in done for _ in range(1 if step in of_web_only else 4)]
    assert [row["step"] for row in rows] == steps
    funnel = funnel_of(out)
    read = funnel["read", "records"]
    assert read["failed"] == {"no text": 2, "not Unicode": 1, "not a JSON object": 2}
    assert funnel["filter", "records"]["dropped"] == {"blank": 1}
    assert funnel["exact_duplicates", "records"]["dropped"] == {"exact duplicate": 1}
    assert funnel["near_duplicates", "records"]["dropped"] == {"near duplicate": 1}
    assert funnel["decontaminate", "records"]["dropped"] == {"overlap with planted": 1}
    assert funnel["read", "web"]["failed"] == {"crashed": 1}
    assert funnel["read", "general"]["failed"] == {"not UTF-8": 1}
    assert funnel["filter", "general"]["dropped"] == {"mathematical import": 1}
    assert {name.partition("/")[0] for name in files} == {
        "documents", "dropped", "funnel.json", "funnel.svg", "card.md", "signatures",
    }  # fmt: skip
    lines = (out / "dropped" / "decontaminate.jsonl").read_text().splitlines()
    (leak,) = map(json.loads, lines)
    assert (leak["id"], leak["problem"]) == ("leak", "p")
    assert "17 rows of 23 tulips" in leak["ngram"]
    number = sum(len(p.read_text().splitlines()) for p in (out / "dropped").glob("*.jsonl"))
    assert number == sum(sum((*row["dropped"].values(), *row["failed"].values())) for row in rows)


def test_documents_carry_their_columns_and_split(tmp_path, inputs):
    out = tmp_path / "out"
    make(out, config_for(inputs))
    for source in ("records", "web", "general", "problems"):
        ids = {}
        for split in ("train", "heldout"):
            table = pq.read_table(out / "documents" / source / f"{split}-00000.parquet")
            assert table.column_names == ["id", "text", "source", "provenance"]
            assert set(table["source"].to_pylist()) <= {source}
            ids[split] = set(table["id"].to_pylist())
        assert not ids["train"] & ids["heldout"]
        kept = funnel_of(out)["decontaminate", source]["kept"]
        assert len(ids["train"] | ids["heldout"]) == kept
        assert ids["heldout"] or kept < 2
    rows = pq.read_table(out / "documents" / "web" / "train-00000.parquet").to_pylist()
    assert all(row["provenance"]["content_type"] == "text/html" for row in rows)
    assert all(row["id"] == row["provenance"]["file"] for row in rows)
    assert str(tmp_path) not in json.dumps(rows)


def test_the_card_says_what_is_there(tmp_path, inputs):
    out = tmp_path / "out"
    make(out, config_for(inputs))
    card = (out / "card.md").read_text()
    header = card.split("---")[1]
    paths = re.findall(r"path: (\S+)", header)
    assert len(paths) == 8
    assert all(list(out.glob(path)) for path in paths)
    for name in ("records", "web", "general", "problems"):
        documents = funnel_of(out)["decontaminate", name]["kept"]
        (row,) = [line for line in card.splitlines() if line.startswith(f"| {name} |")][:1]
        cells = [cell.strip().replace(",", "") for cell in row.split("|")[3:-1]]
        assert int(cells[0]) + int(cells[2]) == documents
    assert "near duplicate: 1" in card


def test_neither_workers_nor_partitions_change_a_byte(tmp_path, inputs, expected):
    config = config_for(inputs, duplicates={"near": {"partitions": 3}})
    assert make(tmp_path, config, workers=5) == expected


def test_a_finished_stage_is_left_alone_and_other_settings_replace_it(tmp_path, inputs, expected):
    config = config_for(inputs)
    make(tmp_path / "a", config)
    before = (tmp_path / "a" / "card.md").stat().st_mtime_ns
    assert make(tmp_path / "a", config, problems=None) == expected
    assert (tmp_path / "a" / "card.md").stat().st_mtime_ns == before
    other = config_for(inputs, shard_mib=1, decontaminate={"min_words": 60, "words": 60})
    assert make(tmp_path / "a", other) == make(tmp_path / "b", other)
    assert not (tmp_path / "a" / "dropped" / "decontaminate.jsonl").exists()


@pytest.fixture(scope="module")
def expected(tmp_path_factory, inputs):
    """The files of an uninterrupted run."""
    return make(tmp_path_factory.mktemp("whole"), config_for(inputs))


@pytest.mark.parametrize("point", [1, 4, 8, 11, 15, 19, 26, 33, 38, 41])
def test_it_goes_on_from_wherever_it_stopped(tmp_path, inputs, expected, monkeypatch, point):
    """Stop at the n-th commit of a group or file (before its rename), then go on."""
    rename, calls = os.replace, 0

    def replace(*args):
        nonlocal calls
        calls += 1
        if calls == point:
            raise KeyboardInterrupt
        rename(*args)

    monkeypatch.setattr("os.replace", replace)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, config_for(inputs))
    monkeypatch.undo()
    assert make(tmp_path, config_for(inputs)) == expected


SCRIPT = """
import sys
from pathlib import Path
from mathlm.core.stage import StageContext
from mathlm.corpus.config import CorpusConfig
from mathlm.corpus.stage import run
from mathlm.tasks import TASKS
config = CorpusConfig.model_validate_json(sys.argv[2])
run(StageContext("corpus", Path(sys.argv[1]), workers=2), config,
    problems=lambda: TASKS["arithmetic-seen"].load("test", 50, 0))
"""


@pytest.mark.slow
def test_sigkill_at_any_time_then_the_same_bytes(tmp_path, root):
    sources = {
        "code": {"kind": "python", "packages": ["sympy", "mpmath"], "max_bytes": 400_000},
        "web": {"kind": "html", "folders": [str(root / "examples" / "pages")]},
        "problems": {"kind": "problems", "count": 1500},
    }
    config = CorpusConfig.model_validate({"sources": sources}).model_dump_json()

    def start(directory):
        return subprocess.Popen([sys.executable, "-c", SCRIPT, str(directory), config])

    def tree(directory):
        return {
            path.relative_to(directory).as_posix(): path.read_bytes()
            for path in sorted(directory.rglob("*"))
            if path.is_file()
        }

    begin = time.monotonic()
    assert start(tmp_path / "whole").wait() == 0
    wall = time.monotonic() - begin
    expected = tree(tmp_path / "whole")
    rng = random.Random(0)
    for number in range(8):
        directory = tmp_path / f"killed{number}"
        kills = 0
        for _ in range(3):
            process = start(directory)
            time.sleep(rng.uniform(0, wall))
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
        assert start(directory).wait() == 0
        assert tree(directory) == expected, f"{kills} kills"


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"a": {"kind": "python", "packages": ["no_such_package_1"]}}, "pip install"),
        ({"a": {"kind": "jsonl", "files": ["/no/such/file.jsonl"]}}, "no such file"),
        ({"a": {"kind": "parquet", "files": ["/no/such/file.parquet"]}}, "no such file"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, sources, message):
    config = CorpusConfig.model_validate({"sources": sources})
    with pytest.raises(UserError, match=message) as caught:
        make(tmp_path / "out", config)
    assert "\n" not in str(caught.value)


def records_in(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return CorpusConfig.model_validate({"sources": {"r": {"kind": "jsonl", "files": [str(path)]}}})


def against(config, *directories, **more):
    return CorpusConfig.model_validate(
        {**config.model_dump(), "duplicates": {"against": list(map(str, directories)), **more}}
    )


def kept_ids(directory):
    files = (directory / "documents").rglob("*.parquet")
    return {one for path in files for one in pq.read_table(path)["id"].to_pylist()}


def test_a_new_crawl_against_an_earlier_run(tmp_path):
    old = [{"id": f"old{n}", "text": prose(n)} for n in range(20)]
    new = [{"id": f"new{n}", "text": prose(n)} for n in range(15, 25)]
    new += [{"id": "close", "text": prose(3, 119) + " otherword and more"}]
    first = records_in(tmp_path / "old.jsonl", old)
    make(tmp_path / "first", first)
    for path in (tmp_path / "first" / "documents").rglob("*.parquet"):
        path.unlink()  # no text of the earlier run is read again
    second = against(records_in(tmp_path / "new.jsonl", new), tmp_path / "first")
    make(tmp_path / "second", second)
    assert kept_ids(tmp_path / "second") == {f"new{n}" for n in range(20, 25)}
    lines = (tmp_path / "second" / "dropped" / "near_duplicates.jsonl").read_text().splitlines()
    assert [json.loads(line)["of"] for line in lines] == ["old3"]
    row = funnel_of(tmp_path / "second")["exact_duplicates", "r"]
    assert (row["in"], row["dropped"]) == (11, {"exact duplicate": 5})
    third = against(
        records_in(tmp_path / "again.jsonl", new), tmp_path / "first", tmp_path / "second"
    )
    make(tmp_path / "third", third)
    assert kept_ids(tmp_path / "third") == set()


def test_urls_dates_and_repeated_lines_of_records(tmp_path):
    def row(number, path, date, text):
        url = f"https://a.org/{path}"
        lines = ["Share this page with friends", "", text, "", "$$x^2$$", "All rights reserved"]
        return {"id": f"p{number}", "url": url, "date": date, "text": "\n".join(lines)}

    rows = [row(n, n, "2024-01-02", prose(n, 60)) for n in range(20)]
    rows += [row(20, "3/?utm_source=x", "2024-01-01", prose(3, 60))]
    rows += [{"id": "empty", "url": "http://a.org/e", "text": "Share this page with friends"}]
    rows += [{"id": "other", "text": "Share this page with friends"}]
    config = records_in(tmp_path / "r.jsonl", rows)
    config = against(config, lines={"documents": 5})
    make(tmp_path / "out", config)
    funnel = funnel_of(tmp_path / "out")
    assert funnel["url_duplicates", "r"]["dropped"] == {"url duplicate": 1}
    assert funnel["repeated_lines", "r"]["dropped"] == {"only repeated lines": 1}
    assert funnel["repeated_lines", "r"]["noted"]["lines cut"] == 43
    assert kept_ids(tmp_path / "out") == {f"p{n}" for n in range(21) if n != 3} | {"other"}
    texts = [
        one
        for path in (tmp_path / "out" / "documents").rglob("*.parquet")
        for one in pq.read_table(path)["text"].to_pylist()
    ]
    assert sum("Share this" in text for text in texts) == 1
    assert sum("$$x^2$$" in text for text in texts) == 20
    assert "lines cut: 43" in (tmp_path / "out" / "card.md").read_text()


def test_the_terminal_says_what_became_of_the_documents(tmp_path, capsys):
    """A source of which nothing stays (here: no archive at all) is no success in silence."""
    (tmp_path / "good.jsonl").write_text(json.dumps({"text": prose(1)}) + "\nbroken\n")
    (tmp_path / "bad.warc").write_text("no archive")
    files = f'files=["{tmp_path}/%s"]'
    words = ["stage", "corpus", "--out", str(tmp_path / "out"), "decontaminate.tasks=[]",
             f'sources.good={{kind="jsonl",{files % "good.jsonl"}}}',
             f'sources.bad={{kind="warc",{files % "bad.warc"}}}']  # fmt: skip
    assert main(words) == 0
    said = capsys.readouterr().err
    assert "1 of 3 documents kept, 2 failed" in said
    assert "warning: nothing of bad was kept" in said
    assert "nothing of good" not in said


def test_against_what_has_no_signatures(tmp_path):
    config = records_in(tmp_path / "r.jsonl", [{"id": "a", "text": prose(1)}])
    make(tmp_path / "without", against(config, keep=False))
    assert not (tmp_path / "without" / "signatures").exists()
    with pytest.raises(UserError, match="no finished corpus stage"):
        make(tmp_path / "out", against(config, tmp_path / "without"))
    make(tmp_path / "with", config)
    with pytest.raises(UserError, match="bands 14 → 9"):
        make(tmp_path / "out", against(config, tmp_path / "with", near={"bands": 9}))
    assert not (tmp_path / "out" / "work").exists()


def test_against_a_run_of_which_a_part_is_not_finished(tmp_path):
    """Killed while it notes what stays, or at work again: its finished parts are not all of it."""
    rows = [{"id": f"r{n}", "text": prose(n)} for n in range(4)]
    config = records_in(tmp_path / "r.jsonl", rows)
    config.sources["s"] = records_in(tmp_path / "s.jsonl", rows[:1]).sources["r"]
    make(tmp_path / "first", config)
    with pytest.raises(UserError, match=r"first is what is to be made, no earlier run"):
        make(tmp_path / "first", against(config, tmp_path / "first"))
    make(tmp_path / "second", against(config, tmp_path))  # all that stand beside it
    make(tmp_path / "second", against(config, tmp_path))
    assert kept_ids(tmp_path / "second") == set()
    noted = sorted((tmp_path / "first" / "signatures").rglob("kept.npy"))
    assert len(noted) == 2
    noted[0].unlink()
    with pytest.raises(UserError, match=r"first is no finished corpus stage"):
        make(tmp_path / "out", against(config, tmp_path / "first"))


@pytest.mark.parametrize("name", ["../up", "a b", "", "ü"])
def test_names_of_sources_are_plain(name):
    with pytest.raises(ValueError, match="source name"):
        CorpusConfig.model_validate({"sources": {name: {"kind": "problems"}}})
