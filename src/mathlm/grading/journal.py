"""A solve stage's answers as its files hold them, while it runs and when it has ended.

A running stage appends to `journal/WRITER.jsonl`, an ended one has `completions.jsonl`: grading may
follow while generation runs. Not here: what of a completion is graded (`completions`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from mathlm.core.errors import UserError
from mathlm.core.records import Completion, Problem
from mathlm.core.storage import read_jsonl, read_lines

FINISHED, JOURNAL = "completions.jsonl", "journal"

Problems = Mapping[tuple[str, str], Problem]
"""Problems by task and id, in their order."""


def read_answers(directory: Path, problems: Problems) -> tuple[list[Completion], bool]:
    """The answers that a solve stage has so far, and whether they are all.

    What a search came from (completions with a parent) is left out. Answers of a running stage
    come in the order of the problems. Raises UserError where there are none.
    """
    journals = sorted((directory / JOURNAL).glob("*.jsonl"))
    finished = directory / FINISHED
    if not journals:
        return list(_answers(read_jsonl(finished, Completion))), True
    found = list(read_jsonl(finished, Completion)) if finished.is_file() else []
    for path in journals:
        found.extend(_whole_lines(path))
    latest = {(c.task, c.problem_id, c.solver, c.sample_index): c for c in _answers(found)}
    if not latest:
        raise UserError(f"{directory} holds no completions yet")
    place = {key: number for number, key in enumerate(problems)}
    keys = sorted(latest, key=lambda key: (place.get(key[:2], len(place)), *key[2:]))
    return [latest[key] for key in keys], False


def _answers(made: Iterable[Completion]) -> Iterator[Completion]:
    return (completion for completion in made if completion.parent is None)


def _whole_lines(path: Path) -> Iterator[Completion]:
    for _, line in read_lines(path):
        try:
            yield Completion.model_validate_json(line)
        except ValidationError:
            continue  # not yet written to its end, or torn by a kill


def solve_directories(root: Path) -> list[Path]:
    """Directories at or below `root` that hold problems, and completions or a journal."""
    found = {path.parent for path in root.glob(f"**/{FINISHED}")}
    found |= {path.parent.parent for path in root.glob(f"**/{JOURNAL}/*.jsonl")}
    return sorted(path for path in found if (path / "problems.jsonl").is_file())
