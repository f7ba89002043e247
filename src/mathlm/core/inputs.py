"""Files from outside of a run: found by paths, globs and URLs, and what became of them since.

A stage that reads such files notes how each looked when it did: name, size, time of change or
entity tag, and for local files up to `DIGEST_BYTES` a source the sha256. A later run compares, so
that a changed input is no secret. A new time alone (a copy, a fresh clone) is a change only where
no sha256 says that the bytes are the same. Not here: what a run does about it (`runs.py`).
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mathlm.core.errors import UserError
from mathlm.core.storage import LOGS, atomic_file, read_lines, sha256_of
from mathlm.core.streams import filesystem_of, is_far, may_read, retried

T = TypeVar("T")

RECORD = f"{LOGS}/inputs.jsonl"
"""Where a stage notes its inputs: beside its clocks, because times of change are clocks too."""
DIGEST_BYTES = 4 << 30
"""Sources of more bytes are compared by time alone: reading them twice would cost too much."""
_TAGS = (
    "etag", "ETag", "md5Hash", "md5", "Content-MD5", "blob_id", "generation",
    "mtime", "LastModified", "last_modified", "Last-Modified",
)  # fmt: skip
_REQUESTS = 16
_SHOWN = 3


class Stamp(NamedTuple):
    """What a file system says of a file without reading it."""

    bytes: int | None = None
    changed: str = ""
    """The entity tag, else the time of change."""


class InputFile(NamedTuple):
    """A file that a stage reads: `name` is the same wherever the recipe's folder lies."""

    name: str
    path: str
    stamp: Stamp


Lister = Callable[[], Iterable[InputFile]]


class Entry(NamedTuple):
    """A file as a stage noted it."""

    bytes: int | None
    changed: str
    sha256: str | None = None

    def content(self) -> list[Any]:
        """What decides a stage's identity: where there is a sha256, no time does."""
        return [self.bytes, self.sha256 or self.changed]


@dataclass
class Changes:
    """What became of a source since a stage read it."""

    changed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [(n, getattr(self, n)) for n in ("changed", "added", "gone")]
        return ", ".join(f"{len(files)} {what} ({_some(files)})" for what, files in parts if files)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return " ".join(names[:_SHOWN]) + more


@dataclass
class Inputs:
    """The outside files of a stage, compared with those that it noted."""

    entries: dict[str, dict[str, Entry]]
    """By source and name, as they are now."""
    before: dict[str, dict[str, Entry]] | None = None
    """As noted; None where a stage noted nothing."""
    changes: dict[str, Changes] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    """Sources that cannot be looked at, and why."""

    @property
    def other(self) -> bool:
        """Whether a file was changed or added, so that the stage would read something else."""
        return any(found.changed or found.added for found in self.changes.values())

    def differences(self) -> list[str]:
        """A line for each source that differs from what was noted."""
        found = [f"{source}: {changes}" for source, changes in self.changes.items()]
        return found + [f"{s}: cannot be looked at ({why})" for s, why in self.unknown.items()]

    def fingerprint(self) -> str | None:
        """A digest of names, sizes and contents; None where there are no such files."""
        lines = [
            json.dumps([source, name, *entry.content()])
            for source, files in sorted(self.entries.items())
            for name, entry in sorted(files.items())
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] if lines else None

    def note(self, directory: Path) -> None:
        """Write down what was seen, what is gone included if nothing else differs."""
        entries = self.entries
        if self.before is not None and not self.other:
            entries = {s: {**self.before.get(s, {}), **entries.get(s, {})} for s in self.before}
        if self.before == {source: files for source, files in entries.items() if files}:
            return
        with atomic_file(directory / RECORD, "w") as file:
            for source, files in entries.items():
                for name, entry in files.items():
                    line = {"source": source, "file": name, **entry._asdict()}
                    file.write(json.dumps(line) + "\n")


def compare(listers: Mapping[str, Lister], directory: Path) -> Inputs:
    """Look at a stage's outside files and compare them with what it noted, if it did."""
    before = _noted(directory)
    found = Inputs({}, before)
    for source, lister in listers.items():
        known = (before or {}).get(source, {})
        try:
            files = list(lister())
        except Exception as error:  # noqa: BLE001 (whatever a store raises: the stage itself will say)
            found.unknown[source] = str(error).partition("\n")[0] or type(error).__name__
            found.entries[source] = known
            continue
        entries, changes = _compare(files, known)
        found.entries[source] = entries
        if before is not None and (changes.changed or changes.added or changes.gone):
            found.changes[source] = changes
    return found


def _noted(directory: Path) -> dict[str, dict[str, Entry]] | None:
    if not (directory / RECORD).is_file():
        return None
    noted: dict[str, dict[str, Entry]] = {}
    for _, line in read_lines(directory / RECORD):
        row = json.loads(line)
        entry = Entry(row["bytes"], row["changed"], row["sha256"])
        noted.setdefault(row["source"], {})[row["file"]] = entry
    return noted


def _compare(
    files: list[InputFile], before: Mapping[str, Entry]
) -> tuple[dict[str, Entry], Changes]:
    small = sum(file.stamp.bytes or 0 for file in files) <= DIGEST_BYTES
    entries, changes = {}, Changes()
    for name, path, stamp in files:
        known = before.get(name)
        if known is not None and known[:2] == stamp:
            entries[name] = known
            continue
        digest = _digest(path, stamp) if small and not is_far(path) else None
        entries[name] = Entry(*stamp, digest)
        if known is None:
            changes.added.append(name)
        elif digest is None or known.content() != entries[name].content():
            changes.changed.append(name)
    changes.gone += [name for name in before if name not in entries]
    return entries, changes


@lru_cache(maxsize=1 << 20)
def _digest(path: str, stamp: Stamp) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None


def named(patterns: Iterable[str]) -> Iterator[InputFile]:
    """The files of paths, globs and URLs that are there."""
    names = [name for pattern in patterns for name in expand(pattern)]
    for name, stamp in zip(names, _at_once(_stamp_if_there, names), strict=True):
        if stamp is not None:
            yield InputFile(name, name, stamp)


def _at_once(look: Callable[[str], T], names: Sequence[str]) -> Iterator[T]:
    """What is found of files, in order; far stores are asked for many at once.

    The threads are not waited for when one fails or the user stops: an answer may take minutes.
    """
    if not any(map(is_far, names)):
        yield from map(look, names)
        return
    found: list[Future[T]] = [Future() for _ in names]
    remaining, lock = iter(zip(names, found, strict=True)), threading.Lock()
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            with lock:
                name, future = next(remaining, (None, None))
            if name is None or future is None:
                return
            try:
                future.set_result(look(name))
            except Exception as error:  # noqa: BLE001 (raised where it is waited for)
                future.set_exception(error)

    for _ in range(min(_REQUESTS, len(names))):
        threading.Thread(target=work, daemon=True).start()
    try:
        for future in found:
            yield future.result()
    finally:
        stopped.set()


def _stamp_if_there(url: str) -> Stamp | None:
    try:
        return _look(url)
    except FileNotFoundError:
        return None


def files_of(patterns: Iterable[str]) -> Iterator[str]:
    """Every file that paths, globs and URLs name; a glob's files by sorted name."""
    for pattern in patterns:
        names = retried(pattern, partial(expand, pattern))
        if not names and not is_far(pattern) and Path(pattern).expanduser().is_dir():
            raise UserError(f"{pattern} is a folder: name its files, as in {pattern.rstrip('/')}/*")
        if not names:
            raise UserError(f"no such file: {pattern}")
        yield from names


def expand(pattern: str) -> list[str]:
    """The files of a path, glob or URL; a URL without a glob is taken at its word."""
    if not is_far(pattern):
        path = str(Path(pattern).expanduser())
        if Path(path).is_file():
            return [path]
        return sorted(name for name in glob.glob(path, recursive=True) if Path(name).is_file())
    if not glob.has_magic(pattern.split("://", 1)[1]) or pattern.startswith("http"):
        return [pattern]
    filesystem, path = filesystem_of(pattern)
    return [filesystem.unstrip_protocol(name) for name in sorted(filesystem.glob(path))]


def stamp_of(url: str) -> Stamp:
    """What the file system says of a file; `UserError` where there is none to be read."""
    found = retried(url, lambda: _look(url))
    if not is_far(url) and not may_read(url):
        raise UserError(f"no permission to read {url}")
    return found


def stamps_of(urls: Sequence[str]) -> list[Stamp]:
    """The same of many files, of far ones at once."""
    return list(_at_once(stamp_of, urls))


def _look(url: str) -> Stamp:
    if not is_far(url):
        return stamp_here(url)
    filesystem, path = filesystem_of(url)
    info = filesystem.info(path)
    tag = next((f"{tag} {info[tag]}" for tag in _TAGS if info.get(tag) is not None), "")
    return Stamp(info.get("size"), tag)


def stamp_here(path: str | os.PathLike[str]) -> Stamp:
    """The stamp of a local file; raises `OSError`."""
    found = os.stat(path)
    return Stamp(found.st_size, f"mtime {found.st_mtime_ns}")


def below(files: Iterable[tuple[str, str]]) -> Iterator[InputFile]:
    """Files of folders, given by name and path."""
    for name, path in files:
        try:
            yield InputFile(name, path, stamp_here(path))
        except FileNotFoundError:  # removed since it was listed
            continue
        except PermissionError:
            yield InputFile(name, path, Stamp())
