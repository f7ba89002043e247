"""The corpus stage on one and on two Ray nodes of one CPU each, on this machine: one JSON line.

    python benchmarks/ray_nodes.py [--seconds 60] [--pages FOLDER]

The work is extraction, filters and duplicates of HTML pages (those of `data/web` under MATHLM_DATA,
or a folder of yours), copied under other names with other numbers in them until one node needs the
seconds asked for. The driver and the head have no CPU of Ray's; both counts of nodes run the same
recipe, and the bytes of their documents are compared. On fewer than three free cores the driver's
own work competes with the nodes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

from mathlm.core.stage import StageContext
from mathlm.corpus.config import CorpusConfig
from mathlm.corpus.stage import run

NODE = {"include_dashboard": False, "object_store_memory": 80 << 20}


def sources(given: str | None) -> list[Path]:
    data = Path(os.environ.get("MATHLM_DATA", Path(__file__).parents[2] / "shared" / "data"))
    folder = Path(given) if given else data / "web"
    pages = sorted(p for p in folder.rglob("*.html") if p.stat().st_size < 2 << 20)[:400]
    if not pages:
        raise SystemExit(f"no .html pages below {folder}")
    return pages


def write_pages(pages: list[Path], folder: Path, number: int) -> None:
    """`number` pages; copies differ from one another in a paragraph of their own."""
    folder.mkdir(parents=True)
    for at in range(number):
        data = pages[at % len(pages)].read_bytes()
        words = " ".join(hashlib.sha256(f"{at}/{n}".encode()).hexdigest() for n in range(20))
        own = f"<p>Copy {at}: {words}</p></body>".encode()
        (folder / f"{at:06d}.html").write_bytes(data.replace(b"</body>", own, 1))


def digest(directory: Path) -> str:
    """Of all files that a run has written."""
    whole = hashlib.sha256()
    for path in sorted(p for p in directory.rglob("*") if p.is_file()):
        whole.update(path.relative_to(directory).as_posix().encode() + path.read_bytes())
    return whole.hexdigest()


def timed(folder: Path, out: Path, address: str | None) -> float:
    source = {"kind": "html", "folders": [str(folder)]}
    config = CorpusConfig.model_validate(
        {"sources": {"web": source}, "decontaminate": {"tasks": []}, "engine": {"ray": address}}
    )
    shutil.rmtree(out, ignore_errors=True)
    begin = time.perf_counter()
    run(StageContext("corpus", out, workers=1), config)
    return time.perf_counter() - begin


def main(arguments: list[str]) -> None:
    from ray.cluster_utils import Cluster

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pages")
    args = parser.parse_args(arguments)
    pages = sources(args.pages)
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **NODE})
        cluster.add_node(num_cpus=1)
        write_pages(pages, work / "try", 400)
        timed(work / "try", work / "warm", cluster.address)  # starts the node's processes
        a_page = timed(work / "try", work / "tried", cluster.address) / 400
        number = int(1.1 * args.seconds / a_page)
        one = 0.0
        while one < args.seconds:
            number = max(number, int(1.1 * number * args.seconds / one)) if one else number
            shutil.rmtree(work / "pages", ignore_errors=True)
            write_pages(pages, work / "pages", number)
            one = timed(work / "pages", work / "one", cluster.address)
        cluster.add_node(num_cpus=1)
        timed(work / "try", work / "warm", cluster.address)
        two = timed(work / "pages", work / "two", cluster.address)
        cluster.shutdown()
        line = {
            "benchmark": "corpus stage, two Ray nodes of one CPU beside one",
            "pages": number,
            "one_node_s": round(one, 1),
            "two_nodes_s": round(two, 1),
            "ratio": round(one / two, 2),
            "same_bytes": digest(work / "one") == digest(work / "two"),
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
