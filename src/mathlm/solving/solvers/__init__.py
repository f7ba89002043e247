"""Ways to solve a problem with an engine, by the name that recipes use.

Each is bound to its prompt and sampling with `functools.partial` (`mathlm.solving.binding`) and is
then a `Solver`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from mathlm.core.records import Completion
from mathlm.solving.solvers.cot import chain_of_thought
from mathlm.solving.solvers.hybrid import hybrid
from mathlm.solving.solvers.program import program_of_thought
from mathlm.solving.solvers.tool import tool_loop

SOLVERS: dict[str, Callable[..., Coroutine[Any, Any, Sequence[Completion]]]] = {
    "cot": chain_of_thought,
    "program": program_of_thought,
    "tool": tool_loop,
    "hybrid": hybrid,
}
