"""How far verifiers' scores on completions can be trusted, and where scores vary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mathlm.reporting.completions import Scan
from mathlm.reporting.inputs import Evaluation
from mathlm.reporting.verdicts import is_right
from mathlm.stats import auc, ece, variance_split

Row = dict[str, Any]


def calibration(
    evaluations: Sequence[Evaluation], scans: Sequence[Scan], confidence: float
) -> list[Row]:
    """Area under the ROC curve (clustered by problem) and, for probabilities, calibration error."""
    rows = []
    for evaluation, scan in zip(evaluations, scans, strict=True):
        for (task, solver, name), found in scan.scored.items():
            head = {"model": evaluation.model, "task": task, "solver": solver, "score": name}
            right = sum(found.right)
            row: Row = {**head, "n": len(found.right), "right": right, "auc": None, "ece": None}
            row |= {"auc_low": None, "auc_high": None, "largest_gap": None, "bins": []}
            if 0 < right < len(found.right):
                area = auc(
                    found.scores, found.right, clusters=found.problems, confidence=confidence
                )
                row |= {"auc": area.value, "auc_low": area.low, "auc_high": area.high}
            if min(found.scores) >= 0 and max(found.scores) <= 1:
                error = ece(found.scores, found.right, bins=10)
                bins = [
                    {"low": b.low, "high": b.high, "score": b.score, "accuracy": b.accuracy,
                     "n": b.n}
                    for b in error.bins
                ]  # fmt: skip
                row |= {"ece": error.error, "largest_gap": error.largest, "bins": bins}
            rows.append(row)
    return rows


def variances(evaluations: Sequence[Evaluation]) -> Iterator[Row]:
    """The variance of accuracy split into problems and samples, where samples repeat."""
    for evaluation in evaluations:
        for solver, tasks in evaluation.marks.items():
            for task, problems in tasks.items():
                scores = [[float(is_right(m)) for m in marks] for marks in problems.values()]
                if len(scores) < 2 or max(map(len, scores)) < 2:
                    continue
                split = variance_split(scores)
                yield {
                    "model": evaluation.model, "task": task, "solver": solver,
                    "problems": split.problems, "samples": split.samples,
                    "error_problems": split.error_problems, "error_samples": split.error_samples,
                    "n_problems": split.n_problems, "n_samples": split.n_samples,
                }  # fmt: skip
