"""The data of the page's browser of samples: chosen completions as compressed JSON chunks.

One index (columns of what can be filtered by) and chunks of texts, deflated and in base64, which
the page's script unpacks when they are looked at. Nothing here is markup: texts stay texts and
formulas are trees (`formulas`), so that no text of a model can become an element by mistake.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from mathlm.core.errors import UserError
from mathlm.core.records import Completion, CompletionSegment, Problem, Verdict
from mathlm.core.storage import read_jsonl, read_lines
from mathlm.reporting.completions import Key, Scan
from mathlm.reporting.formulas import FormulaTable
from mathlm.reporting.inputs import Evaluation
from mathlm.reporting.markup import visible
from mathlm.reporting.selection import CHANGES, Selection
from mathlm.reporting.verdicts import STATUSES

BUDGET = 14_000_000
"""Characters of base64 after which no further problem is packed: the page stays below 20 MB."""
_CHUNK = 600_000
"""Characters of JSON to a chunk."""
_FORMULAS = 25_000
"""Different formulas that are rendered; a third of a millisecond each."""
_SEGMENTS = 30
_SHORT = 300
_LETTERS = {status: letter for status, letter in zip(STATUSES, "cinte", strict=True)}
_NONE = "-"
_CODE = re.compile(
    r"\s*(#(?!##)|```|@\w|(import|from|def|return|for|while|if|elif|else|try|except|with|class|print"
    r"|assert|pass|break|continue)\b|[\w.,\[\]'\"() ]{1,80}[-+*/%|&]?=(?!=)|\w[\w.]*\(|\w+$|[])}])"
)
"""The beginning of a line of Python."""

Data = dict[str, Any]


@dataclass
class Packed:
    """The index and the chunks, compressed; and how much of the whole they show."""

    index: str
    chunks: list[str]
    shown: int
    total: int


@dataclass
class _Names:
    """Names by number, in order of first appearance."""

    known: dict[str, int] = field(default_factory=dict)

    def of(self, name: str | None) -> int:
        return -1 if name is None else self.known.setdefault(visible(name), len(self.known))

    @property
    def listed(self) -> list[str]:
        return list(self.known)


class Packer:
    """Fills the index's columns and the chunks, problem by problem."""

    def __init__(self, evaluations: Sequence[Evaluation], max_chars: int) -> None:
        self.evaluations, self.max_chars = evaluations, max_chars
        self.formulas = FormulaTable(_FORMULAS)
        self.policies = list(dict.fromkeys(p for e in evaluations for p in e.by_policy))
        names = ("models", "solvers", "tasks", "subjects", "levels", "rules", "finishes")
        self.names = {name: _Names() for name in names}
        self.problems: dict[str, list[Any]] = {key: [] for key in ("id", "t", "j", "l", "x", "h")}
        self.items: dict[str, list[Any]] = {key: [] for key in "pmsnrfkgc"}
        self.statuses: list[list[str]] = [[] for _ in self.policies]
        self.chunks: list[str] = []
        self.size = 0
        self._start()

    def _start(self) -> None:
        self.formulas.start()
        self.open_problems: Data = {}
        self.open_items: Data = {}
        self.open_size = 0

    def add_problem(self, problem: Problem, *, change: int, hit: bool) -> int:
        """Add a problem; returns its number."""
        number = len(self.problems["id"])
        columns = {
            "id": visible(problem.id),
            "t": self.names["tasks"].of(problem.task),
            "j": self.names["subjects"].of(problem.subject),
            "l": self.names["levels"].of(problem.level),
            "x": change,
            "h": int(hit),
        }
        for key, value in columns.items():
            self.problems[key].append(value)
        text: Data = {"q": self._rich(problem.prompt or problem.statement or "")}
        if problem.choices:
            text["c"] = [self._rich(choice) for choice in problem.choices[:30]]
        if problem.answer is not None:
            text["a"] = self._rich(problem.answer)
        if problem.solution:
            text["w"] = self._rich(problem.solution)
        self.open_problems[str(number)] = text
        self.open_size += _weight(text)
        return number

    def add_item(
        self, place: tuple[int, int], key: Key, completion: Completion | None,
        verdicts: Mapping[str, Verdict], *, disagreed: bool,
    ) -> None:  # fmt: skip
        """Add a completion of evaluation and problem number, with its verdicts by policy."""
        evaluation, problem = place
        number = len(self.items["p"])
        segments = completion.segments if completion is not None else ()
        program = any(segment.source == "tool" for segment in segments)
        program = program or self.evaluations[evaluation].kind(key.solver) != "cot"
        counting = verdicts.get(self.evaluations[evaluation].policy)
        columns = {
            "p": problem,
            "m": self.names["models"].of(self.evaluations[evaluation].model),
            "s": self.names["solvers"].of(key.solver),
            "n": key.sample,
            "r": self.names["rules"].of(counting.rule if counting else None),
            "f": self.names["finishes"].of(completion.finish_reason if completion else None),
            "k": completion.cost.model_tokens if completion is not None else 0,
            "g": int(program) + 2 * int(disagreed),
            "c": len(self.chunks),
        }
        for name, value in columns.items():
            self.items[name].append(value)
        said: list[Any] = []
        for policy, letters in zip(self.policies, self.statuses, strict=True):
            verdict = verdicts.get(policy)
            letters.append(_LETTERS[verdict.status] if verdict is not None else _NONE)
            said.append(_said(verdict))
        text: Data = {"v": said, "s": [self._segment(s, program) for s in segments[:_SEGMENTS]]}
        if len(segments) > _SEGMENTS:
            text["more"] = len(segments) - _SEGMENTS
        if completion is None:
            text["absent"] = 1
        elif completion.scores:
            text["scores"] = {visible(k)[:60]: v for k, v in list(completion.scores.items())[:12]}
        self.open_items[str(number)] = text
        self.open_size += _weight(text)

    def end_problem(self) -> bool:
        """Close the chunk where it is full; whether there is room for more."""
        if self.open_size >= _CHUNK:
            self._close()
        return self.size < BUDGET

    def _close(self) -> None:
        chunk = {"p": self.open_problems, "i": self.open_items, "m": self.formulas.entries}
        self.chunks.append(compressed(chunk))
        self.size += len(self.chunks[-1])
        self._start()

    def finish(self, total: int) -> Packed:
        """The whole, compressed."""
        if self.open_problems:
            self._close()
        index = {
            **{name: names.listed for name, names in self.names.items()},
            "policies": [visible(policy) for policy in self.policies],
            "counting": [self.policies.index(e.policy) if e.policy in self.policies else 0
                         for e in self.evaluations],
            "changes": list(CHANGES),
            "problems": self.problems,
            "items": {**self.items, "v": ["".join(letters) for letters in self.statuses]},
            "total": total,
        }  # fmt: skip
        return Packed(compressed(index), self.chunks, len(self.items["p"]), total)

    def _rich(self, text: str) -> list[Any]:
        cut, rest = text[: self.max_chars], len(text) - self.max_chars
        pieces: list[Any] = list(self.formulas.pieces(cut))
        return [*pieces, f" … ({rest} more characters)"] if rest > 0 else pieces

    def _segment(self, segment: CompletionSegment, program: bool) -> list[Any]:
        """[kind, text or pieces, then for a tool its status, sandbox level and variables]."""
        if segment.source == "tool":
            variables = [
                [visible(name)[:80], visible(value.value)[:_SHORT]]
                for name, value in sorted(segment.variables.items())[:20]
            ]
            text = _cut(segment.text, self.max_chars)
            return ["tool", text, segment.status or "", segment.level or "", variables]
        if segment.source == "forced":
            return ["forced", _cut(segment.text, self.max_chars)]
        if program and is_code(segment.text[: self.max_chars]):
            return ["code", _cut(segment.text, self.max_chars)]
        return ["text", self._rich(segment.text)]


def is_code(text: str) -> bool:
    """Whether a stretch of a program's completion is code rather than words, line by line."""
    lines = [line for line in text.splitlines() if line.strip()]
    return 2 * sum(bool(_CODE.match(line)) for line in lines) >= len(lines)


def _weight(text: Data) -> int:
    return sum(len(str(value)) for value in text.values())


def _cut(text: str, max_chars: int) -> str:
    """The text's beginning, and how much is not shown."""
    if len(text) <= max_chars:
        return visible(text)
    return f"{visible(text[:max_chars])} … ({len(text) - max_chars} more characters)"


def _said(verdict: Verdict | None) -> list[Any] | int:
    """What a policy said: answer, normal forms, gold, rule, reason; 0 for nothing."""
    if verdict is None:
        return 0
    texts = (verdict.answer, verdict.gold, verdict.normal_answer, verdict.normal_gold)
    shown = [None if text is None else _cut(text, _SHORT) for text in texts]
    return [*shown, _cut(verdict.rule, _SHORT), _cut(verdict.reason, _SHORT)]


def compressed(value: Any) -> str:
    """JSON, deflated (zlib), in base64."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 6)).decode("ascii")


def pack(
    evaluations: Sequence[Evaluation],
    scans: Sequence[Scan],
    selection: Selection,
    *,
    max_chars: int,
    is_hit: Callable[[tuple[str, str]], bool] = lambda problem: False,
) -> Packed:
    """The selection's problems with all their chosen completions, as far as the budget reaches."""
    packer = Packer(evaluations, max_chars)
    problems = read_problems(evaluations, selection)
    verdicts = [_read_verdicts(e, w) for e, w in zip(evaluations, selection.wanted, strict=True)]
    by_problem = [_by_problem(wanted) for wanted in selection.wanted]
    for name in selection.problems:
        problem = problems.get(name) or Problem(id=name[1], task=name[0])
        change = selection.changes.get(name, -1)
        number = packer.add_problem(problem, change=change, hit=is_hit(name))
        for place, groups in enumerate(by_problem):
            for key in groups.get(name, ()):
                samples = selection.disputed[place].get((key.solver, key.task, key.problem), ())
                packer.add_item(
                    (place, number),
                    key,
                    scans[place].found.get(key),
                    verdicts[place].get(key, {}),
                    disagreed=key.sample in samples,
                )
        if not packer.end_problem():
            break
    return packer.finish(selection.total)


def _by_problem(wanted: Mapping[Key, None]) -> dict[tuple[str, str], list[Key]]:
    found: dict[tuple[str, str], list[Key]] = {}
    for key in wanted:
        found.setdefault((key.task, key.problem), []).append(key)
    return found


def read_problems(
    evaluations: Sequence[Evaluation], selection: Selection
) -> dict[tuple[str, str], Problem]:
    """The chosen problems; the first evaluation that has one gives it."""
    wanted, found = set(selection.problems), dict[tuple[str, str], Problem]()
    for path in dict.fromkeys(evaluation.solve for evaluation in evaluations):
        for problem in read_jsonl(path / "problems.jsonl", Problem):
            if (key := (problem.task, problem.id)) in wanted:
                found.setdefault(key, problem)
    return found


def _read_verdicts(
    evaluation: Evaluation, wanted: Mapping[Key, None]
) -> dict[Key, dict[str, Verdict]]:
    """The verdicts on the wanted completions, by policy; the others are not built."""
    found: dict[Key, dict[str, Verdict]] = {}
    path = evaluation.grade / "verdicts.jsonl"
    for number, line in read_lines(path):
        if not line.strip():
            continue
        row = from_json(line, cache_strings="all")
        place = (row.get("solver", ""), row.get("task"), row.get("problem_id"))
        key = Key(*place, row.get("sample_index", 0))
        if key in wanted:
            try:
                verdict = Verdict.model_validate(row)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                message = f"{path}, line {number + 1}: {first['loc']}: {first['msg']}"
                raise UserError(message) from None
            found.setdefault(key, {})[verdict.policy] = verdict
    return found
