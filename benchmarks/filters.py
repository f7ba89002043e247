"""What each step before and after extraction costs a page: one JSON line.

    python benchmarks/filters.py PAGES [--number 600] [--repeats 3]

PAGES is a folder of HTML files (Debian's `*-doc` packages, say), of which an even sample is taken.
Milliseconds of CPU a page, best of the repeats: the prefilter on raw bytes (also by Python's `re`
with the same expression, and the published ten patterns one after another, which is what
OpenWebMath does), the parser alone, extraction, and each filter on the text. `prefilter_recall`:
of the pages with a formula, the share that passes, by the default and by the published marks.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import json
import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from selectolax.lexbor import LexborHTMLParser
from warc import sample

from mathlm.core.records import Document, Provenance
from mathlm.corpus.filter_config import WebFilters
from mathlm.corpus.html import extract
from mathlm.corpus.html.charset import decode
from mathlm.corpus.prefilter import PAPER_MARKS, PATTERNS, refuse
from mathlm.corpus.web_filters import web_filters


def milliseconds(step: Callable[[Any], object], items: Sequence[Any], repeats: int) -> float:
    """CPU time of a step an item, the best of several rounds."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        for item in items:
            step(item)
        best = min(best, time.process_time() - start)
    return round(best / len(items) * 1e3, 4)


def one_by_one(patterns: Sequence[re.Pattern[bytes]], page: bytes) -> bool:
    """Whether any pattern is found, in the published way."""
    return any(pattern.search(page) for pattern in patterns)


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("pages", type=Path)
    parser.add_argument("--number", type=int, default=600)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    pages = [path.read_bytes() for path in sample(args.pages, args.number)]
    texts = [decode(page).text for page in pages]
    extracted = [extract(page) for page in pages]
    origin = Provenance(url="https://example.org/page")
    documents = [
        Document(id=str(number), text=found.text, source="web", provenance=origin)
        for number, found in enumerate(extracted)
        if found.text
    ]
    published = [re.compile(mark.encode()) for mark in PAPER_MARKS]
    ours = re.compile(PATTERNS["default"].encode("latin-1"))
    steps: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
        "prefilter": (refuse, pages),
        "prefilter_by_re": (ours.search, pages),
        "published_patterns": (functools.partial(one_by_one, published), pages),
        "parser": (LexborHTMLParser, texts),
        "extraction": (extract, pages),
        **{
            f"filter_{name}": (filter_, documents)
            for name, filter_ in web_filters(WebFilters()).items()
        },
    }
    figures = {name: milliseconds(*step, args.repeats) for name, step in steps.items()}
    formulas = [page for page, found in zip(pages, extracted, strict=True) if found.formulas]
    recall = {
        mode: round(sum(refuse(page, mode) is None for page in formulas) / len(formulas), 4)
        for mode in ("default", "paper")
    }
    print(json.dumps({
        "benchmark": "filters of web pages", "unit": "ms of CPU a page", "pages": len(pages),
        "mean_kb": round(sum(map(len, pages)) / len(pages) / 1e3, 1), **figures,
        "parser_to_prefilter": round(figures["parser"] / figures["prefilter"], 1),
        "re_to_prefilter": round(figures["prefilter_by_re"] / figures["prefilter"], 1),
        "pages_with_formulas": len(formulas), "prefilter_recall": recall,
        "versions": {n: importlib.metadata.version(n) for n in ("google-re2", "selectolax")},
        "hardware": {"cores": os.cpu_count(), "machine": platform.machine()},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
