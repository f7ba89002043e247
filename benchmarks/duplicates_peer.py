"""Peers of `benchmarks/duplicates.py`, run by the Python that has them: one JSON line.

    PEER_PYTHON duplicates_peer.py TOOL FOLDER SETTING…

FOLDER holds `documents-*.parquet` with `id` and `text`; the ids that stay go to `FOLDER/kept.json`.
The clock is this process's CPU time with its children's, from the first read to the last mark.
"""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path


def documents(folder: Path) -> Iterator[tuple[str, str]]:
    import pyarrow.parquet as pq

    for path in sorted(folder.glob("documents-*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(1024, columns=["id", "text"]):
            yield from zip(batch["id"].to_pylist(), batch["text"].to_pylist(), strict=True)


def shingles(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))]


def rensa(folder: Path, setting: str) -> list[str]:
    from rensa import RMinHash, RMinHashLSH

    rows = list(documents(folder))
    index = RMinHashLSH(threshold=0.7, num_perm=112, num_bands=14)
    if setting.startswith("matrix"):
        make = getattr(RMinHash, f"digest_matrix_from_token_sets{setting.removeprefix('matrix')}")
        matrix = make([shingles(text) for _, text in rows], 112, 42)
        flags = index.query_duplicate_flags_matrix_one_shot(matrix)
        seen = set()
        for at, (identifier, _) in enumerate(rows):  # flags name both of a pair: keep the first
            if not flags[at]:
                seen.add(identifier)
        return sorted(seen)
    kept = []
    for number, (identifier, text) in enumerate(rows):
        sketch = RMinHash(num_perm=112, seed=42)
        sketch.update(shingles(text))
        if not index.query(sketch):
            kept.append(identifier)
        index.insert(number, sketch)
    return kept


def datasketch(folder: Path, setting: str) -> list[str]:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=112, params=(14, 8))
    kept = []
    for identifier, text in documents(folder):
        sketch = MinHash(num_perm=112)
        sketch.update_batch([s.encode() for s in shingles(text)])
        if not index.query(sketch):
            kept.append(identifier)
        index.insert(identifier, sketch)
    return kept


def datatrove(folder: Path, setting: str) -> list[str]:
    """FineWeb's four steps; SETTING is `HASH-BITS` with or without `-plain` words."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils import word_tokenizers
    from datatrove.utils.hashing import HashConfig
    from loguru import logger

    logger.remove()
    name, bits, *plain = setting.split("-")
    if plain:  # words between white space: the least that a tokenizer can cost
        tokenizer = word_tokenizers.WhitespaceTokenizer()
        word_tokenizers.load_word_tokenizer = lambda *_, **__: tokenizer
        from datatrove.pipeline.dedup import minhash

        minhash.load_word_tokenizer = lambda *_, **__: tokenizer
    config = MinhashConfig(hash_config=HashConfig(hash_fc=name, precision=int(bits)))
    work = folder / "datatrove"
    shutil.rmtree(work, ignore_errors=True)

    def reader() -> ParquetReader:
        return ParquetReader(str(folder), glob_pattern="documents-*.parquet")

    steps = [
        (1, [reader(), MinhashDedupSignature(str(work / "sig"), config=config)]),
        (14, [MinhashDedupBuckets(str(work / "sig"), str(work / "buckets"), config=config)]),
        (1, [MinhashDedupCluster(str(work / "buckets"), str(work / "remove"), config=config)]),
        (1, [reader(), MinhashDedupFilter(str(work / "remove")), JsonlWriter(str(work / "out"))]),
    ]
    for number, (tasks, pipeline) in enumerate(steps):
        LocalPipelineExecutor(
            pipeline, tasks=tasks, workers=1, logging_dir=str(work / f"logs{number}")
        ).run()
    import gzip

    kept = []
    for path in sorted((work / "out").glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as lines:
            kept += [json.loads(line)["id"] for line in lines]
    shutil.rmtree(work)
    return kept


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(tool: str, folder: str, setting: str) -> None:
    with contextlib.redirect_stdout(sys.stderr):
        begin = cpu_seconds()
        kept = {"rensa": rensa, "datasketch": datasketch, "datatrove": datatrove}[tool](
            Path(folder), setting
        )
        seconds = cpu_seconds() - begin
    Path(folder, "kept.json").write_text(json.dumps(kept))
    print(json.dumps({"seconds": seconds, "version": version(tool)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
