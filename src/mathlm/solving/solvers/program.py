"""Program of thought: the model writes a program, the sandbox runs it, its variables answer.

Chen et al., "Program of thoughts prompting", arXiv 2211.12588; Gao et al., "PAL", arXiv
2211.10435. The program runs in the sandbox and nowhere else; how it ended is a value.
"""

from __future__ import annotations

from collections.abc import Sequence

from mathlm.core.records import Completion, Problem
from mathlm.solving.services import Services
from mathlm.solving.solvers.asking import Asking
from mathlm.solving.solvers.programs import program_in_form, tool_segment
from mathlm.solving.solvers.writing import ask


async def program_of_thought(
    problem: Problem, sample_index: int, services: Services, *, how: Asking
) -> Sequence[Completion]:
    """The model's program and how it ended; raises ValueError where the run has no sandbox.

    A text without a program (empty, or without `print` where the form asks for it) is kept as it
    is: grading reads it as words. So is one that was cut off: it is run as far as it goes.
    """
    if services.sandbox is None:
        raise ValueError("program of thought needs a sandbox")
    written = await ask(problem, sample_index, services, how=how)
    last = written.segments[-1]
    program = "" if last.thought else program_in_form(last.text, how.prompt)
    if not program:
        return [written]
    result = await services.sandbox.run(program)
    cost = written.cost.model_copy(update={"tool_calls": 1})
    segments = (*written.segments, tool_segment(result, how.prompt))
    return [written.model_copy(update={"segments": segments, "cost": cost})]
