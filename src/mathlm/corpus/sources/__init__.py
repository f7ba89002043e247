"""Readers that turn raw inputs into documents, one function a kind of source.

Not here: web pages, which go through worker processes (`corpus/reading.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mathlm.core.executor import Executor, Local
from mathlm.core.processes import Pool
from mathlm.core.progress import Progress
from mathlm.core.records import Document
from mathlm.corpus.source_config import (
    CodeSource,
    ProblemsSource,
    PythonSource,
    RecordsSource,
    Source,
    TextSource,
)
from mathlm.corpus.sources import tables
from mathlm.corpus.sources.files import load_files, stable_order, unique
from mathlm.corpus.sources.general import general_items
from mathlm.corpus.sources.items import Failed, Item, Loaded
from mathlm.corpus.sources.packages import package_items
from mathlm.corpus.sources.repositories import code_items

OpenPool = Callable[..., Any]
"""What makes the pool of worker processes for pages: `open_pool`, or a stand-in of a test."""


def open_pool(**settings: Any) -> Pool:
    """Workers that read batches of web pages (`corpus/batches.py`)."""
    function, prepare = (f"mathlm.corpus.batches:{name}" for name in ("read_batch", "prepare"))
    return Pool(function, prepare=prepare, **settings)


@dataclass(frozen=True)
class Reading:
    """A source being read: how many items it has (None: not known before) and its documents."""

    total: int | None
    loaded: Iterator[Loaded]


@dataclass(frozen=True)
class Services:
    """What readers are handed beside their settings."""

    progress: Progress
    workers: int = 1
    open_pool: OpenPool = open_pool
    executor: Executor = field(default_factory=Local)


def read(name: str, source: Source, services: Services) -> Reading:
    """Open the source `name`; at most `source.max_documents` items will come."""
    if isinstance(source, ProblemsSource):
        return Reading(source.count, _cap(_problems(source, name), source))
    if isinstance(source, RecordsSource):
        return Reading(None, _cap(tables.read_records(source, name), source))
    assert isinstance(source, PythonSource | CodeSource | TextSource)
    items = list_items(source, services.progress)
    taken = items[: source.max_documents]
    return Reading(len(items), load_files(taken, name))


def list_items(source: PythonSource | CodeSource | TextSource, progress: Progress) -> list[Item]:
    """All items of a source of files, in the order in which caps count them."""
    if isinstance(source, CodeSource):
        found = code_items(source.folders, source.languages, progress)
        return stable_order(unique(found))
    if isinstance(source, PythonSource):
        return stable_order(unique(package_items(source.packages, progress)))
    return stable_order(unique(general_items(source, progress)))


def _cap(loaded: Iterator[Loaded], source: Source) -> Iterator[Loaded]:
    return itertools.islice(loaded, source.max_documents)


def _problems(source: ProblemsSource, name: str) -> Iterator[Loaded]:
    from mathlm.tasks.arithmetic import training_texts

    for identifier, text in training_texts(source.count, source.seed):
        yield Document(id=identifier, text=text, source=name)


__all__ = [
    "Failed",
    "Item",
    "Loaded",
    "OpenPool",
    "Reading",
    "Services",
    "list_items",
    "open_pool",
    "read",
]
