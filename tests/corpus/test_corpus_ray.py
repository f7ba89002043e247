"""The corpus stage on two Ray nodes: the documents of one machine, also when a node is killed."""

from __future__ import annotations

import json
import random
import threading
import time

import pytest

from mathlm.core.records import Problem
from mathlm.core.stage import StageContext
from mathlm.corpus import steps
from mathlm.corpus.config import CorpusConfig
from mathlm.corpus.funnel import check
from mathlm.corpus.stage import run

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]
LEAK = "Nadia plants 17 rows of 23 tulips each in the spring garden and picks 40 of them later."


def prose(seed, words=150):
    rng = random.Random(seed)
    return " ".join(f"word{rng.randrange(3000)}" for _ in range(words))


def page(seed):
    formulas = "".join(f"<p>{prose(seed + n, 30)} \\(x_{{{n}}}\\)</p>" for n in range(3))
    head = '<script src="MathJax.js"></script>'
    return f"<html><head>{head}</head><body><h1>{prose(seed, 4)}</h1>{formulas}</body></html>"


def inputs(folder, pages, records):
    """Pages and records among which are copies, near copies, a leak and broken ones."""
    (folder / "pages").mkdir(parents=True)
    for number in range(pages):
        text = page(1000 * (number % (pages - 5)))
        (folder / "pages" / f"{number:04d}.html").write_text(text, encoding="utf-8")
    (folder / "pages" / "broken.html").write_bytes(b"\n")
    rows = [{"id": f"r{n}", "text": prose(n % (records - 9))} for n in range(records)]
    rows += [{"id": f"n{n}", "text": prose(n) + " more"} for n in range(5)]
    rows += [{"id": "leak", "text": f"{prose(-1)} {LEAK}"}, {"id": "none"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "records.jsonl").write_text(lines, encoding="utf-8")
    sources = {
        "web": {"kind": "html", "folders": [str(folder / "pages")]},
        "records": {"kind": "jsonl", "files": [str(folder / "records.jsonl")]},
    }
    filters = {"language": None, "mathematics": False, "max_frequent_ngram": None}
    filters |= {"final": ["definitions", "accents", "alphabetic", "short"]}
    near = {"partitions": 4}
    return CorpusConfig.model_validate(
        {"sources": sources, "duplicates": {"near": near}, "filters": filters}
    )


def made(directory, config, address=None):
    config = config.model_copy(update={"engine": config.engine.model_copy(update={"ray": address})})
    context = StageContext("corpus", directory, workers=1)
    run(context, config, problems=lambda: [Problem(id="p", task="planted", prompt=LEAK)])
    check(json.loads((directory / "funnel.json").read_text()))
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def killed_and_not(cluster, folder, config, kills):
    """A run on one machine, an undisturbed one on two nodes, and some that lose one of them."""
    expected = made(folder / "alone", config)
    node = cluster.add_node(num_cpus=1)
    begin = time.monotonic()
    assert made(folder / "two", config, cluster.address) == expected
    wall = time.monotonic() - begin
    for number in range(kills):
        delay = random.Random().uniform(0, wall)
        killer = threading.Timer(delay, cluster.remove_node, (node, False))
        killer.start()
        files = made(folder / f"lost{number}", config, cluster.address)
        assert files == expected, f"killed after {delay:.2f} s of {wall:.2f}"
        killer.join()
        if number + 1 < kills:
            node = cluster.add_node(num_cpus=1)
    return expected


def test_two_nodes_and_the_loss_of_one(ray_cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "_PART_BYTES", 20_000)
    config = inputs(tmp_path / "in", 40, 60)
    expected = killed_and_not(ray_cluster, tmp_path, config, kills=1)
    dropped = {name for name in expected if name.startswith("dropped/")}
    assert {"dropped/exact_duplicates.jsonl", "dropped/near_duplicates.jsonl"} <= dropped
    assert "dropped/decontaminate.jsonl" in dropped


@pytest.mark.slow
def test_many_losses(ray_cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "_PART_BYTES", 200_000)
    killed_and_not(ray_cluster, tmp_path, inputs(tmp_path / "in", 600, 3000), kills=6)
