"""Readers that turn raw inputs into documents, one function a kind of source.

Not here: web pages, which go through worker processes (`corpus/reading.py`).
"""

from __future__ import annotations

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
    TextSource,
)
from mathlm.corpus.sources.files import stable_order, unique
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
class Services:
    """What readers are handed beside their settings."""

    progress: Progress
    workers: int = 1
    open_pool: OpenPool = open_pool
    executor: Executor = field(default_factory=Local)


def list_items(source: PythonSource | CodeSource | TextSource, progress: Progress) -> list[Item]:
    """All items of a source of files, in the order in which caps count them."""
    if isinstance(source, CodeSource):
        found = code_items(source.folders, source.languages, progress)
        return stable_order(unique(found))
    if isinstance(source, PythonSource):
        return stable_order(unique(package_items(source.packages, progress)))
    return stable_order(unique(general_items(source, progress)))


def load_problems(source: ProblemsSource, name: str) -> Iterator[Loaded]:
    """The generated problems in order."""
    from mathlm.tasks.arithmetic import training_texts

    for identifier, text in training_texts(source.count, source.seed):
        yield Document(id=identifier, text=text, source=name)


__all__ = [
    "Failed",
    "Item",
    "Loaded",
    "OpenPool",
    "Services",
    "list_items",
    "load_problems",
    "open_pool",
]
