"""The corpus stage: sources to `documents/<source>/<split>-00000.parquet`, funnel and card.

Steps: read and filter each source; exact and near duplicates over all; overlap with test
problems and the split of each source. A step's outcome for a source is one committed group under
`work/`, so that a killed stage goes on after the last one that was finished; `card.md` is written
last and says that all is there. Which problems to keep out is handed in (`stages.py`): this
package does not know the tasks.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathlm.core.progress import Progress
from mathlm.core.records import Problem
from mathlm.core.stage import StageContext
from mathlm.core.storage import read_manifest, write_bytes, write_json, write_text
from mathlm.corpus import card, funnel, steps
from mathlm.corpus.config import CorpusConfig
from mathlm.corpus.sources import ReadPages, Services, pages

Problems = Callable[[], Iterable[Problem]]


def run(
    context: StageContext,
    config: CorpusConfig,
    *,
    problems: Problems = lambda: (),
    read_pages: ReadPages = pages.read_pages,
) -> None:
    """Fill `context.directory`; `problems` yields what the documents must not give away."""
    directory, work = context.directory, context.directory / "work"
    key = settings_key(config)
    if not _finished(directory, config, key):
        services = Services(context.progress, context.workers, read_pages)
        job = Job(config, work, directory, key, context.progress)
        job.read(services)
        job.find_duplicates()
        job.decontaminate(problems)
        job.write()
        _summarise(job)
    shutil.rmtree(work, ignore_errors=True)


def settings_key(config: CorpusConfig) -> str:
    """A digest of the settings that change the output: work of other settings is not reused."""
    settings = config.outcome()
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _finished(directory: Path, config: CorpusConfig, key: str) -> bool:
    groups = (read_manifest(directory / "documents" / name) for name in config.sources)
    return (directory / "card.md").is_file() and all(
        group is not None and group.get("settings") == key for group in groups
    )


@dataclass(frozen=True)
class Job:
    """One run of the stage over its sources; every step skips what is committed already."""

    config: CorpusConfig
    work: Path
    directory: Path
    key: str
    progress: Progress

    def group(self, step: str, source: str) -> Path:
        """Where a step's outcome for a source stands."""
        return self.work / step / source

    def done(self, path: Path) -> bool:
        """Whether the group is committed, by a run of the same settings."""
        manifest = read_manifest(path)
        return manifest is not None and manifest.get("settings") == self.key

    def read(self, services: Services) -> None:
        """Read and filter every source."""
        for name, source in self.config.sources.items():
            target = self.group("read", name)
            if not self.done(target):
                filters = steps.filters_of(source, self.config.mode)
                steps.read_source(name, source, (filters, services), target=(target, self.key))

    def find_duplicates(self) -> None:
        """Fingerprints of every source, then duplicates over all of them."""
        for name in self.config.sources:
            target = self.group("fingerprints", name)
            if not self.done(target):
                source = self.group("read", name)
                steps.fingerprint_source(source, self.config.near, target=(target, self.key))
        target = self.work / "duplicates"
        if not self.done(target):
            self.progress.say("  duplicates over all sources")
            groups = {
                name: (self.group("read", name), self.group("fingerprints", name))
                for name in self.config.sources
            }
            steps.mark_duplicates(groups, self.config, target=(target, self.key))

    def decontaminate(self, problems: Problems) -> None:
        """Overlaps of every source with the test problems."""
        targets = {name: self.group("decontaminate", name) for name in self.config.sources}
        if all(map(self.done, targets.values())):
            return
        index = steps.index_problems(problems(), self.config.decontaminate)
        for name, target in targets.items():
            if not self.done(target):
                read, marks = self.group("read", name), self.work / "duplicates" / name
                source = self.config.sources[name]
                steps.mark_overlaps(index, source, (read, marks), target=(target, self.key))

    def write(self) -> None:
        """Split what is left of every source and write it."""
        for name, source in self.config.sources.items():
            target = self.directory / "documents" / name
            if not self.done(target):
                read = self.group("read", name)
                marks = [self.work / "duplicates" / name, self.group("decontaminate", name)]
                shard = self.config.shard_mib << 20
                steps.write_source(source.held_out, shard, (read, marks), target=(target, self.key))


def _summarise(job: Job) -> None:
    """Merge the side files, write the funnel and, last of all, the card."""
    places = [
        (job.group("read", name), job.work / "duplicates" / name, job.group("decontaminate", name))
        for name in job.config.sources
    ]
    rows: list[dict[str, Any]] = []
    for step in funnel.STEPS:
        for groups in places:
            for group in groups:
                rows += [row for row in steps.rows_of(group) if row["step"] == step]
        sides = [group / f"{step}.jsonl" for groups in places for group in groups]
        data = b"".join(side.read_bytes() for side in sides if side.is_file())
        side_file = job.directory / "dropped" / f"{step}.jsonl"
        if data:
            write_bytes(side_file, data)
        else:
            side_file.unlink(missing_ok=True)
    funnel.check(rows)
    write_json(job.directory / "funnel.json", rows)
    write_text(job.directory / "card.md", card.render(job.directory, job.config, rows))
