"""A report as values: everything that `report.json` holds and the page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mathlm.reporting import costs, policies, scores, tables, verifiers
from mathlm.reporting.completions import Scan
from mathlm.reporting.config import ReportConfig
from mathlm.reporting.inputs import Inputs
from mathlm.reporting.memorisation import memorisation
from mathlm.reporting.overlap import Overlap

FORMAT = "mathlm-report-2"
Row = dict[str, Any]


@dataclass(frozen=True)
class Content:
    """All figures of a report; the rows are described in `schema`."""

    title: str
    confidence: float
    models: list[str]
    """The baseline first."""
    policies: list[str]
    """Those that count."""
    results: list[Row]
    published: list[Row]
    by_subject: list[Row]
    by_level: list[Row]
    comparisons: list[Row]
    statuses: list[Row]
    majority_curves: list[Row]
    pass_curves: list[Row]
    policy_scores: list[Row]
    policy_pairs: list[Row]
    variances: list[Row]
    calibration: list[Row]
    memorisation: list[Row]
    overlap: Row | None
    completions: list[Row]
    engines: list[Row]
    left_out: list[Row]
    funnel: list[Row]
    sizes: Mapping[str, Any]
    seconds: Mapping[str, float]
    peak_memory_mib: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """The value of `report.json`."""
        seconds = {name: round(value, 2) for name, value in self.seconds.items()}
        own = {name: value for name, value in vars(self).items() if name not in _CLOCKS}
        return {
            "format": FORMAT,
            **own,
            "seconds": {**seconds, "total": round(sum(self.seconds.values()), 2)},
            "peak_memory_mib": max(self.peak_memory_mib.values(), default=None),
            "peak_memory_mib_by_stage": dict(self.peak_memory_mib),
        }


_CLOCKS = ("seconds", "peak_memory_mib")


def collect(
    inputs: Inputs, config: ReportConfig, scans: Sequence[Scan], overlap: Overlap | None
) -> Content:
    """Compute every figure; `scans` are of the evaluations, in order."""
    baseline = scores.baseline_of(inputs.models, config.baseline)
    confidence, evaluations = config.confidence, inputs.evaluations
    found = [item for evaluation in evaluations for item in scores.scored(evaluation)]
    results = scores.results(inputs, found, confidence)
    spent = costs.read_costs(inputs.runs)
    return Content(
        title=config.title,
        confidence=confidence,
        models=sorted(inputs.models, key=lambda model: model != baseline),
        policies=list(dict.fromkeys(evaluation.policy for evaluation in evaluations)),
        results=results,
        published=scores.published_figures(results) if config.published else [],
        by_subject=scores.by_group(inputs, found, "subject", confidence),
        by_level=scores.by_group(inputs, found, "level", confidence),
        comparisons=scores.comparisons(inputs, found, baseline=baseline, confidence=confidence),
        statuses=scores.statuses(inputs),
        majority_curves=scores.majority_curves(inputs, confidence),
        pass_curves=scores.passing_curves(inputs, confidence),
        policy_scores=policies.policy_scores(evaluations, confidence),
        policy_pairs=policies.policy_pairs(evaluations),
        variances=list(verifiers.variances(evaluations)),
        calibration=verifiers.calibration(evaluations, scans, confidence),
        memorisation=memorisation(evaluations, overlap, confidence) if overlap else [],
        overlap=_overlap(overlap, inputs) if overlap else None,
        completions=costs.completion_costs(evaluations, scans),
        engines=costs.read_engines(evaluations),
        left_out=tables.left_out_rows(inputs),
        funnel=inputs.funnel,
        sizes=inputs.sizes,
        seconds=spent.seconds,
        peak_memory_mib=spent.peak_memory_mib,
    )


def _overlap(overlap: Overlap, inputs: Inputs) -> Row:
    """How many items of each task stand in how many documents, and the generations that do."""
    known: dict[str, set[str]] = {}
    for evaluation in inputs.evaluations:
        for task, identifier in evaluation.problems:
            known.setdefault(task, set()).add(identifier)
    tasks = []
    for task, identifiers in known.items():
        hit = {key: documents for key, documents in overlap.items.items() if key[0] == task}
        documents = set().union(*hit.values()) if hit else set()
        tasks.append(
            {"task": task, "items": len(identifiers), "hit": len(hit), "documents": len(documents)}
        )
    generations = [{"model": model, **counts} for model, counts in overlap.generations.items()]
    return {
        "n": overlap.n, "tasks": tasks, "generations": generations, "unmatched": overlap.unmatched,
    }  # fmt: skip
