"""The dataset card: what is in the corpus, what was dropped, under which licences, how to load it.

The layout is the Hugging Face hub's: a YAML header whose `configs` name the files of each source
and split, so that `datasets.load_dataset(DIRECTORY, SOURCE)` works on the stage's directory.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mathlm.core.storage import read_manifest
from mathlm.corpus import tables
from mathlm.corpus.clusters import ORDER
from mathlm.corpus.config import CorpusConfig
from mathlm.corpus.funnel import STEPS

_SPLITS = ("train", "heldout")


def render(directory: Path, config: CorpusConfig, rows: Sequence[Mapping[str, Any]]) -> str:
    """The card's text."""
    parts = [
        *_header(config),
        "",
        "# Mathematical corpus",
        "",
        "Documents with their provenance, by source and split. Made by `mathlm` (corpus stage,"
        f" {config.mode} rules); what each step took is below, what it dropped is in `dropped/`.",
        "",
        *_counts(directory, config),
        "",
        *_funnel(rows),
        "",
        *_licences(directory, config),
        "",
        *_method(config),
        "",
        *_loading(config),
    ]
    return "\n".join(parts) + "\n"


def _header(config: CorpusConfig) -> Iterator[str]:
    yield "---"
    yield "pretty_name: Mathematical corpus"
    yield "task_categories:"
    yield "- text-generation"
    yield "tags:"
    yield "- math"
    yield "configs:"
    for name in config.sources:
        yield f"- config_name: {name}"
        yield "  data_files:"
        for split in _SPLITS:
            yield f"  - split: {split}"
            yield f"    path: documents/{name}/{split}-*.parquet"
    yield "---"


def _table(head: Sequence[str], body: Sequence[Sequence[object]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join("---" for _ in head) + "|"
    for row in body:
        cells = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row)
        yield (
            "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
        )


def _counts(directory: Path, config: CorpusConfig) -> Iterator[str]:
    yield "## Documents and bytes (UTF-8)"
    yield ""
    body = []
    for name, source in config.sources.items():
        manifest = read_manifest(directory / "documents" / name) or {"splits": {}}
        cells: list[object] = [name, source.kind]
        for split in _SPLITS:
            counts = manifest["splits"][split]
            cells += [counts["documents"], counts["bytes"]]
        body.append(cells)
    head = [
        "source",
        "kind",
        "train documents",
        "train bytes",
        "heldout documents",
        "heldout bytes",
    ]
    yield from _table(head, body)


def _funnel(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Funnel"
    yield ""
    yield "![What each step took](funnel.svg)"
    yield ""
    body = [
        [
            row["source"],
            row["step"],
            row["in"],
            row["kept"],
            ", ".join(f"{reason}: {n:,}" for reason, n in row["dropped"].items()),
            ", ".join(f"{reason}: {n:,}" for reason, n in row["failed"].items()),
            ", ".join(f"{note}: {n:,}" for note, n in row.get("noted", {}).items()),
        ]
        for row in sorted(rows, key=lambda row: (row["source"], STEPS.index(row["step"])))
    ]
    yield from _table(["source", "step", "in", "kept", "dropped", "failed", "noted"], body)


def _licences(directory: Path, config: CorpusConfig) -> Iterator[str]:
    yield "## Origins and licences"
    yield ""
    body: list[list[object]] = []
    for name, source in config.sources.items():
        found: Counter[tuple[str, str]] = Counter()
        paths = sorted((directory / "documents" / name).glob("*.parquet"))
        for repository, licence, number in tables.count_origins(paths):
            found[repository or "", licence or source.licence or "not recorded"] += number
        body += [[name, origin, licence, n] for (origin, licence), n in sorted(found.items())]
    yield from _table(["source", "origin", "licence", "documents"], body)


def _method(config: CorpusConfig) -> Iterator[str]:
    near, clean = config.duplicates.near, config.decontaminate
    yield "## Method"
    yield ""
    kinds = [
        *(["by URL (normalised)"] if config.duplicates.urls else []),
        *(["by text (after Unicode NFC and folding of white space)"] * config.duplicates.exact),
    ]
    yield (
        f"- Duplicates {' and '.join([*kinds, 'by likeness'])}. Of a set the first stays in this"
        f" order: {ORDER}."
    )
    yield (
        f"- Near duplicates: MinHash of word {near.words}-grams, {near.deals} x {near.bands} bands"
        f" x {near.rows} rows, joined where {near.similarity:.0%} of the values agree."
    )
    if config.filters is not None and config.filters.final:
        yield f"- Of web pages, once duplicates are gone: {', '.join(config.filters.final)}."
    yield (
        f"- Overlap with test problems: {clean.words} words in a row, or the whole of an item of"
        f" {clean.min_words} words or more; evidence by source: "
        + ", ".join(
            f"{n} {s.evidence if s.decontaminate else 'off'}" for n, s in config.sources.items()
        )
        + "."
    )
    yield "- Held out: by a hash of the document's id, after all removals."
    yield ""
    yield "Settings:"
    yield ""
    yield "```json"
    yield json.dumps(config.outcome(), indent=1, ensure_ascii=False)
    yield "```"


def _loading(config: CorpusConfig) -> Iterator[str]:
    name = next(iter(config.sources))
    yield "## Loading"
    yield ""
    yield "```python"
    yield "from datasets import load_dataset"
    yield ""
    yield f'documents = load_dataset("PATH/OF/THIS/DIRECTORY", "{name}", split="train")'
    yield "```"
