"""A file of bytes, near or far, that tries again when the network fails.

Not here: what the bytes are. Whatever fails for good is a `MachineError`, so that a lost connection
is never taken for a broken record and the run can go on later.
"""

from __future__ import annotations

import time
from typing import IO

import fsspec

from mathlm.core.errors import MachineError, UserError

_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)


class Stream:
    """A read-only file under a path or URL: `read`, `seek` and `tell`, as FastWARC asks for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._position = 0
        self._file: IO[bytes] | None = None
        self.far = "://" in url

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; empty at the end."""
        for wait_s in (*_WAITS_S, None):
            try:
                data = self._opened().read(size)
                break
            except (FileNotFoundError, ImportError) as error:
                raise UserError(f"cannot open {self.url}: {error}") from None
            except Exception as error:
                self.close()
                if wait_s is None or not self.far:
                    raise MachineError(f"cannot read {self.url}: {error}") from error
                time.sleep(wait_s)
        self._position += len(data)
        return bytes(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place counted from the beginning or (`whence` 1) from here."""
        self._position = offset + (self._position if whence == 1 else 0)
        if self._file is not None:
            self._file.seek(self._position)
        return self._position

    def tell(self) -> int:
        """The place."""
        return self._position

    def close(self) -> None:
        """Close the file; reading opens it again."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            opened = fsspec.open(self.url, "rb").open() if self.far else open(self.url, "rb")  # noqa: SIM115
            opened.seek(self._position)
            self._file = opened
        return self._file
