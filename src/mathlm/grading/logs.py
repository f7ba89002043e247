"""Sample logs of other harnesses as (id, gold, answer, task): lm-eval, lighteval, Inspect.

Not here: grading them. What a log's rows hold was read from the harnesses' own writers
(lm-evaluation-harness `samples_*.jsonl`, lighteval details as JSON lines or Parquet, Inspect's
`.json` and `.eval` logs). A row without gold or answer is the user's mistake, named by its place.
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathlm.core.errors import UserError
from mathlm.core.records import Verdict
from mathlm.core.storage import read_lines
from mathlm.grading.verdicts import grade, grade_all

_ZSTANDARD = 93
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
"""A member's local header: its last two numbers are the lengths of its name and extra field."""
MAX_MEMBER_BYTES = 64 << 20
"""Largest file inside an `.eval` archive that is read."""


@dataclass(frozen=True)
class Item:
    """One answer to grade."""

    id: str
    gold: str
    answer: str
    task: str | None = None
    also: tuple[str, ...] = ()
    """Other golds: the answer is right where it equals any."""


def _rows(path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """JSON objects of a JSONL file with their place."""
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            hint = " (a log of another harness needs --format)" if number == 0 else ""
            raise UserError(f"{path}, line {number + 1}: no JSON{hint}") from None
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number + 1}: no JSON object")
        yield f"{path}, line {number + 1}", row


def _text(value: Any, place: str, name: str) -> str:
    """A gold or answer as text; numbers are taken as written."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    raise UserError(f"{place}: no {name}")


def _own(path: str) -> Iterator[Item]:
    """Our own lines: `{id?, gold, answer | completion, task?}`; `gold` may be a list."""
    for number, (place, row) in enumerate(_rows(path)):
        answer = row.get("answer", row.get("completion"))
        task = row.get("task")
        golds = _several(row.get("gold"), place, "gold")
        yield Item(
            str(row.get("id", number)),
            golds[0],
            _text(answer, place, "answer or completion"),
            task if isinstance(task, str) else None,
            golds[1:],
        )


def _flat(value: Any) -> list[str]:
    """Strings of nested lists, in order."""
    if isinstance(value, str):
        return [value]
    return [text for part in value for text in _flat(part)] if isinstance(value, list) else []


def _lm_eval(path: str) -> Iterator[Item]:
    """`samples_TASK_TIME.jsonl`: `target` is the gold, `resps` the raw generations.

    A task with several filters logs each document once a filter: the first filter's lines are read.
    """
    task = Path(path).name.removeprefix("samples_").rpartition("_")[0] or None
    first: object = None
    for place, row in _rows(path):
        first = row.get("filter") if first is None else first
        if row.get("filter") != first:
            continue
        answers = _flat(row.get("resps", row.get("filtered_resps", [])))
        if not answers:
            raise UserError(f"{place}: no resps")
        golds = _several(row.get("target"), place, "target")
        name = str(row.get("doc_id", place))
        for index, answer in enumerate(answers):
            suffix = f"#{index}" if len(answers) > 1 else ""
            yield Item(name + suffix, golds[0], answer, task, golds[1:])


def _several(value: Any, place: str, name: str) -> tuple[str, ...]:
    """One gold or a list of them, as texts."""
    if isinstance(value, list) and value:
        return tuple(_text(one, place, name) for one in value)
    return (_text(value, place, name),)


def _lighteval_rows(path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not path.endswith(".parquet"):
        yield from _rows(path)
        return
    try:
        from pyarrow import parquet
    except ImportError:
        raise UserError("Parquet details need pyarrow: pip install 'mathlm[corpus]'") from None
    for number, row in enumerate(parquet.read_table(path).to_pylist()):
        yield f"{path}, row {number}", row


def _lighteval(path: str) -> Iterator[Item]:
    """Details: `doc.choices[gold_index]` and `model_response.text`, or the older flat columns."""
    for number, (place, row) in enumerate(_lighteval_rows(path)):
        doc = row.get("doc") or row.get("__doc__") or row
        response = row.get("model_response") or row.get("__model_response__") or {}
        answers = _flat(response.get("text") or row.get("predictions") or [])
        golds = _golds(doc, row)
        if not golds or not answers:
            raise UserError(f"{place}: no gold choice or no response text")
        for index, answer in enumerate(answers):
            suffix = f"#{index}" if len(answers) > 1 else ""
            name = f"{doc.get('id') or number}{suffix}"
            yield Item(name, golds[0], answer, doc.get("task_name"), tuple(golds[1:]))


def _golds(doc: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    choices, index = doc.get("choices"), doc.get("gold_index")
    if isinstance(choices, list) and index is not None:
        indices = index if isinstance(index, list) else [index]
        return [str(choices[i]) for i in indices if isinstance(i, int) and i < len(choices)]
    return _flat(row.get("gold", []))


def _json(data: bytes, path: str) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise UserError(f"cannot read {path}: {error}") from None


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str) -> bytes:
    """A member's bytes; Inspect compresses by Zstandard, which `zipfile` reads from 3.14 on."""
    if member.compress_type != _ZSTANDARD:
        return archive.read(member)
    try:
        import pyarrow
    except ImportError:
        raise UserError(
            f"{path} is compressed by Zstandard: pip install 'mathlm[corpus]'"
        ) from None
    file = archive.fp
    assert file is not None
    file.seek(member.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    *_, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(header)
    file.seek(name_bytes + extra_bytes, 1)
    packed = pyarrow.BufferReader(file.read(member.compress_size))
    try:
        return bytes(pyarrow.input_stream(packed, compression="zstd").read(MAX_MEMBER_BYTES))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error}") from None


def _inspect_samples(path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = sorted(
                (m for m in archive.infolist() if m.filename.startswith("samples/")),
                key=lambda m: m.filename,
            )
            for member in members:
                if member.file_size > MAX_MEMBER_BYTES:
                    raise UserError(f"{path}: {member.filename} is over 64 MiB")
                yield f"{path}, {member.filename}", _json(_member(archive, member, path), path)
        return
    try:
        log = _json(Path(path).read_bytes(), path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error}") from None
    for number, sample in enumerate(log.get("samples") or [] if isinstance(log, dict) else []):
        yield f"{path}, sample {number}", sample


def _inspect(path: str) -> Iterator[Item]:
    """Inspect: `target` and `output.completion`, or its first choice."""
    for place, sample in _inspect_samples(path):
        golds = _several(sample.get("target"), place, "target")
        output = sample.get("output") or {}
        answer = output.get("completion")
        if answer is None:
            choices = output.get("choices") or [{}]
            content = choices[0].get("message", {}).get("content", "")
            answer = content if isinstance(content, str) else "".join(
                part.get("text", "") for part in content if isinstance(part, dict)
            )  # fmt: skip
        epoch = sample.get("epoch", 1)
        name = str(sample.get("id", place)) + (f"#{epoch}" if epoch != 1 else "")
        yield Item(name, golds[0], _text(answer, place, "completion"), None, golds[1:])


FORMATS: dict[str, Callable[[str], Iterator[Item]]] = {
    "mathlm": _own,
    "lm-eval": _lm_eval,
    "lighteval": _lighteval,
    "inspect": _inspect,
}


def graded(items: Sequence[Item], policy: str, *, task: str | None, workers: int) -> list[Verdict]:
    """Verdicts of items in their order; with several golds the first that accepts counts.

    `task` overrides what the items say.
    """
    verdicts: list[Verdict | None] = [None] * len(items)
    by_task: dict[str | None, list[int]] = {}
    for place, item in enumerate(items):
        by_task.setdefault(task or item.task, []).append(place)
    for name, places in by_task.items():
        pairs = [(items[i].gold, items[i].answer) for i in places]
        found = grade_all(pairs, policy=policy, task=name, workers=workers)
        for place, verdict in zip(places, found, strict=True):
            verdicts[place] = _best(items[place], verdict, policy, task=name)
    return [verdict for verdict in verdicts if verdict is not None]


def _best(item: Item, verdict: Verdict, policy: str, *, task: str | None) -> Verdict:
    for gold in item.also:
        if verdict.status == "correct":
            break
        other = grade(gold, item.answer, policy=policy, task=task)
        verdict = other if other.status == "correct" else verdict
    return verdict.model_copy(update={"problem_id": item.id})
