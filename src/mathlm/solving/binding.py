"""A solver's settings and a task's prompt, made into a `Solver` and a hash of all that decides.

Not here: engines and sandboxes (`services`), which a solver is handed when it runs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import Any

from mathlm.core.errors import UserError
from mathlm.core.records import Problem
from mathlm.solving.config import SolverConfig
from mathlm.solving.engines.protocol import Sampling
from mathlm.solving.services import Solver
from mathlm.solving.solvers import SOLVERS
from mathlm.solving.solvers.asking import Asking
from mathlm.solving.solvers.tool import ToolUse
from mathlm.tasks import Task

PROGRAMS = frozenset({"program", "tool", "hybrid"})
"""Kinds of solver that need a sandbox."""


@dataclass(frozen=True)
class Bound:
    """A solver for the problems of one task."""

    solver: Solver
    askings: tuple[Asking, ...]
    """What it asks: one question, or a program and words."""
    settings: str
    """All but the prompts that decides what it makes, as JSON."""

    def fingerprint(self, problem: Problem, base: str) -> int:
        """64 bits over settings, prompts and `base` (the model and what else a run fixes)."""
        digest = hashlib.sha256(f"{base}\n{self.settings}\n".encode())
        for asking in self.askings:
            told = [asking.text(problem), asking.stops(), asking.prompt.program_form]
            digest.update(json.dumps([*told, asking.prompt.answer_name], default=_plain).encode())
        return int.from_bytes(digest.digest()[:8], "big")


def _plain(value: Any) -> list[str]:
    return [value.role, value.content]  # a chat's turns, the only objects in a prompt


def bind(name: str, settings: SolverConfig, task: Task, folder: str | None = None) -> Bound:
    """The solver `name` for a task; `folder` has published prompts.

    Raises UserError where the task has no such prompt, or not so many worked examples.
    """
    kinds = ("program", "cot") if settings.kind == "hybrid" else (settings.kind,)
    askings = tuple(_asking(name, settings, task, kind=kind, folder=folder) for kind in kinds)
    more: dict[str, Any] = {}
    if settings.kind == "tool":
        more["use"] = ToolUse(settings.tool_calls, settings.output_characters)
    if settings.kind == "hybrid":
        more |= {"words": askings[1], "mode": settings.mode, "prefer": settings.prefer}
    solver = partial(SOLVERS[settings.kind], how=askings[0], **more)
    decides = settings.model_dump_json(exclude={"samples"})
    return Bound(solver, askings, f"{name} {decides}")


def _asking(
    name: str, settings: SolverConfig, task: Task, *, kind: str, folder: str | None
) -> Asking:
    prompt = task.prompt(kind, settings.prompt, folder)
    shots = prompt.shot_count if settings.shots is None else settings.shots
    try:
        prompt.check_shots(shots)
    except ValueError as error:
        raise UserError(f"solver '{name}', task '{task.name}': {error}") from None
    sampling = Sampling(
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        min_p=settings.min_p,
        repetition_penalty=settings.repetition_penalty,
        stops=settings.stops,
    )
    return Asking(
        name=name,
        prompt=prompt,
        shots=shots,
        sampling=sampling,
        reasoning=settings.reasoning,
        think_tokens=settings.think_tokens,
        total_tokens=settings.total_tokens,
        part=kind if settings.kind == "hybrid" else "",
    )
