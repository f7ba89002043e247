"""The corpus stage: sources to `documents/<source>/<split>-00000.parquet`, funnel and card.

Steps: read and filter each source; exact and near duplicates over all; the filters that wait for
these; overlap with test problems and the split of each source. A step's outcome for a source is one
committed group under `work/`, so that a killed stage goes on after the last one that was finished;
`card.md` is written last and says that all is there. Which problems to keep out is handed in
(`stages.py`): this package does not know the tasks.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mathlm.core.cluster import executor_for
from mathlm.core.executor import Executor
from mathlm.core.progress import Progress
from mathlm.core.records import Problem
from mathlm.core.stage import StageContext
from mathlm.core.storage import (
    atomic_file,
    is_made_by,
    sweep,
    write_bytes,
    write_json,
    write_text,
)
from mathlm.corpus import card, funnel, funnel_picture, read_steps
from mathlm.corpus.batches import settings_text
from mathlm.corpus.config import CorpusConfig
from mathlm.corpus.duplicate_steps import (
    SIGNATURES,
    Fingerprinting,
    Part,
    drop_other_signatures,
    earlier_groups,
    fingerprint,
    keep_signatures,
    mark_duplicates,
)
from mathlm.corpus.filter_config import WebFilters, bound, files_digest
from mathlm.corpus.filters import try_filters
from mathlm.corpus.final_steps import filter_finally
from mathlm.corpus.fingerprints import runs_of
from mathlm.corpus.inputs import files_as_they_are, files_to_see, models_of
from mathlm.corpus.line_steps import without_repeated_lines
from mathlm.corpus.overlap_steps import mark_overlaps
from mathlm.corpus.reading import WebReader, inputs_digest
from mathlm.corpus.sides import rows_of
from mathlm.corpus.source_config import is_web
from mathlm.corpus.sources import OpenPool, Services, open_pool
from mathlm.corpus.sources.shards import Shard, shards_of
from mathlm.corpus.write_steps import Written, write_source

Problems = Callable[[], Iterable[Problem]]
_GROUPS = ("read", "lines", "duplicates", "final", "decontaminate")
"""Folders under `work/` with a group a source, in the order of the funnel."""
_FORMAT = 2
"""Raised when what steps hand to one another under `work/` is no longer read."""
Inputs = tuple[list[Shard], int | None]
"""Shards, and how many items they hold, if known."""


def run(
    context: StageContext,
    config: CorpusConfig,
    *,
    problems: Problems = lambda: (),
    open_pages: OpenPool = open_pool,
) -> None:
    """Fill `context.directory`; `problems` yields what the documents must not give away."""
    directory, work = context.directory, context.directory / "work"
    inputs = {
        name: shards_of(source, context.progress)
        for name, source in config.sources.items()
        if is_web(source)
    }
    filters = bound(config.filters, context)
    earlier = list(earlier_groups(config.duplicates.against, directory))
    read_keys = _read_keys(config, inputs, filters, earlier)
    key = hashlib.sha256(json.dumps(read_keys).encode()).hexdigest()
    if not _finished(directory, config, key):
        if filters is not None and inputs:
            try_filters(filters, config.mode)
        sweep(work)
        read = (
            [*files_to_see(config.sources, inputs), *models_of(filters)]
            if config.engine.ray
            else []
        )
        with executor_for(config.engine.ray, context.workers, work, read) as executor:
            services = Services(context.progress, context.workers, open_pages, executor)
            job = Job(config, work, directory, key, read_keys, inputs, executor, filters, earlier)
            job.read(services)
            job.cut_lines(context.progress)
            job.find_duplicates(context.progress)
            job.filter_finally(context.progress)
            job.decontaminate(problems, context.progress)
            job.write(context.progress)
        job.keep_signatures()
        _summarise(job, context.progress)
    shutil.rmtree(work, ignore_errors=True)


def settings_key(config: CorpusConfig, filters: WebFilters | None, earlier: Sequence[Path]) -> str:
    """A digest of the settings, models and earlier runs that decide the output."""
    settings = {"format": _FORMAT, **config.outcome()}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    runs_of(earlier, config.duplicates)
    for group in earlier:
        digest.update((group / "manifest.json").read_bytes())
    if filters is not None:
        digest.update(files_digest(filters))
    return digest.hexdigest()


def _read_keys(
    config: CorpusConfig,
    shards: Mapping[str, Inputs],
    filters: WebFilters | None,
    earlier: Sequence[Path],
) -> dict[str, str]:
    """For each source, a digest of the settings and of the source's own inputs as they are now."""
    settings = settings_key(config, filters, earlier)
    keys = {}
    for name, source in config.sources.items():
        inputs = inputs_digest(shards[name][0]) if name in shards else files_as_they_are(source)
        keys[name] = hashlib.sha256(f"{settings} {inputs}".encode()).hexdigest()
    return keys


def _finished(directory: Path, config: CorpusConfig, key: str) -> bool:
    groups = (directory / "documents" / name for name in config.sources)
    return (directory / "card.md").is_file() and all(is_made_by(group, key) for group in groups)


@dataclass(frozen=True)
class Job:
    """One run of the stage over its sources; every step skips what is committed already."""

    config: CorpusConfig
    work: Path
    directory: Path
    key: str
    """Of the settings and all inputs: what the steps over all sources depend on."""
    read_keys: Mapping[str, str]
    """Of the settings and the inputs of each source, so that one that changed is read alone."""
    inputs: Mapping[str, Inputs]
    """The shards of every source of web pages."""
    executor: Executor
    filters: WebFilters | None = None
    """The filters of web pages with the models that the recipe's inputs give."""
    earlier: Sequence[Path] = ()
    """The groups of fingerprints of earlier runs."""

    def group(self, step: str, source: str) -> Path:
        """Where a step's outcome for a source stands."""
        return self.work / step / source

    def done(self, path: Path, key: str | None = None) -> bool:
        """Whether the group is committed, by a run of the same settings and inputs."""
        return is_made_by(path, key or self.key)

    def read(self, services: Services) -> None:
        """Read and filter every source."""
        for name, source in self.config.sources.items():
            target, key = self.group("read", name), self.read_keys[name]
            if self.done(target, key):
                continue
            if is_web(source):
                work = self.group("shards", name)
                settings = settings_key(self.config, self.filters, self.earlier)
                mode = self.config.mode
                reader = WebReader(name, source, services, mode, settings, work, self.filters)
                reader.read(*self.inputs[name], target=(target, key))
            else:
                given = (source, self.config.mode, services)
                scratch = self.group("parts", name)
                read_steps.read_source(name, given, target=(target, key), scratch=scratch)

    def texts(self, source: str) -> Path:
        """Where a source's documents stand once read, without repeated lines where those go."""
        return self.group("lines" if self.config.duplicates.lines.documents else "read", source)

    def cut_lines(self, progress: Progress) -> None:
        """Cut the lines that domains repeat, if the settings say so."""
        settings = self.config.duplicates.lines
        if not settings.documents or all(self.done(self.texts(n)) for n in self.config.sources):
            return
        progress.say("  lines repeated across domains")
        read = {name: self.group("read", name) for name in self.config.sources}
        target = (self.work / "lines", self.key)
        without_repeated_lines(read, settings, self.executor, target=target)

    def parts(self) -> list[Part]:
        """The committed groups of all sources."""
        prints = self.directory / SIGNATURES
        return [Part(n, n, self.texts(n), prints / n) for n in self.config.sources]

    def find_duplicates(self, progress: Progress) -> None:
        """Fingerprints of every group, then duplicates over all of them and earlier runs."""
        settings = self.config.duplicates
        near = {name: source.near_duplicates for name, source in self.config.sources.items()}
        tasks = [
            Fingerprinting(file, target, settings, near[part.source], self.key)
            for part in self.parts()
            for file, target in zip(part.files(), part.groups(), strict=True)
            if not self.done(target)
        ]
        with progress.task("fingerprints", len(tasks), "files") as task:
            for _ in self.executor.map(fingerprint, tasks):
                task.advance()
        target = self.work / "duplicates"
        if not self.done(target):
            progress.say("  duplicates over all sources")
            mark_duplicates(
                self.parts(),
                settings,
                self.executor,
                earlier=self.earlier,
                target=(target, self.key),
            )

    def is_final(self, source: str) -> bool:
        """Whether filters wait until the source's duplicates are gone."""
        final = self.filters is not None and bool(self.filters.final)
        return final and is_web(self.config.sources[source])

    def left(self, source: str) -> tuple[Path, Path]:
        """Where a source's documents and the group of their flags stand once all are filtered."""
        if self.is_final(source):
            return self.group("final", source), self.group("final", source)
        return self.texts(source), self.group("duplicates", source)

    def filter_finally(self, progress: Progress) -> None:
        """The filters that wait until duplicates are gone, where the settings name some."""
        for name, source in self.config.sources.items():
            target, scratch = self.group("final", name), self.group("final-files", name)
            if not self.is_final(name) or self.done(target) or not is_web(source):
                continue
            progress.say(f"  final filters of {name}")
            settings = settings_text(name, source, self.config.mode, self.filters)
            given = self.texts(name), self.group("duplicates", name) / "kept.npy", settings
            filter_finally(name, given, self.executor, target=(target, self.key), scratch=scratch)
            shutil.rmtree(scratch, ignore_errors=True)

    def decontaminate(self, problems: Problems, progress: Progress) -> None:
        """Overlaps of every source with the test problems."""
        targets = {name: self.group("decontaminate", name) for name in self.config.sources}
        if all(map(self.done, targets.values())):
            return
        progress.say("  overlaps with test problems")
        lines = "".join(problem.model_dump_json() + "\n" for problem in problems()).encode()
        file = self.work / f"problems-{hashlib.sha256(lines).hexdigest()[:16]}.jsonl"
        write_bytes(file, lines)
        for name, target in targets.items():
            if not self.done(target):
                read, marks = self.left(name)
                given = (read, marks, (file, self.config.decontaminate))
                source = self.config.sources[name]
                mark_overlaps(source, given, self.executor, target=(target, self.key))

    def write(self, progress: Progress) -> None:
        """Split what is left of every source and write it."""
        for name, source in self.config.sources.items():
            target, scratch = self.directory / "documents" / name, self.group("written", name)
            if not self.done(target):
                progress.say(f"  writing {name}")
                read, before = self.left(name)
                marks = (before, self.group("decontaminate", name))
                size = self.config.shard_mib << 20
                written = Written(read, marks, source.held_out, size)
                write_source(written, self.executor, target=(target, self.key), scratch=scratch)

    def keep_signatures(self) -> None:
        """Finish the signatures for later runs, or remove them."""
        if not self.config.duplicates.keep:
            shutil.rmtree(self.directory / SIGNATURES, ignore_errors=True)
            return
        drop_other_signatures(self.directory / SIGNATURES, self.parts())
        for part in self.parts():
            marks = [self.group(step, part.name) for step in ("duplicates", "decontaminate")]
            kept = np.logical_and.reduce([np.load(mark / "kept.npy") for mark in marks])
            keep_signatures(part, kept)


def _summarise(job: Job, progress: Progress) -> None:
    """Merge the side files, write the funnel and, last of all, the card."""
    places = [[job.group(step, name) for step in _GROUPS] for name in job.config.sources]
    rows: list[dict[str, Any]] = []
    for step in funnel.STEPS:
        for groups in places:
            for group in filter(Path.is_dir, groups):
                rows += [row for row in rows_of(group) if row["step"] == step]
        sides = [group / f"{step}.jsonl" for groups in places for group in groups]
        _merge([side for side in sides if side.is_file()], f"{job.directory}/dropped/{step}.jsonl")
    funnel.check(rows)
    write_json(job.directory / "funnel.json", rows)
    write_text(job.directory / "funnel.svg", funnel_picture.render(rows))
    write_text(job.directory / "card.md", card.render(job.directory, job.config, rows))
    for line in funnel.outcome(rows):
        progress.say(f"  {line}")
    progress.say(f"  what took the others: {job.directory / 'card.md'}")


def _merge(sides: Sequence[Path], name: str) -> None:
    """One side file of a step's parts; none where there are no parts."""
    if not sides:
        Path(name).unlink(missing_ok=True)
        return
    with atomic_file(name) as merged:
        for side in sides:
            with side.open("rb") as part:
                shutil.copyfileobj(part, merged)
