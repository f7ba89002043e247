"""Speed of the mathematics classifier on documents of 4 kB, beside fastText and scikit-learn.

    python benchmarks/classifier.py [--documents 2000] [--fasttext MODEL.bin …]

One process, one thread. Ours is timed from the text as extracted: formulas and code are taken out,
then the rest is scored. The peers get the prose ready made, which favours them: `fasttext-predict`
with each model given (fastText learns them from what `--write` writes), scikit-learn
HashingVectorizer with SGDClassifier over batches of several sizes, if it is installed. Each peer's
best setting counts. Texts: solutions of the MATH benchmark (MATHLM_DATA) against documentation of
the running Python and its packages, cut to 4,096 characters. `--write FILE` writes the training
texts as fastText wants them and ends.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from mathlm.core.progress import Progress
from mathlm.corpus.quality.learning import Labelled, Learning, learn, part_of
from mathlm.corpus.quality.prose import prose
from mathlm.corpus.source_config import TextSource
from mathlm.corpus.sources import list_items
from mathlm.corpus.sources.files import load_files
from mathlm.stats.calibration import auc

SIZE, ROUNDS = 4096, 5


def pieces(texts: Iterable[str], name: str, label: float, most: int) -> Iterator[Labelled]:
    """The texts one after another, cut into documents of SIZE characters."""
    held, number = "", 0
    for text in texts:
        held += text + "\n\n"
        while len(held) >= SIZE and number < most:
            yield Labelled(f"{name}{number}", held[:SIZE], label)
            held, number = held[SIZE:], number + 1


def documents(most: int) -> list[Labelled]:
    data = Path(os.environ.get("MATHLM_DATA", "../shared/data")) / "benchmarks/math/test.jsonl"
    rows = map(json.loads, data.read_text("utf-8").splitlines())
    maths = (f"{row['problem']}\n{row['solution']}" for row in rows)
    loaded = load_files(list_items(TextSource(), Progress(quiet=True)), "general")
    general = (text for item in loaded if (text := getattr(item, "text", "")))
    return [*pieces(maths, "m", 1.0, most), *pieces(general, "g", 0.0, most)]


def rate(score_all: Callable[[], Any], number: int) -> float:
    """Documents a second of processor time: the median of several rounds after one to warm up."""
    times = []
    for _ in range(ROUNDS + 1):
        begin = time.process_time()
        score_all()
        times.append(time.process_time() - begin)
    return number / median(times[1:])


def peer_fasttext(paths: list[str], texts: list[str]) -> Iterator[tuple[str, float]]:
    import fasttext

    lines = [" ".join(text.split("\n")) for text in texts]
    for path in paths:
        model = fasttext.load_model(path)
        yield (
            f"fasttext-predict {Path(path).name}",
            rate(
                lambda model=model: [model.predict(line, k=1, threshold=0.0) for line in lines],
                len(lines),
            ),
        )


def peer_sklearn(learnt: list[Labelled], texts: list[str]) -> Iterator[tuple[str, float]]:
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    for ngrams, batch in itertools.product(((1, 2), (1, 1)), (1, 64, len(texts))):
        hasher = HashingVectorizer(n_features=1 << 20, ngram_range=ngrams)
        model = SGDClassifier(loss="log_loss", random_state=0)
        model.fit(hasher.transform([prose(t.text) for t in learnt]), [t.label for t in learnt])

        def score(hasher: Any = hasher, model: Any = model, batch: int = batch) -> None:
            for begin in range(0, len(texts), batch):
                model.predict_proba(hasher.transform(texts[begin : begin + batch]))

        yield f"scikit-learn {ngrams[1]}-grams, batches of {batch}", rate(score, len(texts))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=1000, help="of each kind")
    parser.add_argument("--fasttext", nargs="*", default=[], metavar="MODEL.bin")
    parser.add_argument("--write", metavar="FILE", help="write fastText's training file and end")
    args = parser.parse_args()
    every = documents(args.documents)
    learnt = [t for t in every if part_of(t.id) == "learn"]
    if args.write:
        lines = (f"__label__{t.label:g} {' '.join(prose(t.text).split())}\n" for t in learnt)
        Path(args.write).write_text("".join(lines), "utf-8")
        return 0
    model = learn(every, "mathematical", Learning())
    texts = [t.text for t in every]
    ready = [prose(text) for text in texts]
    ours = rate(lambda: [model.score(prose(text)) for text in texts], len(texts))
    alone = rate(lambda: [model.score(text) for text in ready], len(texts))
    peers = dict(peer_fasttext(args.fasttext, ready))
    try:
        peers.update(peer_sklearn(learnt, ready[: min(400, len(ready))]))
    except ImportError:
        print("scikit-learn is not installed: left out", file=sys.stderr)
    best = max(peers, key=lambda name: peers[name], default=None)
    fresh = [t for t in every if part_of(t.id) == "measure"]
    area = auc([model.score(prose(t.text)) for t in fresh], [t.label > 0.5 for t in fresh])
    names = ("numpy", "fasttext-predict", "scikit-learn")
    found = {name: metadata.version(name) for name in names if _installed(name)}
    line = {
        "benchmark": "classifier",
        "unit": "documents/s/core of 4 kB",
        "ours": round(ours),
        "ours without taking formulas out": round(alone),
        "target": 4000,
        "peers": {name: round(value) for name, value in peers.items()},
        "best peer": best,
        "ratio": round(ours / peers[best], 2) if best else None,
        "ratio on the same prose": round(alone / peers[best], 2) if best else None,
        "auc": round(area.value, 4),
        "versions": {"python": platform.python_version(), **found},
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
    }
    print(json.dumps(line))
    return 0


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
