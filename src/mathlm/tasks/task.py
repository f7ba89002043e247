"""What a benchmark is to the rest of the system: where its problems come from and how one asks.

Not here: solving (mathlm.solving) and judging (mathlm.grading); a task says only which kind of
answer it has. Prompts are in `prompt`, data on disk in `dataset`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from mathlm.core.errors import UserError
from mathlm.core.records import Problem
from mathlm.tasks.dataset import ANYWHERE, DataSet, Found, Split, Where
from mathlm.tasks.prompt import Prompt

AnswerKind = Literal["number", "expression", "choice", "proof"]
SolverKind = Literal["cot", "program"]
DEFAULT = "default"


class Generate(Protocol):
    """How the problems of a task without data are made."""

    def __call__(self, split: Split, limit: int | None, seed: int, /) -> list[Problem]:
        """At most `limit` problems of a split (None: as many as is usual), always the same."""


@dataclass(frozen=True)
class Task:
    """One benchmark, or one part of it that is reported by itself."""

    name: str
    description: str
    """One sentence for the report: what the problems are and what they test."""
    prompts: Mapping[str, Prompt]
    """By `KIND` for our own (`cot`: a solution in words; `program`: code that computes the
    answer) and by `KIND.VARIANT` for others (`cot.llemma`, `program.pal`, `cot.chat`)."""
    answer_kind: AnswerKind
    source: str
    """Where the problems come from: a data set's name and revision, a paper, or a generator."""
    licence: str
    data: DataSet | None = None
    """Its data on disk; None: the problems are generated."""
    generate: Generate | None = None
    """Its generator, where it has no data."""

    def find(self, split: Split, limit: int | None, seed: int, where: Where = ANYWHERE) -> Found:
        """At most `limit` problems of a split (None: all) and where they come from.

        Equal arguments and data, equal problems; a larger limit keeps those of a smaller one.
        Raises UserError where the data are missing, damaged or without that split.
        """
        if self.data is not None:
            return self.data.draw(self.data.find(split, where), split, limit, seed)
        assert self.generate is not None, f"task {self.name} has neither data nor a generator"
        if where.data is not None and Path(where.data).is_file():
            raise UserError(f"task '{self.name}' is generated; it takes no file ({where.data})")
        return Found(tuple(self.generate(split, limit, seed)), (), "generated", "")

    def load(
        self, split: Split, limit: int | None, seed: int, where: Where = ANYWHERE
    ) -> list[Problem]:
        """The problems alone."""
        return list(self.find(split, limit, seed, where).problems)

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
        return self.prompts[key].from_folder(folder)
