"""Which files of the user's a corpus or classifier stage reads, listed as they look now.

Installed packages and Python's own modules are none: they belong to the machine, as the versions of
libraries do (`environment.json`). Not here: how they are compared (`core/inputs.py`).
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from mathlm.core.inputs import InputFile, Lister, below, files_of, named, stamps_of
from mathlm.core.progress import Progress
from mathlm.core.streams import is_far
from mathlm.corpus.config import CorpusConfig
from mathlm.corpus.filter_config import MODELS, WebFilters
from mathlm.corpus.quality.config import ClassifierConfig, RecallConfig
from mathlm.corpus.source_config import (
    CodeSource,
    HtmlSource,
    RecordsSource,
    Source,
    TextSource,
    UrlsSource,
    WarcSource,
    WetSource,
)
from mathlm.corpus.sources import list_items
from mathlm.corpus.sources.files import folder_items, unique
from mathlm.corpus.sources.general import TEXT_SUFFIXES
from mathlm.corpus.sources.repositories import suffixes_of
from mathlm.corpus.sources.shards import PAGE_SUFFIXES, Shard


def corpus_inputs(config: CorpusConfig) -> dict[str, Lister]:
    """By the setting's path, what lists the files of sources, filters and earlier runs."""
    found = {
        f"sources.{name}": lister
        for name, source in config.sources.items()
        if (lister := source_files(source)) is not None
    }
    if config.filters is not None:
        for setting in MODELS:
            if path := getattr(config.filters, setting):
                found[f"filters.{setting}"] = partial(_model_files, path)
    if config.duplicates.against:
        against = config.duplicates.against
        patterns = [f"{a}/{b}signatures/**/manifest.json" for a in against for b in ("", "*/")]
        found["duplicates.against"] = partial(named, patterns)
    return found


def classifier_inputs(config: ClassifierConfig) -> dict[str, Lister]:
    """What lists the labelled files."""
    return {"files": partial(named, config.files)} if config.files else {}


def recall_inputs(config: RecallConfig) -> dict[str, Lister]:
    """What lists the reviewed domains."""
    return {"reviewed": partial(named, (config.reviewed,))} if config.reviewed else {}


def files_to_see(
    sources: Mapping[str, Source], pages: Mapping[str, tuple[list[Shard], int | None]]
) -> Iterator[str]:
    """The first and last local file of each source: what every machine must see.

    `pages` are the shards of the sources of web pages. Installed packages, and the general texts
    beside them, are read by the machine of the command.
    """
    for name, source in sources.items():
        if name in pages:
            shards = pages[name][0]
            paths = [shard.items[0][1] if shard.items else shard.file for shard in shards]
        elif isinstance(source, RecordsSource):
            paths = list(files_of(source.files))
        elif isinstance(source, CodeSource):
            paths = [item.path for item in list_items(source, Progress(quiet=True)) if item.path]
        else:
            continue
        yield from (path for path in paths[:1] + paths[-1:] if path and not is_far(path))


def models_of(filters: WebFilters | None) -> list[str]:
    """The models and lists that filters name."""
    found = [getattr(filters, setting) for setting in MODELS] if filters is not None else []
    return [path for path in found if path]


def source_files(source: Source) -> Lister | None:
    """What lists a source's files; None where it has none of the user's."""
    if isinstance(source, WarcSource | WetSource | RecordsSource):
        return partial(named, source.files)
    if isinstance(source, UrlsSource):
        return partial(named, (source.file,))
    if isinstance(source, HtmlSource):
        return partial(_folder_files, source.folders, PAGE_SUFFIXES, source.max_documents)
    if isinstance(source, CodeSource):
        return partial(_folder_files, source.folders, suffixes_of(source.languages))
    if isinstance(source, TextSource) and source.folders:
        return partial(_folder_files, source.folders, TEXT_SUFFIXES)
    return None


def files_as_they_are(source: Source) -> str:
    """A digest that differs when a file of a source of no web pages was changed, added or removed.

    Raises `UserError` where a file named does not exist.
    """
    if isinstance(source, RecordsSource):
        names = list(files_of(source.files))
        files: Iterable[InputFile] = map(InputFile, names, names, stamps_of(names))
    else:
        lister = source_files(source)
        files = lister() if lister is not None else ()
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{file.stamp}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _folder_files(
    folders: tuple[str, ...], suffixes: tuple[str, ...], most: int | None = None
) -> Iterator[InputFile]:
    """The files below folders; only the first ones where no more are read."""
    items = unique(folder_items(folders, suffixes, Progress(quiet=True)))
    return below((item.id, item.path or "") for item in itertools.islice(items, most))


def _model_files(path: str) -> Iterator[InputFile]:
    """A model is a file or a folder."""
    parts = ("weights.npy", "classifier.json") if Path(path).is_dir() else ("",)
    return named(str(Path(path, part)) for part in parts)
