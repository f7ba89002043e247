"""maj@k for every k from 256 samples of 5,000 problems: exact, beside resampling.

Prints one JSON line. The peer is the estimator that harnesses use, random subsets of k samples
(numpy, vectorised over the subsets), at one k and with as few subsets as give a standard error of
half a point a problem; the exact curve has all 256 values of k.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable

import numpy as np

from mathlm.stats import Votes, maj_at_k

PROBLEMS, SAMPLES = 5000, 256
SUBSETS = (1000, 10_000)


def problems() -> list[Votes]:
    random = np.random.default_rng(0)
    found = []
    for _ in range(PROBLEMS):
        weights = np.r_[random.uniform(0.2, 3), np.full(40, 0.05)]
        counts = random.multinomial(SAMPLES - 10, random.dirichlet(weights))
        counts = counts[counts > 0]
        found.append(Votes(tuple(map(int, counts)), (1.0, *[0.0] * (len(counts) - 1)), 10))
    return found


def resampled(votes: Votes, k: int, subsets: int, random: np.random.Generator) -> float:
    drawn = random.multivariate_hypergeometric([*votes.counts, votes.abstain], k, size=subsets)
    counts = drawn[:, :-1]
    leading = (counts == counts.max(axis=1, keepdims=True)) & (counts > 0)
    return float(np.mean(leading @ np.array(votes.values) / np.maximum(1, leading.sum(axis=1))))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    given = problems()
    seconds = timed(lambda: [maj_at_k(votes) for votes in given])
    random = np.random.default_rng(1)
    few = given[:200]
    peers = {
        subsets: timed(lambda n=subsets: [resampled(v, 64, n, random) for v in few]) * 25
        for subsets in SUBSETS
    }
    errors = [abs(resampled(v, 64, 10_000, random) - maj_at_k(v)[63]) for v in few]
    figure = {
        "benchmark": "majority", "problems": PROBLEMS, "samples": SAMPLES,
        "ours_s_all_k": round(seconds, 2),
        "peer_s_one_k": {str(n): round(value, 2) for n, value in peers.items()},
        "ratio_per_k": round(min(peers.values()) / (seconds / SAMPLES), 1),
        "largest_gap_to_resampled": round(max(errors), 4),
        "numpy": np.__version__, "python": platform.python_version(),
        "machine": platform.processor() or platform.machine(),
    }  # fmt: skip
    print(json.dumps(figure))


if __name__ == "__main__":
    main()
