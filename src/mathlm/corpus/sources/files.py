"""Files below folders, in a stable order, and their text by strict UTF-8.

Not here: what a file's text must be (`mathlm.corpus.filters`, `mathlm.corpus.code`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mathlm.core.errors import UserError
from mathlm.core.progress import Progress
from mathlm.core.records import Document, Provenance
from mathlm.core.streams import may_read
from mathlm.corpus.code.languages import language_of
from mathlm.corpus.sources.items import Failed, Item, Loaded, writable

_SKIPPED_FOLDERS = frozenset({"__pycache__", "site-packages", "dist-packages", "node_modules"})
_MAX_FILE_BYTES = 64 << 20
"""Larger files are failures: no text for a language model is one file of this size."""


def walk(folder: Path, suffixes: Iterable[str]) -> Iterator[Path]:
    """Files below `folder` with one of the suffixes (lower case), sorted by path.

    Hidden folders, caches and links to folders are not entered; a folder that may not be read
    stands for its files, so that it is counted as one that failed.
    """
    wanted = tuple(suffixes)
    closed: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=closed.append):
        yield from (Path(error.filename) for error in closed)
        closed.clear()
        folders[:] = sorted(
            name for name in folders if name not in _SKIPPED_FOLDERS and not name.startswith(".")
        )
        for name in sorted(names):
            path = Path(parent, name)
            if name.lower().endswith(wanted) and _may_be(path.is_file):
                yield path
    yield from (Path(error.filename) for error in closed)


def _may_be(found: Callable[[], bool]) -> bool:
    try:
        return found()
    except PermissionError:  # reading it will fail, and be told
        return True


def stable_order(items: Iterable[Item]) -> list[Item]:
    """Items by a hash of their ids: any first part of it is an even sample of the whole."""
    return sorted(items, key=lambda item: hashlib.sha256(item.id.encode()).digest())


def decode(data: bytes) -> str | None:
    """The text of UTF-8 bytes, without a byte order mark; None where they are none."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def load_files(items: Iterable[Item], source: str) -> Iterator[Loaded]:
    """A document for each item; a file that cannot be read or is not UTF-8 is a failure."""
    for item in items:
        yield _load(item, source)


def _load(item: Item, source: str) -> Loaded:
    if item.path is None:
        return Document(id=item.id, text=item.text or "", source=source, provenance=item.provenance)
    try:
        size = os.path.getsize(item.path)
        data = Path(item.path).read_bytes() if size <= _MAX_FILE_BYTES else b""
    except OSError as error:
        return Failed(item.id, "unreadable", error.strerror or "", item.provenance)
    if size > _MAX_FILE_BYTES:
        return Failed(item.id, "file too large", f"{size} bytes", item.provenance)
    provenance = item.provenance.model_copy(
        update={"digest": hashlib.sha256(data).hexdigest(), "charset_used": "utf-8"}
    )
    text = decode(data)
    if text is None:
        return Failed(item.id, "not UTF-8", provenance=provenance)
    return Document(id=item.id, text=text, source=source, provenance=provenance)


def file_item(path: Path, identifier: str, provenance: Provenance | None = None) -> Item:
    """An item that stands for a file; its place is noted as the id (no local folder leaks)."""
    given, identifier = provenance or Provenance(), writable(identifier)
    return Item(identifier, str(path), None, given.model_copy(update={"file": identifier}))


def folder_items(
    folders: tuple[str, ...], suffixes: tuple[str, ...], progress: Progress
) -> Iterator[Item]:
    """Files of folders by sorted path; ids begin with the folder's name, never with its place."""
    names: dict[str, int] = {}
    for given in folders:
        folder = Path(given).expanduser()
        if not _may_be(folder.is_dir):
            progress.say(f"  warning: no such folder, left out: {given}")
            continue
        if not may_read(folder, os.X_OK):
            raise UserError(f"no permission to read the folder {given}")
        name = folder.resolve().name
        names[name] = names.get(name, 0) + 1
        prefix = name if names[name] == 1 else f"{name}-{names[name]}"
        for path in walk(folder, suffixes):
            language = language_of(path.name)
            identifier = f"{prefix}/{path.relative_to(folder).as_posix()}"
            yield file_item(path, identifier, Provenance(language=language))


def unique(items: Iterator[Item]) -> Iterator[Item]:
    """Items whose id was not seen before get through; a repeated id gets a number."""
    seen: dict[str, int] = {}
    for item in items:
        seen[item.id] = seen.get(item.id, 0) + 1
        again = seen[item.id]
        yield (
            item
            if again == 1
            else Item(f"{item.id}#{again}", item.path, item.text, item.provenance)
        )
