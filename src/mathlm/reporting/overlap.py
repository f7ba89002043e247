"""Items of tasks and generations that stand in a corpus: which, in how many documents.

Hits come from files that `mathlm overlap --json` wrote, from documents in the published layout
(wellecks/overlap: `hits`, `input`), or from a search of problems, solutions and generations that
`stages.py` passes in. Not here: what they mean for the scores (`memorisation`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from mathlm.core.errors import UserError
from mathlm.core.storage import read_lines
from mathlm.reporting.completions import Scan
from mathlm.reporting.config import ReportConfig
from mathlm.reporting.inputs import Evaluation, Inputs

Row = dict[str, Any]


class SearchHit(NamedTuple):
    """A text that shares n words in a row with a document."""

    item: int
    """Index of the text."""
    document: str
    ngram: str


Search = Callable[[Sequence[str], Sequence[str], int], Iterable[SearchHit]]
"""Texts, files of the corpus and n → hits."""


@dataclass
class Overlap:
    """Items of tasks and generations that stand in a corpus."""

    items: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Task and problem id → documents."""
    generations: dict[str, dict[str, int]] = field(default_factory=dict)
    """Model → {generations, hit, documents}."""
    n: int | None = None
    unmatched: int = 0
    """Hits whose item is no problem of this report."""

    @property
    def documents(self) -> int:
        """Documents with a hit item."""
        return len(set().union(*self.items.values())) if self.items else 0


def read_overlap(
    paths: Sequence[str], problems: Iterable[tuple[str, str]], texts: Mapping[str, tuple[str, str]]
) -> Overlap:
    """Hits of files, matched with problems by id (and by the benchmark's name) or by text.

    `texts` maps a problem's words to its task and id, for documents in the published layout.
    """
    found = Overlap()
    by_id: dict[str, list[tuple[str, str]]] = {}
    for task, identifier in problems:
        by_id.setdefault(identifier, []).append((task, identifier))
    for path in paths:
        for number, line in read_lines(path):
            if not line.strip():
                continue
            try:
                row = from_json(line)
                if "summary" not in row:
                    _add_row(found, row, by_id, texts=texts, place=f"{path}:{number}")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                what = f"{type(error).__name__}: {error}"[:120]
                raise UserError(
                    f"{path}, line {number + 1} is no line of `mathlm overlap --json` ({what})"
                ) from None
    return found


def _add_row(
    found: Overlap,
    row: Mapping[str, Any],
    by_id: Mapping[str, list[tuple[str, str]]],
    *,
    texts: Mapping[str, tuple[str, str]],
    place: str,
) -> None:
    if "hits" in row:  # a document of wellecks/overlap, with the text of its last hit's item
        found.n = next((hit["ngram_n"] for hit in row["hits"] if hit["test_id"] != -123), found.n)
        match = texts.get(words_of(row["input"]))
        matches = [match] if match else []
        document = place
    else:
        found.n = int(row["n"])
        matches = _of_benchmark(by_id.get(str(row["item"]), []), str(row["benchmark"]))
        document = str(row["document"])
    for match in matches:
        found.items.setdefault(match, set()).add(document)
    found.unmatched += not matches


def _of_benchmark(matches: list[tuple[str, str]], benchmark: str) -> list[tuple[str, str]]:
    """Problems of that id; those whose task the benchmark's path names, where one does."""
    path = Path(benchmark)
    names = {path.stem, path.parent.name, benchmark}
    return [match for match in matches if match[0] in names] or matches


def words_of(text: str) -> str:
    """A text by which the same problem of two files is known: its words."""
    return " ".join(text.split())


def search_overlap(
    problems: Sequence[tuple[tuple[str, str], Sequence[str]]],
    generations: Iterator[tuple[str, str]],
    files: Sequence[str],
    *,
    n: int,
    search: Search,
) -> Overlap:
    """Look for problems (task and id, texts) and generations (model, text) in documents."""
    owners: list[tuple[str, str] | str] = []
    texts: list[str] = []
    for key, parts in problems:
        owners += [key] * len(parts)
        texts += parts
    found = Overlap(n=n)
    for model, text in generations:
        counts = found.generations.setdefault(model, {"generations": 0, "hit": 0, "documents": 0})
        counts["generations"] += 1
        owners.append(model)
        texts.append(text)
    hit_texts: dict[str, set[int]] = {model: set() for model in found.generations}
    hit_documents: dict[str, set[str]] = {model: set() for model in found.generations}
    for hit in search(texts, files, n):
        owner = owners[hit.item]
        if isinstance(owner, tuple):
            found.items.setdefault(owner, set()).add(hit.document)
        else:
            hit_texts[owner].add(hit.item)
            hit_documents[owner].add(hit.document)
    for model, counts in found.generations.items():
        counts["hit"], counts["documents"] = len(hit_texts[model]), len(hit_documents[model])
    return found


def merged(parts: Sequence[Overlap]) -> Overlap:
    """All hits together."""
    found = Overlap(n=next((part.n for part in parts if part.n), None))
    for part in parts:
        for key, documents in part.items.items():
            found.items.setdefault(key, set()).update(documents)
        found.generations.update(part.generations)
        found.unmatched += part.unmatched
    return found


def find_overlap(
    config: ReportConfig,
    inputs: Inputs,
    scans: Sequence[Scan],
    *,
    corpus: Path | None,
    search: Search | None,
) -> Overlap | None:
    """All hits that the settings ask for; None where they ask for none.

    Of the generations those are looked for that the page holds.
    """
    parts, evaluations = [], inputs.evaluations
    files = [*config.overlap_corpus, *([str(corpus)] if corpus is not None else [])]
    if config.overlap:
        problems = {key for evaluation in evaluations for key in evaluation.problems}
        texts = {words_of(found[0]): key for key, found in _texts(evaluations)}
        parts.append(read_overlap(config.overlap, problems, texts))
    if files and search is not None and evaluations:
        asked = list(_texts(evaluations))
        written = (
            (
                evaluation.model,
                "\n".join(s.text for s in completion.segments if s.source == "model"),
            )
            for evaluation, scan in zip(evaluations, scans, strict=True)
            for completion in scan.found.values()
        )
        parts.append(search_overlap(asked, written, files, n=config.overlap_n, search=search))
    return merged(parts) if parts else None


def _texts(evaluations: Sequence[Evaluation]) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """Task and id, then question and solution, of every problem once."""
    seen: set[tuple[str, str]] = set()
    for path in dict.fromkeys(evaluation.solve / "problems.jsonl" for evaluation in evaluations):
        for _, line in read_lines(path):
            row = from_json(line) if line.strip() else {}
            key = (str(row.get("task")), str(row.get("id")))
            question = row.get("prompt") or row.get("statement")
            if question and key not in seen:
                seen.add(key)
                yield key, [question, *([row["solution"]] if row.get("solution") else [])]
