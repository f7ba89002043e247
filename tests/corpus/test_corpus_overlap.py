"""`mathlm overlap` and `mathlm explain`: output, exit codes, published counts and labels."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from mathlm.cli import main
from mathlm.corpus.explain import explain
from mathlm.corpus.sources.repositories import origin

ITEM = "Rosa  has 23 bags and gives $8$ to her friend Max"


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def rows_of(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def overlap(capsys, *words):
    code = main(["overlap", *words, "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return code, lines[:-1], lines[-1]


def test_hits_and_summary(tmp_path, capsys):
    items = write(tmp_path / "b.jsonl", [{"question": "too short"}, {"id": "q7", "problem": ITEM}])
    text = "Before. rosa has\n23 BAGS and~gives \\, $8$ to her friend max. After."
    corpus = tmp_path / "c.jsonl.gz"
    with gzip.open(corpus, "wt") as file:
        file.write(json.dumps({"text": "nothing here"}) + "\n" + json.dumps({"text": text}) + "\n")
        file.write("broken\n" + json.dumps({"text": text, "id": "d"}) + "\n")
    code, hits, last = overlap(capsys, items, "--corpus", str(corpus), "--n", "6")
    assert code == 1
    assert [hit["document"] for hit in hits] == [f"{corpus}:1", "d"]
    assert hits[0] == {
        "benchmark": items,
        "item": "q7",
        "document": f"{corpus}:1",
        "ngram": "rosa has 23 BAGS and gives",
        "n": 6,
        "offset": text.index("rosa"),
    }
    assert last["mib_per_s"] > 0
    assert last["summary"] == {
        "items": 2, "items_too_short": 1, "documents": 3, "unreadable": 1,
        "hits": 2, "items_hit": 1, "documents_hit": 2,
    }  # fmt: skip
    code, hits, last = overlap(capsys, items, "--corpus", str(corpus), "--n", "6", "--exact")
    assert (code, hits, last["summary"]["hits"]) == (0, [], 0)


def test_fields_and_items_without_id(tmp_path, capsys):
    rows = [{"prompt": "a b c", "solution": "d e f"}, {"id": 5, "text": "g h i", "note": "j k l"}]
    items = write(tmp_path / "b.jsonl", rows)
    corpus = write(tmp_path / "c.jsonl", [{"text": "d e f g h i j k l a b c"}])
    _, hits, _ = overlap(capsys, items, "--corpus", corpus, "--n", "3")
    assert [(hit["item"], hit["ngram"]) for hit in hits] == [(0, "d e f"), (5, "g h i")]
    _, hits, _ = overlap(capsys, items, "--corpus", corpus, "--n", "3", "--field", "note")
    assert [(hit["item"], hit["ngram"]) for hit in hits] == [(5, "j k l")]


@pytest.mark.parametrize(
    ("benchmark", "corpus", "more", "message"),
    [
        ("{}\n", "{}\n", [], "no item has a field"),
        ("nonsense\n", "{}\n", [], "line 1: not a JSON object"),
        ('{"text": "a"}\n', None, [], "no such file or folder"),
        ('{"text": "a"}\n', "{}\n", ["--n", "0"], "at least 1"),
    ],
)
def test_mistakes(tmp_path, capsys, benchmark, corpus, more, message):
    (tmp_path / "b.jsonl").write_text(benchmark)
    if corpus is not None:
        (tmp_path / "c.jsonl").write_text(corpus)
    words = [str(tmp_path / "b.jsonl"), "--corpus", str(tmp_path / "c.jsonl"), *more]
    assert main(["overlap", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.data
@pytest.mark.parametrize(
    ("test", "field", "name"),
    [
        ("math", "problem", "mathstack_MATH_input_hits_30"),
        ("math", "solution", "mathstack_MATH_output_hits_30"),
        ("math", "solution", "owm_MATH_output_hits_30"),
        ("gsm8k", "question", "owm_gsm8k_input_hits_30"),
    ],
)
def test_published_counts_by_the_command(data_dir, capsys, test, field, name):
    benchmark = str(data_dir / "benchmarks" / test / "test.jsonl")
    corpus = data_dir / "contamination" / f"{name}.jsonl"
    expected = json.loads((corpus.parent / "expected.json").read_text())[corpus.name]
    words = [benchmark, "--corpus", str(corpus), "--n", "30", "--exact", "--field", field]
    code, hits, last = overlap(capsys, *words)
    assert code == 1
    assert last["summary"]["documents_hit"] == expected["documents"]
    assert last["summary"]["items_hit"] == len({hit["item"] for hit in hits})
    texts = [row[field] for row in rows_of(benchmark)]
    # some items repeat a text: the published count is of texts
    assert len({texts[hit["item"]] for hit in hits}) == expected["tests_all_hits"]
    documents = [row["text"] for row in rows_of(corpus)]
    for hit in hits:
        words = hit["ngram"].split()
        assert len(words) == 30
        assert any(text[hit["offset"] :].split()[:30] == words for text in documents)


@pytest.fixture
def tree(tmp_path):
    files = {
        "openai__miniF2F/a.lean": "theorem a : 1 = 1 := rfl",
        "me__proofs/src/latex/b.tex": r"\section{One} Words.",
        "work/.git/HEAD": "",
        "work/latex/c.tex": r"\section{One} Words.",
        "work/d.py": "import numpyfoo",
        "e.md": "Plain words about nothing much.",
        "f.unknown": "?",
        "g.c": "int x;",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "h.hs").write_bytes(b"\xff\xfe")
    return tmp_path


def test_explain_gives_reasons(tree, capsys):
    paths = [str(tree / name) for name in ("f.unknown", "h.hs", "work", "me__proofs", "e.md")]
    assert main(["explain", *paths, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {row["path"].removeprefix(f"{tree}/"): tuple(row.values())[1:] for row in rows}
    assert list(found.items()) == [
        ("f.unknown", (None, False, "unknown language")),
        ("h.hs", ("haskell", False, "not UTF-8")),
        ("work/d.py", ("python", False, "no mathematical import")),
        ("work/latex/c.tex", ("tex", False, "under latex/")),
        ("me__proofs/src/latex/b.tex", ("tex", False, "under latex/")),
        ("e.md", ("text", True, None)),
    ]


def test_explain_modes_and_pages(tree, root):
    (default,) = explain([tree / "work/d.py"])
    (paper,) = explain([tree / "work/d.py"], mode="paper")
    assert (default.kept, paper.kept) == (False, True)
    (lean,) = explain([tree / "openai__miniF2F"], mode="paper")
    assert lean.reason == "benchmark repository"
    (page,) = explain([root / "examples" / "pages" / "katex.html"])
    assert page[1:4] == ("html", True, None)
    assert main(["explain", str(tree / "absent")]) == 2


def test_origin(tree):
    assert origin(tree / "work/latex/c.tex") == ("work", "latex/c.tex")
    assert origin(tree / "me__proofs/src/latex/b.tex") == ("me/proofs", "src/latex/b.tex")


@pytest.mark.data
def test_explain_in_paper_mode_agrees_with_all_labels(data_dir, capsys):
    labels = rows_of(data_dir / "sources" / "labels.jsonl")
    paths = [str(data_dir / "sources" / row["path"]) for row in labels]
    assert main(["explain", "--mode", "paper", "--json", *paths]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["language"] for row in rows] == [row["language"] for row in labels]
    expected = [row["expected"] == "keep" for row in labels]
    assert [row["kept"] for row in rows] == expected
