"""What a run cost and what it ran on, from the run directory's logs and records.

Clocks and memory stand in `logs/` only; of all that a report shows they alone differ between two
equal runs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mathlm.core.storage import read_json, read_lines
from mathlm.reporting.completions import Scan
from mathlm.reporting.inputs import Evaluation

Row = dict[str, Any]


class Costs(NamedTuple):
    """Seconds of wall time and peak memory by stage, over all calls that a stage took."""

    seconds: dict[str, float]
    peak_memory_mib: dict[str, float]


def read_costs(runs: Sequence[Path]) -> Costs:
    """The costs of all stages of the runs; names carry the run's where there are several runs."""
    seconds: dict[str, float] = {}
    memory: dict[str, float] = {}
    for run in runs:
        path = run / "logs" / "stages.jsonl"
        for _, line in read_lines(path) if path.is_file() else ():
            try:
                entry = json.loads(line)
                name = str(entry["stage"]) if len(runs) == 1 else f"{run.name}/{entry['stage']}"
                spent, peak = float(entry["seconds"]), float(entry["peak_memory_mib"])
            except (ValueError, KeyError, TypeError):
                continue  # the torn last line of a killed run
            seconds[name] = seconds.get(name, 0.0) + spent
            memory[name] = max(memory.get(name, 0.0), peak)
    return Costs(seconds, memory)


def completion_costs(evaluations: Sequence[Evaluation], scans: Sequence[Scan]) -> list[Row]:
    """What the completions of each task and solver cost, and how they ended."""
    rows = []
    for evaluation, scan in zip(evaluations, scans, strict=True):
        for (task, solver), spent in scan.spent.items():
            rows.append(
                {
                    "model": evaluation.model, "task": task, "solver": solver, "n": spent.n,
                    "prompt_tokens": spent.prompt_tokens, "model_tokens": spent.model_tokens,
                    "forced_tokens": spent.forced_tokens, "tool_calls": spent.tool_calls,
                    "finish": dict(sorted(spent.finish.items())),
                }
            )  # fmt: skip
    return rows


def read_engines(evaluations: Sequence[Evaluation]) -> list[Row]:
    """How well the engine of each solve stage was used; nothing where no log is there."""
    rows = []
    for evaluation in evaluations:
        path = evaluation.solve / "logs" / "engine.json"
        if path.is_file():
            load = read_json(path)
            kept = {k: v for k, v in load.items() if isinstance(v, int | float)}
            rows.append({"model": evaluation.model, "stage": evaluation.solve.name, "load": kept})
    return rows


def read_environments(runs: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """`environment.json` by the run's name."""
    found = {run.name: run / "environment.json" for run in runs}
    return {name: read_json(path) for name, path in found.items() if path.is_file()}


def read_recipes(runs: Sequence[Path]) -> dict[str, str]:
    """The resolved recipe by the run's name."""
    found = {run.name: run / "recipe.toml" for run in runs}
    return {
        name: path.read_text(encoding="utf-8") for name, path in found.items() if path.is_file()
    }
