"""The answer's text of a completion: what a model wrote, or what its program left.

Not here: extraction from that text (`extraction`). A program's answer is its variable `answer`,
else the last line that it printed; a program that failed has a status instead, unless the model
went on after it. Nothing is read from a thought, least of all from one that was cut off.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mathlm.core.records import Completion, CompletionSegment, Problem, Status
from mathlm.grading.grader import find, is_choice, judge
from mathlm.grading.typed import typed_text

_FAILED: dict[str, Status] = {"timeout": "timeout"}
_THINK, _THINK_END = "<think>", "</think>"
_BLOCK = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Answered:
    """The text to grade, or the status and reason that there is none."""

    text: str = ""
    status: Status | None = None
    reason: str = ""
    from_program: bool = False
    listed: str | None = None
    """A program's list without its brackets; None where the value is no list. Python's list says
    neither that the order counts nor that its two values are the ends of an interval."""


def answered(completion: Completion) -> Answered:
    """What of a completion is to be graded."""
    if completion.finish_reason == "error":
        return Answered("", "error", "it could not be made (logs/errors.jsonl of its stage)")
    segments = _last_part(completion.segments)
    if segments and segments[-1].thought:
        return Answered("", "no_answer", "it ended inside its thought")
    segments = [segment for segment in segments if not segment.thought]
    tools = [place for place, segment in enumerate(segments) if segment.source == "tool"]
    if not tools:
        return _said("".join(segment.text for segment in segments))
    program = _of_program(segments[tools[-1]])
    after = segments[tools[-1] + 1 :]
    written = "".join(segment.text for segment in after if segment.source == "model")
    prose = _BLOCK.sub("", written)
    # Tool-integrated reasoning states its answer after the output, or goes on without its program.
    if "boxed" in prose or "nswer" in prose or (program.status is not None and prose.strip()):
        return _said(written)
    return program


def choice_of(problem: Problem, found: Answered) -> Answered:
    """A program's value as the letter of the one choice that it equals; else as it stands."""
    value = found.text.strip()
    if not (found.from_program and problem.choices and value) or is_choice(value):
        return found
    said = find(value).answer or value
    equal = [
        letter
        for letter, choice in zip("ABCDEFGHIJ", problem.choices, strict=False)
        if (judgement := judge(find(choice).answer or choice, said)) is not None
        and judgement.status == "correct"
    ]
    return replace(found, text=equal[0]) if len(equal) == 1 else found


def answer_of(problem: Problem, completion: Completion) -> str | None:
    """The answer that grading would read from a completion; None where there is none."""
    found = choice_of(problem, answered(completion))
    if found.status is not None or not found.text.strip():
        return None
    return find(found.listed or found.text, bool(problem.choices)).answer


def _last_part(segments: Sequence[CompletionSegment]) -> list[CompletionSegment]:
    """What follows the last place where the model was asked anew."""
    starts = [place for place, segment in enumerate(segments) if segment.status == "anew"]
    return list(segments[starts[-1] + 1 :] if starts else segments)


def _said(text: str) -> Answered:
    """A text without the thoughts that stand in it."""
    text = text.rpartition(_THINK_END)[2]
    if _THINK in text:
        return Answered("", "no_answer", "it ended inside its thought")
    return Answered(text)


def _of_program(segment: CompletionSegment) -> Answered:
    if segment.status not in (None, "ok"):
        status = _FAILED.get(segment.status or "", "error")
        return Answered("", status, f"the program ended with {segment.status}", True)
    value = segment.variables.get("answer")
    if value is not None and value.type != "NoneType":
        text = typed_text(value)
        return Answered(text, from_program=True, listed=_listed(text, value.type))
    lines = [line for line in segment.text.splitlines() if line.strip()]
    if not lines:
        return Answered(
            "", "no_answer", "the program left no variable `answer` and no output", True
        )
    return Answered(lines[-1], from_program=True, listed=_listed(lines[-1].strip(), "list"))


def _listed(text: str, kind: str) -> str | None:
    flat = kind == "list" and re.fullmatch(r"\[([^\[\]]+)\]", text)
    return flat[1] if flat else None
