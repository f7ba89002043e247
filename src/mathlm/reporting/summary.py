"""The figures printed at the end of a run, from `report.json` alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mathlm.reporting import words

if TYPE_CHECKING:
    from rich.table import Table


_MARKS = {"better": "better", "worse": "worse", "unclear": "unclear"}


def summary(report: Mapping[str, Any]) -> Table:
    """A table for the terminal: each task and metric, before, after, difference, p, meaning."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    models = report["models"]
    pairs = {(row["b"], row["task"], row["metric"]): row for row in report["comparisons"]}
    found = {(row["model"], row["task"], row["metric"]): row for row in report["results"]}
    table = Table(
        title=Text(report["title"]),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    table.add_column("task", no_wrap=True)
    table.add_column("metric", no_wrap=True)
    for model in models:
        table.add_column(Text(model), justify="right", no_wrap=True)
    if len(models) > 1:
        table.add_column("change", justify="right", no_wrap=True)
        table.add_column("p", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
    for task, metric in _rows(report):
        short = "bits/byte" if metric == "bits_per_byte" else words.metric_name(metric)
        cells = [Text(task), Text(short)]
        cells += [Text(_value(found.get((model, task, metric)))) for model in models]
        if len(models) > 1:
            cells += _compared(pairs.get((models[-1], task, metric)))
        table.add_row(*cells)
    return table


def _rows(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was measured, what was solved before what was predicted."""
    rows = dict.fromkeys((row["task"], row["metric"]) for row in report["results"])
    return sorted(rows, key=lambda row: row[1] == "bits_per_byte")


def _value(row: Mapping[str, Any] | None) -> str:
    return "–" if row is None else words.figure(row["value"], row["metric"])


def _compared(pair: Mapping[str, Any] | None) -> list[Any]:
    from rich.text import Text

    if pair is None:
        return [Text("–"), Text("–"), Text("not compared")]
    style = {"better": "green", "worse": "red", "unclear": ""}[words.outcome(pair)]
    shown = words.difference(pair["difference"], pair["metric"])
    return [
        Text(shown, style),
        Text(words.p_value(pair["p_value"])),
        Text(_MARKS[words.outcome(pair)], style),
    ]
