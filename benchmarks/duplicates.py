"""Duplicates end to end, Parquet in and marks out: one JSON line a figure.

    python benchmarks/duplicates.py [--documents 20000] [--peer-python PYTHON] [--growth]

Documents are 4 kB of words with Zipf's frequencies and formulas among them; a fifth are copies of
another one with words replaced, so that the Jaccard similarity of the word 5-grams of each planted
pair is known exactly. Recall: planted pairs at 0.85 or more of which not both stay. Precision:
planted pairs under 0.5 of which both stay (no other documents resemble one another).
Peers, on the same files in the same run (`--peer-python`: a Python that has them): datatrove's
four steps, rensa, datasketch, each at several settings, the fastest counting. A document costs CPU
time of one core; with `--growth` time and peak memory (resident) of 1, 2, 4 and 8 times as many
documents, each in a process of its own. `stage_value` is the same by a whole `mathlm run` on these
files: start-up, reading, duplicates, writing what stays, funnel and card.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mathlm.core.executor import Local
from mathlm.corpus.duplicate_config import Duplicates
from mathlm.corpus.duplicate_steps import Fingerprinting, Part, fingerprint, mark_duplicates
from mathlm.corpus.tables import SCHEMA

FILE_DOCUMENTS = 10_000
PEERS = {
    "datatrove": ("xxhash-64", "sha1-64", "xxhash-32", "xxhash-64-plain"),
    "rensa": ("objects", "matrix", "matrix_rho"),
    "datasketch": ("bulk",),
}
FORMULAS = (r"$x_{%d}$", r"$\alpha_%d+\beta$", r"$$\int_0^%d f(x)\,dx$$", r"$\frac{a}{%d}$", "%d")


class Planted(NamedTuple):
    """A pair of documents and the Jaccard similarity of their word 5-grams."""

    left: str
    right: str
    similarity: float


def vocabulary() -> list[str]:
    rng = np.random.default_rng(0)
    letters = rng.integers(97, 123, (30_000, 10)).astype(np.uint8)
    lengths = rng.integers(2, 11, 30_000)
    return [bytes(row[:n]).decode() for row, n in zip(letters, lengths, strict=True)]


def similarity(left: list[str], right: list[str]) -> float:
    one, two = (set(zip(*(w[i:] for i in range(5)), strict=False)) for w in (left, right))
    return len(one & two) / len(one | two)


def made(number: int, seed: int) -> Iterator[tuple[str, list[str], float]]:
    """Id, words and, for a copy, its similarity to the document before it (else 0)."""
    words = np.array(vocabulary())
    shares = np.cumsum(1 / np.arange(1, len(words) + 1))
    shares /= shares[-1]
    rng, draw = random.Random(seed), np.random.default_rng(seed)
    count = 0
    while count < number:
        text: list[str] = words[np.searchsorted(shares, draw.random(640))].tolist()
        for place in rng.sample(range(640), 40):
            formula = rng.choice(FORMULAS)
            text[place] = formula % rng.randrange(1000)
        yield f"d{count}", text, 0.0
        count += 1
        if rng.random() < 0.25 and count < number:
            copy = list(text)
            edits = rng.randrange(1, 11) if rng.random() < 0.6 else rng.randrange(60, 300)
            for place in rng.sample(range(640), edits):
                copy[place] = f"{rng.choice(words)}{rng.randrange(100)}"
            yield f"d{count}", copy, similarity(text, copy)
            count += 1


def write_documents(folder: Path, number: int) -> list[Planted]:
    """`documents-*.parquet` of 4 kB documents in random order, and the planted pairs."""
    pairs, rows, before = [], list[tuple[str, str]](), ""
    for identifier, words, alike in made(number, 0):
        rows.append((identifier, " ".join(words)))
        if alike:
            pairs.append(Planted(before, identifier, alike))
        before = identifier
    random.Random(1).shuffle(rows)
    folder.mkdir(parents=True)
    for begin in range(0, number, FILE_DOCUMENTS):
        part = rows[begin : begin + FILE_DOCUMENTS]
        columns = {"id": [r[0] for r in part], "text": [r[1] for r in part]}

        table = pa.table(
            {**columns, "source": ["bench"] * len(part), "provenance": [{}] * len(part)},
            schema=SCHEMA,
        )
        path = folder / f"documents-{begin // FILE_DOCUMENTS:05d}.parquet"
        pq.write_table(table, path, compression="zstd", row_group_size=1024)
    return pairs


def ours(folder: Path, scratch: Path) -> None:
    """Fingerprints of every file, then the marks: what the corpus stage does."""
    settings, executor = Duplicates(), Local(1)
    part = Part("bench", "bench", folder, scratch / "signatures")
    files = zip(part.files(), part.groups(), strict=True)
    tasks = [Fingerprinting(file, target, settings, True, "key") for file, target in files]
    list(executor.map(fingerprint, tasks))
    mark_duplicates([part], settings, executor, target=(scratch / "marks", "key"))


def kept_by_us(folder: Path, scratch: Path) -> set[str]:
    kept = np.load(scratch / "marks" / "bench" / "kept.npy")
    paths = sorted(folder.glob("documents-*.parquet"))
    ids = [one for path in paths for one in pq.read_table(path, columns=["id"])["id"].to_pylist()]
    return {one for one, stays in zip(ids, kept, strict=True) if stays}


def peak_mib() -> float:
    """Peak resident memory of this program (`ru_maxrss` would count its parent's, too)."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS: bytes
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def child(folder: str) -> None:
    """Ours in a process of its own: CPU seconds, wall seconds, peak memory."""
    with tempfile.TemporaryDirectory() as scratch:
        wall, cpu = time.perf_counter(), time.process_time()
        ours(Path(folder), Path(scratch))
        figures = {
            "seconds": time.process_time() - cpu,
            "wall_seconds": time.perf_counter() - wall,
            "peak_mib": peak_mib(),
        }
        Path(folder, "kept.json").write_text(
            json.dumps(sorted(kept_by_us(Path(folder), Path(scratch))))
        )
    print(json.dumps(figures))


def run(*command: str) -> dict[str, float]:
    """The JSON object that a command prints."""
    quiet = subprocess.DEVNULL if len(command) > 4 else None  # peers log much
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=quiet, check=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


RECIPE = """
name = "duplicates"
[stage.corpus]
kind = "corpus"
sources.bench = {{ kind = "parquet", files = ["{files}"], held_out = 0 }}
decontaminate = {{ tasks = [] }}
"""


def stage_seconds(folder: Path) -> float:
    """CPU seconds of a `mathlm run` that reads the documents, drops duplicates, writes the rest."""
    with tempfile.TemporaryDirectory() as scratch:
        recipe = Path(scratch, "recipe.toml")
        recipe.write_text(RECIPE.format(files=folder / "documents-*.parquet"))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "mathlm", "run", str(recipe), "workers=1"]
        subprocess.run(command, cwd=scratch, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def judged(folder: Path, pairs: list[Planted]) -> dict[str, float]:
    kept = set(json.loads((folder / "kept.json").read_text()))
    near = [{p.left, p.right} <= kept for p in pairs if p.similarity >= 0.85]
    far = [{p.left, p.right} <= kept for p in pairs if p.similarity < 0.5]
    return {
        "recall": round(1 - sum(near) / len(near), 4),
        "precision": round(sum(far) / len(far), 4),
        "pairs": len(near),
    }


def machine() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one used",
    }


def speed(folder: Path, number: int, peer_python: str | None, few: int) -> None:
    pairs = write_documents(folder / "all", number)
    rounds = [run(sys.executable, __file__, "--child", str(folder / "all")) for _ in range(3)]
    best = sorted(rounds, key=lambda one: one["seconds"])[1]
    stage = sorted(stage_seconds(folder / "all") for _ in range(3))[1]
    line = {
        "benchmark": "duplicates end to end, 4 kB documents",
        "value": round(number / best["seconds"], 1),
        "stage_value": round(number / stage, 1),
        "unit": "documents/s/core",
        "documents": number,
        "peak_mib": round(best["peak_mib"], 1),
        **judged(folder / "all", pairs),
        "peers": {},
        **machine(),
    }
    if peer_python:
        few_pairs = write_documents(folder / "few", few)
        for tool, settings in PEERS.items():
            for setting in settings:
                script = str(Path(__file__).with_name("duplicates_peer.py"))
                got = run(peer_python, script, tool, str(folder / "few"), setting)
                line["peers"][f"{tool} {got['version']} {setting}"] = {
                    "value": round(few / got["seconds"], 1),
                    **judged(folder / "few", few_pairs),
                }
        fastest = max(line["peers"], key=lambda name: line["peers"][name]["value"])
        line |= {"peer": fastest, "peer_value": line["peers"][fastest]["value"]}
        line["ratio"] = round(line["value"] / line["peer_value"], 2)
    print(json.dumps(line), flush=True)


def growth(folder: Path, number: int) -> None:
    figures = []
    for times in (1, 2, 4, 8):
        write_documents(folder / str(times), number * times)
        got = run(sys.executable, __file__, "--child", str(folder / str(times)))
        figures.append({"times": times, **{name: round(got[name], 2) for name in got}})
    first, last = figures[0], figures[-1]
    line = {
        "benchmark": "duplicates, 1 to 8 times the input",
        "documents": number,
        "time_ratio": round(last["seconds"] / first["seconds"], 2),
        "memory_ratio": round(last["peak_mib"] / first["peak_mib"], 3),
        "figures": figures,
        **machine(),
    }
    print(json.dumps(line), flush=True)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--peer-documents", type=int, default=2_000)
    parser.add_argument("--peer-python", help="a Python with datatrove, rensa and datasketch")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.child:
        child(args.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        if args.growth:
            growth(Path(folder), args.documents)
        else:
            speed(Path(folder), args.documents, args.peer_python, args.peer_documents)


if __name__ == "__main__":
    main(sys.argv[1:])
