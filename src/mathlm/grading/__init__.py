"""Whether an answer is right, by which rule, and which answers are the same.

`grade(gold, answer)` and `grade_all(pairs)` give verdicts; `POLICIES` names whose rules decide.
Nothing is imported before the first use: the command line stays quick.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "POLICIES": "mathlm.grading.policies",
    "extract": "mathlm.grading.extraction",
    "grade": "mathlm.grading.verdicts",
    "grade_all": "mathlm.grading.verdicts",
}
__all__ = ["POLICIES", "extract", "grade", "grade_all"]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'mathlm.grading' has no attribute {name!r}")
