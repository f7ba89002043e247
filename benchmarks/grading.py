"""Speed of grading: GSM8K answers on one core, uncached MATH answers on two, Math-Verify beside.

One JSON line a figure: ours, the peer's best over its settings in the same run, the ratio,
versions, hardware. Run as `python benchmarks/grading.py [--data DIR]`; needs the data folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mathlm.grading import grader, slow
from mathlm.grading.verdicts import grade_all

Pairs = list[tuple[str, str]]
_SYMPY = ("1", "$\\int_0^1 2x dx$")


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def gsm8k_pairs(data: Path) -> Pairs:
    """Gold solutions and GPT-3's solutions, all distinct texts of some 300 characters."""
    rows = [json.loads(line) for line in (data / "outputs/gpt3_gsm8k.jsonl").open()]
    columns = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    return [(row["ground_truth"], row[name]["solution"]) for name in columns for row in rows]


def math_pairs(data: Path) -> Pairs:
    """MATH's solutions in pairs that hold no text twice: nothing is found in a cache."""
    golds = [row["solution"] for row in _rows(data / "benchmarks/math/test.jsonl")]
    half = len(golds) // 2
    return [*zip(golds[:half:2], golds[half::2], strict=False),
            *((gold, f"{gold} ") for gold in golds[1:half:2])]  # fmt: skip


def model_pairs(data: Path) -> Pairs:
    """Llemma-34B's 700 answers to MATH as it wrote them, with the reference solutions."""
    rows = _rows(data / "outputs/llemma_34b_demo.jsonl")
    return [
        (row["reference_answer"], row["model_answer"])
        for row in rows
        if row["task"].startswith("minerva_math")
    ]


def _ours(pairs: Pairs) -> int:
    grader.forget()
    slow.forget()
    return sum(verdict.status == "correct" for verdict in grade_all(pairs))


def _theirs(pairs: Pairs) -> int:
    from math_verify import parse, verify

    return sum(
        bool(verify(parse(gold, parsing_timeout=None), parse(answer, parsing_timeout=None),
                    timeout_seconds=None))
        for gold, answer in pairs
    )  # fmt: skip


def _cpu(function: Callable[[Pairs], int], pairs: Pairs) -> float:
    """Answers a second of processor time: other users of the machine do not count."""
    start = time.process_time()
    function(pairs)
    return len(pairs) / (time.process_time() - start)


def _wall(function: Callable[[Pairs], int], pairs: Pairs, workers: int) -> float:
    step = len(pairs) // (4 * workers) + 1
    pieces = [pairs[i : i + step] for i in range(0, len(pairs), step)]
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(function, [[*pairs[:1], _SYMPY]] * workers))  # imports are not timed
        start = time.perf_counter()
        list(pool.map(function, pieces))
        return len(pairs) / (time.perf_counter() - start)


def _versions(names: Sequence[str]) -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _print(name: str, unit: str, ours: float, peer: dict[str, float]) -> None:
    best = max(peer.values(), default=None)
    line = {
        "benchmark": name,
        "value": round(ours, 1),
        "unit": unit,
        "peer": "math-verify" if peer else None,
        "peer_settings": {key: round(value, 1) for key, value in peer.items()},
        "ratio": round(ours / best, 1) if best else None,
        "versions": _versions(("math-verify", "latex2sympy2_extended", "sympy")),
        "hardware": f"{os.cpu_count()} × {platform.processor() or platform.machine()}",
    }
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("MATHLM_DATA", "../shared/data"))
    )
    parser.add_argument("--peer-items", type=int, default=300, help="answers given to the peer")
    args = parser.parse_args()
    gsm8k = gsm8k_pairs(args.data)
    has_peer = _versions(("math-verify",))["math-verify"] != "not installed"
    peer = {"parse+verify": _cpu(_theirs, gsm8k[: args.peer_items])} if has_peer else {}
    _ours(gsm8k[:50])
    _print("grade_gsm8k", "answers/s/core", _cpu(_ours, gsm8k), peer)
    for name, math in (("golds", math_pairs(args.data)), ("llemma", model_pairs(args.data))):
        few = math[:: max(1, len(math) // args.peer_items)]
        peer = {f"{n} processes": _wall(_theirs, few, n) for n in (1, 2)} if has_peer else {}
        ours = _wall(_ours, math, 2)
        _print(f"grade_math_uncached_{name}", "answers/s on 2 cores", ours, peer)


if __name__ == "__main__":
    main()
