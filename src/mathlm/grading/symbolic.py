"""The slow path: latex2sympy2_extended and SymPy, imported in a worker process only.

Not here: the worker (`mathlm.core.processes`), which kills what takes too long. The parser is a
grammar (ANTLR); no string is ever given to `sympify`, `parse_expr` or `eval`.
"""

from __future__ import annotations

import logging
from typing import Any

import sympy
from latex2sympy2_extended import NormalizationConfig, latex2sympy

from mathlm.grading.cpu_limit import limited

MAX_LATEX = 1500
"""Characters of LaTeX that are handed to the parser."""


def _parse(latex: str) -> Any:
    config = NormalizationConfig(
        basic_latex=True, units=True, malformed_operators=True, nits=True, boxed="none"
    )
    return latex2sympy(latex, normalization_config=config)


def _equal(first: Any, second: Any) -> bool:
    if first == second:
        return True
    if isinstance(first, sympy.MatrixBase) != isinstance(second, sympy.MatrixBase):
        return False
    if isinstance(first, sympy.MatrixBase):
        return first.shape == second.shape and all(
            _equal(a, b) for a, b in zip(first, second, strict=True)
        )
    if isinstance(first, sympy.Equality) and isinstance(second, sympy.Equality):
        return _equal(first.rhs, second.rhs) and _equal(first.lhs, second.lhs)
    if not isinstance(first, sympy.Expr) or not isinstance(second, sympy.Expr):
        return False
    difference = first - second
    if difference.has(sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit):
        difference = difference.doit()
    return bool(sympy.simplify(difference) == 0)


def compare(pair: tuple[str, str]) -> bool | None:
    """Whether two LaTeX answers are equal; None where either cannot be read.

    Raises TimeoutError at the limit of processor time, and whatever the parser or SymPy raises: the
    worker reports it as the item's outcome.
    """
    gold, answer = pair
    if max(len(gold), len(answer)) > MAX_LATEX:
        return None
    return limited(lambda: _compare(gold, answer))


def _compare(gold: str, answer: str) -> bool | None:
    first, second = _parse(gold), _parse(answer)
    if first is None or second is None:
        return None
    return _equal(first, second)


logging.disable(logging.CRITICAL)
_compare("1", r"\int_0^1 \frac{2x}{\sqrt{1}} dx")  # the parser's tables are built at its first use
