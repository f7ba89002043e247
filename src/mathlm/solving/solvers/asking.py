"""One question put to the engine: the part that all solvers of a prompt share."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mathlm.core.records import Completion, CompletionSegment, Cost, FinishReason, Problem
from mathlm.solving.engines.protocol import Message, Request, Sampling
from mathlm.solving.engines.protocol import Prompt as EnginePrompt
from mathlm.tasks.prompt import Prompt


@dataclass(frozen=True)
class Asking:
    """How a named solver puts problems to the model."""

    name: str
    """Written into every completion, and part of what keys its randomness."""
    prompt: Prompt
    shots: int
    """Worked examples before the question."""
    sampling: Sampling
    reasoning: bool = False
    """The model thinks first: what it writes before `</think>` is its thought."""
    think_tokens: int | None = None
    """Most tokens of the thought, which then is ended for the model; None: as the answer's."""
    total_tokens: int | None = None
    """Most tokens that the model may write in one completion; None: as many as its turns allow."""
    part: str = ""
    """Which of a solver's questions it is, where it has several: keys its randomness too."""

    def examples(self) -> str:
        """The worked examples that every prompt of this solver begins with; none in a chat."""
        return "" if self.prompt.chat else self.prompt.examples(self.shots)

    def text(self, problem: Problem) -> EnginePrompt:
        """What the model is asked: a text to complete, or the turns of a chat."""
        if not self.prompt.chat:
            return self.prompt.render(problem, self.shots)
        turns = self.prompt.messages(problem, self.shots)
        return tuple(Message(turn.role, turn.text) for turn in turns)

    def stops(self) -> tuple[str, ...]:
        """The prompt's stop strings and the solver's."""
        return (*self.prompt.stops, *self.sampling.stops)

    def request(self, problem: Problem, sample_index: int, seed: int) -> Request:
        """The request of one sample."""
        stream = "/".join((problem.task, problem.id, self.name, *((self.part,) * bool(self.part))))
        return Request(
            prompt=self.text(problem),
            shared=self.examples(),
            problem_id=stream,
            sample_index=sample_index,
            seed=seed,
            sampling=replace(self.sampling, stops=self.stops()),
        )

    def completion(
        self,
        problem: Problem,
        sample_index: int,
        segments: tuple[CompletionSegment, ...],
        finish_reason: FinishReason,
        *,
        cost: Cost,
    ) -> Completion:
        """A completion of this solver."""
        return Completion(
            problem_id=problem.id,
            task=problem.task,
            solver=self.name,
            sample_index=sample_index,
            segments=segments,
            finish_reason=finish_reason,
            cost=cost,
        )
