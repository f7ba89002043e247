"""Inputs of web pages cut into shards: what one worker reads at a stretch and commits as one.

A shard is a range of a WARC or WET file, one file of records, or some files of a folder. Its
identity says whether the input is still what it was when the shard was read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from mathlm.core.inputs import Stamp, files_of, stamp_here, stamps_of
from mathlm.core.progress import Progress
from mathlm.corpus.source_config import HtmlSource, RecordsSource, UrlsSource, WebSource
from mathlm.corpus.sources.files import folder_items, unique
from mathlm.corpus.sources.index import URLS_IN_SHARD, read_urls
from mathlm.corpus.sources.items import Item, writable

SHARD_BYTES = 64 << 20
"""A WARC file is cut into ranges of so many bytes, compressed as it is."""
PAGE_SUFFIXES = (".html", ".htm", ".xhtml")
_FOLDER_SHARDS = 32
_FILES_IN_SHARD = (8, 256)


@dataclass(frozen=True)
class Shard:
    """A stretch of an input; `begin` and `end` are bytes of a WARC, else places in `items`."""

    file: str
    begin: int = 0
    end: int | None = None
    items: tuple[tuple[str, str, dict[str, Any]], ...] = ()
    """For folders: id, path and provenance of each file; for lists of URLs, the URLs."""
    stamp: dict[str, Stamp] = field(default_factory=dict)
    """What the file system says of each file."""
    name: str = ""
    """How documents call the file; where it is alone, by the last part of its path."""

    @property
    def label(self) -> str:
        """How documents call the file."""
        return self.name or labels_of([self.file])[self.file]

    def identity(self) -> str:
        """A digest that differs when the input, or the stretch of it, is another one."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def shards_of(
    source: WebSource, progress: Progress, shard_bytes: int = SHARD_BYTES
) -> tuple[list[Shard], int | None]:
    """The shards of a source in the order of reading, and how many items they hold, if known.

    Raises `UserError` where a file named does not exist.
    """
    if isinstance(source, HtmlSource):
        items = list(unique(folder_items(source.folders, PAGE_SUFFIXES, progress)))
        return list(_of_items(items[: source.max_documents])), len(items)
    if isinstance(source, RecordsSource):
        found = _stamped(source.files)
        return [Shard(f, stamp={f: stamp}, name=name) for f, stamp, name in found], None
    if isinstance(source, UrlsSource):
        urls = read_urls(source.file)[: source.max_documents]
        return list(_of_urls(urls, source.file)), len(read_urls(source.file))
    files = _stamped(source.files)
    return [shard for given in files for shard in _ranges(*given, shard_bytes)], None


def _of_urls(urls: list[str], file: str) -> Iterator[Shard]:
    for begin in range(0, len(urls), URLS_IN_SHARD):
        part = urls[begin : begin + URLS_IN_SHARD]
        yield Shard(file, begin, begin + len(part), tuple((url, "", {}) for url in part))


def _of_items(items: list[Item]) -> Iterator[Shard]:
    least, most = _FILES_IN_SHARD
    step = min(most, max(least, -(-len(items) // _FOLDER_SHARDS)))
    for begin in range(0, len(items), step):
        part = items[begin : begin + step]
        rows = tuple((i.id, i.path or "", i.provenance.model_dump()) for i in part)
        stamp = {item.path or "": _stamp_here(item.path or "") for item in part}
        yield Shard(part[0].id, begin, begin + len(part), rows, stamp)


def _stamp_here(path: str) -> Stamp:
    try:
        return stamp_here(path)
    except OSError:
        return Stamp()


def labels_of(files: Iterable[str]) -> dict[str, str]:
    """How documents call each file: by the last parts of its path, as few as tell it from others.

    So no folder of the user's stands in a corpus where it need not.
    """
    alike: dict[str, list[list[str]]] = {}
    for file in dict.fromkeys(files):
        alike.setdefault(file.rpartition("/")[2], []).append(file.split("/"))
    found = dict[str, str]()
    for paths in alike.values():
        last = 1
        while len({tuple(path[-last:]) for path in paths}) < len(paths):
            last += 1
        found |= {"/".join(path): writable("/".join(path[-last:])) for path in paths}
    return found


def _stamped(patterns: tuple[str, ...]) -> Iterator[tuple[str, Stamp, str]]:
    files = list(files_of(patterns))
    labels = labels_of(files)
    return zip(files, stamps_of(files), map(labels.__getitem__, files), strict=True)


def _ranges(file: str, stamp: Stamp, name: str, shard_bytes: int) -> Iterator[Shard]:
    size = stamp.bytes or 0
    begins = range(0, max(1, size), shard_bytes)
    for begin in begins:
        last = begin + shard_bytes >= size
        end = None if last else begin + shard_bytes
        yield Shard(file, begin, end, stamp={file: stamp}, name=name)
