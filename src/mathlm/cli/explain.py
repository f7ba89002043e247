"""`mathlm explain`: what the corpus stage would do with files, and why.

Not here: the rules (`mathlm.corpus.code.rules`, `mathlm.corpus.filters`).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter

HELP = "what the corpus stage would do with these files, and why"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder of files")
    parser.add_argument(
        "--mode",
        choices=("default", "paper"),
        default="default",
        help="code rules: as published (paper), or with their defects mended (default)",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that parse web pages")
    parser.add_argument("--quiet", action="store_true", help="the counts alone")
    parser.add_argument("--json", action="store_true", help="one JSON object a file on stdout")


def run(args: argparse.Namespace) -> int:
    """Explain each file; 0 whatever the rules say of it."""
    from mathlm.corpus.explain import explain

    counts: Counter[str] = Counter()
    for result in explain(args.paths, mode=args.mode, workers=args.workers):
        counts["kept" if result.kept else result.reason or ""] += 1
        if args.json:
            print(json.dumps(result._asdict(), ensure_ascii=False), flush=True)
        elif not args.quiet:
            verdict = "keep" if result.kept else f"drop: {result.reason}"
            print(f"{result.path}  [{result.language or '?'}]  {verdict}")
    if not args.json and (args.quiet or counts.total() > 1):
        parts = (f"{number} {reason}" for reason, number in counts.most_common())
        print(f"{counts.total()} files: " + ", ".join(parts))
    return 0
