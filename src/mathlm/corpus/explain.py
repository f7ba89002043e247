"""What the corpus stage would do with given files, and why; nothing is written.

Not here: duplicates and overlaps, which need the other documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from mathlm.core.errors import UserError
from mathlm.core.processes import Pool
from mathlm.core.records import Provenance
from mathlm.corpus.batches import settings_text
from mathlm.corpus.code.languages import EXTENSIONS, language_of
from mathlm.corpus.code.rules import RULES
from mathlm.corpus.config import Mode
from mathlm.corpus.filter_config import WebFilters, with_paper_defaults
from mathlm.corpus.filters import (
    BY_KIND,
    FILTERS,
    Filter,
    code,
    first_reason,
    readable,
    try_filters,
)
from mathlm.corpus.page_checks import Where
from mathlm.corpus.source_config import HtmlSource, WebSource
from mathlm.corpus.sources import Failed, Item, Loaded
from mathlm.corpus.sources.files import load_files, walk
from mathlm.corpus.sources.repositories import origin
from mathlm.corpus.sources.shards import Shard

_UNKNOWN = "unknown language"


class Explained(NamedTuple):
    """One file: `reason` is None exactly where it would be kept."""

    path: str
    language: str | None
    kept: bool
    reason: str | None
    details: tuple[dict[str, Any], ...] = ()
    """Of a web page, what each filter found (`page_checks.Row`)."""
    text: str = ""
    """Of a web page, how its text begins."""


def explain(
    paths: Sequence[str | Path],
    *,
    mode: Mode = "default",
    workers: int = 1,
    filters: WebFilters | None = None,
    url: str | None = None,
) -> Iterator[Explained]:
    """One result a file, in the order given; the files of a folder by sorted path.

    Web pages are judged by `filters`, by default those of a recipe with an empty table
    `[stage.corpus.filters]`; `url` is taken for the address of each. Raises `UserError` for a path
    that does not exist.
    """
    files = list(_files(paths))
    web = filters or WebFilters.model_validate(with_paper_defaults({}) if mode == "paper" else {})
    items = [_page(path, url) for path in files if language_of(path.name) == "html"]
    source = HtmlSource(folders=())
    found = judge_pages(items, source, (web, mode), workers=workers)
    for path in files:
        language = language_of(path.name)
        is_page = language == "html"
        reason = None if is_page else _reason(_load(path), language, mode)
        page = next(found) if is_page else Explained(str(path), language, reason is None, reason)
        yield page._replace(path=str(path))


def judge_pages(
    items: Sequence[Where], source: WebSource, given: tuple[WebFilters, Mode], *, workers: int = 1
) -> Iterator[Explained]:
    """What a source's pages come to, found in worker processes that they may kill."""
    if not items:
        return
    web, mode = given
    try_filters(web, mode)
    settings = settings_text("web", source, mode, web)
    with Pool(
        "mathlm.corpus.page_checks:explain_page",
        workers=workers,
        timeout_s=source.timeout_s,
        memory_mib=source.memory_mib,
        options={"settings": settings, "filters": web.model_dump_json(), "mode": mode},
    ) as pool:
        for item, outcome in zip(items, pool.map(items, group=4), strict=True):
            value = outcome.value if outcome.done else {"reason": outcome.status}
            reason, details = value["reason"], tuple(value.get("details", ()))
            yield Explained(item.id, "html", reason is None, reason, details, value.get("text", ""))


def _page(path: Path, url: str | None) -> Where:
    provenance = _item(path).provenance.model_copy(update={"url": url})
    item = (str(path), str(path), provenance.model_dump())
    return Where(str(path), Shard(str(path), items=(item,)))


def _files(paths: Iterable[str | Path]) -> Iterator[Path]:
    for given in paths:
        path = Path(given)
        if not path.exists():
            raise UserError(f"no such file or folder: {given}")
        yield from walk(path, EXTENSIONS) if path.is_dir() else [path]


def _item(path: Path) -> Item:
    repository, inside = origin(path)
    provenance = Provenance(
        file=inside, repository=repository, language=language_of(PurePosixPath(inside).name)
    )
    return Item(str(path), str(path), None, provenance)


def _load(path: Path) -> Loaded:
    if language_of(path.name) is None:
        return Failed(str(path), _UNKNOWN)
    (loaded,) = load_files([_item(path)], "files")
    return loaded


def _reason(loaded: Loaded, language: str | None, mode: Mode) -> str | None:
    if isinstance(loaded, Failed):
        return loaded.reason
    reason = first_reason(loaded, filters_for(language, mode))
    return "broken notebook" if reason is None and readable(loaded) is None else reason


def filters_for(language: str | None, mode: Mode) -> tuple[Filter, ...]:
    """The filters that a file of the language would pass."""
    if language in RULES[mode]:
        return (lambda document: code(document, mode=mode),)
    return tuple(FILTERS[name] for name in BY_KIND["text"])
