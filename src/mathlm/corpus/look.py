"""What a finished corpus stage kept and dropped, to be read: examples by reason, documents by id.

The texts of dropped pages are not stored: they are read again from the stage's own inputs, in
worker processes, and judged by its settings. Where an input is gone, the id and the reason are
what there is. Not here: the checks (`page_checks.py`).
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from mathlm.core.errors import UserError
from mathlm.core.inputs import files_of
from mathlm.core.progress import Progress
from mathlm.core.storage import read_json
from mathlm.corpus import funnel, tables
from mathlm.corpus.config import Mode
from mathlm.corpus.explain import judge_pages
from mathlm.corpus.filter_config import WebFilters
from mathlm.corpus.page_checks import MAX_EXCERPT, Where
from mathlm.corpus.source_config import HtmlSource, Source, UrlsSource, WebSource, is_web
from mathlm.corpus.sources.archives import Place
from mathlm.corpus.sources.files import folder_items, unique
from mathlm.corpus.sources.items import Item
from mathlm.corpus.sources.shards import PAGE_SUFFIXES, Shard, labels_of

KEPT = "kept"
_CARD = "card.md"


class Seen(NamedTuple):
    """One document of a stage: where it ended and why, and what its source says of it now."""

    id: str
    source: str
    step: str
    """`kept`, or the step of the funnel that took it."""
    reason: str
    note: dict[str, Any]
    """The rest of its line in the side file, or its provenance."""
    text: str = ""
    details: tuple[dict[str, Any], ...] = ()


class Group(NamedTuple):
    """Documents with one fate, and some of them."""

    step: str
    reason: str
    documents: int
    examples: list[Seen]


def is_stage(path: str | Path) -> bool:
    """Whether the path is the directory of a finished corpus stage."""
    return (Path(path) / _CARD).is_file() and (Path(path) / "funnel.json").is_file()


def groups(
    directory: Path, *, number: int = 3, reason: str = "", seed: int = 0, workers: int = 1
) -> list[Group]:
    """By step and reason (or those whose reason contains `reason`) the count and some documents."""
    held: dict[tuple[str, str], list[Seen]] = {}
    counts: dict[tuple[str, str], int] = {}
    rng = random.Random(seed)
    for one in _dropped(directory):
        key = (one.step, one.reason)
        if reason.casefold() in one.reason.casefold():
            counts[key] = counts.get(key, 0) + 1
            _draw(held.setdefault(key, []), one, (counts[key], number), rng)
    if reason.casefold() in KEPT:
        kept = _kept_examples(directory, number, rng)
        held[KEPT, KEPT], counts[KEPT, KEPT] = kept, _number_kept(directory)
    order = {step: place for place, step in enumerate((*funnel.STEPS, KEPT))}
    keys = sorted(held, key=lambda key: (order[key[0]], -counts[key], key[1]))
    read = iter(_read_again(directory, [one for key in keys for one in held[key]], workers))
    return [Group(*key, counts[key], list(itertools.islice(read, len(held[key])))) for key in keys]


def find(directory: Path, wanted: Collection[str], *, workers: int = 1) -> list[Seen]:
    """The documents of these ids or URLs, explained; `UserError` names those that are not there."""
    left, found = set(wanted), list[Seen]()
    for one in itertools.chain(_dropped(directory), _kept(_files(directory))):
        names = {one.id, str(one.note.get("url"))} & left
        if names:
            found.append(one)
            left -= names
            if not left:
                break
    if left:
        raise UserError(f"{directory} neither kept nor dropped {', '.join(sorted(left))}")
    return _read_again(directory, found, workers, kept=True)


def _draw(held: list[Seen], one: Seen, sizes: tuple[int, int], rng: random.Random) -> None:
    """Reservoir sampling: each of those seen so far is held with the same probability."""
    seen, number = sizes
    if len(held) < number:
        held.append(one)
    elif (place := rng.randrange(seen)) < number:
        held[place] = one


def _dropped(directory: Path) -> Iterator[Seen]:
    for step in funnel.STEPS:
        file = directory / "dropped" / f"{step}.jsonl"
        if file.is_file():
            with file.open(encoding="utf-8") as lines:
                for line in lines:
                    row = json.loads(line)
                    identifier, source = row.pop("id"), row.pop("source")
                    reason = row.pop("reason", None) or row.pop("failed", "")
                    yield Seen(identifier, source, step, reason, row)


def _files(directory: Path) -> list[Path]:
    return sorted(directory.glob("documents/*/*.parquet"))


def _number_kept(directory: Path) -> int:
    return sum(map(tables.number_of_rows, _files(directory)))


def _kept(files: Sequence[Path]) -> Iterator[Seen]:
    for document in tables.read_documents(files):
        note = {name: value for name, value in document.provenance if value is not None}
        text = document.text[:MAX_EXCERPT]
        yield Seen(document.id, document.source, KEPT, KEPT, note, text)


def _kept_examples(directory: Path, number: int, rng: random.Random) -> list[Seen]:
    total = _number_kept(directory)
    chosen = sorted(rng.sample(range(total), min(number, total)))
    found, begin = list[Seen](), 0
    for file in _files(directory):
        size = tables.number_of_rows(file)
        inside = [place - begin for place in chosen if begin <= place < begin + size]
        if inside:
            found += [one for place, one in enumerate(_kept([file])) if place in inside]
        begin += size
    return found


class _Stage(NamedTuple):
    sources: dict[str, Any]
    mode: Mode
    filters: WebFilters


_NO_FILTERS = WebFilters(
    prefilter=False, language=None, mathematics=False, url_rules=False, max_accents=None,
    max_repeated_lines=None, max_frequent_ngram=None, max_repeated_words=None,
    max_boilerplate=None, min_alphabetic=None,
)  # fmt: skip
"""Of a stage without a table of filters."""


def _settings(directory: Path) -> _Stage:
    """A finished stage's settings, with the models of the stages that it needed."""
    record = read_json(directory / "stage.json")
    settings = record["settings"]
    adapter: TypeAdapter[Any] = TypeAdapter(Source)
    sources = {n: adapter.validate_python(given) for n, given in settings["sources"].items()}
    given = settings["filters"]
    filters = _NO_FILTERS if given is None else WebFilters.model_validate(given)
    models = {
        role: str(directory.parent / name)
        for role, needed in record["inputs"].items()
        for name in needed
    }
    return _Stage(sources, settings["mode"], filters.model_copy(update=models))


def _read_again(
    directory: Path, seen: Sequence[Seen], workers: int, *, kept: bool = False
) -> list[Seen]:
    """Texts and checks of web pages whose inputs are still there; the others as they were."""
    stage, result = _settings(directory), list(seen)
    for name, source in stage.sources.items():
        places = [p for p, one in enumerate(seen) if one.source == name]
        places = [p for p in places if kept or seen[p].step != KEPT]
        if not places or not is_web(source):
            continue
        wheres = _where(source, [seen[p] for p in places])
        there = [(p, where) for p, where in zip(places, wheres, strict=True) if where is not None]
        given = (stage.filters, stage.mode)
        found = judge_pages([where for _, where in there], source, given, workers=workers)
        for (place, _), one in zip(there, found, strict=True):
            text = seen[place].text or one.text
            result[place] = seen[place]._replace(text=text, details=one.details)
    return result


def _where(source: WebSource, seen: Sequence[Seen]) -> list[Where | None]:
    """Where each of some pages lies; None for what cannot be read again."""
    if isinstance(source, UrlsSource):
        return [None] * len(seen)  # pages fetched one by one are not kept
    if isinstance(source, HtmlSource):
        listed = folder_items(source.folders, PAGE_SUFFIXES, Progress(quiet=True))
        items = {item.id: item for item in unique(listed)}
        return [_in_folder(items.get(one.id)) for one in seen]
    try:
        names = list(files_of(source.files))
    except UserError:  # gone since
        return [None] * len(seen)
    files = {label: name for name, label in labels_of(names).items()} | {n: n for n in names}
    return [_in_file(one, files) for one in seen]


def _in_folder(item: Item | None) -> Where | None:
    if item is None or item.path is None:
        return None
    row = (item.id, item.path, item.provenance.model_dump())
    return Where(item.id, Shard(item.path, items=(row,)))


def _in_file(seen: Seen, files: Mapping[str, str]) -> Where | None:
    label, offset = seen.note.get("file", ""), seen.note.get("offset")
    if label not in files or offset is None:
        return None
    return Where(seen.id, Shard(files[label], name=label), Place(offset))
