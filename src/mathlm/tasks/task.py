"""What a benchmark is to the rest of the system: where its problems come from and how one asks.

Not here: solving (mathlm.solving) and judging (mathlm.grading); a task says only which kind of
answer it has. Prompts are in `prompt`, data sets on disk in `data`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from mathlm.core.errors import UserError
from mathlm.core.records import Problem
from mathlm.tasks.prompt import Prompt

AnswerKind = Literal["number", "expression", "choice", "proof"]
SolverKind = Literal["cot", "program"]
Split = Literal["train", "dev", "test"]
DEFAULT = "default"


@dataclass(frozen=True)
class Where:
    """Where a task's data may be found, as the user says."""

    data: str | None = None
    """A file, or a folder laid out as `MATHLM_DATA`/benchmarks; None: MATHLM_DATA."""
    check: bool = True
    """Refuse data that are not the known ones; False: take them as they are."""
    download: bool = False
    """Read them from the Hub where they are nowhere else."""


ANYWHERE = Where()


class Load(Protocol):
    """How a task's problems are had."""

    def __call__(
        self, split: Split, limit: int | None, seed: int, where: Where = ..., /
    ) -> list[Problem]:
        """At most `limit` problems of a split (None: all); equal arguments, equal list.

        Raises UserError where the data are missing, damaged or without that split.
        """


@dataclass(frozen=True)
class Task:
    """One benchmark, or one part of it that is reported by itself."""

    name: str
    description: str
    """One sentence for the report: what the problems are and what they test."""
    load: Load
    prompts: Mapping[str, Prompt]
    """By `KIND` for our own (`cot`: a solution in words; `program`: code that computes the
    answer) and by `KIND.VARIANT` for others (`cot.llemma`, `program.pal`, `cot.chat`)."""
    answer_kind: AnswerKind
    source: str
    """Where the problems come from: a data set's name and revision, a paper, or a generator."""
    licence: str
    columns: Mapping[str, str] = field(default_factory=dict)
    """For a data set on disk: a Problem's field → the data set's column; else empty."""

    def variants(self, kind: str) -> tuple[str, ...]:
        """Names of the prompts for a kind of solver; `default` is our own."""
        return tuple(
            key.partition(".")[2] or DEFAULT
            for key in self.prompts
            if key.partition(".")[0] == kind
        )

    def prompt(self, kind: str, variant: str = DEFAULT, folder: str | None = None) -> Prompt:
        """The prompt for a kind of solver, its published text (if it is one) read and checked.

        `folder` is where published texts lie, if not under `MATHLM_DATA`. Raises UserError that
        names the variants there are, or says what is wrong with the file.
        """
        key = kind if variant == DEFAULT else f"{kind}.{variant}"
        if key not in self.prompts:
            there = self.variants(kind)
            kinds = ", ".join(dict.fromkeys(key.partition(".")[0] for key in self.prompts))
            hint = f"there are {', '.join(there)}" if there else f"it has prompts for {kinds}"
            raise UserError(f"task '{self.name}' has no prompt '{variant}' for {kind}: {hint}")
        chosen = self.prompts[key].from_folder(folder)
        if chosen.published is not None:
            chosen.published.text()
        return chosen
