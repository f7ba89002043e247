"""Math-Verify, the library, as a policy beside ours: called in a worker with its own timeouts off.

Optional: `pip install math-verify`. Not ours to fix: verdicts are the library's.
"""

from __future__ import annotations

import importlib.util
import logging

from mathlm.core.errors import UserError

_MAX = 20_000


def is_installed() -> bool:
    """Whether the library can be imported."""
    return importlib.util.find_spec("math_verify") is not None


def require() -> None:
    """Raise UserError with what to do where the library is missing."""
    if not is_installed():
        raise UserError("policy math_verify needs its library: pip install math-verify")


def compare(pair: tuple[str, str]) -> bool:
    """The library's verdict on two texts; runs in a worker, which is killed at the limit."""
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    gold, answer = (text[-_MAX:] for text in pair)
    return bool(
        verify(
            parse(gold, parsing_timeout=None),
            parse(answer, parsing_timeout=None),
            timeout_seconds=None,
        )
    )
