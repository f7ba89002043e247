"""Settings of the `report` stage; any change makes the report anew and touches nothing else."""

from __future__ import annotations

from mathlm.core.stage import StageConfig, extends


class ReportConfig(StageConfig):
    """Tables, figures and one HTML file from finished stages."""

    title: str = extends("Mathematical language models, before and after")
    """Heading of the page."""
    baseline: str | None = extends(None)
    """The model that the others are compared with; None = the first `train` stage named."""
    policy: str | None = extends(None)
    """The grading policy that counts; None = the first that the grade stage names."""
    samples: int = extends(4, ge=0, le=50)
    """Problems shown with their solutions, for each task."""
    sample_chars: int = extends(4000, ge=100, le=100_000)
    """Characters shown of each part of a solution."""
    confidence: float = extends(0.95, gt=0, lt=1)
    """Confidence of the intervals."""


def expect(config: ReportConfig) -> str:
    """One line on what the stage will do, for `--dry-run`."""
    return f"report.html, report.json, tables.md; {config.samples} sample problems a task; seconds"
