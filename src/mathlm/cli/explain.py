"""`mathlm explain`: what the corpus stage would do with files, and why.

Not here: the rules (`mathlm.corpus.code.rules`, `mathlm.corpus.filters`, `.web_filters`).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mathlm.corpus.explain import Explained
    from mathlm.corpus.look import Seen

HELP = """What the corpus stage would do with these files, or did with its documents, and why.

Web pages are judged as by a recipe with an empty table [stage.corpus.filters]; words of the form
KEY=VALUE set that table's keys (language=de, min_score=0.3, classifier=runs/x/classifier).

With a finished corpus stage (runs/NAME/corpus): examples of what it kept and of what it dropped for
each reason, read again from its inputs; followed by ids or URLs, these documents one by one."""


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
    parser.add_argument(
        "--number", type=int, default=3, help="of a corpus stage: examples a reason (default: 3)"
    )
    parser.add_argument(
        "--reason", default="", help="of a corpus stage: only reasons with these words, or kept"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that parse web pages")
    parser.add_argument("--quiet", action="store_true", help="the counts alone")
    parser.add_argument("--json", action="store_true", help="one JSON object a file on stdout")


def run(args: argparse.Namespace) -> int:
    """Explain each file; 0 whatever the rules say of it."""
    from mathlm.corpus.explain import explain
    from mathlm.corpus.look import is_stage

    if is_stage(args.paths[0]):
        return _stage(args)
    paths, words = _parted(args.paths)
    filters = _filters(words, args.mode)
    counts: Counter[str] = Counter()
    options = {"mode": args.mode, "workers": args.workers, "filters": filters, "url": args.url}
    for result in explain(paths, **options):
        counts["kept" if result.kept else result.reason or ""] += 1
        if args.json:
            values = result._asdict()
            del values["text"]
            if not result.details:
                del values["details"]
            print(json.dumps(values, ensure_ascii=False), flush=True)
        elif not args.quiet:
            _show(result, alone=len(paths) == 1)
    if not args.json and (args.quiet or counts.total() > 1):
        parts = (f"{number} {reason}" for reason, number in counts.most_common())
        print(f"{counts.total()} files: " + ", ".join(parts))
    return 0


def _stage(args: argparse.Namespace) -> int:
    """Documents of a finished corpus stage: some by reason, or those that are named."""
    from pathlib import Path

    from mathlm.corpus import look

    directory, wanted = Path(args.paths[0]), args.paths[1:]
    if wanted:
        for one in look.find(directory, wanted, workers=args.workers):
            if args.json:
                print(json.dumps(one._asdict(), ensure_ascii=False))
            else:
                _show_seen(one)
                _show_checks(one.details)
        return 0
    options = {"number": args.number, "reason": args.reason, "workers": args.workers}
    for group in look.groups(directory, **options):
        if args.json:
            examples = [one._asdict() for one in group.examples]
            print(json.dumps({**group._asdict(), "examples": examples}, ensure_ascii=False))
            continue
        print(f"{group.step}: {group.reason}  ({group.documents:,})" if group.reason != group.step
              else f"{group.step}  ({group.documents:,})")  # fmt: skip
        for one in [] if args.quiet else group.examples:
            _show_seen(one, indent="  ")
    return 0


_EXCERPT = 300


def _show_seen(one: Seen, indent: str = "") -> None:
    """Where a document comes from, what became of it, how its text begins."""
    name = one.note.get("url") or one.id
    place = f"{one.note['file']}:{one.note['offset']}" if "offset" in one.note else one.id
    print(f"{indent}{name}" + (f"  ({place})" if place != name else ""))
    if not indent:
        print(f"  {one.step}" + (f": {one.reason}" if one.reason != one.step else ""))
    if "of" in one.note:
        print(f"{indent}  like {one.note['of']} ({one.note['of_source']}), which stays")
    text = " ".join(one.text.split())
    print(f"{indent}  {text[:_EXCERPT]}{'…' if len(text) > _EXCERPT else ''}" if text
          else f"{indent}  (no text)")  # fmt: skip


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
    if alone:
        _show_checks(result.details)


def _show_checks(details: Sequence[dict[str, Any]]) -> None:
    """A line for each filter."""
    final = False
    for row in details:
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
