"""A file of bytes, near or far, that tries again when the network fails.

What a store refuses for good (no such file, no permission, no credentials) is the user's mistake;
a network that stays down is a `MachineError`, so that a lost connection is never taken for a broken
file and the run can go on later. Not here: what the bytes are, which files there are (`inputs.py`).
"""

from __future__ import annotations

import errno
import io
import os
import time
from collections.abc import Callable
from typing import IO, Any, TypeVar

import fsspec

from mathlm.core.errors import MachineError, UserError

T = TypeVar("T")
Waiting = Callable[[bool], None]
"""Told when a far read begins (True) and ends."""

_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_BUFFER = 1 << 20
_DENIED = frozenset({401, 403, 407})
_FOR_GOOD = frozenset({400, 404, 405, 410, 414, 416, 451})
_ANON = "; for a public bucket: FSSPEC_S3_ANON=true"

_waiting: Waiting = lambda begins: None  # noqa: E731


def tell_waiting(waiting: Waiting) -> None:
    """Whom this process tells that it waits for a far read: time that no page is to blame for."""
    global _waiting  # noqa: PLW0603 (a worker reads one input at a time)
    _waiting = waiting


def may_read(path: str | os.PathLike[str], more: int = 0) -> bool:
    """Whether this process may read a local file (and what `more` of `os.access` asks)."""
    effective = os.access in os.supports_effective_ids
    return os.access(path, os.R_OK | more, effective_ids=effective)


def is_far(url: str) -> bool:
    """Whether a file lies behind a URL."""
    return "://" in url


def filesystem_of(url: str) -> tuple[Any, str]:
    """The file system (fsspec) of a URL, and the path in it."""
    try:
        return fsspec.core.url_to_fs(url)  # type: ignore[no-any-return]
    except (ImportError, ValueError) as error:
        raise UserError(f"cannot open {url}: {error} (pip install 'mathlm[remote]')") from None


def retried(url: str, call: Callable[[], T], again: Callable[[], None] = lambda: None) -> T:
    """What `call` returns, tried again (after `again`) while a far store fails for the moment.

    Raises `UserError` for what no second try can mend, `MachineError` for what did not end.
    """
    for wait_s in (*_WAITS_S, None):
        try:
            return call()
        except (UserError, MachineError):
            raise
        except Exception as error:
            again()
            found = _failure(url, error)
            if wait_s is None or not is_far(url) or isinstance(found, UserError):
                raise found from error
            time.sleep(wait_s)
    raise AssertionError("the last try returns or raises")


def _failure(url: str, error: Exception) -> UserError | MachineError:
    """What an exception of a file system means: every store has its own."""
    said = getattr(error, "strerror", None) or str(error)  # without the name, which is told anyway
    reason = said.strip().partition("\n")[0] or type(error).__name__
    status, number = getattr(error, "status", None), getattr(error, "errno", None)
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return UserError(f"no such file: {url}")
    lacking = any("Credentials" in name or "Profile" in name for name in names)
    if isinstance(error, PermissionError) or status in _DENIED or lacking:
        hint = _ANON if url.startswith("s3://") and lacking else ""
        return UserError(f"no permission to read {url}: {reason}{hint}")
    mistaken = status in _FOR_GOOD or number == errno.EINVAL
    if mistaken or isinstance(error, ImportError | IsADirectoryError):
        return UserError(f"cannot open {url}: {reason}")
    return MachineError(f"cannot read {url}: {reason}")


class Stream(io.RawIOBase):
    """A read-only file under a path or URL, from any place on; `close` does not end its use."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self._position = 0
        self._file: IO[bytes] | None = None

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; empty at the end."""
        data = self._asked(lambda: bytes(self._opened().read(size)))
        self._position += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the file goes; returns the number of bytes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place counted from the beginning, from here or from the end."""
        if whence == io.SEEK_END:
            self._position = offset + self._asked(lambda: self._opened().seek(0, io.SEEK_END))
        else:
            self._position = offset + (self._position if whence == io.SEEK_CUR else 0)
        if self._file is not None:
            self._file.seek(self._position)
        return self._position

    def tell(self) -> int:
        """The place."""
        return self._position

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Close the file; reading opens it again."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _asked(self, call: Callable[[], T]) -> T:
        if not is_far(self.url):
            return retried(self.url, call, self.close)
        _waiting(True)
        try:
            return retried(self.url, call, self.close)
        finally:
            _waiting(False)

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            far = is_far(self.url)
            opened = fsspec.open(self.url, "rb").open() if far else open(self.url, "rb")  # noqa: SIM115
            opened.seek(self._position)
            self._file = opened
        return self._file


def open_bytes(url: str) -> IO[bytes]:
    """A file to be read through libraries that take Python's own."""
    if is_far(url):
        return io.BufferedReader(Stream(url), _BUFFER)
    path = os.path.expanduser(url)
    return retried(url, lambda: open(path, "rb"))
