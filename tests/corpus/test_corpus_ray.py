"""The corpus stage on two Ray nodes: the documents of one machine, also when a node is killed."""

from __future__ import annotations

import gzip
import json
import random
import sys
import threading
import time
from pathlib import Path

import pytest

from mathlm.core.processes import Pool
from mathlm.core.records import Problem
from mathlm.core.stage import StageContext
from mathlm.corpus import read_steps, reading
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


def made(directory, config, address=None, **options):
    config = config.model_copy(update={"engine": config.engine.model_copy(update={"ray": address})})
    context = StageContext("corpus", directory, workers=1)
    leak = Problem(id="p", task="planted", prompt=LEAK)
    run(context, config, problems=lambda: [leak], **options)
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
    monkeypatch.setattr(read_steps, "_FILE_BYTES", 20_000)
    config = inputs(tmp_path / "in", 40, 60)
    expected = killed_and_not(ray_cluster, tmp_path, config, kills=1)
    dropped = {name for name in expected if name.startswith("dropped/")}
    assert {"dropped/exact_duplicates.jsonl", "dropped/near_duplicates.jsonl"} <= dropped
    assert "dropped/decontaminate.jsonl" in dropped


@pytest.mark.slow
def test_many_losses(ray_cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(read_steps, "_FILE_BYTES", 200_000)
    killed_and_not(ray_cluster, tmp_path, inputs(tmp_path / "in", 600, 3000), kills=6)


def hostile_pages(folder, mutation, hostile, of, names):
    """A WARC and a folder of so many pages each; some crash, hang or balloon their worker."""
    (folder / "pages").mkdir(parents=True)
    records = []
    for number in range(2 * of):
        data = mutation.control(number)
        if number % of in hostile:
            data = f"<html><!--{hostile[number % of]}--></html>".encode() + data
        if number < of:
            records.append(gzip.compress(mutation.record(data, number)))
        else:
            (folder / "pages" / f"{number}.html").write_bytes(data)
    (folder / "a.warc.gz").write_bytes(b"".join(records))
    limits = {"timeout_s": 0.5, "memory_mib": 300}
    sources = {
        "crawl": {"kind": "warc", "files": [str(folder / "a.warc.gz")], **limits},
        "pages": {"kind": "html", "folders": [str(folder / "pages")], **limits},
    }
    return CorpusConfig.model_validate({"sources": {name: sources[name] for name in names}})


def hostile_pool_of(folder):
    """The pool of `hostile_batches.py`, on machines that do not have the tests on their path."""

    def open_pool(**settings):
        if folder not in sys.path:
            sys.path.append(folder)
        return Pool("hostile_batches:read_batch", prepare="hostile_batches:prepare", **settings)

    return open_pool


def same_on_other_machines(cluster, folder, mutation, hostile, of, names=("crawl", "pages")):
    """The rows of reading in the funnel, once all files were found to be those of one machine."""
    pool = hostile_pool_of(str(Path(__file__).parent))
    config = hostile_pages(folder / "in", mutation, hostile, of, names)
    expected = made(folder / "alone", config, open_pages=pool)
    flag = folder / "killed"
    flag.unlink(missing_ok=True)
    assert made(folder / "ray", config, cluster.address, open_pages=pool) == expected
    rows = json.loads(expected["funnel.json"])
    return [row for row in rows if row["step"] == "read"]


def test_a_page_that_kills_a_worker_of_another_machine(ray_cluster, tmp_path, mutation):
    hostile = {2: "segfault"}
    (row,) = same_on_other_machines(ray_cluster, tmp_path, mutation, hostile, 4, ["crawl"])
    assert (row["kept"], row["failed"]) == (3, {"crashed": 1})


@pytest.mark.slow
def test_all_that_pages_do_to_workers_of_another_machine(
    ray_cluster, tmp_path, mutation, monkeypatch
):
    monkeypatch.setattr(reading, "_SLACK_S", 2.0)
    flag = tmp_path / "killed"  # a task is killed with its worker, once, and runs again
    flag.touch()
    hostile = {0: f"parent {flag}", 3: "segfault", 5: "hang", 6: "balloon", 8: "raise",
               9: "killed", 11: "exit"}  # fmt: skip
    failed = {"crashed": 2, "error": 1, "memory": 2, "timeout": 1}
    for row in same_on_other_machines(ray_cluster, tmp_path, mutation, hostile, 20):
        assert (row["kept"], row["failed"]) == (14, failed)
    assert flag.exists()
