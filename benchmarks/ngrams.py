"""Speed of n-gram search and of MinHash: one JSON line a figure.

    python benchmarks/ngrams.py [--mib 24] [--items 5000]

Peers, from the same run on the same texts: for search, plain Python with a dictionary of n-grams
(what wellecks/overlap does, without its loop over all items), by tuples and by joined strings, the
better one counting; for signatures, 112 seeded permutations of each shingle's hash in numpy, text
by text (what datatrove and text-dedup do), in 32 and in 64 bits. Texts are random words with
Zipf's frequencies, so that items and documents share words but no long runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable

import numpy as np

from mathlm.core.ngrams import EXACT, FOLDED, PROBLEM, Index, WordRule
from mathlm.corpus.minhash import signatures

REPEATS = 3


def random_texts(number: int, size: int, seed: int) -> list[str]:
    """`number` texts of about `size` characters."""
    rng = np.random.default_rng(seed)
    letters = rng.integers(97, 123, (30_000, 10)).astype(np.uint8)
    lengths = rng.integers(2, 11, 30_000)
    words = np.array([bytes(row[:n]).decode() for row, n in zip(letters, lengths, strict=True)])
    weights = 1 / np.arange(1, len(words) + 1)
    drawn = rng.choice(words, (number, size // 7 + 1), p=weights / weights.sum())
    return [" ".join(row)[:size] for row in drawn.tolist()]


def seconds(work: Callable[[], object]) -> float:
    """The least of several runs' CPU times: other work on the machine only adds."""
    taken = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def tuples(words: list[str], n: int) -> Iterable[object]:
    return zip(*(words[start:] for start in range(n)), strict=False)


def strings(words: list[str], n: int) -> Iterable[object]:
    return (" ".join(words[start : start + n]) for start in range(len(words) - n + 1))


def plain_search(
    items: list[str], texts: list[str], n: int, ngrams: Callable[[list[str], int], Iterable[object]]
) -> Callable[[], int]:
    """A dictionary of the items' n-grams, asked for each of the documents'."""
    known = {
        ngram: number for number, item in enumerate(items) for ngram in ngrams(item.split(), n)
    }
    return lambda: sum(any(g in known for g in ngrams(text.split(), n)) for text in texts)


def plain_signatures(texts: list[str], dtype: type) -> Callable[[], int]:
    """112 permutations h → a·h + b of every shingle, text by text."""
    rng = np.random.default_rng(0)
    a = rng.integers(1, 2**31, 112).astype(dtype)
    b = rng.integers(0, 2**31, 112).astype(dtype)

    def work() -> int:
        for text in texts:
            shingles = [hash(ngram) & 0xFFFFFFFF for ngram in tuples(text.lower().split(), 5)]
            hashes = np.array(shingles, dtype=np.uint64).astype(dtype)
            (hashes[:, None] * a + b).min(axis=0)
        return len(texts)

    return work


def report(name: str, figure: float, peer: dict[str, float], unit: str, **more: object) -> None:
    best = max(peer, key=lambda setting: peer[setting])
    line = {
        "benchmark": name,
        "value": round(figure, 1),
        "unit": unit,
        "peer": best,
        "peer_value": round(peer[best], 1),
        "ratio": round(figure / peer[best], 2),
        **more,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one used",
    }
    print(json.dumps(line), flush=True)


def search_speed(rule_name: str, n: int, items: list[str], texts: list[str]) -> None:
    rule: WordRule = {"exact": EXACT, "folded": FOLDED, "problem": PROBLEM}[rule_name]
    mib = sum(map(len, texts)) / 2**20
    index = Index(items, n, rule, min_words=min(n, 3) if rule is PROBLEM else None)
    ours = mib / seconds(lambda: sum(map(bool, index.search(texts))))
    few = texts[: max(1, len(texts) // 8)]
    peer = {
        ngrams.__name__: sum(map(len, few)) / 2**20 / seconds(plain_search(items, few, n, ngrams))
        for ngrams in (tuples, strings)
    }
    report(f"ngram search, {rule_name} words", ours, peer, "MiB/s", n=n, items=len(items))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=24)
    parser.add_argument("--items", type=int, default=5000)
    args = parser.parse_args(arguments)
    texts = random_texts(args.mib * 256, 4096, seed=0)
    items = random_texts(args.items, 300, seed=1)
    for rule, n in (("exact", 30), ("folded", 30), ("problem", 13)):
        search_speed(rule, n, items, texts)
    ours = len(texts) / seconds(lambda: sum(len(part.keys) for part in signatures(texts)))
    few = texts[: max(1, len(texts) // 8)]
    peer = {
        f"{np.dtype(kind).name}": len(few) / seconds(plain_signatures(few, kind))
        for kind in (np.uint32, np.uint64)
    }
    report("minhash 14 x 8, word 5-grams", ours, peer, "4 kB documents/s")


if __name__ == "__main__":
    main(sys.argv[1:])
