"""The call of Math-Verify, imported in a worker process only: it is killed at the time limit.

The library's own timeouts are off, since they need SIGALRM and the main thread.
"""

from __future__ import annotations

import logging

from math_verify import parse, verify

from mathlm.grading.cpu_limit import limited

_MAX = 20_000


def compare(pair: tuple[str, str]) -> bool:
    """The library's verdict on a gold and an answer text."""
    logging.disable(logging.CRITICAL)
    return limited(lambda: _verified(*pair))


def _verified(gold: str, answer: str) -> bool:
    parsed = [parse(text[-_MAX:], parsing_timeout=None) for text in (gold, answer)]
    return bool(verify(*parsed, timeout_seconds=None))
