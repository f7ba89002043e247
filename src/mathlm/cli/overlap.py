"""`mathlm overlap`: which items of benchmarks stand, n words in a row, in which documents.

Not here: the search (`mathlm.corpus.overlap`); removal is the corpus stage's decontamination.
"""

from __future__ import annotations

import argparse
import json

HELP = "which benchmark items stand in a corpus, by n words in a row"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "benchmarks", nargs="+", metavar="BENCHMARK.jsonl", help="items, one JSON object a line"
    )
    parser.add_argument(
        "--corpus",
        nargs="+",
        required=True,
        metavar="RUN|FILE",
        help="a run's directory, or .jsonl(.gz|.zst) and .parquet files with a field `text`",
    )
    parser.add_argument("--n", type=int, default=30, help="words in a row that count (default 30)")
    parser.add_argument(
        "--exact", action="store_true", help="words as they stand: case and LaTeX spacing count"
    )
    parser.add_argument(
        "--field",
        help="the items' field to look for (default: all of question, problem, prompt, text,"
        " statement, solution)",
    )
    parser.add_argument("--quiet", action="store_true", help="the summary alone")
    parser.add_argument("--json", action="store_true", help="one JSON object a hit, then a summary")


def run(args: argparse.Namespace) -> int:
    """Print every hit and a summary; 1 where there is a hit, else 0."""
    from mathlm.core.errors import UserError
    from mathlm.corpus import overlap

    if args.n < 1:
        raise UserError(f"--n must be at least 1, not {args.n}")
    fields = (args.field,) if args.field else overlap.ITEM_FIELDS
    items = [item for path in args.benchmarks for item in overlap.read_items(path, fields)]
    summary = overlap.Summary()
    documents = overlap.read_corpus(overlap.corpus_files(args.corpus), summary)
    for hit in overlap.search(items, documents, summary, n=args.n, exact=args.exact):
        if args.json:
            print(json.dumps(hit._asdict(), ensure_ascii=False), flush=True)
        elif not args.quiet:
            print(f"{hit.document}  at {hit.offset}: item {hit.item} of {hit.benchmark}")
            print(f"    {hit.ngram}")
    if args.json:
        print(json.dumps(summary.as_json()), flush=True)
    else:
        print(
            f"{summary.hits} hits: {len(summary.items_hit)} of {summary.items} items in"
            f" {summary.documents_hit} of {summary.documents} documents"
            f" ({summary.items_too_short} items have fewer than {args.n} words;"
            f" {summary.unreadable} records without text; {summary.mib_per_s:.1f} MiB/s)"
        )
    return 1 if summary.hits else 0
