"""One question put to the engine: the part that all solvers of a prompt share."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mathlm.core.records import Completion, CompletionSegment, Cost, Problem
from mathlm.solving.engines.protocol import Request, Sampling
from mathlm.solving.services import Services
from mathlm.tasks import Prompt


@dataclass(frozen=True)
class Asking:
    """How a named solver puts problems to the model."""

    name: str
    """Written into every completion, and part of what keys its randomness."""
    prompt: Prompt
    shots: int
    """Worked examples before the question."""
    sampling: Sampling

    def examples(self) -> str:
        """The worked examples that every prompt of this solver begins with."""
        return self.prompt.examples(self.shots)

    def request(self, problem: Problem, sample_index: int, seed: int) -> Request:
        """The request of one sample."""
        stops = (*self.prompt.stops, *self.sampling.stops)
        return Request(
            prompt=self.prompt.render(problem, self.shots),
            shared=self.examples(),
            problem_id=f"{problem.task}/{problem.id}/{self.name}",
            sample_index=sample_index,
            seed=seed,
            sampling=replace(self.sampling, stops=stops),
        )


async def ask(
    problem: Problem, sample_index: int, services: Services, *, how: Asking
) -> Completion:
    """The model's own text as a completion of one segment."""
    made = await services.engine.generate(how.request(problem, sample_index, services.seed))
    segment = CompletionSegment(
        source="model", text=made.text, token_ids=made.token_ids, logprobs=made.logprobs
    )
    return Completion(
        problem_id=problem.id,
        task=problem.task,
        solver=how.name,
        sample_index=sample_index,
        segments=(segment,),
        finish_reason=made.finish_reason,
        cost=Cost(prompt_tokens=made.prompt_tokens, model_tokens=len(made.token_ids)),
    )
