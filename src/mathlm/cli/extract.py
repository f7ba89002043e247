"""`mathlm extract PAGE.html…|-`: pages to Markdown with LaTeX, as the corpus stage would.

Of a WARC file every page is an object of its own, `FILE:OFFSET`.
"""

from __future__ import annotations

import argparse
import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

HELP = "Web pages to text: Markdown with their mathematics as LaTeX. It filters nothing."
_ARCHIVES = (".warc", ".warc.gz", ".warc.lz4", ".warc.zst")
_Entry = tuple[str, dict[str, Any] | None]
_TIMEOUT_S = 60.0
_MEMORY_MIB = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The pages and the form of the output."""
    parser.add_argument(
        "pages", nargs="+", metavar="PAGE.html", help="pages, WARC files, or - for stdin"
    )
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
        workers=max(1, args.workers),
        timeout_s=_TIMEOUT_S,
        memory_mib=_MEMORY_MIB,
    ) as pool:
        waiting: deque[_Entry] = deque()
        outcomes = pool.map(_items(args, waiting))
        for index, (source, record) in enumerate(_records(waiting, outcomes)):
            _print(source, record, args, first=index == 0)
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


def _items(args: argparse.Namespace, waiting: deque[_Entry]) -> Iterator[dict[str, Any]]:
    """Pages for the pool; `waiting` gets each page's name, and records that are no item."""
    import sys

    for page in args.pages:
        item = {"url": args.url, "content_type": args.content_type}
        if page.endswith(_ARCHIVES):
            yield from _archived(page, waiting)
            continue
        waiting.append((page, None))
        if page == "-":
            yield {**item, "html": sys.stdin.buffer.read()}
        else:
            yield {**item, "path": page}


def _archived(file: str, waiting: deque[_Entry]) -> Iterator[dict[str, Any]]:
    """The pages of a WARC file; a broken record is a line with its reason."""
    from mathlm.corpus.source_config import WarcSource
    from mathlm.corpus.sources.archives import Place
    from mathlm.corpus.sources.items import Failed, Page
    from mathlm.corpus.sources.shards import Shard
    from mathlm.corpus.sources.warc import ArchivePages

    archive = ArchivePages(WarcSource(files=(file,)), Shard(file), lambda phase: None)
    with contextlib.closing(archive):
        for taken in archive.pages(Place(0)):
            if isinstance(taken, Failed):
                name = f"{file}:{taken.provenance.offset}"
                waiting.append((name, _line(name, {"text": "", "reason": taken.reason})))
            elif isinstance(taken, Page):
                waiting.append((f"{file}:{taken.provenance.offset}", None))
                url = taken.provenance.url
                yield {"html": taken.data, "url": url, "content_type": taken.content_type}


def _records(
    waiting: deque[_Entry], outcomes: Iterable[Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each page's name and line, in order."""
    for outcome in outcomes:
        while (entry := waiting.popleft())[1] is not None:
            yield entry[0], entry[1]
        yield entry[0], _record(entry[0], outcome)
    for source, line in waiting:
        if line is not None:
            yield source, line


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
    if len(args.pages) > 1 or source != args.pages[0]:
        print(f"{'' if first else chr(10)}==> {source} <==")
    print(record["text"], flush=True)
