"""WARC to filtered Parquet: pages per second, beside datatrove's pipeline with trafilatura.

    python benchmarks/warc.py PAGES --peer-python PATH [--number 600] [--rounds 3]

PAGES is a folder of HTML files (Debian's `*-doc` packages, say); `--number` of them, an even
sample, are written to two WARC files. The peer runs in a Python of its own that has
`datatrove[io,processing] faust-cchardet python-magic spacy lxml_html_clean`
(`benchmarks/peers/datatrove_warc.py` says which steps): each of its settings once, then the fastest
of those that kept most documents in turns with ours. Ours reads with
the filters of web pages at their defaults (language, mathematics, repetition, addresses …), once
with the prefilter on raw bytes and once without it; the ratio is that of the latter, since the peer
parses every page. `--scaling` measures time and peak memory for 1, 2, 4 and 8 times the input.
One JSON line: pages per second of wall time, with the same number of processes at work, and of CPU
(`cpu_…`: on a busy machine the better figure).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.metadata
import io
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mathlm.core.progress import Progress
from mathlm.corpus.filter_config import WebFilters
from mathlm.corpus.reading import WebReader
from mathlm.corpus.source_config import WarcSource
from mathlm.corpus.sources import Services
from mathlm.corpus.sources.shards import shards_of

PEER = Path(__file__).parent / "peers" / "datatrove_warc.py"
PEER_SETTINGS = (
    {"precision": True, "timeout": 1},
    {"precision": False, "timeout": 1},
    {"precision": True, "timeout": 10},
)


def sample(folder: Path, number: int) -> list[Path]:
    paths = [path for path in folder.rglob("*.html") if path.is_file()]
    paths.sort(key=lambda path: hashlib.sha256(str(path.relative_to(folder)).encode()).digest())
    return paths[:number]


def write_warcs(pages: Sequence[Path], folder: Path, parts: int) -> int:
    """Write pages as gzipped WARC files; returns their bytes, uncompressed."""
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    size = 0
    folder.mkdir(parents=True)
    for part in range(parts):
        with (folder / f"{part}.warc.gz").open("wb") as file:
            writer = WARCWriter(file, gzip=True)
            for number, path in enumerate(pages[part::parts]):
                data = path.read_bytes()
                size += len(data)
                http = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], "HTTP/1.1")
                url = f"https://example{number}.org{path}"
                record = writer.create_warc_record(
                    url, "response", payload=io.BytesIO(data), http_headers=http
                )
                writer.write_record(record)
                record.raw_stream.close()
    return size


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mathlm-warc-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def ours(warcs: Path, workers: int, *, prefilter: bool) -> dict[str, Any]:
    """Seconds from WARC to Parquet, and what the funnel's last step kept."""
    source = WarcSource(files=(f"{warcs}/*.warc.gz",))
    filters = WebFilters(prefilter=prefilter)
    quiet = Progress(quiet=True)
    with scratch() as out:
        start, before = time.perf_counter(), cpu_seconds()
        services = Services(quiet, workers)
        reader = WebReader("web", source, services, "default", "k", out / "work", filters)
        reader.read(*shards_of(source, quiet), target=(out / "web", "k"))
        seconds, cpu = time.perf_counter() - start, cpu_seconds() - before
        rows = json.loads((out / "web" / "rows.json").read_text())
    return {"seconds": seconds, "cpu_seconds": cpu, "documents": rows[-1]["kept"]}


def peer(python: str, warcs: Path, settings: dict[str, Any]) -> dict[str, Any]:
    with scratch() as out:
        command = [python, str(PEER), str(warcs), str(out), json.dumps(settings)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the peer failed: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compare(warcs: Path, number: int, workers: int, args: argparse.Namespace) -> dict[str, Any]:
    """Pages per second of ours and of the peer at its best, in turns."""
    tried = [
        (
            {**settings, "tasks": workers},
            peer(args.peer_python, warcs, {**settings, "tasks": workers}),
        )
        for settings in PEER_SETTINGS
    ]
    most = max(first["documents"] for _, first in tried)
    if not most:
        sys.exit("the peer kept nothing: does its Python have all that the docstring names?")
    whole = [pair for pair in tried if pair[1]["documents"] >= 0.98 * most]
    best, first = min(whole, key=lambda pair: pair[1]["seconds"])
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "ours_prefilter": [], "peer": [first]}
    for turn in range(args.rounds):
        runs["ours"].append(ours(warcs, workers, prefilter=False))
        runs["ours_prefilter"].append(ours(warcs, workers, prefilter=True))
        if turn:
            runs["peer"].append(peer(args.peer_python, warcs, best))
    found: dict[str, Any] = {"peer_settings": best, "peer_versions": first["versions"]}
    found["documents"] = {name: many[0]["documents"] for name, many in runs.items()}
    # the peer's several processes are not its children: their processor time is not known
    for unit in ("seconds", "cpu_seconds") if workers == 1 else ("seconds",):
        speed = {
            name: number / statistics.median(run[unit] for run in many)
            for name, many in runs.items()
        }
        clock = "cpu_" if unit == "cpu_seconds" else ""
        found[f"pages_per_{clock}s"] = {name: round(value, 1) for name, value in speed.items()}
        for name in ("ours", "ours_prefilter"):
            found[f"{clock}ratio{name[4:]}"] = round(speed[name] / speed["peer"], 2)
    return found


SCALING = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
import warc
from pathlib import Path
found = warc.ours(Path(sys.argv[2]), 1, prefilter=False)
both = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
peak = max(resource.getrusage(who).ru_maxrss for who in both)
print(json.dumps({**found, "peak_mib": peak >> 10}))
"""


def scaling(pages: Sequence[Path]) -> dict[str, Any]:
    """Seconds and peak memory of the larger of parent and worker, by multiples of the input."""
    found = {}
    with scratch() as folder:
        for times in (1, 2, 4, 8):
            write_warcs([*pages] * times, folder / str(times), 1)
            command = [sys.executable, "-c", SCALING, str(Path(__file__).parent)]
            done = subprocess.run(
                [*command, str(folder / str(times))], capture_output=True, text=True, check=True
            )
            found[str(times)] = json.loads(done.stdout)
    return {
        "by_times": found,
        "time_8_to_1": round(found["8"]["seconds"] / found["1"]["seconds"], 2),
        "memory_8_to_1": round(found["8"]["peak_mib"] / found["1"]["peak_mib"], 2),
    }


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("pages", type=Path)
    parser.add_argument("--peer-python", help="a Python that has datatrove")
    parser.add_argument("--number", type=int, default=600)
    parser.add_argument("--times", type=int, default=1, help="each page so often, at other URLs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--scaling", action="store_true")
    args = parser.parse_args()
    pages = sample(args.pages, args.number) * args.times
    result: dict[str, Any] = {"benchmark": "warc", "pages": len(pages)}
    with scratch() as folder:
        size = write_warcs(pages, folder / "warcs", 2)
        result["mib"] = round(size / 2**20, 1)
        if args.peer_python:
            runs = {str(n): compare(folder / "warcs", len(pages), n, args) for n in args.workers}
            result["by_processes"] = runs
            result["ratio"] = min(run["ratio"] for run in runs.values())
    if args.scaling:
        result["scaling"] = scaling(pages[:200])
    result["versions"] = {
        name: importlib.metadata.version(name) for name in ("mathlm", "fastwarc", "selectolax")
    }
    result["hardware"] = {"cores": os.cpu_count(), "machine": platform.machine()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
