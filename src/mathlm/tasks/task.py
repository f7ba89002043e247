"""What a benchmark is to the rest of the system: where its problems come from and how one asks.

Not here: solving (mathlm.solving) and judging (mathlm.grading); a task says only which kind of
answer it has. Source: few-shot prompting as in lm-evaluation-harness (shots, then the question).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mathlm.core.records import Problem

AnswerKind = Literal["number", "expression", "choice", "proof"]
SolverKind = Literal["cot", "program"]
Split = Literal["train", "dev", "test"]
Load = Callable[[Split, int | None, int], list[Problem]]


@dataclass(frozen=True)
class Prompt:
    """How a task's question is put to a model, with worked examples before it."""

    shots: tuple[tuple[str, str], ...]
    """(question, worked solution) pairs, in the order in which they are shown."""
    question: str
    """Format string with `{question}`; what follows it is the model's to write."""
    answer: str
    """Format string with `{answer}`: how a shot's solution follows its question."""
    stops: tuple[str, ...]
    """The first of these that the model writes ends its answer (and is not part of it)."""

    def render(self, problem: Problem, shots: int) -> str:
        """The text to complete: the first `shots` worked examples, then the problem's question.

        Raises ValueError where the prompt has fewer worked examples than are asked for.
        """
        if not 0 <= shots <= len(self.shots):
            raise ValueError(f"{shots} shots were asked for, the prompt has {len(self.shots)}")
        examples = (
            self.question.format(question=question) + self.answer.format(answer=answer)
            for question, answer in self.shots[:shots]
        )
        return "".join(examples) + self.question.format(question=problem.prompt)


@dataclass(frozen=True)
class Task:
    """One benchmark, or one part of it that is reported by itself."""

    name: str
    description: str
    """One sentence for the report: what the problems are and what they test."""
    load: Load
    """(split, at most so many or None for all, seed) → problems; equal arguments, equal list."""
    prompts: Mapping[str, Prompt]
    """By solver kind: `cot` (a solution in words), `program` (code that computes the answer)."""
    answer_kind: AnswerKind
    source: str
    """Where the problems come from: a data set's name and revision, a paper, or a generator."""
    licence: str
    columns: Mapping[str, str] = field(default_factory=dict)
    """For a data set on disk: a Problem's field → the data set's column; else empty."""
