"""`mathlm explain`: what the corpus stage would do with files, and why.

Not here: the rules (`mathlm.corpus.code.rules`, `mathlm.corpus.filters`, `.web_filters`).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mathlm.corpus.explain import Explained

HELP = """What the corpus stage would do with these files, and why.

Web pages are judged as by a recipe with an empty table [stage.corpus.filters]; words of the form
KEY=VALUE set that table's keys (language=de, min_score=0.3, classifier=runs/x/classifier)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "paths", nargs="+", metavar="PATH | KEY=VALUE", help="a file, or a folder of files"
    )
    parser.add_argument(
        "--mode",
        choices=("default", "paper"),
        default="default",
        help="rules as published (paper), or with their defects mended (default)",
    )
    parser.add_argument("--url", help="the address of the page, for the rules on addresses")
    parser.add_argument("--workers", type=int, default=1, help="processes that parse web pages")
    parser.add_argument("--quiet", action="store_true", help="the counts alone")
    parser.add_argument("--json", action="store_true", help="one JSON object a file on stdout")


def run(args: argparse.Namespace) -> int:
    """Explain each file; 0 whatever the rules say of it."""
    from mathlm.corpus.explain import explain

    paths, words = _parted(args.paths)
    filters = _filters(words, args.mode)
    counts: Counter[str] = Counter()
    options = {"mode": args.mode, "workers": args.workers, "filters": filters, "url": args.url}
    for result in explain(paths, **options):
        counts["kept" if result.kept else result.reason or ""] += 1
        if args.json:
            values = result._asdict()
            if not result.details:
                del values["details"]
            print(json.dumps(values, ensure_ascii=False), flush=True)
        elif not args.quiet:
            _show(result, alone=len(paths) == 1)
    if not args.json and (args.quiet or counts.total() > 1):
        parts = (f"{number} {reason}" for reason, number in counts.most_common())
        print(f"{counts.total()} files: " + ", ".join(parts))
    return 0


def _parted(words: list[str]) -> tuple[list[str], list[str]]:
    """Paths and settings; a file whose name has an equals sign is a path."""
    from pathlib import Path

    settings = [word for word in words if "=" in word and not Path(word).exists()]
    return [word for word in words if word not in settings], settings


def _filters(words: list[str], mode: str) -> Any:
    """The filters of web pages that the words ask for."""
    from mathlm.core.errors import UserError
    from mathlm.core.recipe import apply_override, validated
    from mathlm.corpus.filter_config import WebFilters, with_paper_defaults

    given: dict[str, Any] = {}
    for word in words:
        apply_override(given, word)
    mistakes: list[str] = []
    values = with_paper_defaults(given) if mode == "paper" else given
    filters = validated(WebFilters, values, "", mistakes)
    if mistakes:
        raise UserError("\n".join(mistakes))
    return filters


def _show(result: Explained, *, alone: bool) -> None:
    """A line a file; for one page alone, a line for each of its filters too."""
    verdict = "keep" if result.kept else f"drop: {result.reason}"
    print(f"{result.path}  [{result.language or '?'}]  {verdict}")
    if not alone or not result.details:
        return
    final = False
    for row in result.details:
        if "step" in row and not final:
            print("      once duplicates are gone:")
            final = True
        sign = (
            "drop" if row.get("reason") else "  ok" if "reason" in row or _limits(row) else "    "
        )
        parts = (_figure(row), _limits(row), str(row.get("note", "")))
        print(f"  {sign}  {row['filter']:<18}" + "  ".join(part for part in parts if part))


def _figure(row: dict[str, Any]) -> str:
    figure = row.get("figure")
    return "" if figure is None else f"{figure:>8g}"


def _limits(row: dict[str, Any]) -> str:
    parts = [("at least", row.get("least")), ("at most", row.get("most"))]
    return ", ".join(f"{word} {limit:g}" for word, limit in parts if limit is not None)
