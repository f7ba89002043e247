"""Equal keys among many documents, found with little memory: keys go to disk by their prefix.

Each partition is read and sorted alone, so that the number of partitions sets peak memory and
never the outcome. The files are scratch: a killed run writes them again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from mathlm.core.ngrams import Hashes, Positions
from mathlm.core.storage import disk_errors

_RECORD = np.dtype([("key", np.uint64), ("document", np.int64)])


class Partitions:
    """Scratch files of (key, document), to be filled with `add` and then read with `groups`."""

    def __init__(self, directory: Path, partitions: int) -> None:
        self._directory = directory
        shutil.rmtree(directory, ignore_errors=True)
        with disk_errors(directory):
            directory.mkdir(parents=True)
            self._files: list[IO[bytes]] = [
                open(directory / f"{number:04d}.bin", "wb")  # noqa: SIM115 (closed in groups)
                for number in range(partitions)
            ]

    def add(self, keys: Hashes, documents: Positions) -> None:
        """Note the key of each document; a document may have many keys."""
        number = len(self._files)
        parts = ((keys >> np.uint64(32)) * np.uint64(number)) >> np.uint64(32)
        records = np.empty(len(keys), _RECORD)
        records["key"], records["document"] = keys, documents
        with disk_errors(self._directory):
            for part in np.unique(parts).tolist():
                self._files[part].write(records[parts == part].tobytes())

    def groups(self) -> Iterator[Positions]:
        """Documents (ascending) of each key that more than one has; the files are removed."""
        with disk_errors(self._directory):
            for file in self._files:
                file.close()
        for file in self._files:
            records = np.fromfile(file.name, _RECORD)
            records.sort(order=("key", "document"))
            keys = records["key"]
            starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
            ends = np.append(starts[1:], len(keys))
            for group in np.flatnonzero(ends - starts > 1):
                yield np.unique(records["document"][starts[group] : ends[group]])
            Path(file.name).unlink()
        shutil.rmtree(self._directory, ignore_errors=True)
