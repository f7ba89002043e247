"""A text that a solver and the model write by turns, and the parts that it comes to.

The model's turn ends at a stop string; the solver may then force text (a tool's output, the end of
a thought) and let the model go on. The engine keeps what was read so far as a prefix, so that a
turn reads only what is new: the model's own last tokens and the forced ones, in one pass. Where an
engine keeps no prefixes the whole text is sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from mathlm.core.records import Completion, CompletionSegment, Cost, FinishReason, Problem
from mathlm.solving.engines.protocol import Generation, Message, Prefix, Request
from mathlm.solving.services import Services
from mathlm.solving.solvers.asking import Asking

THINK_END = "</think>"
_CUT_SHORT = "\n" + THINK_END + "\n\n"
"""How a thought is ended for a model that does not come to an end (s1, arXiv 2501.19393)."""


class Writing:
    """One text under way; use it as an async context, which gives the kept prefix up."""

    def __init__(
        self, problem: Problem, sample_index: int, services: Services, *, how: Asking
    ) -> None:
        self._problem, self._engine, self._how = problem, services.engine, how
        self._request = how.request(problem, sample_index, services.seed)
        self._prefix: Prefix | None = None
        self._new: list[str | tuple[int, ...]] = []
        """What was written since the kept prefix, by the model (ids, if known) and the solver."""
        self._keeps = True
        self._turns = 0
        self._cost = Cost()
        self.segments: list[CompletionSegment] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._prefix is not None:
            self._engine.drop(self._prefix)
            self._prefix = None

    @property
    def model_tokens(self) -> int:
        """Tokens that the model wrote so far."""
        return self._cost.model_tokens

    async def turn(
        self, stops: Sequence[str], max_tokens: int, *, thought: bool = False
    ) -> Generation:
        """Let the model go on; what it wrote becomes a segment.

        A thought keeps its end mark in its text, any other segment is cut before its stop; call
        `keep_stop` where it belongs to the text. Ends with `budget` where the completion's tokens
        are spent, with `length` where the context is full.
        """
        left = self._left()
        if left is not None and left < 1:
            return Generation("", (), (), "budget", 0)
        limit = max_tokens if left is None else min(max_tokens, left)
        sampling = replace(self._request.sampling, stops=tuple(stops), max_tokens=limit)
        request = await self._next_request()
        if request is None:
            return Generation("", (), (), "length", 0)
        made = await self._engine.generate(replace(request, sampling=sampling))
        if made.finish_reason == "length" and limit < max_tokens:
            made = replace(made, finish_reason="budget")
        self._take(made, thought=thought and not made.thought)
        return made

    def _left(self) -> int | None:
        total = self._how.total_tokens
        return None if total is None else total - self._cost.model_tokens

    def _take(self, made: Generation, *, thought: bool) -> None:
        """Note what the model wrote."""
        ids = made.token_ids[:-1] if made.finish_reason == "eos" else made.token_ids
        self._new.append(ids if made.token_ids else made.text + made.stop)
        first = not self._turns
        self._turns += 1
        self._cost = self._cost.model_copy(
            update={
                "prompt_tokens": made.prompt_tokens if first else self._cost.prompt_tokens,
                "model_tokens": self._cost.model_tokens + made.tokens,
            }
        )
        if made.thought:  # a server told it apart; its text is the answer already
            told = f"<think>\n{made.thought}\n{THINK_END}\n\n"
            self.segments.append(CompletionSegment(source="model", text=told, thought=True))
            if not made.text:
                return
        self.segments.append(
            CompletionSegment(
                source="model",
                text=made.text + (made.stop if thought else ""),
                token_ids=made.token_ids,
                logprobs=made.logprobs,
                thought=thought,
            )
        )

    def keep_stop(self, stop: str) -> None:
        """Let the last segment's text end with the stop string that the model wrote."""
        last = self.segments[-1]
        self.segments[-1] = last.model_copy(update={"text": last.text + stop})

    def force(self, *segments: CompletionSegment) -> None:
        """Go on with text that the model did not write."""
        self.segments += segments
        self._new.append("".join(segment.text for segment in segments))
        calls = sum(segment.source == "tool" for segment in segments)
        self._cost = self._cost.model_copy(update={"tool_calls": self._cost.tool_calls + calls})

    async def _next_request(self) -> Request | None:
        """The request with which the model goes on; None where its context is full."""
        if not self._turns:
            return self._request
        branch = (self._turns,)
        if self._keeps:
            try:
                if await self._read():
                    return replace(
                        self._request, prompt="", shared="", parent=self._prefix, branch=branch
                    )
                return None
            except NotImplementedError:
                self._keeps = False
        return replace(self._request, prompt=self._whole(), branch=branch)

    def _whole(self) -> str | tuple[Message, ...]:
        """Prompt and all that was written, for an engine that keeps no prefixes."""
        written = "".join(segment.text for segment in self.segments)
        prompt = self._how.text(self._problem)
        if isinstance(prompt, str):
            return prompt + written
        turns = tuple(turn for turn in prompt if isinstance(turn, Message))
        return (*turns, Message("assistant", written))

    async def _read(self) -> bool:
        """Let the engine read what is new; False where its context is full."""
        try:
            if self._prefix is None:
                request = self._request
                self._prefix = await self._engine.prefix(request.prompt, shared=request.shared)
            while self._new:
                await self._extend(self._new.pop(0))
        except ValueError:
            return False
        return True

    async def _extend(self, more: str | tuple[int, ...]) -> None:
        before = self._prefix
        assert before is not None, "a prefix is kept before it is extended"
        self._prefix = await self._engine.extend(before, more)
        self._engine.drop(before)
        if isinstance(more, str):
            number = len(self._prefix.token_ids) - len(before.token_ids)
            forced = self._cost.forced_tokens + number
            self._cost = self._cost.model_copy(update={"forced_tokens": forced})

    def completion(self, sample_index: int, finish_reason: FinishReason) -> Completion:
        """What it has come to."""
        return self._how.completion(
            self._problem, sample_index, tuple(self.segments), finish_reason, cost=self._cost
        )


async def think(text: Writing, how: Asking) -> Generation | None:
    """The model's thought; None when the answer may follow, else what the text ended with.

    A thought over `think_tokens` is ended by the solver. A server that tells thoughts apart has
    written the answer too.
    """
    limit = how.sampling.max_tokens if how.think_tokens is None else how.think_tokens
    made = await text.turn((THINK_END,), limit, thought=True)
    if made.thought:
        return made
    if made.finish_reason == "stop":
        return None
    if made.finish_reason == "length" and how.think_tokens is not None:
        text.force(CompletionSegment(source="forced", text=_CUT_SHORT, thought=True))
        return None
    return made


def answer_tokens(text: Writing, how: Asking) -> int:
    """How many tokens are left for the answer after a thought that counts to the same limit."""
    spent = text.model_tokens if how.think_tokens is None else 0
    return how.sampling.max_tokens - spent


async def ask(
    problem: Problem, sample_index: int, services: Services, *, how: Asking
) -> Completion:
    """The model's own text: its thought, where it is one that thinks, and its answer."""
    async with Writing(problem, sample_index, services, how=how) as text:
        broken = await think(text, how) if how.reasoning else None
        if broken is not None:
            return text.completion(sample_index, broken.finish_reason)
        limit = answer_tokens(text, how)
        if limit < 1:
            return text.completion(sample_index, "length")
        made = await text.turn(how.stops(), limit)
        return text.completion(sample_index, made.finish_reason)
