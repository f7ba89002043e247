"""What waits until duplicates are gone: OpenWebMath's last pass, its order, and kills."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mathlm.cli import main
from mathlm.core.records import Document, Provenance
from mathlm.core.stage import StageContext
from mathlm.corpus.config import CorpusConfig, expect
from mathlm.corpus.filter_config import PAPER, FinalName
from mathlm.corpus.filters import finish, gates_of
from mathlm.corpus.funnel import check
from mathlm.corpus.quality.figures import accents
from mathlm.corpus.quality.prose import published_formulas
from mathlm.corpus.stage import run

ARPA = str(Path(__file__).parent / "quality" / "tiny.arpa")
PROSE = (
    "Let $f$ be a continuous function on the closed interval. Then it is bounded there and attains"
    " its maximum, since every sequence of points has a subsequence that converges to a point."
)


def page(text, extra=""):
    return f"<html><body class='mathjax'><p>{text}</p>{extra}</body></html>".encode()


def other(seed):
    """Prose that resembles that of no other seed."""
    names = ["ring", "field", "group", "space", "module", "graph", "order", "lattice", "map"]
    words = " ".join(f"the {names[(seed * 7 + n * n) % 9]} of {seed}.{n}" for n in range(40))
    return f"Now we say that {words} is such that $x_{{{seed}}} = 1$ and the proof is that of it."


DEFINITIONS = "<p>\\newcommand{\\a}{alpha} \\newcommand{\\b}{beta} " + "and so on " * 30 + "</p>"
PAGES = [
    ("https://a.org/search/max", page(PROSE, "<p>It is a longer copy.</p>")),
    ("https://b.org/max", page(PROSE)),
    ("https://c.org/issn/1", page(other(1))),
    ("https://d.org/accents", page(other(2) + " é" * 40)),
    ("https://e.org/defined", page(other(3), DEFINITIONS)),
    ("https://f.org/short", page("The sum $a + b$ is the one of the two.", DEFINITIONS)),
    ("https://bio.libretexts.org/1", page("\\frac{1}{2} " + other(4).replace("$", ""))),
    ("https://math.libretexts.org/1", page("\\frac{1}{2} " + other(5).replace("$", ""))),
    ("https://g.org/good", page(other(6))),
]
WHY = {
    "https://a.org/search/max": "address: /search",
    "https://c.org/issn/1": "address: issn",
    "https://d.org/accents": "accents",
    "https://f.org/short": "short",
    "https://bio.libretexts.org/1": "off topic: libretexts",
}


def config_of(files, mode="paper", filters=None, **more):
    values = {
        "sources": {"web": {"kind": "warc", "files": files, "held_out": 0}},
        "mode": mode,
        "filters": {"language": None, **(filters or {})},
        "duplicates": {"near": {"similarity": 0.5, "rows": 2}},
        "decontaminate": {"tasks": []},
    }
    return CorpusConfig.model_validate({**values, **more})


@pytest.fixture(scope="module")
def files(tmp_path_factory, shared):
    folder = tmp_path_factory.mktemp("final")
    for number in range(3):
        records = [(url, data, None) for url, data in PAGES[3 * number : 3 * number + 3]]
        shared.warc_of(records, folder / f"{number}.warc.gz")
    return [str(folder / "*.warc.gz")]


def made(directory, config):
    directory.mkdir(exist_ok=True)
    run(StageContext("corpus", directory), config)
    rows = json.loads((directory / "funnel.json").read_text())
    check(rows)
    (file,) = (directory / "documents" / "web").glob("train-*.parquet")
    texts = {row["provenance"]["url"]: row["text"] for row in pq.read_table(file).to_pylist()}
    return texts, {row["step"]: row for row in rows}


def lines(directory, step):
    text = (directory / "dropped" / f"{step}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_the_published_pass_stands_behind_duplicates(tmp_path, files):
    texts, funnel = made(tmp_path / "paper", config_of(files))
    steps = list(funnel)
    assert steps.index("near_duplicates") + 1 == steps.index("final_filter")
    assert steps[-1] == "decontaminate"
    assert funnel["near_duplicates"]["dropped"] == {"near duplicate": 1}
    assert funnel["final_filter"]["in"] == len(PAGES) - 1
    assert sorted(texts) == sorted(u for u, _ in PAGES if u not in WHY and "b.org" not in u)
    found = sorted(line["reason"] for line in lines(tmp_path / "paper", "final_filter"))
    assert found == sorted(WHY.values()), "each in the side file"
    assert funnel["final_filter"]["dropped"] == dict.fromkeys(sorted(WHY.values()), 1)
    assert "newcommand" not in texts["https://e.org/defined"]
    card = (tmp_path / "paper" / "card.md").read_text()
    assert "| web | final_filter | 8 | 3 |" in card
    assert "once duplicates are gone: final_perplexity, final_score, address" in card
    assert "once duplicates are gone" in expect(config_of(files))


def test_by_default_addresses_speak_first(tmp_path, files):
    """So that the page with the good address stays, of which the bad one is a longer copy."""
    texts, funnel = made(tmp_path / "default", config_of(files, "default"))
    assert "final_filter" not in funnel
    assert not (tmp_path / "default" / "dropped" / "final_filter.jsonl").exists()
    assert "https://b.org/max" in texts
    assert "https://a.org/search/max" not in texts


def test_any_recipe_may_let_a_filter_wait(tmp_path, files):
    filters = {"final": ["accents", "short"], "url_rules": False, "mathematics": False}
    filters |= {"max_frequent_ngram": None, "max_repeated_words": None}
    given = {"min_characters": 700, "kind": "warc", "files": files, "held_out": 0}
    config = config_of(files, "default", filters, sources={"web": given})
    texts, funnel = made(tmp_path / "some", config)
    assert set(funnel["final_filter"]["dropped"]) == {"short", "accents"}
    assert not {"short", "accents"} & set(funnel["filter"]["dropped"])
    assert all(len(text) >= 700 for text in texts.values())


def test_sources_that_are_no_pages_pass_by(tmp_path, files):
    record = tmp_path / "r.jsonl"
    record.write_text(json.dumps({"id": "r", "text": "été " * 90, "url": "https://a.org/issn"}))
    sources = {
        "web": {"kind": "warc", "files": files},
        "records": {"kind": "jsonl", "files": [str(record)], "held_out": 0},
    }
    directory = tmp_path / "out"
    directory.mkdir()
    run(StageContext("corpus", directory), config_of(files, sources=sources))
    rows = json.loads((directory / "funnel.json").read_text())
    check(rows)
    assert [r["source"] for r in rows if r["step"] == "final_filter"] == ["web"]
    (of_records,) = (r for r in rows if (r["source"], r["step"]) == ("records", "decontaminate"))
    assert of_records["kept"] == 1


def test_names_are_checked(files):
    for final in (["accents", "accents"], ["accent"]):
        with pytest.raises(ValidationError, match="final"):
            config_of(files, filters={"final": final})


# What `filtering/filter_dataset.py` does with one record, said once more.
ACCENTED = set("üïöêäâîûôèéà")
PARTS = (
    "arxiv-vanity", "proceedings", "bibbase", "nrsworld.com", "bibtex", "issn", "arxiv-export",
    "bmjopen", "stackexchange.com/users", "mathoverflow.net/users",
)  # fmt: skip


def published(url, text, listed):
    """The text that is left, or None."""
    keep = not ("/search" in url and "//search" not in url)
    keep = keep and not any(part in url for part in (*PARTS, *listed))
    text = "\n".join(line for line in text.split("\n") if line.count("newcommand") <= 1)
    keep = keep and len(text) >= 100
    if "libretexts" in url and not any(good in url for good in ("math", "phys", "stats")):
        keep = keep and formulas(text) > 0
    accented = sum(letter in ACCENTED for letter in text.lower())
    return text if keep and accented / len(text) <= 0.015 else None


def formulas(text):
    text = re.sub(r"\$\$\\PageIndex\{[^}]*\}\$\$", "", text)
    text = re.sub(r"\$\\PageIndex\{[^}]*\}\$", "", text)
    return len(re.findall(r"\$\$[^$]*\$\$|\$[^$]*\$", text))


URLS = st.lists(
    st.sampled_from([
        *PARTS, "/search", "//search", "libretexts.org", "math", "phys", "stats", "bio.",
        "/authors/", "/authors//serials/read.dukeupress.edu", "/", "a.org", "nih.gov",
    ])
).map("".join)  # fmt: skip
PIECES = st.sampled_from([
    "newcommand", "\n", "word ", "é", "É", "Ï", "$", "$$", "\\PageIndex{", "}", "1.2", "x" * 40,
    "the sum of two numbers ", "İ", "ß", "\\alpha", " ",
])  # fmt: skip
TEXTS = st.lists(PIECES, max_size=40).map(lambda p: "".join(p).strip())


@pytest.fixture(scope="module")
def final_gates(tmp_path_factory):
    file = tmp_path_factory.mktemp("list") / "filter_dataset.py"
    file.write_text(
        "BAD_URLS = ['nih.gov', '/authors/'\n    '/serials/'\n    'read.dukeupress.edu']\n"
    )
    config = config_of(["x"], filters={"url_list": str(file)})
    (source,) = config.sources.values()
    return gates_of(source, "paper", config.filters).final


@settings(max_examples=300, deadline=None)
@given(URLS, TEXTS)
@example("https://a.org/authors/1", "x" * 100)
@example("https://a.org", "é" * 3 + "x" * 197)
@example("https://a.org", "é" * 4 + "x" * 196)
@example("https://bio.libretexts.org", "x" * 100 + "$$\\PageIndex{1}$$")
@example("https://bio.libretexts.org", "x" * 100 + "$ \\PageIndex{1}$")
@example("https://a.org", "x" * 99 + "\n\n" + "newcommand" * 2)
def test_the_last_pass_is_the_published_one(final_gates, url, text):
    document = Document(id="d", text=text, source="web", provenance=Provenance(url=url or "x"))
    found = finish(document, final_gates)
    listed = ("nih.gov", "/authors//serials/read.dukeupress.edu")
    expected = published(url or "x", text, listed)
    assert (found.text if isinstance(found, Document) else None) == expected or (
        found == "blank" and expected is not None and not expected.strip()
    )


@given(TEXTS)
def test_formulas_are_counted_as_published(text):
    assert published_formulas(text) == formulas(text)


@pytest.mark.parametrize("unit", ["$", "$$\\PageIndex{", "$\\PageIndex{}", "\\PageIndex{"])
def test_counting_takes_linear_time(unit):
    start = time.perf_counter()
    published_formulas(unit * 200_000 + "}")
    assert time.perf_counter() - start < 5


def test_accents_are_those_of_the_small_letters():
    """No letter but the twelve and their capitals becomes one of them."""
    for code in range(0x11000):
        letter = chr(code)
        published_share = sum(c in ACCENTED for c in letter.lower()) / len(letter)
        assert accents(letter) == published_share, hex(code)


def test_the_order_within_the_pass():
    """Scores and perplexities were those of the text before its definitions went."""
    config = config_of(["x"], filters={"classifier": "c", "perplexity_model": ARPA})
    (source,) = config.sources.values()
    gates = gates_of(source, "paper", config.filters)
    assert list(gates.final) == [
        "final_perplexity", "final_score", "address", "definitions", "short", "libretexts",
        "accents",
    ]  # fmt: skip
    assert list(gates.text) == ["blank", "mathematics", "perplexity"]
    assert set(PAPER["final"]) <= {name for part in FinalName.__args__ for name in names(part)}


def names(part):
    return getattr(part, "__args__", (part,))


def test_explain_shows_the_pass(tmp_path, capsys):
    file = tmp_path / "page.html"
    file.write_bytes(page(other(7), DEFINITIONS))
    command = ["explain", str(file), "--mode", "paper", "--url", "https://a.org/issn"]
    assert main([*command, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["reason"] == "address: issn"
    steps = {detail["filter"]: detail.get("step") for detail in row["details"]}
    assert steps["language"] is None
    assert steps["address"] == steps["definitions"] == steps["characters"] == "final_filter"
    assert main(command) == 0
    before, after = capsys.readouterr().out.split("once duplicates are gone:")
    assert "language" in before
    assert "drop  address" in after


KILLED = """
import os, signal, sys
from pathlib import Path
from mathlm.core.stage import StageContext
from mathlm.corpus import final_steps, stage
from mathlm.corpus.config import CorpusConfig
moment, number = sys.argv[3], int(sys.argv[4])
def die_at(module, name):
    whole = getattr(module, name)
    calls = []
    def dying(*args, **more):
        calls.append(1)
        if len(calls) > number:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*args, **more)
    setattr(module, name, dying)
module, name = moment.split(":")
die_at({"stage": stage, "final_steps": final_steps, "job": stage.Job}[module], name)
directory = Path(sys.argv[1])
directory.mkdir(exist_ok=True)
config = CorpusConfig.model_validate_json(Path(sys.argv[2]).read_text())
stage.run(StageContext("corpus", directory, workers=1), config)
"""


def tree(directory):
    paths = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}


BEFORE, WITHIN = ("stage:filter_finally", 0), ("final_steps:filter_file", 1)
JOINING, BEHIND = ("final_steps:join_groups", 0), ("job:decontaminate", 0)


@pytest.mark.parametrize(
    "moments",
    [(WITHIN, BEHIND), pytest.param((BEFORE, WITHIN, JOINING, BEHIND), marks=pytest.mark.slow)],
)
def test_killed_within_and_after_the_pass(tmp_path, files, moments):
    given = tmp_path / "config.json"
    config = config_of(files)
    given.write_text(config.model_dump_json(exclude_none=True))

    def start(directory, moment, number):
        command = [sys.executable, "-c", KILLED, str(tmp_path / directory), str(given), moment]
        return subprocess.run([*command, str(number)], check=False).returncode

    made(tmp_path / "whole", config)
    for moment in moments:
        assert start("killed", *moment) == -signal.SIGKILL, moment
    _, funnel = made(tmp_path / "killed", config)
    assert "final_filter" in funnel
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
