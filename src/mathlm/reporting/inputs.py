"""What a report reads: finished stages' files as plain values, their text still raw.

Not here: any estimate (`scores`) and any HTML. Of problems only subject and level are kept, of
verdicts only marks (`verdicts`); completions are read apart (`completions`): a large evaluation's
texts do not fit into memory. Stages made elsewhere need no `meta.json`: then the folder's name is
the model's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from mathlm.core.errors import UserError
from mathlm.core.stage import StageContext, StageInput
from mathlm.core.storage import read_json, read_lines
from mathlm.reporting.verdicts import ByPolicy, BySolver, read_marks


class ProblemInfo(NamedTuple):
    """What groups a problem."""

    subject: str | None = None
    level: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """One graded solve stage."""

    model: str
    solvers: Mapping[str, Mapping[str, Any]]
    """The settings of each solver by its name."""
    by_policy: ByPolicy
    problems: Mapping[tuple[str, str], ProblemInfo]
    """By task and id."""
    solve: Path
    grade: Path
    policy: str
    """The one that counts."""
    sandbox_level: str | None = None
    left_out: tuple[Mapping[str, Any], ...] = ()

    @property
    def marks(self) -> BySolver:
        """The verdicts that count, by solver."""
        return self.by_policy.get(self.policy, {})

    def kind(self, solver: str) -> str:
        """`cot` or `program`."""
        return str(self.solvers.get(solver, {}).get("kind", "cot"))


@dataclass(frozen=True)
class Training:
    """One train stage."""

    model: str
    steps: list[dict[str, Any]]
    """The lines of `metrics.jsonl`."""
    summary: Mapping[str, Any]

    @property
    def parent(self) -> str | None:
        """The train stage or checkpoint that it went on from."""
        origin = self.summary.get("from")
        return str(origin) if origin is not None else None


class DocumentBits(NamedTuple):
    """One held-out document under one model."""

    bits: float
    bytes: int


@dataclass(frozen=True)
class Perplexity:
    """One perplexity stage."""

    rows: list[dict[str, Any]]
    documents: Mapping[str, Mapping[int, DocumentBits]]
    """By source and index."""

    @property
    def model(self) -> str:
        """The model's label."""
        return str(self.rows[0]["model"]) if self.rows else ""


@dataclass(frozen=True)
class Inputs:
    """Everything that a report is made of."""

    evaluations: list[Evaluation] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    perplexities: list[Perplexity] = field(default_factory=list)
    funnel: list[dict[str, Any]] = field(default_factory=list)
    sizes: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    """By source and split: documents, bytes and, where a token store is there, tokens."""
    runs: list[Path] = field(default_factory=list)
    """Run directories: the parents of the stages."""

    @property
    def models(self) -> list[str]:
        """Labels in the order of the train stages, then of the others."""
        found = [training.model for training in self.trainings]
        found += [perplexity.model for perplexity in self.perplexities if perplexity.rows]
        found += [evaluation.model for evaluation in self.evaluations]
        return list(dict.fromkeys(found))


def read_inputs(context: StageContext, policy: str | None) -> Inputs:
    """Read the stages that the context names."""
    directories = [item.directory for items in context.inputs.values() for item in items]
    runs = list(dict.fromkeys(directory.parent for directory in directories))
    corpus = context.optional_input("corpus")
    return Inputs(
        evaluations=list(_evaluations(context, policy)),
        trainings=[_training(item) for item in context.inputs.get("train", ())],
        perplexities=[_perplexity(item.directory) for item in context.inputs.get("perplexity", ())],
        funnel=read_json(corpus / "funnel.json") if corpus is not None else [],
        sizes=_sizes(corpus, runs),
        runs=runs,
    )


def _evaluations(context: StageContext, policy: str | None) -> Iterator[Evaluation]:
    solves = context.inputs.get("solve", ())
    grades = context.inputs.get("grade", ())
    for number, grade in enumerate(grades):
        meta = _meta(grade.directory)
        beside = solves[number] if len(solves) == len(grades) else None
        solve = _solve_of(grade, meta.get("model"), solves, beside)
        settings = _meta(solve.directory)
        by_policy = read_marks(grade.directory / "verdicts.jsonl")
        yield Evaluation(
            model=str(meta.get("model") or settings.get("model") or solve.name),
            solvers=settings.get("solvers") or {},
            by_policy=by_policy,
            problems=read_problem_infos(solve.directory / "problems.jsonl"),
            solve=solve.directory,
            grade=grade.directory,
            policy=_counting(by_policy, meta.get("policies"), policy, grade.name),
            sandbox_level=settings.get("sandbox_level"),
            left_out=tuple(settings.get("left_out") or ()),
        )


def _meta(directory: Path) -> dict[str, Any]:
    path = directory / "meta.json"
    return dict(read_json(path)) if path.is_file() else {}


def _solve_of(
    grade: StageInput,
    model: str | None,
    solves: tuple[StageInput, ...],
    beside: StageInput | None,
) -> StageInput:
    """The solve stage that was graded: by the run's record, by the model, or by its place."""
    record = grade.directory / "stage.json"
    named = read_json(record)["inputs"].get("completions", {}) if record.is_file() else {}
    for solve in solves:
        if solve.name in named:
            return solve
    for solve in solves:
        if model is not None and _meta(solve.directory).get("model") == model:
            return solve
    if model is None and beside is not None:
        return beside
    raise UserError(f"the report needs the solve stage that '{grade.name}' graded: name it")


def _counting(by_policy: ByPolicy, order: list[str] | None, wanted: str | None, name: str) -> str:
    """The policy that counts: the wanted one, else the first that the grade stage names."""
    chosen = wanted or next(iter(order or by_policy), "default")
    if by_policy and chosen not in by_policy:
        raise UserError(f"{name} has no policy '{chosen}', but {', '.join(by_policy)}")
    return chosen


def read_problem_infos(path: Path) -> dict[tuple[str, str], ProblemInfo]:
    """Subject and level by task and id; equal ones are one object."""
    known: dict[ProblemInfo, ProblemInfo] = {}
    found = {}
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            row = from_json(line, cache_strings="all")
            info = ProblemInfo(row.get("subject"), row.get("level"))
            found[str(row["task"]), str(row["id"])] = known.setdefault(info, info)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"{type(error).__name__}: {error}"[:120]
            raise UserError(f"{path}, line {number + 1} is no problem ({what})") from None
    return found


def _training(item: StageInput) -> Training:
    lines = (json.loads(line) for _, line in read_lines(item.directory / "metrics.jsonl") if line)
    summary = item.directory / "summary.json"
    return Training(item.name, list(lines), read_json(summary) if summary.is_file() else {})


def _perplexity(directory: Path) -> Perplexity:
    documents: dict[str, dict[int, DocumentBits]] = {}
    for _, line in read_lines(directory / "documents.jsonl"):
        row = json.loads(line)
        documents.setdefault(row["task"], {})[row["index"]] = DocumentBits(
            row["bits"], row["bytes"]
        )
    return Perplexity(read_json(directory / "results.json"), documents)


def _sizes(corpus: Path | None, runs: list[Path]) -> dict[str, dict[str, dict[str, int]]]:
    """Documents, bytes and tokens by source and split, from manifests and token stores."""
    sizes: dict[str, dict[str, dict[str, int]]] = {}
    folders = sorted((corpus / "documents").glob("*/manifest.json")) if corpus is not None else []
    for path in folders:
        for split, counts in read_json(path).get("splits", {}).items():
            known = {key: int(counts[key]) for key in ("documents", "bytes") if key in counts}
            sizes.setdefault(path.parent.name, {})[split] = known
    for run in runs:
        for path in sorted(run.glob("*/stores/*/meta.json")):
            meta = read_json(path)
            split = sizes.setdefault(str(meta["source"]), {}).setdefault(str(meta["split"]), {})
            split.setdefault("documents", meta["num_documents"])
            split.setdefault("bytes", meta["num_bytes"])
            split["tokens"] = meta["num_tokens"]
    return sizes
