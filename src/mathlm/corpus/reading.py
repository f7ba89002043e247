"""Web sources to documents: shards are read by worker processes and committed one by one.

A source's inputs are cut into shards (`sources/shards.py`). Each is read by one worker in short
batches (`batches.py`); its documents, rows and side files are committed as a group, so that a
killed run goes on after the last one, and a shard whose input has changed is read again. Ranges of
one WARC must meet: where the next record of a range is not the first of the following one (a page
held bytes that look like a record), the latter is read again from the right place.
The outcome is one group, in the order of the shards, whatever the number of workers.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from mathlm.core.errors import MachineError
from mathlm.core.processes import Outcome
from mathlm.core.progress import Task
from mathlm.core.storage import atomic_group, read_manifest
from mathlm.corpus import tables
from mathlm.corpus.batches import STEPS, Batch, Blame, Request, UnderWork, settings_text, under_work
from mathlm.corpus.filter_config import WebFilters
from mathlm.corpus.funnel import Row
from mathlm.corpus.sides import Side, join_groups, save_sides
from mathlm.corpus.source_config import UrlsSource, WebSource
from mathlm.corpus.sources import OpenPool, Services
from mathlm.corpus.sources.archives import Place
from mathlm.corpus.sources.index import Client, fetch
from mathlm.corpus.sources.items import Failed
from mathlm.corpus.sources.shards import Shard

Run = Callable[[Request], Outcome]
"""Asks a worker; `Pool.session` gives it."""
_LOST = -1
"""Stands for the next record's place where a shard's end could not be reached."""
_PART_BYTES = 256 << 20
_STALLS = 3
"""How often a batch may run out of time while it waits for a far file: no page is to blame."""
_SLACK_S = 5.0
"""What a batch may take beyond the limit on one page, for the other pages of it."""


@dataclass(frozen=True)
class Reading:
    """One shard to be read and committed; whoever runs it ends in the same bytes."""

    name: str
    shard: Shard
    target: Path
    key: str
    """Of the settings."""
    local: Shard | None = None
    """What the worker reads in its stead: the records of a list of URLs, once they are fetched."""
    start: Place | None = None
    """Where to begin, if not at the first record of the shard."""
    empty: bool = False
    """Whether no record starts in the shard, whatever it looks like."""
    pages: int | None = None
    bytes: int | None = None
    """What caps leave to be read."""

    def committed(self) -> dict[str, Any] | None:
        """The manifest of the shard's group, if it was read by these settings from this input."""
        manifest = read_manifest(self.target)
        if manifest is None or manifest.get("settings") != self.key:
            return None
        return manifest if manifest.get("shard") == self.shard.identity() else None


def read_shard(reading: Reading, run: Run, advance: Callable[[int], None]) -> None:
    """Read a shard batch by batch and commit it."""
    sides = {step: Side(Row(step, reading.name)) for step in STEPS}
    manifest: dict[str, Any] = {
        "settings": reading.key, "shard": reading.shard.identity(), "first": None, "next": None,
        "capped": False,
    }  # fmt: skip
    with (
        atomic_group(reading.target, manifest, shared=True) as group,
        tables.working_writer(group, _PART_BYTES) as writer,
    ):
        batches = iter(()) if reading.empty else _batches(reading, run)
        for number, batch in enumerate(batches):
            if number == 0 and batch.first is not None:
                manifest["first"] = batch.first.offset
            manifest["next"] = batch.next
            manifest["capped"] = batch.capped
            for document in batch.documents:
                writer.add(document)
            for step, side in batch.sides.items():
                sides[step].add(side)
            advance(batch.sides["select"].row.kept)
        manifest["pages"], manifest["bytes"] = sides["select"].row.kept, writer.bytes
        manifest["documents"] = writer.documents
        save_sides(group, sides.values())


def _batches(reading: Reading, run: Run) -> Iterator[Batch]:
    """A shard's batches in order; a record that kills its worker becomes a failure."""
    handle, progress = tempfile.mkstemp(prefix="mathlm-")
    os.close(handle)
    request = Request(
        reading.local or reading.shard, reading.start, progress, None, reading.pages, reading.bytes
    )
    culprit: tuple[int, Blame] | None = None
    stalls = 0
    try:
        while True:
            os.truncate(progress, 0)
            outcome = run(request)
            if outcome.done:
                batch: Batch = outcome.value
                stalls = 0
                yield batch
                if batch.place is None:
                    return
                request = _after(request, batch)
                if culprit is not None:
                    ahead, blame = culprit[0] - batch.records, culprit[1]
                    culprit = None if ahead == 0 else (ahead, blame)
                    request = request._replace(
                        records=ahead or None, blame=None if ahead else blame
                    )
                continue
            found = _what_died(outcome, progress)
            if found.waiting and outcome.status == "timeout":
                stalls += 1
                if stalls > _STALLS:
                    raise MachineError(f"cannot read {reading.shard.file}: it does not answer")
                continue
            if found.phase is None or request.blame is not None:
                yield _lost(reading, outcome)
                return
            number, blame = found.number, Blame(found.phase, outcome.status)
            culprit = (number, blame) if number else None
            request = request._replace(records=number or None, blame=None if number else blame)
    finally:
        os.unlink(progress)


def _after(request: Request, batch: Batch) -> Request:
    """The request for what follows a batch."""
    pages, size = request.pages, request.bytes
    if pages is not None:
        pages -= batch.sides["select"].row.kept
    if size is not None:
        size -= batch.bytes
    return request._replace(place=batch.place, records=None, blame=None, pages=pages, bytes=size)


def _what_died(outcome: Outcome, progress: str) -> UnderWork:
    """What the worker was at when it died; an error that is no page's ends the reading."""
    if outcome.status == "error":
        raise outcome.exception()
    return under_work(progress)


def _lost(reading: Reading, outcome: Outcome) -> Batch:
    """The rest of a shard that kills every worker before it comes to a record."""
    batch = Batch(reading.name, next=_LOST)
    shard = reading.shard
    failed = Failed(
        f"{shard.file}:{shard.begin}", "unreadable", f"{outcome.status}, {outcome.detail}"
    )
    batch.pass_to("read").fail(failed)
    return batch


def inputs_digest(shards: Sequence[Shard]) -> str:
    """A digest of the identities of inputs: it differs when a file was changed or replaced."""
    return hashlib.sha256("".join(shard.identity() for shard in shards).encode()).hexdigest()


class PoolSettings(NamedTuple):
    """What a pool of reading workers is made of."""

    settings: str
    timeout_s: float
    memory_mib: int

    def options(self) -> dict[str, Any]:
        """As arguments of the pool."""
        return {
            "options": {"settings": self.settings},
            "timeout_s": self.timeout_s,
            "memory_mib": self.memory_mib,
        }


_kept_pool: tuple[PoolSettings, Any] | None = None


def _pool_here(settings: PoolSettings, open_pool: OpenPool) -> Any:
    """The pool of one worker of this process, which stays from one shard to the next."""
    global _kept_pool  # noqa: PLW0603 (a process of Ray reads one source at a time)
    if _kept_pool is None or _kept_pool[0] != settings:
        if _kept_pool is not None:
            _kept_pool[1].close()
        _kept_pool = (settings, open_pool(**settings.options()))
    return _kept_pool[1]


def read_remotely(task: tuple[Reading, PoolSettings, OpenPool]) -> None:
    """Runs on some machine: read one shard with a worker of that machine, and commit it."""
    reading, settings, open_pool = task
    with _pool_here(settings, open_pool).session() as run:
        read_shard(reading, run, lambda number: None)


@dataclass
class WebReader:
    """Reads one web source into one group."""

    name: str
    source: WebSource
    services: Services
    mode: str
    key: str
    """Of the settings, without the inputs."""
    work: Path
    """Where the shards' groups stand until the source is read."""
    filters: WebFilters | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _client: Client | None = None

    def __post_init__(self) -> None:
        if isinstance(self.source, UrlsSource):
            self._client = Client(self.source)

    def read(self, shards: Sequence[Shard], total: int | None, target: tuple[Path, str]) -> None:
        """Read what is not committed yet, then join the shards' groups."""
        capped = self.source.max_bytes is not None or (
            self.source.max_documents is not None and total is None
        )
        readings = [
            Reading(self.name, shard, self.work / f"{number:06d}", self.key)
            for number, shard in enumerate(shards)
        ]
        settings = self._pool_settings()
        workers = 1 if capped else max(1, min(self.services.workers, len(readings)))
        with (
            self.services.open_pool(workers=workers, **settings.options()) as pool,
            self.services.progress.task(f"read {self.name}", total, "pages") as task,
        ):
            if capped:
                readings = self._read_in_order(readings, pool, task)
            else:
                if self.services.executor.remote and self._client is None:
                    self._read_elsewhere(readings, settings, task)
                self._read_at_once(readings, pool, task)
                self._mend(readings, pool, task)
        rows = [Row(step, self.name) for step in STEPS]
        groups, beyond = (
            [reading.target for reading in readings],
            (total, self.source.max_documents),
        )
        join_groups(groups, rows, target=target, beyond=beyond)
        shutil.rmtree(self.work, ignore_errors=True)

    def _pool_settings(self) -> PoolSettings:
        text = settings_text(self.name, self.source, self.mode, self.filters)
        return PoolSettings(text, self.source.timeout_s + _SLACK_S, self.source.memory_mib)

    def _read_elsewhere(
        self, readings: Sequence[Reading], settings: PoolSettings, task: Task
    ) -> None:
        """Let other machines read what is not committed yet."""
        pool = self.services.open_pool
        tasks = [(reading, settings, pool) for reading in readings if reading.committed() is None]
        done = self.services.executor.map(read_remotely, tasks)
        for number, _ in enumerate(done, 1):
            task.advance(0, f"shard {number} of {len(tasks)}")

    def _one(self, reading: Reading, pool: Any, task: Task) -> dict[str, Any]:
        """Read a shard unless it is committed; returns its manifest."""

        def advance(number: int) -> None:
            with self._lock:
                task.advance(number)

        done = reading.committed()
        if done is not None:
            advance(done["pages"])
            return done
        if read_manifest(reading.target) is not None:
            self.services.progress.say(f"  {reading.shard.file}: changed, read again")
        if self._client is not None:
            urls = [url for url, _, _ in reading.shard.items]
            log = fetch(urls, self.work / "fetched" / reading.target.name, self._client)
            reading = replace(reading, local=Shard(str(log)))
        with pool.session() as run:
            read_shard(reading, run, advance)
        return read_manifest(reading.target) or {}

    def _read_at_once(self, readings: Sequence[Reading], pool: Any, task: Task) -> None:
        with ThreadPoolExecutor(max(1, self.services.workers)) as threads:
            futures = [threads.submit(self._one, reading, pool, task) for reading in readings]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                pool.close()
                raise

    def _mend(self, readings: Sequence[Reading], pool: Any, task: Task) -> None:
        """Read again what began at another record than the one where the range before ended."""
        before: tuple[Shard, dict[str, Any]] | None = None
        for reading in readings:
            manifest = reading.committed() or {}
            expected = _expected(before, reading.shard)
            if expected != _LOST and expected != manifest["first"]:
                manifest = self._again(reading, expected, pool, task)
            before = (reading.shard, _carry(before, expected, manifest))

    def _again(
        self, reading: Reading, expected: int | None, pool: Any, task: Task
    ) -> dict[str, Any]:
        start = None if expected is None else Place(expected)
        mended = replace(reading, start=start, empty=start is None)
        with pool.session() as run:
            read_shard(mended, run, task.advance)
        return reading.committed() or {}

    def _read_in_order(self, readings: Sequence[Reading], pool: Any, task: Task) -> list[Reading]:
        """Read one shard after another until a cap is reached; returns those that were read."""
        pages, size = self.source.max_documents, self.source.max_bytes
        before: tuple[Shard, dict[str, Any]] | None = None
        read: list[Reading] = []
        for reading in readings:
            expected = _expected(before, reading.shard)
            start = None if expected in (None, _LOST) else Place(expected or 0)
            limited = replace(reading, start=start, empty=expected is None, pages=pages, bytes=size)
            manifest = self._one(limited, pool, task)
            read.append(limited)
            before = (reading.shard, _carry(before, expected, manifest))
            pages = None if pages is None else pages - manifest["pages"]
            size = None if size is None else size - manifest["bytes"]
            if manifest["capped"]:
                break
        return read


def _expected(before: tuple[Shard, dict[str, Any]] | None, shard: Shard) -> int | None:
    """Where a shard has to begin; None where no record starts in it, `_LOST` where any will do."""
    if before is None or shard.begin == 0 or before[0].file != shard.file:
        return _LOST
    following: int | None = before[1]["next"]
    if following is None or following == _LOST:
        return following
    return following if shard.end is None or following < shard.end else None


def _carry(
    before: tuple[Shard, dict[str, Any]] | None, expected: int | None, manifest: dict[str, Any]
) -> dict[str, Any]:
    """The manifest; where no record starts in the shard, with the next one as known before."""
    if before is None or expected is not None:
        return manifest
    return {**manifest, "next": before[1]["next"]}
