"""`mathlm explain` of a finished corpus stage: examples by reason, documents by id or URL."""

from __future__ import annotations

import gzip
import json
import shutil

import pytest
from tests.corpus.reading import warc_of

from mathlm.cli import main
from mathlm.core.errors import UserError
from mathlm.corpus import look

PROSE = "Let the sum of all even numbers below some bound be given, and ask how fast it grows. "
PAGES = {
    "good": f"<h1>Sums</h1><p>{PROSE * 3} We have \\(s(n) = n(n+1)\\) for all \\(n\\).</p>",
    "twin": f"<h1>Sums</h1><p>{PROSE * 3} We have \\(s(n) = n(n+1)\\) for all \\(n\\).</p><hr>",
    "plain": f"<p>{PROSE * 4}</p>",
    "short": "<p>We have \\(x^2\\).</p>",
    "none": f"<p>{PROSE.replace('sum', 'colour') * 4} \\(\\) </p>",
    "greek": "<p>" + "Το άθροισμα των άρτιων αριθμών μέχρι \\(n^2\\) είναι γνωστό. " * 9 + "</p>",
}
RECIPE = """
name = "look"
[stage.corpus]
kind = "corpus"
{source}
decontaminate = {{ tasks = [] }}
[stage.corpus.filters]
"""
FATES = {
    "good": ("kept", "kept"),
    "twin": ("exact_duplicates", "exact duplicate"),
    "plain": ("prefilter", "no mark of mathematics"),
    "short": ("filter", "short"),
    "none": ("filter", "no formulas"),
    "greek": ("filter", "language is not en"),
}


def source_of(kind, folder):
    """The pages in the form that a kind of source reads, and the line of the recipe."""
    urls = {name: f"https://example.org/{name}.html" for name in PAGES}
    if kind == "warc":
        warc_of([(urls[n], page.encode(), None) for n, page in PAGES.items()], folder / "a.warc.gz")
        return f'sources.web = {{ kind = "warc", files = ["{folder}/*.warc.gz"], held_out = 0 }}'
    if kind == "html":
        (folder / "pages").mkdir()
        for name, page in PAGES.items():
            (folder / "pages" / f"{name}.html").write_text(page)
        return f'sources.web = {{ kind = "html", folders = ["{folder}/pages"], held_out = 0 }}'
    lines = [json.dumps({"url": urls[n], "page": page}) for n, page in PAGES.items()]
    (folder / "a.jsonl").write_text("\n".join(lines))
    return (
        f'sources.web = {{ kind = "jsonl", files = ["{folder}/a.jsonl"], html = "page",'
        " held_out = 0 }"
    )


@pytest.fixture(scope="module", params=["warc", "html", "jsonl"])
def stage(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "inputs").mkdir()
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE.format(source=source_of(request.param, folder / "inputs")))
    assert main(["run", str(recipe), "--out", str(folder / "run"), "workers=1"]) == 0
    return folder / "run" / "corpus"


def name_of(seen):
    place = str(seen.note.get("url") or seen.id)
    return next((name for name in PAGES if name in place), place)


def test_every_fate_has_its_count_and_examples(stage):
    found = {(g.step, g.reason): g for g in look.groups(stage)}
    assert set(found) == set(FATES.values())
    for name, fate in FATES.items():
        group = found[fate]
        assert group.documents == len(group.examples) == 1
        (one,) = group.examples
        if name not in ("good", "twin"):  # which of the two stays is the order's business
            assert name_of(one) == name
        if fate[0] != "exact_duplicates":
            assert one.text.startswith(("# Sums", "Let", "We", "Το"))
    (dropped,) = look.groups(stage, reason="SHORT")
    assert (dropped.step, dropped.reason) == ("filter", "short")


def test_a_named_document_is_explained(stage):
    (short,) = look.groups(stage, reason="short")[0].examples
    names = [short.id, *([short.note["url"]] if "url" in short.note else [])]
    for name in names:
        (one,) = look.find(stage, [name])
        assert (one.id, one.step, one.reason) == (short.id, "filter", "short")
        by_name = {row["filter"]: row for row in one.details}
        assert by_name["characters"]["reason"] == "short"
        assert by_name["formulas"]["figure"] == 1
    (kept,) = look.groups(stage, reason="kept")[0].examples
    (again,) = look.find(stage, [kept.id])
    assert again.step == "kept"
    assert not any(row.get("reason") for row in again.details)


def test_what_is_not_there_is_said(stage):
    with pytest.raises(UserError, match="neither kept nor dropped nothing-of-the-kind"):
        look.find(stage, ["nothing-of-the-kind"])


def test_the_command_shows_and_writes_json(stage, capsys):
    assert main(["explain", str(stage), "--number", "1"]) == 0
    shown = capsys.readouterr().out
    assert "prefilter: no mark of mathematics  (1)" in shown
    assert "kept  (1)" in shown
    assert "which stays" in shown
    assert main(["explain", str(stage), "--json", "--reason", "language"]) == 0
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["step"], line["documents"]) == ("filter", 1)
    identifier = line["examples"][0]["id"]
    assert main(["explain", str(stage), identifier]) == 0
    assert "at least 0.5" in capsys.readouterr().out


def test_without_its_inputs_ids_and_reasons_are_left(stage):
    inputs = stage.parent.parent / "inputs"
    inputs.rename(inputs.with_name("away"))
    try:
        found = {g.reason: g for g in look.groups(stage)}
        assert found["short"].examples[0].text == ""
        assert found["kept"].examples[0].text
    finally:
        shutil.move(inputs.with_name("away"), inputs)


@pytest.mark.parametrize("kind", ["warc", "jsonl"])
def test_files_of_one_name_are_told_apart(tmp_path, kind):
    """Parts of a crawl or of a dataset are often called alike in folders of different names."""
    for place, folder in enumerate(("de", "en")):
        (tmp_path / folder).mkdir()
        pages = [f"<p>{folder} {n}" for n in range(3)]
        if kind == "warc":
            warc = warc_of(
                [(f"https://e.org/{place}", p.encode(), None) for p in pages],
                tmp_path / folder / "0.warc",
                gzip=False,
            )
            warc.write_bytes(warc.read_bytes().replace(b"WARC-Record-ID", b"X-Record-Number"))
        else:
            lines = [json.dumps({"page": page}) for page in pages]
            (tmp_path / folder / "0.jsonl").write_text("\n".join(lines))
    page = 'html = "page"' if kind == "jsonl" else "held_out = 0"
    recipe = tmp_path / "recipe.toml"
    source = f'sources.w = {{ kind = "{kind}", files = ["{tmp_path}/*/0.{kind}"], {page} }}'
    recipe.write_text(RECIPE.format(source=source).replace("[stage.corpus.filters]", ""))
    assert main(["run", str(recipe), "--out", str(tmp_path / "run"), "workers=1", "--quiet"]) == 0
    (short,) = look.groups(tmp_path / "run" / "corpus", number=9, reason="short")
    assert {one.text for one in short.examples} == {
        f"{folder} {n}" for folder in ("de", "en") for n in range(3)
    }
    assert len({one.id for one in short.examples}) == 6
    assert all(one.id.startswith(one.text[:2]) for one in short.examples)


def test_a_record_deep_in_an_archive_of_one_member(tmp_path):
    """All of its records stand at one place; they are told apart by their ids."""
    pages = [(f"https://e.org/{n}", f"<p>page {n}".encode(), None) for n in range(1500)]
    warc = warc_of(pages, tmp_path / "a.warc", gzip=False)
    (tmp_path / "a.warc.gz").write_bytes(gzip.compress(warc.read_bytes()))
    recipe = tmp_path / "recipe.toml"
    source = f'sources.w = {{ kind = "warc", files = ["{tmp_path}/a.warc.gz"] }}'
    recipe.write_text(RECIPE.format(source=source).replace("[stage.corpus.filters]", ""))
    assert main(["run", str(recipe), "--out", str(tmp_path / "run"), "workers=1", "--quiet"]) == 0
    for number in (0, 1499):
        (one,) = look.find(tmp_path / "run" / "corpus", [f"https://e.org/{number}"])
        assert one.text == f"page {number}"
