"""What a report reads: finished stages' files as plain values, their text still raw.

Not here: any estimate (`scores`) and any HTML. Completions are read only for the problems that
are shown (`read_completions`): a large evaluation's do not fit into memory.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mathlm.core.errors import UserError
from mathlm.core.records import Completion, Problem, Verdict
from mathlm.core.stage import StageContext, StageInput
from mathlm.core.storage import read_json, read_jsonl, read_lines


class Mark(NamedTuple):
    """What counts of one verdict."""

    sample: int
    status: str
    equivalence_class: int | None


Marks = dict[str, dict[str, list[Mark]]]
"""By task and problem id, in the order of the samples."""


@dataclass(frozen=True)
class Evaluation:
    """One graded solve stage."""

    model: str
    solvers: Mapping[str, Mapping[str, Any]]
    """The settings of each solver by its name."""
    marks: Mapping[str, Marks]
    """By solver."""
    problems: Mapping[tuple[str, str], Problem]
    """By task and id."""
    solve: Path
    grade: Path
    policy: str
    sandbox_level: str | None = None
    left_out: tuple[Mapping[str, Any], ...] = ()

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
    for grade in context.inputs.get("grade", ()):
        meta = read_json(grade.directory / "meta.json")
        solve = _solve_of(grade, str(meta["model"]), solves)
        settings = read_json(solve / "meta.json")
        problems = read_jsonl(solve / "problems.jsonl", Problem)
        chosen, marks = _marks(grade.directory / "verdicts.jsonl", policy)
        yield Evaluation(
            model=str(meta["model"]),
            solvers=settings["solvers"],
            marks=marks,
            problems={(problem.task, problem.id): problem for problem in problems},
            solve=solve,
            grade=grade.directory,
            policy=chosen,
            sandbox_level=settings.get("sandbox_level"),
            left_out=tuple(settings.get("left_out") or ()),
        )


def _solve_of(grade: StageInput, model: str, solves: tuple[StageInput, ...]) -> Path:
    """The solve stage that was graded: named in the run's record, else the one of that model."""
    record = grade.directory / "stage.json"
    named = read_json(record)["inputs"].get("completions", {}) if record.is_file() else {}
    for solve in solves:
        if solve.name in named:
            return solve.directory
    for solve in solves:
        if read_json(solve.directory / "meta.json")["model"] == model:
            return solve.directory
    raise UserError(f"the report needs the solve stage that '{grade.name}' graded: name it")


def _marks(path: Path, policy: str | None) -> tuple[str, dict[str, Marks]]:
    """The verdicts under one policy, by solver, task and problem; samples in order."""
    by_policy: dict[str, dict[str, Marks]] = {}
    for verdict in read_jsonl(path, Verdict):
        solver = by_policy.setdefault(verdict.policy, {}).setdefault(verdict.solver, {})
        mark = Mark(verdict.sample_index, verdict.status, verdict.equivalence_class)
        solver.setdefault(verdict.task, {}).setdefault(verdict.problem_id, []).append(mark)
    chosen = policy or next(iter(by_policy), "default")
    if by_policy and chosen not in by_policy:
        raise UserError(f"{path} has no policy '{chosen}', but {', '.join(by_policy)}")
    marks = by_policy.get(chosen, {})
    for tasks in marks.values():
        for problems in tasks.values():
            for found in problems.values():
                found.sort()
    return chosen, marks


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


def read_completions(
    evaluation: Evaluation, wanted: Collection[tuple[str, str]]
) -> dict[tuple[str, str, str], Completion]:
    """The first sample of each solver for the wanted (task, problem): by task, id and solver."""
    found: dict[tuple[str, str, str], Completion] = {}
    for completion in read_jsonl(evaluation.solve / "completions.jsonl", Completion):
        key = (completion.task, completion.problem_id, completion.solver)
        if key[:2] in wanted and completion.sample_index == 0 and completion.parent is None:
            found.setdefault(key, completion)
    return found


def read_verdicts(
    evaluation: Evaluation, wanted: Collection[tuple[str, str]]
) -> dict[tuple[str, str, str], Verdict]:
    """The verdicts on the same completions, under the policy that counts."""
    found: dict[tuple[str, str, str], Verdict] = {}
    for verdict in read_jsonl(evaluation.grade / "verdicts.jsonl", Verdict):
        key = (verdict.task, verdict.problem_id, verdict.solver)
        if key[:2] in wanted and verdict.sample_index == 0 and verdict.policy == evaluation.policy:
            found[key] = verdict
    return found
