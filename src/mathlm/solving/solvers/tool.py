"""The tool loop: the model writes a program, sees its output, and goes on, for several rounds.

Tool-integrated reasoning as in ToRA (Gou et al., arXiv 2309.17452). The text is the published one:
a fenced program, then a fenced `output` that the sandbox fills, then the model again. Each turn
goes on from the interpreter that the turn before left, variables and all; a turn that had to be
killed leaves the one before it in place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from mathlm.core.records import Completion, CompletionSegment, FinishReason, Problem
from mathlm.solving.engines.protocol import Generation
from mathlm.solving.services import Services, ToolSession
from mathlm.solving.solvers.asking import Asking
from mathlm.solving.solvers.programs import Block, blocks_of, tool_segment
from mathlm.solving.solvers.writing import Writing, answer_tokens, think

_CLOSED = "\n```\n"
_ASKED = "```output"


@dataclass(frozen=True)
class ToolUse:
    """Limits of a tool loop."""

    calls: int = 4
    """Most programs of one completion (ToRA: 4); one more ends it with `tool_limit`."""
    output_characters: int = 1000
    """What of a program's output the model sees; the middle of a longer one is left out."""


class _Interpreter:
    """The sandbox session of one completion, opened for its first program."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._stack = contextlib.AsyncExitStack()
        self._session: ToolSession | None = None

    async def run(self, program: str) -> ToolSession:
        """The session after a program; the next one goes on from it unless it was killed."""
        if self._session is None:
            assert self._services.sandbox is not None, "a tool loop has a sandbox"
            if self._services.sessions is not None:
                await self._stack.enter_async_context(self._services.sessions)
            self._session = await self._services.sandbox.open()
        after = await self._session.run(program)
        if after.alive:
            self._session.close()
            self._session = after
        return after

    async def close(self) -> None:
        """Let the interpreter go."""
        if self._session is not None:
            self._session.close()
        await self._stack.aclose()


def pending_program(text: str, made: Generation) -> Block | None:
    """The program that waits for its output, at the end of a turn whose whole text is `text`.

    None where the turn ended with anything else: the text is complete, or its program is not.
    """
    found = blocks_of(text)
    if not found or not found[-1].python or made.finish_reason in ("length", "budget"):
        return None
    last = found[-1]
    done = not last.closed or not text[last.end :].strip()
    return last if done and last.code.strip() else None


async def tool_loop(
    problem: Problem,
    sample_index: int,
    services: Services,
    *,
    how: Asking,
    use: ToolUse | None = None,
) -> Sequence[Completion]:
    """A text with programs and their outputs; raises ValueError where the run has no sandbox."""
    if services.sandbox is None:
        raise ValueError("the tool loop needs a sandbox")
    interpreter = _Interpreter(services)
    try:
        async with Writing(problem, sample_index, services, how=how) as text:
            reason = await _rounds(text, interpreter, how, use=use or ToolUse())
            return [text.completion(sample_index, reason)]
    finally:
        await interpreter.close()


async def _rounds(
    text: Writing, interpreter: _Interpreter, how: Asking, *, use: ToolUse
) -> FinishReason:
    """Let model and sandbox write by turns; how it ended."""
    broken = await think(text, how) if how.reasoning else None
    if broken is not None:
        return broken.finish_reason
    calls, written = 0, ""
    limit = answer_tokens(text, how)
    while limit > 0:
        made = await text.turn((_ASKED, _CLOSED, *how.stops()), limit)
        written += made.text
        program = pending_program(written, made)
        if program is None and made.stop != _CLOSED:
            return made.finish_reason
        if program is None:  # it opened a block, or closed one that is no program
            text.keep_stop(_CLOSED)
            written += _CLOSED
            limit -= max(1, made.tokens)
            continue
        if calls == use.calls:
            return "tool_limit"
        calls += 1
        after = await interpreter.run(program.code)
        assert after.result is not None, "a session after a turn has its result"
        output = tool_segment(after.result, how.prompt, use.output_characters)
        text.force(*_answer(text, made.stop, output, closed=program.closed))
        written, limit = "", how.sampling.max_tokens
    return "length"


def _answer(
    text: Writing, stop: str, output: CompletionSegment, *, closed: bool
) -> tuple[CompletionSegment, ...]:
    """The fenced output that follows a program, after whichever stop the model was stopped by."""
    if stop in (_ASKED, _CLOSED):
        text.keep_stop(stop)
    opening = {_ASKED: "\n", _CLOSED: "```output\n"}.get(stop)
    if opening is None:  # the model's text ended after its program, or inside it
        opening = "\n```output\n" if closed else "\n```\n```output\n"
    if output.text and not output.text.endswith("\n"):
        output = output.model_copy(update={"text": output.text + "\n"})
    return (
        CompletionSegment(source="forced", text=opening),
        output,
        CompletionSegment(source="forced", text="```\n"),
    )
