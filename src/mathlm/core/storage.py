"""Files as stages exchange them: atomic commits, groups with a manifest, JSONL, checksums.

A file is either whole or absent: it is written beside its target, synced, then renamed. A group
of files is a directory committed by one rename, with `manifest.json` (size and sha256 of each
member) inside. Reading goes through fsspec, so that inputs may lie in an object store and may be
`.gz` or `.zst`; what a run writes lies on a local disk (`publish` copies a group to a store).
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, TypeVar

import fsspec
from pydantic import BaseModel, ValidationError

from mathlm.core.errors import MachineError, UserError
from mathlm.core.streams import open_bytes

MANIFEST = "manifest.json"
LOGS = "logs"
"""The folder of a stage whose files (clocks, memory, load) no checksum covers."""
CHECKPOINTS = "checkpoints"
"""The folder of a stage's resumable state: no output, so it may be deleted once it is finished."""
_PART = ".part"
_OLD = ".old"
_CHUNK = 1 << 20
_PACKED = 4096
"""Bytes of Zstandard decoded at a time: four of a hostile file may stand for 128 KiB."""
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")
"""What NumPy says where the disk is full."""
_HASHERS = 4
Entry = dict[str, Any]
"""What a manifest says of a member: its `bytes` and `sha256`."""

R = TypeVar("R", bound=BaseModel)


class DamagedError(UserError):
    """A compressed file is cut off, broken or none."""


@contextlib.contextmanager
def disk_errors(path: str | Path) -> Iterator[None]:
    """Turn an `OSError` of the block into a `MachineError` of one line that names `path`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if _SHORT_WRITE.fullmatch(reason):
            reason = os.strerror(errno.ENOSPC)
        if error.filename and not str(error.filename).startswith(str(path)):
            reason += f" ({error.filename})"
        raise MachineError(f"cannot write {path}: {reason}; finished work is kept") from error


def sha256_of(path: str | Path) -> str:
    """The sha256 of a local file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sync(path: str | Path) -> None:
    """Force a file or a directory's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_file(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """A file that appears under `path` whole when the block ends well, and not at all otherwise."""
    target = Path(path)
    part = target.with_name(target.name + _PART)
    try:
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            encoding = None if "b" in mode else "utf-8"
            with open(part, mode, encoding=encoding, newline=None if encoding is None else "") as f:
                yield f
                f.flush()
                os.fsync(f.fileno())
            os.replace(part, target)
            sync(target.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_file(path) as file:
        file.write(data)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 to `path` atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as JSON (keys in their order, NaN refused) to `path` atomically."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """The value of a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_jsonl(path: str | Path, records: Iterable[BaseModel]) -> int:
    """Write records one a line, atomically; returns their number."""
    number = 0
    with atomic_file(path) as file:
        for record in records:
            file.write(record.model_dump_json(exclude_defaults=True).encode("utf-8") + b"\n")
            number += 1
    return number


def read_lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Lines (from 0, without their newline) of a local or remote file, decompressed by its name.

    Raises `DamagedError` behind the last line that can be had of a compressed file.
    """
    url = str(path)
    suffix = os.path.splitext(url)[1]
    try:
        with open_bytes(url) as file:
            for number, line in enumerate(_unpacked(file, suffix)):
                yield number, line.rstrip(b"\r\n")
    except ValueError as error:
        raise UserError(f"cannot read {url}: {error}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedError(f"{url} is damaged: {error}") from None


def _unpacked(file: IO[bytes], suffix: str) -> IO[bytes]:
    """The file without the compression that its name promises; of Zstandard all frames."""
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    if suffix != ".zst":
        return file
    try:
        import zstandard
    except ImportError:
        raise UserError(".zst files need zstandard (pip install zstandard)") from None
    return io.BufferedReader(_Zstandard(file, zstandard))


class _Zstandard(io.RawIOBase):
    """All frames of a file; raises `EOFError` where it is cut off or damaged.

    The library's own reader takes a file that is cut off for one that ends.
    """

    def __init__(self, file: IO[bytes], library: Any) -> None:
        super().__init__()
        self._file, self._error = file, library.ZstdError
        self._new = library.ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._rest = self._ready = b""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as a piece goes; returns the number of bytes."""
        while not self._ready:
            data = self._rest or self._file.read(_PACKED)
            if not data and self._frame is not None:
                raise EOFError("it ends before the end of a frame")
            if not data:
                return 0
            frame = self._frame or self._new()
            try:
                self._ready, self._rest = frame.decompress(data), frame.unused_data
            except self._error as error:
                raise EOFError(str(error)) from None
            self._frame = None if frame.eof else frame
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def read_jsonl(path: str | Path, record: type[R]) -> Iterator[R]:
    """Records of a JSONL file; a line that is none is the user's mistake, named by its number."""
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            yield record.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UserError(f"{path}, line {number + 1}: {where}: {first['msg']}") from None


def _members(directory: Path) -> list[Path]:
    exempt = {directory / LOGS, directory / CHECKPOINTS}
    files = (path for path in directory.rglob("*") if path.is_file())
    # DCP's `.metadata` is a pickle whose bytes vary; the tensors beside it are covered.
    return sorted(
        path
        for path in files
        if exempt.isdisjoint(path.parents) and path.name not in {MANIFEST, ".metadata"}
    )


def write_manifest(
    directory: Path, extra: dict[str, Any] | None = None, known: Mapping[str, Entry] | None = None
) -> dict[str, Any]:
    """Write and return the manifest of a directory: `{files: {name: {bytes, sha256}}, …extra}`.

    Members with a `known` entry, and those that a committed group inside has noted and that were
    not touched since, are not read again.
    """
    members = {path.relative_to(directory).as_posix(): path for path in _members(directory)}
    entries = {**_noted(directory), **(known or {})}
    with ThreadPoolExecutor(_HASHERS) as threads:
        found = threads.map(lambda name: entries.get(name) or _entry(members[name]), members)
        manifest = {**(extra or {}), "files": dict(zip(members, found, strict=True))}
    write_json(directory / MANIFEST, manifest)
    return manifest


def _entry(path: Path) -> Entry:
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _noted(directory: Path) -> dict[str, Entry]:
    """What the manifests of groups below a directory say of members that are as they were then."""
    noted = dict[str, Entry]()
    for manifest in directory.rglob(f"*/{MANIFEST}"):
        at, files = manifest.stat().st_mtime_ns, read_json(manifest).get("files")
        for name, entry in files.items() if isinstance(files, dict) else ():
            member = manifest.parent / name
            with contextlib.suppress(OSError):
                found = member.stat()
                if found.st_size == entry["bytes"] and found.st_mtime_ns <= at:
                    noted[member.relative_to(directory).as_posix()] = entry
    return noted


@contextlib.contextmanager
def atomic_group(
    target: str | Path,
    extra: dict[str, Any] | None = None,
    *,
    shared: bool = False,
    known: Mapping[str, Entry] | None = None,
) -> Iterator[Path]:
    """A directory that appears under `target` with its manifest when the block ends well.

    The block writes into the directory that it is handed. What stood under `target` before is
    replaced; a leftover of a killed writer is swept away first, unless the group is `shared`:
    then another writer of the same group may be alive, and `sweep` does it once none is.
    `known`, which the block may fill, has the manifest's entries of members that it linked.
    """
    final = Path(target)
    writer = f".{uuid.uuid4().hex[:12]}" if shared else ""
    part = final.with_name(final.name + writer + _PART)
    old = final.with_name(final.name + writer + _OLD)
    try:
        with disk_errors(final):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            yield part
            for path in _members(part):
                sync(path)
            write_manifest(part, extra, known)
            _put(part, final, old, shared=shared)
            sync(final.parent)
            shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _put(part: Path, final: Path, old: Path, *, shared: bool) -> None:
    """Give a whole directory its name; of two writers of one shared group the first one wins."""
    if shared and _same(part, final):
        shutil.rmtree(part)
        return
    if final.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.replace(final, old)
    try:
        os.replace(part, final)
    except OSError:
        if not (shared and _same(part, final)):
            raise
        shutil.rmtree(part)


def _same(part: Path, final: Path) -> bool:
    try:
        return (part / MANIFEST).read_bytes() == (final / MANIFEST).read_bytes()
    except OSError:
        return False


def sweep(directory: str | Path) -> None:
    """Remove what killed writers of shared groups left anywhere below a directory."""
    for leftover in list(Path(directory).rglob("*")):
        if leftover.suffix in (_PART, _OLD) and leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)


def link_members(group: Path, names: Mapping[str, str], into: Path) -> dict[str, Entry]:
    """Give members of a committed group a name in another one; returns their entries by that name.

    No bytes are copied where the file system can link.
    """
    entries = (read_manifest(group) or {})["files"]
    for name, new in names.items():
        try:
            os.link(group / name, into / new)
        except FileExistsError:
            raise
        except OSError:
            shutil.copyfile(group / name, into / new)
    return {new: entries[name] for name, new in names.items()}


def read_manifest(directory: str | Path) -> dict[str, Any] | None:
    """The manifest of a committed group, or None where there is none."""
    path = Path(directory) / MANIFEST
    return dict(read_json(path)) if path.is_file() else None


def is_made_by(directory: str | Path, key: str) -> bool:
    """Whether a group is committed, by settings of this key (`settings` in its manifest)."""
    manifest = read_manifest(directory)
    return manifest is not None and manifest.get("settings") == key


def changed_files(directory: str | Path) -> list[str]:
    """Names of the group's members that are missing or differ from the manifest."""
    manifest = read_manifest(directory)
    if manifest is None:
        return [MANIFEST]
    root = Path(directory)
    return [
        name
        for name, entry in manifest["files"].items()
        if not (root / name).is_file()
        or (root / name).stat().st_size != entry["bytes"]
        or sha256_of(root / name) != entry["sha256"]
    ]


def publish(directory: str | Path, url: str) -> None:
    """Copy a committed group to a store; the manifest goes last, so that it marks a whole group."""
    manifest = read_manifest(directory)
    if manifest is None:
        raise UserError(f"{directory} has no {MANIFEST}: only a finished group can be published")
    filesystem, root = fsspec.core.url_to_fs(url)
    for name in [*manifest["files"], MANIFEST]:
        remote = f"{root}/{name}"
        filesystem.makedirs(os.path.dirname(remote), exist_ok=True)
        filesystem.put_file(str(Path(directory) / name), remote)
