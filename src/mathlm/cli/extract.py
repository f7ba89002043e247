"""`mathlm extract PAGE.html…|-`: pages to Markdown with LaTeX, as the corpus stage would."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

HELP = "Web pages to text: Markdown with their mathematics as LaTeX. It filters nothing."
_TIMEOUT_S = 60.0
_MEMORY_MIB = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The pages and the form of the output."""
    parser.add_argument("pages", nargs="+", metavar="PAGE.html", help="files, or - for stdin")
    parser.add_argument("--url", help="where the page came from (one page only)")
    parser.add_argument("--content-type", help="the HTTP header, for its character set")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--quiet", action="store_true", help="no messages about single pages")


def run(args: argparse.Namespace) -> int:
    """Extract every page in order; a page that cannot be had is a line with its reason."""
    from mathlm.core.errors import UserError
    from mathlm.core.processes import Pool

    if args.url and len(args.pages) > 1:
        raise UserError("--url says where one page came from; give one page")
    if args.pages.count("-") > 1:
        raise UserError("- (standard input) can be read once")
    _check(args.pages)
    with Pool(
        "mathlm.corpus.html:extract_file",
        workers=min(max(1, args.workers), len(args.pages)),
        timeout_s=_TIMEOUT_S,
        memory_mib=_MEMORY_MIB,
    ) as pool:
        outcomes = pool.map(_items(args))
        for index, (source, outcome) in enumerate(zip(args.pages, outcomes, strict=True)):
            _print(source, _record(source, outcome), args, first=index == 0)
    return 0


def _check(pages: list[str]) -> None:
    """Refuse what cannot be read before any page is worked on."""
    from pathlib import Path

    from mathlm.core.errors import UserError

    for page in pages:
        if page == "-":
            continue
        try:
            with Path(page).open("rb"):
                pass
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UserError(f"cannot read {page}: {reason}") from None


def _items(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    import sys

    for page in args.pages:
        item = {"url": args.url, "content_type": args.content_type}
        if page == "-":
            yield {**item, "html": sys.stdin.buffer.read()}
        else:
            yield {**item, "path": page}


def _record(source: str, outcome: Any) -> dict[str, Any]:
    """The line of one page, whatever became of it."""
    if not outcome.done:
        reason = "error" if outcome.status == "error" else outcome.status
        return _line(source, {"text": "", "reason": reason, "detail": outcome.detail})
    return _line(source, outcome.value.model_dump())


def _line(source: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "source": source,
        "text": fields["text"],
        "title": fields.get("title"),
        "formulas": fields.get("formulas", ()),
        "charset": fields.get("charset"),
        "reason": fields["reason"],
        **({"detail": fields["detail"]} if fields.get("detail") else {}),
    }


def _print(source: str, record: dict[str, Any], args: argparse.Namespace, *, first: bool) -> None:
    import json
    import sys

    if args.json:
        print(json.dumps(record, ensure_ascii=False), flush=True)
        return
    if record["reason"] is not None:
        if not args.quiet:
            detail = f" ({record['detail']})" if record.get("detail") else ""
            print(f"{source}: no text: {record['reason']}{detail}", file=sys.stderr)
        return
    if len(args.pages) > 1:
        print(f"{'' if first else chr(10)}==> {source} <==")
    print(record["text"], flush=True)
