"""What a solver is, and the services that it is handed: it imports none of them.

Section 4 of the design: a solver gets a problem and a sample index and answers with completions,
the answer first, then the tree it came from. Not here: how services are made (`stage`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mathlm.core.records import Completion, GoalState, Problem, TacticOutcome, TypedValue, Verdict
from mathlm.solving.engines.protocol import Engine


class ToolResult(Protocol):
    """How a program ended."""

    @property
    def status(self) -> str:
        """`ok`, or in one word why not."""

    @property
    def stdout(self) -> str:
        """What it printed."""

    @property
    def error(self) -> str:
        """The traceback, or what was wrong in words; empty when `ok`."""

    @property
    def variables(self) -> Mapping[str, TypedValue]:
        """What it left in named variables."""

    @property
    def level(self) -> str:
        """How well it was shut in."""


class ToolSession(Protocol):
    """An interpreter after some programs; running another one makes another session."""

    @property
    def alive(self) -> bool:
        """False where the last program had to be killed: nothing can be run from here."""

    @property
    def result(self) -> ToolResult | None:
        """How the program that led here ended; None before the first."""

    async def run(self, code: str) -> ToolSession:
        """The session after `code`; this one stays as it was."""

    def close(self) -> None:
        """Let this state go; those after it stay."""


class Tool(Protocol):
    """Runs programs that a model wrote (`mathlm.solving.sandbox.Sandbox`)."""

    async def run(self, program: str) -> ToolResult:
        """How the program ended."""

    async def open(self) -> ToolSession:
        """A session before its first program."""


class Verifier(Protocol):
    """Scores solutions, whole or in part."""

    async def score(self, paths: Sequence[tuple[Problem, str]]) -> Sequence[Sequence[float]]:
        """Scores by token, step or path of each (problem, text so far)."""


class Prover(Protocol):
    """A proof checker."""

    async def start(self, problem: Problem) -> GoalState:
        """The goals of a statement."""

    async def apply(self, state: GoalState, tactic: str) -> TacticOutcome:
        """What a tactic does to a state."""

    async def check(self, problem: Problem, completion: Completion) -> Verdict:
        """Whether a completion proves its problem."""


Answer = Callable[[Problem, Completion], str | None]
"""The answer that grading would read from a completion; None where there is none."""
Same = Callable[[str, str], bool]
"""Whether grading takes two answers for equal. May take seconds: call it from a thread."""


@dataclass(frozen=True)
class Services:
    """What a run offers to its solvers; None where the run has none."""

    engine: Engine
    seed: int = 0
    sandbox: Tool | None = None
    sessions: asyncio.Semaphore | None = None
    """How many sandbox sessions may be open at a time; None: any number."""
    verifier: Verifier | None = None
    prover: Prover | None = None
    answer: Answer | None = None
    same: Same | None = None


Solver = Callable[[Problem, int, Services], Awaitable[Sequence[Completion]]]
