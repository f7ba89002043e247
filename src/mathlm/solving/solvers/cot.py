"""Chain of thought: the model writes a worked solution, after worked examples or none.

Wei et al., "Chain-of-thought prompting elicits reasoning", arXiv 2201.11903. Voting (arXiv
2203.11171) is this solver with several samples: grading counts the votes.
"""

from __future__ import annotations

from collections.abc import Sequence

from mathlm.core.records import Completion, Problem
from mathlm.solving.services import Services
from mathlm.solving.solvers.asking import Asking
from mathlm.solving.solvers.writing import ask


async def chain_of_thought(
    problem: Problem, sample_index: int, services: Services, *, how: Asking
) -> Sequence[Completion]:
    """One worked solution; `finish_reason` is `length` where it was cut off.

    Cut off within its thought, a reasoning model's completion has a thought as its last segment.
    """
    return [await ask(problem, sample_index, services, how=how)]
