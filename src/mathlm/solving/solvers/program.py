"""Program of thought: the model writes a program, the sandbox runs it, its variables answer.

Chen et al., "Program of thoughts prompting", arXiv 2211.12588; Gao et al., "PAL", arXiv
2211.10435. The program runs in the sandbox and nowhere else; how it ended is a value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mathlm.core.records import Completion, CompletionSegment, Problem
from mathlm.solving.services import Services, ToolResult
from mathlm.solving.solvers.asking import Asking, ask

_FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)
_ERROR_NAME = re.compile(r"[A-Za-z_][\w.]*")


def program_of(text: str) -> str:
    """The program in a model's text: its first fenced block, else all of it."""
    fenced = _FENCE.search(text)
    return (fenced[1] if fenced else text).strip("\n") + "\n"


def tool_segment(result: ToolResult) -> CompletionSegment:
    """What a program's run adds to a completion: what it printed, else the kind of its error.

    No traceback: it may name addresses and temporary folders, which differ from run to run.
    """
    text = result.stdout
    if not text and result.status == "error":
        last = result.error.strip().rsplit("\n", 1)[-1]
        named = _ERROR_NAME.match(last)
        text = named[0] if named else ""
    return CompletionSegment(
        source="tool",
        text=text,
        status=result.status,
        level=result.level,
        variables=dict(sorted(result.variables.items())),
    )


async def program_of_thought(
    problem: Problem, sample_index: int, services: Services, *, how: Asking
) -> Sequence[Completion]:
    """The model's program and how it ended; raises ValueError where the run has no sandbox."""
    if services.sandbox is None:
        raise ValueError("program of thought needs a sandbox")
    written = await ask(problem, sample_index, services, how=how)
    if not written.text.strip():
        return [written]
    result = await services.sandbox.run(program_of(written.text))
    cost = written.cost.model_copy(update={"tool_calls": 1})
    segments = (*written.segments, tool_segment(result))
    return [written.model_copy(update={"segments": segments, "cost": cost})]
