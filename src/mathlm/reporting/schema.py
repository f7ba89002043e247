"""What `report.json` holds, as types; docs/report-schema.json is made of them.

    python -m mathlm.reporting.schema > docs/report-schema.json

Shares lie in [0, 1]; `n` counts problems unless its row says otherwise.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from mathlm.reporting.content import FORMAT


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Figure(_Row):
    """One figure of a model on a task, with its interval."""

    model: str
    task: str
    """The task's name; `NAME+python`, `+tool`, `+hybrid` by the kind of solver, `NAME [SOLVER]` for
    more of a kind."""
    metric: str
    """`accuracy` (share of right samples), `maj@K` (expected vote over K samples) or
    `bits_per_byte` (of held-out text; lower is better)."""
    value: float
    low: float
    high: float
    n: int
    """Problems, or documents for bits per byte."""


class SubjectFigure(Figure):
    """A figure on the problems of one subject."""

    subject: str


class LevelFigure(Figure):
    """A figure on the problems of one level."""

    level: str


class Published(_Row):
    """A figure that somebody published for the same task and metric."""

    model: str
    task: str
    metric: str
    value: float
    mark: Literal["reported", "unverified"]
    """`unverified`: recalled, to be checked against the source before it is quoted."""
    source: str


class Compared(_Row):
    """Model `b` against the baseline `a` on the same problems; differences are b minus a."""

    task: str
    metric: str
    a: str
    b: str
    difference: float
    low: float
    high: float
    p_value: float
    p_holm: float
    """After Holm's adjustment over the tasks of this metric and model."""
    family: int
    """Tasks that it was adjusted for."""
    test: Literal["mcnemar_exact", "permutation"]
    n: int


class Statuses(_Row):
    """How the samples of a task ended; `n` counts samples."""

    model: str
    task: str
    solver: str
    n: int
    correct: int
    incorrect: int
    no_answer: int
    timeout: int
    error: int


class Point(_Row):
    """A curve's value at one k, with its interval over problems."""

    k: int
    value: float
    low: float
    high: float


class Curve(_Row):
    """maj@k or pass@k over k."""

    model: str
    task: str
    solver: str
    values: list[float]
    """At k = 1, 2, …"""
    points: list[Point]
    """At k = 1, 2, 4, … and the last k."""


class PolicyScore(_Row):
    """The same answers under one grading policy."""

    model: str
    task: str
    solver: str
    policy: str
    value: float
    low: float
    high: float
    n: int
    correct: int
    answers: int


class RulePair(_Row):
    """How often two policies parted in this way."""

    status: str
    rule: str
    other_status: str
    other_rule: str
    n: int


class PolicyPair(_Row):
    """Answers that one of two policies accepts and the other does not."""

    model: str
    task: str
    solver: str
    policy: str
    other: str
    answers: int
    only_policy: int
    only_other: int
    rules: list[RulePair]
    """The most frequent ways, at most twelve."""


class Variance(_Row):
    """Accuracy's variance split into problems and samples (one-way random effects)."""

    model: str
    task: str
    solver: str
    problems: float
    samples: float
    error_problems: float
    """Standard error of the mean that more problems would lower."""
    error_samples: float
    """Standard error of the mean that more samples would lower."""
    n_problems: int
    n_samples: int


class Bin(_Row):
    """Scores within an interval: their mean and the share of right answers."""

    low: float
    high: float
    score: float
    accuracy: float
    n: int


class Calibration(_Row):
    """How well a verifier's score tells right answers from wrong ones; `n` counts answers."""

    model: str
    task: str
    solver: str
    score: str
    n: int
    right: int
    auc: float | None
    """None where all answers are right or all are wrong."""
    auc_low: float | None
    auc_high: float | None
    ece: float | None
    """None where scores leave [0, 1]."""
    largest_gap: float | None
    bins: list[Bin]


class Memorisation(_Row):
    """Accuracy on items that stand in the corpus (`hit`) and on others, at one level."""

    model: str
    task: str
    solver: str
    level: str
    """`all levels` for all; their test is Mantel and Haenszel's over the levels."""
    hit_n: int
    hit: float | None
    hit_low: float | None
    hit_high: float | None
    other_n: int
    other: float | None
    other_low: float | None
    other_high: float | None
    difference: float | None
    """hit minus other; None where one of them has no items."""
    low: float | None
    high: float | None
    p_value: float | None
    test: Literal["fisher_exact", "mantel_haenszel", "welch"] | None


class TaskHits(_Row):
    """Items of a task that share an n-gram with a document."""

    task: str
    items: int
    hit: int
    documents: int


class GenerationHits(_Row):
    """A model's generations (those that the page holds) that share an n-gram with a document."""

    model: str
    generations: int
    hit: int
    documents: int


class Overlap(_Row):
    """What of tasks and generations stands in the corpus."""

    n: int | None
    tasks: list[TaskHits]
    generations: list[GenerationHits]
    unmatched: int
    """Hits whose item is no problem of this report."""


class Completions(_Row):
    """What the completions of a task cost, and how they ended."""

    model: str
    task: str
    solver: str
    n: int
    prompt_tokens: int
    model_tokens: int
    forced_tokens: int
    tool_calls: int
    finish: dict[str, int]


class Engine(_Row):
    """How well the engine of a solve stage was used, by its log."""

    model: str
    stage: str
    load: dict[str, float]


class LeftOut(_Row):
    """What was not run or not graded, and why."""

    model: str
    what: str
    reason: str


class Report(_Row):
    """The whole of `report.json`."""

    format: Literal["mathlm-report-2"]
    title: str
    confidence: float
    models: list[str]
    """The baseline first."""
    policies: list[str]
    """The grading policies that count."""
    results: list[Figure]
    published: list[Published]
    by_subject: list[SubjectFigure]
    by_level: list[LevelFigure]
    comparisons: list[Compared]
    statuses: list[Statuses]
    majority_curves: list[Curve]
    pass_curves: list[Curve]
    policy_scores: list[PolicyScore]
    policy_pairs: list[PolicyPair]
    variances: list[Variance]
    calibration: list[Calibration]
    memorisation: list[Memorisation]
    overlap: Overlap | None
    completions: list[Completions]
    engines: list[Engine]
    left_out: list[LeftOut]
    funnel: list[dict[str, Any]]
    """The corpus stage's steps: documents in, kept, dropped and failed by reason."""
    sizes: dict[str, dict[str, dict[str, int]]]
    """Documents, bytes and tokens by source and split."""
    seconds: dict[str, float]
    """Wall time by stage, and `total`."""
    peak_memory_mib: float | None
    peak_memory_mib_by_stage: dict[str, float]


def schema_text() -> str:
    """The JSON Schema of `report.json`."""
    schema = {"$id": FORMAT, **Report.model_json_schema()}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
