"""The one pool of SymPy workers of this process, made when the first answer needs it.

Not here: what the workers compute (`symbolic`). Safe from any thread; closed at exit. A pair that
takes too long, too much memory, or breaks the parser is a judgement of its own and costs nothing
but its time limit. Judgements are cached.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Sequence

from mathlm.core.processes import Outcome, Pool
from mathlm.grading.clean import unify
from mathlm.grading.grader import Judgement, read
from mathlm.grading.policies import SYMBOLIC
from mathlm.grading.terms import TooLarge

TIMEOUT_S = 20.0
"""Wall-clock limit, for what hangs where no signal reaches; processor time has its own limit."""
MEMORY_MIB = 1024
_MAX_CACHE = 65_536
_lock = threading.Lock()
_pools: dict[tuple[str, int], Pool] = {}
_cache: dict[tuple[str, str, str], Judgement] = {}

Pair = tuple[str, str]


def _pool(function: str, workers: int) -> Pool:
    with _lock:
        key = function, workers
        if key not in _pools:
            if not _pools:
                atexit.register(close)
            _pools[key] = Pool(
                function,
                workers=workers,
                timeout_s=TIMEOUT_S,
                memory_mib=MEMORY_MIB,
            )
        return _pools[key]


def forget() -> None:
    """Empty the cache of judgements."""
    _cache.clear()


def close() -> None:
    """End the workers; the next pair starts new ones."""
    with _lock:
        pools = list(_pools.values())
        _pools.clear()
    for pool in pools:
        pool.close()


def _judgement(function: str, pair: Pair, outcome: Outcome) -> Judgement:
    rule = "symbolic" if function == SYMBOLIC else "library"
    forms = read(pair[0]).normal, read(pair[1]).normal
    if outcome.status == "done" and outcome.value is not None:
        return Judgement("correct" if outcome.value else "incorrect", rule, *forms)
    late = outcome.detail.startswith("TimeoutError: ")
    if outcome.status == "timeout" or late:
        return Judgement("timeout", rule, *forms, outcome.detail.removeprefix("TimeoutError: "))
    if outcome.status in ("memory", "crashed"):
        return Judgement("error", rule, *forms, f"{outcome.status}: {outcome.detail}")
    last = outcome.detail.strip().splitlines()[-1] if outcome.detail.strip() else "unreadable"
    return Judgement("incorrect", "unread", *forms, last[:200])


def _latex(text: str) -> str:
    try:
        return unify(text).replace("$", " ").strip()
    except TooLarge:
        return ""


def compare_all(function: str, pairs: Sequence[Pair], workers: int = 1) -> list[Judgement]:
    """Judgements by a worker's function of (gold, answer) pairs, in their order."""
    wanted = [pair for pair in dict.fromkeys(pairs) if (function, *pair) not in _cache]
    if wanted:
        pool = _pool(function, max(1, workers))
        items = [(_latex(g), _latex(a)) for g, a in wanted] if function == SYMBOLIC else wanted
        for pair, outcome in zip(wanted, pool.map(items), strict=True):
            if len(_cache) > _MAX_CACHE:
                _cache.clear()
            _cache[(function, *pair)] = _judgement(function, pair, outcome)
    return [_cache[(function, *pair)] for pair in pairs]
