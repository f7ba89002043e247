"""Inputs of web pages cut into shards: what one worker reads at a stretch and commits as one.

A shard is a range of a WARC or WET file, one file of records, or some files of a folder. Its
identity says whether the input is still what it was when the shard was read.
"""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import fsspec

from mathlm.core.errors import UserError
from mathlm.core.progress import Progress
from mathlm.corpus.source_config import HtmlSource, RecordsSource, UrlsSource, WebSource
from mathlm.corpus.sources.files import folder_items, unique
from mathlm.corpus.sources.index import URLS_IN_SHARD, read_urls
from mathlm.corpus.sources.items import Item

SHARD_BYTES = 64 << 20
"""A WARC file is cut into ranges of so many bytes, compressed as it is."""
_FOLDER_SHARDS = 32
_FILES_IN_SHARD = (8, 256)
_STAMPS = ("size", "etag", "ETag", "mtime", "LastModified", "last_modified", "md5", "generation")


@dataclass(frozen=True)
class Shard:
    """A stretch of an input; `begin` and `end` are bytes of a WARC, else places in `items`."""

    file: str
    begin: int = 0
    end: int | None = None
    items: tuple[tuple[str, str, dict[str, Any]], ...] = ()
    """For folders: id, path and provenance of each file; for lists of URLs, the URLs."""
    stamp: dict[str, Any] = field(default_factory=dict)
    """What the file system says of the file: size, entity tag or time."""

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
        suffixes = (".html", ".htm", ".xhtml")
        items = list(unique(folder_items(source.folders, suffixes, progress)))
        return list(_of_items(items[: source.max_documents])), len(items)
    if isinstance(source, RecordsSource):
        return [Shard(file, stamp=stamp_of(file)) for file in files_of(source.files)], None
    if isinstance(source, UrlsSource):
        urls = read_urls(source.file)[: source.max_documents]
        return list(_of_urls(urls, source.file)), len(read_urls(source.file))
    return [shard for file in files_of(source.files) for shard in _ranges(file, shard_bytes)], None


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
        stamp = {item.path or "": _local_stamp(Path(item.path or "")) for item in part}
        yield Shard(part[0].id, begin, begin + len(part), rows, stamp)


def _local_stamp(path: Path) -> list[int]:
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


def _ranges(file: str, shard_bytes: int) -> Iterator[Shard]:
    stamp = stamp_of(file)
    size = stamp.get("size") or 0
    begins = range(0, max(1, size), shard_bytes)
    for begin in begins:
        last = begin + shard_bytes >= size
        yield Shard(file, begin, None if last else begin + shard_bytes, stamp=stamp)


def files_of(patterns: tuple[str, ...]) -> Iterator[str]:
    """Every file that paths, globs and URLs name; a glob's files by sorted name."""
    for pattern in patterns:
        names = _expand(pattern)
        if not names:
            raise UserError(f"no such file: {pattern}")
        yield from names


def _expand(pattern: str) -> list[str]:
    if "://" not in pattern:
        path = str(Path(pattern).expanduser())
        if Path(path).is_file():
            return [path]
        return sorted(name for name in glob.glob(path, recursive=True) if Path(name).is_file())
    if not glob.has_magic(pattern.split("://", 1)[1]) or pattern.startswith("http"):
        return [pattern]
    filesystem, path = _filesystem(pattern)
    return [filesystem.unstrip_protocol(name) for name in sorted(filesystem.glob(path))]


def _filesystem(url: str) -> tuple[Any, str]:
    try:
        return fsspec.core.url_to_fs(url)  # type: ignore[no-any-return]
    except (ImportError, ValueError) as error:
        raise UserError(f"cannot open {url}: {error} (pip install 'mathlm[remote]')") from None


def stamp_of(url: str) -> dict[str, Any]:
    """What the file system says of a file: its size, and its entity tag or time of change."""
    filesystem, path = _filesystem(url)
    try:
        info = filesystem.info(path)
    except (FileNotFoundError, PermissionError):
        raise UserError(f"no such file: {url}") from None
    return {
        name: str(info[name]) if name != "size" else info[name]
        for name in _STAMPS
        if info.get(name) is not None
    }
