"""Hybrid decoding: a program and a chain of thought for the same problem.

MAmmoTH (Yue et al., arXiv 2309.05653) asks for a program first and for words where the program
gives nothing (`crash`: the published rule; a wrong number never falls back). `agreement` asks for
both and says whether they agree. `vote` lets the samples alternate between the two, so that
grading's maj@k counts the votes of both. In a completion of two parts the answer is that of the
last one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Literal

from mathlm.core.records import Completion, CompletionSegment, Cost, Problem
from mathlm.solving.services import Services
from mathlm.solving.solvers.asking import Asking
from mathlm.solving.solvers.cot import chain_of_thought
from mathlm.solving.solvers.program import program_of_thought
from mathlm.solving.solvers.programs import gave_answer

Mode = Literal["crash", "agreement", "vote"]
Part = Literal["program", "cot"]
_STATES = re.compile(r"boxed|answer\s*(?:is|:)", re.IGNORECASE)
_ANEW = CompletionSegment(source="forced", text="\n\n", status="anew")


async def hybrid(
    problem: Problem,
    sample_index: int,
    services: Services,
    *,
    how: Asking,
    words: Asking,
    mode: Mode = "crash",
    prefer: Part = "program",
) -> Sequence[Completion]:
    """One completion by program and words; `how` asks for the program, `words` for the words.

    Raises ValueError where the run has no sandbox, or no answers to compare for `agreement`.
    """
    if mode == "vote":
        if sample_index % 2:
            return await chain_of_thought(problem, sample_index, services, how=words)
        return await program_of_thought(problem, sample_index, services, how=how)
    if mode == "agreement":
        return [await _both(problem, sample_index, services, parts=(how, words), prefer=prefer)]
    (first,) = await program_of_thought(problem, sample_index, services, how=how)
    if _answered(problem, first, services):
        return [first]
    (second,) = await chain_of_thought(problem, sample_index, services, how=words)
    return [_joined(first, second)]


def _answered(problem: Problem, made: Completion, services: Services) -> bool:
    """Whether the program gave an answer, or the text one where it wrote no program."""
    last = made.segments[-1]
    if last.source == "tool":
        return gave_answer(last)
    stated = _STATES.search(last.text) is not None  # else any number of its code would do
    return stated and services.answer is not None and services.answer(problem, made) is not None


async def _both(
    problem: Problem,
    sample_index: int,
    services: Services,
    *,
    parts: tuple[Asking, Asking],
    prefer: Part,
) -> Completion:
    """Program and words, the chosen one last; `scores["agreement"]` is 1 where they agree."""
    if services.answer is None or services.same is None:
        raise ValueError("agreement needs answers and their equality")
    how, words = parts
    (program,), (text,) = await asyncio.gather(
        program_of_thought(problem, sample_index, services, how=how),
        chain_of_thought(problem, sample_index, services, how=words),
    )
    by_program, by_words = services.answer(problem, program), services.answer(problem, text)
    agree = False
    if by_program is not None and by_words is not None:
        agree = await asyncio.to_thread(services.same, by_program, by_words)
    takes_words = by_program is None or (by_words is not None and prefer == "cot")
    first, last = (program, text) if takes_words else (text, program)
    joined = _joined(first, last)
    return joined.model_copy(update={"scores": {"agreement": float(agree)}})


def _joined(first: Completion, last: Completion) -> Completion:
    """Two completions of a problem as one, whose answer is that of the last."""
    cost = Cost(
        prompt_tokens=first.cost.prompt_tokens + last.cost.prompt_tokens,
        model_tokens=first.cost.model_tokens + last.cost.model_tokens,
        forced_tokens=first.cost.forced_tokens + last.cost.forced_tokens,
        tool_calls=first.cost.tool_calls + last.cost.tool_calls,
    )
    segments = (*first.segments, _ANEW, *last.segments)
    return last.model_copy(update={"segments": segments, "cost": cost})
