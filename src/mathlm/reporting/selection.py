"""Which completions can be looked at in the page: a sample that does not lose what matters.

Problem by problem in a fixed pseudo-random order, task by task in turn, and of each problem every
model's and solver's samples, so that solutions can be compared. Problems about which policies
disagree or models differ come first, up to half of the whole. Not here: their texts (`browser`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mathlm.reporting.completions import Key
from mathlm.reporting.inputs import Evaluation
from mathlm.reporting.policies import disputed
from mathlm.reporting.verdicts import is_right
from mathlm.tokens.order import key_of

_PER_SOLVER = 8
"""Samples of one solver on one problem that are taken before other problems have their turn."""
CHANGES = ("right in both", "gained", "lost", "wrong in both")

Problem = tuple[str, str]
"""Task and id."""


@dataclass
class Selection:
    """Chosen completions by evaluation, and the problems in the order in which they are shown."""

    problems: list[Problem] = field(default_factory=list)
    wanted: list[dict[Key, None]] = field(default_factory=list)
    """For each evaluation, in order."""
    total: int = 0
    """Graded completions that there are."""
    disputed: list[dict[tuple[str, str, str], set[int]]] = field(default_factory=list)
    changes: dict[Problem, int] = field(default_factory=dict)
    """Index into `CHANGES`: the first evaluation against the last one."""


def choose(evaluations: Sequence[Evaluation], number: int) -> Selection:
    """At most `number` completions, always whole problems but for samples beyond the eighth."""
    found = Selection(
        wanted=[{} for _ in evaluations],
        total=sum(
            len(marks)
            for evaluation in evaluations
            for tasks in evaluation.marks.values()
            for problems in tasks.values()
            for marks in problems.values()
        ),
        disputed=[disputed(evaluation) for evaluation in evaluations],
        changes=_changes(evaluations),
    )
    taken = 0
    for problem in _order(evaluations, found):
        if taken >= number:
            break
        found.problems.append(problem)
        for place, evaluation in enumerate(evaluations):
            for key in _keys(evaluation, problem, found.disputed[place]):
                if taken < number:
                    found.wanted[place][key] = None
                    taken += 1
    return found


def _order(evaluations: Sequence[Evaluation], found: Selection) -> Iterator[Problem]:
    """Interesting problems and others in turn, tasks in turn, each in its pseudo-random order."""
    problems = dict.fromkeys(
        (task, problem)
        for evaluation in evaluations
        for tasks in evaluation.marks.values()
        for task, marks in tasks.items()
        for problem in marks
    )
    apart = {(task, problem) for known in found.disputed for _, task, problem in known}
    apart |= {key for key, change in found.changes.items() if CHANGES[change] in ("gained", "lost")}
    by_task: dict[str, tuple[list[Problem], list[Problem]]] = {}
    for key in sorted(problems, key=lambda p: key_of("samples", *p)):
        by_task.setdefault(key[0], ([], []))[key not in apart].append(key)
    queues = [(iter(special), iter(rest)) for special, rest in by_task.values()]
    while queues:
        left = []
        for special, rest in queues:
            pair = [item for item in (next(special, None), next(rest, None)) if item is not None]
            yield from pair
            if pair:
                left.append((special, rest))
        queues = left


def _keys(
    evaluation: Evaluation, problem: Problem, disagreed: Mapping[tuple[str, str, str], set[int]]
) -> Iterator[Key]:
    task, identifier = problem
    for solver, tasks in evaluation.marks.items():
        marks = tasks.get(task, {}).get(identifier, [])
        special = disagreed.get((solver, task, identifier), set())
        chosen = sorted(marks, key=lambda mark: mark.sample not in special)[:_PER_SOLVER]
        for mark in sorted(chosen, key=lambda mark: mark.sample):
            yield Key(solver, task, identifier, mark.sample)


def _changes(evaluations: Sequence[Evaluation]) -> dict[Problem, int]:
    """How the last evaluation changed each problem that the first one did too."""
    if len(evaluations) < 2:
        return {}
    before, after = _first_right(evaluations[0]), _first_right(evaluations[-1])
    places = {(True, True): 0, (False, True): 1, (True, False): 2, (False, False): 3}
    return {key: places[before[key], right] for key, right in after.items() if key in before}


def _first_right(evaluation: Evaluation) -> dict[Problem, bool]:
    """Whether the first solver that did a problem has a right first sample."""
    found: dict[Problem, bool] = {}
    for tasks in evaluation.marks.values():
        for task, problems in tasks.items():
            for problem, marks in problems.items():
                found.setdefault((task, problem), is_right(marks[0]))
    return found
