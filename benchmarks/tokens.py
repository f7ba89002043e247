"""Tokenising to a store, in MB/s, beside a plain loop over `tokenizers`' `encode_batch`.

    python benchmarks/tokens.py [--megabytes 20] [FOLDER_OF_TEXT]

One JSON line: our figure, the peer's best over several batch sizes, the ratio. Both use the same
tokenizer and texts on all cores; ours also reads Parquet, counts bytes and writes the store. The
peer keeps the ids in memory as lists, as loops of that kind do. Default text: the running
Python's own library.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def read_texts(folder: Path, megabytes: float) -> list[str]:
    texts, size = [], 0
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".py", ".txt", ".md", ".tex", ".html", ".v", ".lean"}:
            texts.append(path.read_text(encoding="utf-8", errors="replace"))
            size += len(texts[-1].encode("utf-8"))
        if size > megabytes * 1e6:
            break
    return texts


def ours(texts: list[str], folder: Path, scratch: Path) -> float:
    import pyarrow as pa
    from pyarrow import parquet

    from mathlm.tokens import tokenizer
    from mathlm.tokens.documents import StoreName, read_texts
    from mathlm.tokens.stage import tokenise

    path = scratch / "texts.parquet"
    parquet.write_table(pa.table({"text": texts}), path)
    loaded = tokenizer.load(folder)
    start = time.perf_counter()
    name = StoreName("bench", "train")
    tokenise(read_texts(str(path)), loaded, directory=scratch / "store", name=name)
    return time.perf_counter() - start


def peer(texts: list[str], folder: Path, *, batch: int, fast: bool) -> float:
    from tokenizers import Tokenizer

    backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encode: Callable[..., list[object]] = (
        backend.encode_batch_fast if fast else backend.encode_batch
    )
    start = time.perf_counter()
    ids = []
    for first in range(0, len(texts), batch):
        for encoding in encode(texts[first : first + batch], add_special_tokens=False):
            ids.append(encoding.ids)  # type: ignore[attr-defined]
    return time.perf_counter() - start


def measure(texts: list[str], megabytes: float) -> dict[str, object]:
    import tokenizers

    from mathlm.tokens import tokenizer

    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        start = time.perf_counter()
        backend = tokenizer.train_bpe(texts, vocab_size=8192)
        trained = time.perf_counter() - start
        tokenizer.save(backend, scratch / "tokenizer")
        mine = min(ours(texts, scratch / "tokenizer", scratch) for _ in range(3))
        settings = [(batch, fast) for batch in (64, 512, 4096) for fast in (False, True)]
        theirs = {
            f"batch={batch} fast={fast}": min(
                peer(texts, scratch / "tokenizer", batch=batch, fast=fast) for _ in range(3)
            )
            for batch, fast in settings
        }
    best = min(theirs, key=lambda key: theirs[key])
    return {
        "benchmark": "tokens",
        "mb_per_s": round(megabytes / mine, 2),
        "peer": f"tokenizers {tokenizers.__version__} {best}",
        "peer_mb_per_s": round(megabytes / theirs[best], 2),
        "ratio": round(theirs[best] / mine, 3),
        "train_mb_per_s": round(megabytes / trained, 2),
        "megabytes": round(megabytes, 1),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=sysconfig.get_path("stdlib"))
    parser.add_argument("--megabytes", type=float, default=20.0)
    arguments = parser.parse_args()
    texts = read_texts(Path(arguments.folder), arguments.megabytes)
    megabytes = sum(len(text.encode("utf-8")) for text in texts) / 1e6
    print(json.dumps(measure(texts, megabytes)))


if __name__ == "__main__":
    main()
