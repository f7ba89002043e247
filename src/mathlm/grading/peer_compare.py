"""The call of Math-Verify, imported in a worker process only: it is killed at the time limit.

The library's own timeouts are off, since they need SIGALRM and the main thread.
"""

from __future__ import annotations

import logging

from math_verify import parse, verify

_MAX = 20_000


def compare(pair: tuple[str, str]) -> bool:
    """The library's verdict on a gold and an answer text."""
    logging.disable(logging.CRITICAL)
    gold, answer = (parse(text[-_MAX:], parsing_timeout=None) for text in pair)
    return bool(verify(gold, answer, timeout_seconds=None))
