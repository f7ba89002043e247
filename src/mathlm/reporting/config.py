"""Settings of the `report` stage; any change makes the report anew and touches nothing else."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from mathlm.core.stage import StageConfig, extends


def _listed(value: Any) -> Any:
    """One path may be given without brackets."""
    return (value,) if isinstance(value, str) else value


Paths = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class ReportConfig(StageConfig):
    """Tables, figures and one HTML file from finished stages."""

    title: str = extends("Mathematical language models, before and after")
    """Heading of the page."""
    baseline: str | None = extends(None)
    """The model that the others are compared with; None = the first `train` stage named."""
    policy: str | None = extends(None)
    """The grading policy that counts; None = the first that the grade stage names."""
    samples: int = extends(20_000, ge=0, le=200_000)
    """Completions that can be looked at in the page, as far as its 20 MB reach."""
    sample_chars: int = extends(4000, ge=100, le=100_000)
    """Characters shown of each part of a solution."""
    confidence: float = extends(0.95, gt=0, lt=1)
    """Confidence of the intervals."""
    published: bool = extends(True)
    """Whether published figures stand beside the measured ones."""
    overlap: Paths = extends(())
    """Files that `mathlm overlap --json` wrote: items of the tasks that stand in a corpus."""
    overlap_corpus: Paths = extends(())
    """Runs or files of documents in which problems, solutions and generations are looked for; a
    `corpus` stage among the inputs is looked through anyway."""
    overlap_n: int = extends(30, ge=1)
    """Words in a row that count as a hit in that search."""


def expect(config: ReportConfig) -> str:
    """One line on what the stage will do, for `--dry-run`."""
    return f"report.html, report.json, tables/; up to {config.samples} completions to read; seconds"
