"""What the corpus stage would do with given files, and why; nothing is written.

Not here: duplicates and overlaps, which need the other documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mathlm.core.errors import UserError
from mathlm.core.processes import Pool
from mathlm.core.records import Provenance
from mathlm.corpus.batches import settings_text
from mathlm.corpus.code.languages import EXTENSIONS, language_of
from mathlm.corpus.code.rules import RULES
from mathlm.corpus.config import Mode
from mathlm.corpus.filters import BY_KIND, FILTERS, Filter, code, first_reason, readable
from mathlm.corpus.source_config import HtmlSource
from mathlm.corpus.sources import Failed, Item, Loaded
from mathlm.corpus.sources.files import load_files, walk
from mathlm.corpus.sources.repositories import origin

_UNKNOWN = "unknown language"


class Explained(NamedTuple):
    """One file: `reason` is None exactly where it would be kept."""

    path: str
    language: str | None
    kept: bool
    reason: str | None


def explain(
    paths: Sequence[str | Path],
    *,
    mode: Mode = "default",
    workers: int = 1,
) -> Iterator[Explained]:
    """One result a file, in the order given; the files of a folder by sorted path.

    Raises `UserError` for a path that does not exist.
    """
    files = list(_files(paths))
    reasons = _judge_pages(
        [path for path in files if language_of(path.name) == "html"], mode, workers
    )
    for path in files:
        language = language_of(path.name)
        is_page = language == "html"
        reason = next(reasons) if is_page else _reason(_load(path), language, mode)
        yield Explained(str(path), language, reason is None, reason)


def _judge_pages(paths: Sequence[Path], mode: Mode, workers: int) -> Iterator[str | None]:
    """The reasons for web pages, found in worker processes that they may kill."""
    source = HtmlSource(folders=())
    settings = settings_text("web", source, mode)
    items = [(str(path), str(path), _item(path).provenance.model_dump()) for path in paths]
    with Pool(
        "mathlm.corpus.batches:judge_file",
        workers=workers,
        timeout_s=source.timeout_s,
        memory_mib=source.memory_mib,
        options={"settings": settings},
    ) as pool:
        for outcome in pool.map(items, group=4):
            yield outcome.value if outcome.done else outcome.status


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
    kind = "html" if language == "html" else "text"
    return tuple(FILTERS[name] for name in BY_KIND[kind])
