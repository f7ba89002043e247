"""A report as values: everything that `report.json` holds and the page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mathlm.reporting import costs, scores, tables
from mathlm.reporting.config import ReportConfig
from mathlm.reporting.inputs import Inputs

FORMAT = "mathlm-report-1"
Row = dict[str, Any]


@dataclass(frozen=True)
class Content:
    """All figures of a report."""

    title: str
    confidence: float
    models: list[str]
    """The baseline first."""
    results: list[Row]
    by_subject: list[Row]
    comparisons: list[Row]
    statuses: list[Row]
    majority_curves: list[Row]
    left_out: list[Row]
    funnel: list[Row]
    sizes: Mapping[str, Any]
    seconds: Mapping[str, float]
    peak_memory_mib: Mapping[str, float]
    policies: list[str]

    def as_json(self) -> dict[str, Any]:
        """The value of `report.json`."""
        seconds = {name: round(value, 2) for name, value in self.seconds.items()}
        return {
            "format": FORMAT,
            "title": self.title,
            "confidence": self.confidence,
            "models": self.models,
            "policies": self.policies,
            "results": self.results,
            "comparisons": self.comparisons,
            "by_subject": self.by_subject,
            "statuses": self.statuses,
            "majority_curves": self.majority_curves,
            "sizes": self.sizes,
            "funnel": self.funnel,
            "left_out": self.left_out,
            "seconds": {**seconds, "total": round(sum(self.seconds.values()), 2)},
            "peak_memory_mib": max(self.peak_memory_mib.values(), default=None),
            "peak_memory_mib_by_stage": dict(self.peak_memory_mib),
        }


def collect(inputs: Inputs, config: ReportConfig) -> Content:
    """Compute every figure."""
    baseline = scores.baseline_of(inputs.models, config.baseline)
    models = sorted(inputs.models, key=lambda model: model != baseline)
    found = [item for evaluation in inputs.evaluations for item in scores.scored(evaluation)]
    spent = costs.read_costs(inputs.runs)
    return Content(
        title=config.title,
        confidence=config.confidence,
        models=models,
        results=scores.results(inputs, found, config.confidence),
        by_subject=scores.by_subject(inputs, found, config.confidence),
        comparisons=scores.comparisons(
            inputs, found, baseline=baseline, confidence=config.confidence
        ),
        statuses=scores.statuses(inputs),
        majority_curves=scores.majority_curves(inputs),
        left_out=tables.left_out_rows(inputs),
        funnel=inputs.funnel,
        sizes=inputs.sizes,
        seconds=spent.seconds,
        peak_memory_mib=spent.peak_memory_mib,
        policies=list(dict.fromkeys(evaluation.policy for evaluation in inputs.evaluations)),
    )
