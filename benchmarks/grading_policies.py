"""Agreement of the emulated policies with the graders that they emulate, pair by pair.

`minerva` beside lm-evaluation-harness' `minerva_math` (`pip install lm-eval math-verify
antlr4-python3-runtime==4.11`), `prm800k` beside a checkout of openai/prm800k (`--prm800k
PATH/prm800k`, needs `pylatexenc`). One JSON line a policy: pairs, agreement, and every deviation.
The originals evaluate text: run it on texts that you trust. Needs the data folder.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mathlm.grading.extraction import extract
from mathlm.grading.minerva import normalise, phrase, tex_equal
from mathlm.grading.prm800k import equal
from mathlm.grading.selfcheck import MUTATIONS

Pair = tuple[str, str]
_LIMIT_S = 5


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pairs(data: Path, cases: Path) -> list[Pair]:
    """Distinct (gold, answer) pairs: Llemma's MATH answers, case suites, golds and mutations."""
    found: dict[Pair, None] = {}
    for row in _rows(data / "outputs/llemma_34b_demo.jsonl"):
        if row["task"].startswith("minerva_math"):
            answer = phrase(row["model_answer"]).answer
            gold = extract(row["reference_answer"]).answer
            if answer and gold:
                found[gold, answer] = None
    for row in [*_rows(data / "graders/cases.jsonl"), *_rows(cases)]:
        gold, answer = (
            extract(text).answer for text in (row["gold"], row.get("pred") or row.get("answer", ""))
        )
        if gold and answer:
            found[gold, answer] = None
    for row in _rows(data / "benchmarks/math/math500.jsonl"):
        for _, mutate in MUTATIONS.values():
            if changed := mutate(row["answer"]):
                found[row["answer"], changed] = None
    return list(found)


def _limited(call: Callable[[], bool]) -> bool:
    """The original's verdict; False where it takes too long or raises, as a caller would score."""

    def stop(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(_LIMIT_S)
    try:
        return bool(call())
    except Exception:  # noqa: BLE001 - whatever the original raises counts as its refusal
        return False
    finally:
        signal.alarm(0)


def minerva(cases: list[Pair]) -> Iterator[tuple[Pair, bool, bool]]:
    """Equality of normalised answers: ours, and the harness' `is_equiv` of the same strings."""
    from lm_eval.tasks.minerva_math.utils import is_equiv

    for gold, answer in cases:
        first, second = normalise(gold), normalise(answer)
        ours = tex_equal(first, second).status == "correct"
        yield (gold, answer), ours, _limited(lambda a=first, b=second: is_equiv(b, a))


def harness(cases: list[Pair]) -> Iterator[tuple[Pair, bool, bool]]:
    """The same with the harness' own, newer normalisation on its side."""
    from lm_eval.tasks.minerva_math.utils import is_equiv, normalize_final_answer

    for gold, answer in cases:
        ours = tex_equal(normalise(gold), normalise(answer)).status == "correct"
        first, second = normalize_final_answer(gold), normalize_final_answer(answer)
        yield (gold, answer), ours, _limited(lambda a=first, b=second: is_equiv(b, a))


def prm800k(cases: list[Pair]) -> Iterator[tuple[Pair, bool, bool]]:
    """Our emulation and the original `grade_answer` on the same answers."""
    from grading.grader import grade_answer

    for gold, answer in cases:
        ours = equal(gold, answer)[0]
        yield (gold, answer), ours, _limited(lambda g=gold, a=answer: grade_answer(a, g))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("MATHLM_DATA", "../shared/data"))
    )
    parser.add_argument("--cases", type=Path, default=Path("tests/grading/cases.jsonl"))
    parser.add_argument("--prm800k", type=Path, help="the folder that holds grading/grader.py")
    parser.add_argument("--every", type=int, default=1, help="only each n-th pair")
    args = parser.parse_args()
    known = pairs(args.data, args.cases)[:: args.every]
    wanted = {"minerva": minerva, "minerva (harness normalisation)": harness}
    if args.prm800k:
        sys.path.insert(0, str(args.prm800k))
        wanted["prm800k"] = prm800k
    for name, compare in wanted.items():
        rows = list(compare(known))
        deviations = [
            {"gold": gold, "answer": answer, "ours": ours, "original": theirs}
            for (gold, answer), ours, theirs in rows
            if ours != theirs
        ]
        agreement = 1 - len(deviations) / len(rows)
        print(json.dumps({"benchmark": "grading_policies", "policy": name, "pairs": len(rows),
                          "agreement": round(agreement, 5), "deviations": deviations}))  # fmt: skip


if __name__ == "__main__":
    main()
