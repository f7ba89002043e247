"""The answer's text of a completion: what a model wrote, or what its program left.

Not here: extraction from that text (`extraction`). A program's answer is its variable `answer`,
else the last line that it printed; a program that failed has a status instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from mathlm.core.records import Completion, CompletionSegment, Status
from mathlm.grading.typed import typed_text

_FAILED: dict[str, Status] = {"timeout": "timeout"}


@dataclass(frozen=True)
class Answered:
    """The text to grade, or the status and reason that there is none."""

    text: str = ""
    status: Status | None = None
    reason: str = ""
    from_program: bool = False


def answered(completion: Completion) -> Answered:
    """What of a completion is to be graded."""
    tools = [segment for segment in completion.segments if segment.source == "tool"]
    if not tools:
        return Answered(completion.text)
    after = completion.segments[completion.segments.index(tools[-1]) + 1 :]
    written = "".join(segment.text for segment in after if segment.source == "model")
    if "boxed" in written or "nswer" in written:  # tool-integrated reasoning states its answer
        return Answered(written)
    return _of_program(tools[-1])


def _of_program(segment: CompletionSegment) -> Answered:
    if segment.status not in (None, "ok"):
        status = _FAILED.get(segment.status or "", "error")
        return Answered("", status, f"the program ended with {segment.status}", True)
    value = segment.variables.get("answer")
    if value is not None and value.type != "NoneType":
        return Answered(typed_text(value), from_program=True)
    lines = [line for line in segment.text.splitlines() if line.strip()]
    if not lines:
        return Answered(
            "", "no_answer", "the program left no variable `answer` and no output", True
        )
    return Answered(lines[-1], from_program=True)
