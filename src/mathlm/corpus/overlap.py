"""Overlap of benchmarks with a corpus: which documents hold n words in a row of which items.

The counts of `wellecks/overlap` (Llemma's memorisation analysis: n = 30, words between white
space, case-sensitive) come out with `exact=True`; by default case, white space and LaTeX spacing
are folded. A hit is an item and a document, at the first shared n-gram; every hit is counted, not
the last of each document (defect 15 of Proof-Pile-2). Nothing is removed here: that is
`decontaminate.py`.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mathlm.core.errors import UserError
from mathlm.core.ngrams import EXACT, FOLDED, Index, Match
from mathlm.core.storage import read_lines
from mathlm.core.streams import open_bytes

ITEM_FIELDS = ("question", "problem", "prompt", "text", "statement", "solution")
_TABLES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
_TEXTS = (".txt", ".md", ".tex", ".py", ".lean", ".v", ".thy")


class Item(NamedTuple):
    """One text of a benchmark's item."""

    benchmark: str
    item: str | int
    text: str


class CorpusDocument(NamedTuple):
    """A document's id and text."""

    document: str
    text: str


class Hit(NamedTuple):
    """An item's first n-gram in a document; `offset` counts the document's characters."""

    benchmark: str
    item: str | int
    document: str
    ngram: str
    n: int
    offset: int


@dataclass
class Summary:
    """What a search went through and found."""

    items: int = 0
    """Items with at least one text."""
    items_too_short: int = 0
    """Items without a text of n words: these can never be hit."""
    documents: int = 0
    unreadable: int = 0
    """Records of the corpus without text."""
    bytes: int = 0
    hits: int = 0
    items_hit: set[tuple[str, str | int]] = field(default_factory=set)
    documents_hit: int = 0
    seconds: float = 0.0

    @property
    def mib_per_s(self) -> float:
        """MiB of text read and searched a second."""
        return self.bytes / 2**20 / self.seconds if self.seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """The object that ends the command's output."""
        counts = {
            "items": self.items,
            "items_too_short": self.items_too_short,
            "documents": self.documents,
            "unreadable": self.unreadable,
            "hits": self.hits,
            "items_hit": len(self.items_hit),
            "documents_hit": self.documents_hit,
        }
        return {"summary": counts, "mib_per_s": float(f"{self.mib_per_s:.4g}")}


def read_items(path: str, fields: Sequence[str] = ITEM_FIELDS) -> Iterator[Item]:
    """The texts of a benchmark's items; an item's id, or else its line from 0, names it.

    Raises `UserError` for a line that is no JSON object and for a file without any such field.
    """
    found = False
    for number, line in read_lines(path):
        if not line.strip():
            continue
        row = _object(line)
        if row is None:
            raise UserError(f"{path}, line {number + 1}: not a JSON object")
        identifier = row.get("id")
        name = identifier if isinstance(identifier, str | int) else number
        for key in fields:
            if isinstance(row.get(key), str):
                found = True
                yield Item(path, name, row[key])
    if not found:
        raise UserError(f"{path}: no item has a field {' or '.join(fields)} (choose by --field)")


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def corpus_files(given: Iterable[str]) -> list[str]:
    """Files of documents: as given, and those below a given run's or stage's directory."""
    files: list[str] = []
    for name in given:
        path = Path(name)
        if not path.is_dir():
            if "://" not in name and not path.exists():
                raise UserError(f"no such file or folder: {name}")
            files.append(name)
            continue
        found = sorted(path.rglob("documents/*/*.parquet")) or sorted(
            file for file in path.rglob("*") if file.name.endswith(_TABLES)
        )
        if not found:
            raise UserError(f"{name} holds neither documents/*/*.parquet nor .jsonl files")
        files += [str(file) for file in found]
    return files


def read_corpus(files: Iterable[str], summary: Summary) -> Iterator[CorpusDocument]:
    """The documents of `.jsonl` (`.gz`, `.zst`), Parquet and plain text files."""
    for name in files:
        if name.endswith(_TEXTS):
            text = Path(name).read_bytes().decode("utf-8", "replace")
            yield CorpusDocument(name, text)
            continue
        rows = _parquet(name) if name.endswith(".parquet") else _jsonl(name)
        for number, row in rows:
            text_or_none = row.get("text") if row is not None else None
            if not isinstance(text_or_none, str):
                summary.unreadable += 1
                continue
            identifier = row.get("id") if row is not None else None
            document = f"{name}:{number}" if identifier is None else str(identifier)
            yield CorpusDocument(document, text_or_none)


def _jsonl(name: str) -> Iterator[tuple[int, dict[str, Any] | None]]:
    for number, line in read_lines(name):
        if line.strip():
            yield number, _object(line)


def _parquet(name: str) -> Iterator[tuple[int, dict[str, Any] | None]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with open_bytes(name) as stream, pq.ParquetFile(stream) as table:
            columns = [key for key in ("id", "text") if key in table.schema_arrow.names]
            for batch in table.iter_batches(batch_size=1024, columns=columns):
                for row in batch.to_pylist():
                    yield number, row
                    number += 1
    except pa.ArrowInvalid as error:
        raise UserError(f"{name} is no Parquet file: {error}") from None


def search(
    items: Sequence[Item],
    documents: Iterable[CorpusDocument],
    summary: Summary,
    *,
    n: int,
    exact: bool,
) -> Iterator[Hit]:
    """All hits, by document, then by their place in it; counts go to `summary`."""
    rule = EXACT if exact else FOLDED
    index = Index([item.text for item in items], n, rule)
    names = {(item.benchmark, item.item) for item in items}
    long_enough = {
        (item.benchmark, item.item) for i, item in enumerate(items) if len(index.words(i)) >= n
    }
    summary.items, summary.items_too_short = len(names), len(names - long_enough)
    waiting: deque[CorpusDocument] = deque()
    start = time.perf_counter()

    def texts() -> Iterator[str]:
        for document in documents:
            waiting.append(document)
            yield document.text

    for matches in index.search(texts()):
        document = waiting.popleft()
        summary.documents += 1
        summary.bytes += len(document.text.encode("utf-8", "surrogatepass"))
        summary.seconds = time.perf_counter() - start
        if matches:
            summary.documents_hit += 1
            for hit in _hits(items, document, matches, rule.spans(document.text)):
                summary.hits += 1
                summary.items_hit.add((hit.benchmark, hit.item))
                yield hit


def _hits(
    items: Sequence[Item],
    document: CorpusDocument,
    matches: Iterable[Match],
    spans: Sequence[tuple[int, int]],
) -> Iterator[Hit]:
    """The first match of each item (not of each of its texts)."""
    seen: set[tuple[str, str | int]] = set()
    for match in matches:
        item = items[match.item]
        if (item.benchmark, item.item) in seen:
            continue
        seen.add((item.benchmark, item.item))
        words = spans[match.text_word : match.text_word + match.length]
        ngram = " ".join(document.text[begin:end] for begin, end in words)
        yield Hit(item.benchmark, item.item, document.document, ngram, match.length, words[0][0])
