"""Inputs of a corpus that change after it was made: every kind of them is noticed and told."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mathlm.cli import main
from mathlm.corpus import read_steps

RECIPE = """
name = "toy"
workers = 1
[stage.corpus]
kind = "corpus"
sources.crawl = {{ kind = "warc", files = ["{0}/*.warc.gz"] }}
sources.pages = {{ kind = "html", folders = ["{0}/pages"] }}
sources.lines = {{ kind = "jsonl", files = ["{0}/lines.jsonl"] }}
sources.rows = {{ kind = "parquet", files = ["{0}/rows.parquet"] }}
sources.code = {{ kind = "code", folders = ["{0}/owner__repository"] }}
decontaminate.tasks = []
[stage.tokens]
kind = "tokens"
vocab_size = 300
needs = {{ documents = "corpus" }}
"""


def prose(name):
    return " ".join(f"{name}{n} is a word of {name}." for n in range(40))


@pytest.fixture
def made(tmp_path, shared, monkeypatch):
    """(recipe, folder of inputs, run directory) of a run that is finished."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "in"
    (folder / "pages").mkdir(parents=True)
    repository = folder / "owner__repository"
    (repository / ".git").mkdir(parents=True)
    for name in "ab":
        page = f"<html><body><h1>{name}</h1><p>{prose(name)}</p></body></html>".encode()
        shared.warc_of([(f"https://e.org/{name}", page, None)], folder / f"{name}.warc.gz")
        (folder / "pages" / f"{name}.html").write_bytes(page.replace(b"word", b"sentence"))
        (repository / f"{name}.lean").write_text(f"theorem {name} : 1 = 1 := rfl\n" * 9)
    rows = [{"id": str(n), "text": prose(f"row{n}")} for n in range(5)]
    (folder / "lines.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist([{"text": prose("table")}]), folder / "rows.parquet")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.format("in"))
    assert main(["run", "recipe.toml", "--quiet"]) == 0
    return recipe, folder, tmp_path / "runs" / "toy"


def told(capsys, *words):
    """Exit code and what was said."""
    capsys.readouterr()
    code = main(list(words))
    found = capsys.readouterr()
    return code, found.out + found.err


def texts(corpus, source):
    """The documents' texts."""
    files = sorted((corpus / "documents" / source).glob("*.parquet"))
    return [text for file in files for text in pq.read_table(file)["text"].to_pylist()]


def test_every_kind_of_input_is_noticed(made, shared, capsys):
    _, folder, run = made
    code, said = told(capsys, "run", "recipe.toml")
    assert code == 0 and said.count("finished before, skipped\n") == 2
    code, said = told(capsys, "plan", "recipe.toml")
    assert code == 0 and said.startswith("nothing to estimate")
    for path in folder.rglob("*"):  # as after `cp -r` or `git clone`
        os.utime(path)
    code, said = told(capsys, "plan", "recipe.toml")
    assert code == 0 and said.startswith("nothing to estimate")
    page = (f"https://e.org/{prose('c')}", prose("c").encode(), None)
    shared.warc_of([page], folder / "c.warc.gz")
    (folder / "pages" / "b.html").unlink()
    (folder / "pages" / "a.html").write_text("<p>another")
    (folder / "lines.jsonl").write_text(json.dumps({"text": prose("new")}) + "\n")
    pq.write_table(pa.Table.from_pylist([{"text": prose("tabby")}]), folder / "rows.parquet")
    (folder / "owner__repository" / "a.lean").write_text("theorem other : 2 = 2 := rfl\n" * 9)
    code, said = told(capsys, "run", "recipe.toml")
    assert code == 2
    for change in (
        "sources.crawl: 1 added (in/c.warc.gz)",
        "sources.pages: 1 changed (pages/a.html), 1 gone (pages/b.html)",
        "sources.lines: 1 changed (in/lines.jsonl)",
        "sources.rows: 1 changed (in/rows.parquet)",
        "sources.code: 1 changed (owner__repository/a.lean)",
        "delete runs/toy/corpus and runs/toy/tokens",
    ):
        assert change in said
    for command in (["plan"], ["run", "--dry-run"]):
        code, said = told(capsys, *command, "recipe.toml")
        assert code == 0 and "sources.crawl: 1 added (in/c.warc.gz)" in said
    code, said = told(capsys, "plan", "recipe.toml", "--json")
    line = json.loads(said.splitlines()[0])
    assert (line["stage"], line["state"], len(line["reasons"])) == ("corpus", "differs", 5)
    assert main(["run", "recipe.toml", "--quiet", "--ignore-changed-inputs"]) == 0
    assert main(["stage", "corpus", "recipe.toml", "--quiet"]) == 2
    for stage in ("corpus", "tokens"):
        shutil.rmtree(run / stage)
    assert main(["run", "recipe.toml", "--quiet"]) == 0
    assert texts(run / "corpus", "rows") == [prose("tabby")]
    code, said = told(capsys, "plan", "recipe.toml")
    assert code == 0 and said.startswith("nothing to estimate")


def test_inputs_deleted_to_save_space(made, capsys):
    _, folder, _ = made
    shutil.rmtree(folder)
    code, said = told(capsys, "run", "recipe.toml")
    assert code == 0 and "corpus: finished before, skipped (sources.crawl: 2 gone" in said
    code, said = told(capsys, "plan", "recipe.toml")
    assert code == 0 and said.startswith("corpus: stands (sources.crawl: 2 gone (in/a.warc.gz")


def test_a_stage_alone(made, capsys):
    _, folder, _ = made
    words = ["stage", "corpus", "--out", "alone", "decontaminate.tasks=[]",
             "sources.crawl.kind=warc", 'sources.crawl.files=["in/a.warc.gz"]']  # fmt: skip
    assert main([*words, "--quiet"]) == 0
    os.utime(folder / "a.warc.gz")
    assert "finished before, skipped" in told(capsys, *words)[1]
    shutil.copy(folder / "b.warc.gz", folder / "a.warc.gz")
    code, said = told(capsys, *words)
    assert code == 0 and "changed since: sources.crawl: 1 changed (in/a.warc.gz)" in said
    assert texts(Path("alone"), "crawl") == [f"# b\n\n{prose('b')}"]
    (folder / "a.warc.gz").unlink()
    code, said = told(capsys, *words)
    assert code == 0 and "finished before, skipped (sources.crawl: 1 gone" in said
    code, said = told(capsys, *words, "shard_mib=7")  # other settings need the inputs
    assert code == 2 and "no such file: in/a.warc.gz" in said


def test_a_killed_stage_reads_again_only_the_source_that_changed(made, monkeypatch, capsys):
    _, folder, run = made
    expected = json.loads((run / "corpus" / "funnel.json").read_text())
    shutil.rmtree(run)
    read, calls = read_steps.read_source, []

    def stopping(name, *given, **target):
        calls.append(name)
        if name == "code" and calls.count(name) == 1:
            raise KeyboardInterrupt
        read(name, *given, **target)

    monkeypatch.setattr(read_steps, "read_source", stopping)
    assert main(["run", "recipe.toml", "--quiet"]) == 130
    with (folder / "lines.jsonl").open("a") as file:
        file.write(json.dumps({"text": prose("late")}) + "\n")
    code, said = told(capsys, "run", "recipe.toml")
    assert code == 0 and "inputs changed since it was begun: sources.lines: 1 changed" in said
    assert calls == ["lines", "rows", "code", "lines", "code"]
    assert "read crawl" not in said and "read pages" not in said
    funnel = json.loads((run / "corpus" / "funnel.json").read_text())
    for row, before in zip(funnel, expected, strict=True):
        assert row["in"] == before["in"] + (row["source"] == "lines")


def test_a_missing_input_is_told_before_any_work(made, capsys):
    _, folder, run = made
    shutil.rmtree(run)
    (folder / "rows.parquet").unlink()
    code, said = told(capsys, "run", "recipe.toml")
    assert code == 2 and "no such file: in/rows.parquet" in said
    assert not Path(run, "corpus").exists()


def test_pages_behind_a_cap_are_no_input(made):
    _, folder, _ = made
    words = ["stage", "corpus", "--out", "capped", "--quiet", "decontaminate.tasks=[]",
             "sources.pages.kind=html", 'sources.pages.folders=["in/pages"]',
             "sources.pages.max_documents=2"]  # fmt: skip
    assert main(words) == 0
    record = Path("capped/logs/inputs.jsonl")
    before = record.read_text()
    (folder / "pages" / "c.html").write_text("<p>behind the cap")
    assert main(words) == 0 and record.read_text() == before
    (folder / "pages" / "aa.html").write_text("<p>before it")
    assert main(words) == 0 and record.read_text() != before
