"""Verdicts and bits to figures with intervals, and to paired comparisons with the baseline.

The estimators are `mathlm.stats`', `measures` says which of them a figure gets; here is which
figures a report has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from mathlm.core.errors import UserError
from mathlm.reporting import words
from mathlm.reporting.inputs import Evaluation, Inputs, Perplexity
from mathlm.reporting.measures import accuracy, interval_of, majority_curve, passing_curve
from mathlm.reporting.verdicts import STATUSES, Mark
from mathlm.stats import Comparison, Interval, compare, holm, paired_permutation
from mathlm.stats.intervals import Floats
from mathlm.tasks.published import published

Row = dict[str, Any]
PerProblem = dict[str, float]
"""A figure for each problem."""


class Scored(NamedTuple):
    """One task under one metric and model, problem by problem."""

    model: str
    task: str
    """The task's name, `NAME+python` for programs, `NAME+tool`, `NAME+hybrid`."""
    metric: str
    values: PerProblem
    base_task: str
    """The task's name in the problems."""


def _majority(marks: Sequence[Mark]) -> float:
    return float(majority_curve(marks)[-1])


def samples_of(evaluation: Evaluation, solver: str) -> int:
    """Samples a problem that a solver drew: by its settings, else by its verdicts."""
    stated = evaluation.solvers.get(solver, {}).get("samples")
    if stated is not None:
        return int(stated)
    counts = [len(m) for task in evaluation.marks[solver].values() for m in task.values()]
    return max(counts, default=1)


def scored(evaluation: Evaluation) -> Iterator[Scored]:
    """Every task and metric of one evaluation.

    Of each kind of solver the first one with a single sample gives the accuracy (else the mean
    over the samples of the first that votes) and the first with several gives maj@k; any further
    solver's tasks carry its name in brackets.
    """
    taken: set[tuple[str, str]] = set()
    order = [name for name in evaluation.solvers if name in evaluation.marks]
    order += [name for name in evaluation.marks if name not in evaluation.solvers]
    for single in (True, False):
        for solver in order:
            number = samples_of(evaluation, solver)
            if (number == 1) != single:
                continue
            figures: list[tuple[str, Callable[[Sequence[Mark]], float]]] = []
            if not (number > 1 and (evaluation.kind(solver), "accuracy") in taken):
                figures.append(("accuracy", accuracy))
            if number > 1:
                figures.append((f"maj@{number}", _majority))
            yield from _of_solver(evaluation, solver, figures, taken)


def _of_solver(
    evaluation: Evaluation,
    solver: str,
    figures: Sequence[tuple[str, Callable[[Sequence[Mark]], float]]],
    taken: set[tuple[str, str]],
) -> Iterator[Scored]:
    kind = evaluation.kind(solver)
    for metric, figure in figures:
        more = f" [{solver}]" if (kind, metric) in taken else ""
        taken.add((kind, metric))
        for task, problems in evaluation.marks[solver].items():
            values = {problem: figure(marks) for problem, marks in problems.items()}
            yield Scored(evaluation.model, _name(task, kind) + more, metric, values, task)


def _name(task: str, kind: str) -> str:
    """A task's name with the kind of solver, unless it says so itself (`gsm8k-python`)."""
    ending = {"program": "python", "tool": "tool", "hybrid": "hybrid"}.get(kind)
    return task if ending is None or task.endswith(f"-{ending}") else f"{task}+{ending}"


def _row(head: Row, interval: Interval) -> Row:
    return {
        **head,
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
    }


def results(inputs: Inputs, found: Sequence[Scored], confidence: float) -> list[Row]:
    """All figures: {model, task, metric, value, low, high, n}, bits per byte last."""
    rows = []
    for item in found:
        head = {"model": item.model, "task": item.task, "metric": item.metric}
        rows.append(_row(head, interval_of(list(item.values.values()), confidence)))
    for perplexity in inputs.perplexities:
        for row in perplexity.rows:
            known = ("model", "task", "metric", "value", "low", "high", "n")
            rows.append({key: row[key] for key in known})
    return rows


def by_group(
    inputs: Inputs, found: Sequence[Scored], group: Literal["subject", "level"], confidence: float
) -> list[Row]:
    """The figures again for each subject or level of each task's problems."""
    groups_of = {
        key: getattr(info, group)
        for evaluation in inputs.evaluations
        for key, info in evaluation.problems.items()
    }
    rows = []
    for item in found:
        groups: dict[str, list[float]] = {}
        for problem, value in item.values.items():
            if name := groups_of.get((item.base_task, problem)):
                groups.setdefault(name, []).append(value)
        for name in sorted(groups, key=words.natural):
            head = {"model": item.model, "task": item.task, group: name, "metric": item.metric}
            rows.append(_row(head, interval_of(groups[name], confidence)))
    return rows


def published_figures(rows: Sequence[Row]) -> list[Row]:
    """What papers report for the tasks and metrics that were measured, as shares."""
    found = []
    for task, metric in dict.fromkeys((row["task"], row["metric"]) for row in rows):
        for figure in published(task, metric):
            found.append(
                {
                    "model": figure.model, "task": task, "metric": metric,
                    "value": figure.value / 100, "mark": figure.mark, "source": figure.source,
                }
            )  # fmt: skip
    return found


def baseline_of(models: Sequence[str], wanted: str | None) -> str | None:
    """The model that the others are compared with."""
    if wanted is not None and wanted not in models:
        raise UserError(f"baseline '{wanted}' is no model of this report: {', '.join(models)}")
    return wanted or (models[0] if models else None)


def comparisons(
    inputs: Inputs, found: Sequence[Scored], *, baseline: str | None, confidence: float
) -> list[Row]:
    """Each model against the baseline on what both did: the second minus the first, paired."""
    others = [model for model in inputs.models if model != baseline]
    rows = []
    for other in others:
        for task, first, second in _perplexity_pairs(inputs.perplexities, baseline, other):
            comparison = _compare_bits(first, second, confidence)
            rows.append(_comparison(task, "bits_per_byte", (baseline, other), comparison))
        known = {(item.task, item.metric): item.values for item in found if item.model == baseline}
        for item in found:
            first_values = known.get((item.task, item.metric))
            if item.model != other or first_values is None:
                continue
            both = [problem for problem in first_values if problem in item.values]
            if not both:
                continue
            result = compare(
                [first_values[problem] for problem in both],
                [item.values[problem] for problem in both],
                confidence=confidence,
            )
            rows.append(_comparison(item.task, item.metric, (baseline, other), result))
    return _adjusted(rows)


def _adjusted(rows: list[Row]) -> list[Row]:
    """The rows with Holm's p-value over the tasks of each model and metric."""
    families: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        families.setdefault((row["b"], row["metric"]), []).append(row)
    for family in families.values():
        values = holm([row["p_value"] for row in family])
        for row, value in zip(family, values, strict=True):
            row["p_holm"], row["family"] = value, len(family)
    return rows


def _comparison(
    task: str, metric: str, models: tuple[str | None, str], comparison: Comparison
) -> Row:
    return {
        "task": task,
        "metric": metric,
        "a": models[0],
        "b": models[1],
        "difference": comparison.difference,
        "low": comparison.low,
        "high": comparison.high,
        "p_value": comparison.p_value,
        "test": comparison.test,
        "n": comparison.n,
    }


Documents = Mapping[int, Any]


def _perplexity_pairs(
    perplexities: Sequence[Perplexity], first: str | None, second: str
) -> Iterator[tuple[str, Documents, Documents]]:
    by_model = {perplexity.model: perplexity.documents for perplexity in perplexities}
    if first not in by_model or second not in by_model:
        return
    for task in by_model[first]:
        if by_model[first][task].keys() & by_model[second].get(task, {}).keys():
            yield task, by_model[first][task], by_model[second][task]


def _compare_bits(first: Documents, second: Documents, confidence: float) -> Comparison:
    """Bits per byte on the documents that both models read; they must be the same documents."""
    both = [index for index in first if index in second and first[index].bytes > 0]
    if any(first[index].bytes != second[index].bytes for index in both):
        raise UserError(
            "the perplexity stages read different documents: give them one tokens stage"
        )
    return paired_permutation(
        [first[index].bits for index in both],
        [second[index].bits for index in both],
        weights=[first[index].bytes for index in both],
        confidence=confidence,
    )


def statuses(inputs: Inputs) -> list[Row]:
    """How many samples of each task ended how: {model, task, solver, n, correct, …}."""
    rows = []
    for evaluation in inputs.evaluations:
        for solver, tasks in evaluation.marks.items():
            for task, problems in tasks.items():
                marks = [mark for found in problems.values() for mark in found]
                counts = {name: sum(mark.status == name for mark in marks) for name in STATUSES}
                head = {"model": evaluation.model, "task": task, "solver": solver}
                rows.append({**head, "n": len(marks), **counts})
    return rows


def curves(
    inputs: Inputs, curve: Callable[[Sequence[Mark]], Floats], confidence: float
) -> list[Row]:
    """The mean over problems for every k: {model, task, solver, values, points}.

    `points` has intervals at 1, 2, 4, … and the last k. Where problems have different numbers of
    samples the curve ends at the smallest.
    """
    rows = []
    for evaluation in inputs.evaluations:
        for solver, tasks in evaluation.marks.items():
            if samples_of(evaluation, solver) == 1:
                continue
            for task, problems in tasks.items():
                found = [curve(marks) for marks in problems.values()]
                shortest = min(map(len, found))
                if shortest > 1:
                    head = {"model": evaluation.model, "task": task, "solver": solver}
                    rows.append({**head, **_curve([c[:shortest] for c in found], confidence)})
    return rows


def _curve(found: Sequence[Floats], confidence: float) -> Row:
    number = len(found[0])
    values = [sum(column) / len(found) for column in zip(*(c.tolist() for c in found), strict=True)]
    chosen = sorted({*(2**i for i in range(number.bit_length()) if 2**i <= number), number})
    points = []
    for k in chosen:
        interval = interval_of([round(float(c[k - 1]), 12) for c in found], confidence)
        points.append({"k": k, "value": interval.value, "low": interval.low, "high": interval.high})
    return {"values": values, "points": points}


def majority_curves(inputs: Inputs, confidence: float) -> list[Row]:
    """maj@k for every k."""
    return curves(inputs, majority_curve, confidence)


def passing_curves(inputs: Inputs, confidence: float) -> list[Row]:
    """pass@k for every k."""
    return curves(inputs, passing_curve, confidence)
