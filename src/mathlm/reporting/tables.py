"""The report's tables: which rows and columns, in what order. Figures come from `scores`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mathlm.reporting import words
from mathlm.reporting.inputs import Inputs, Training
from mathlm.reporting.markup import Cell, Html, Table, join, tag

if TYPE_CHECKING:
    from mathlm.reporting.content import Content

Row = Mapping[str, Any]


def _score(row: Row | None) -> Cell:
    if row is None:
        return Cell("–")
    value, interval = words.figure(row["value"], row["metric"]), words.interval(row)
    html = join([tag("strong", value), Html("<br>"), tag("span", interval, class_="ci")])
    return Cell(f"{value} ({interval})", html)


def _difference(row: Row) -> Cell:
    value, interval = (
        words.difference(row["difference"], row["metric"]),
        (words.difference_interval(row)),
    )
    html = join([tag("strong", value), Html("<br>"), tag("span", interval, class_="ci")])
    return Cell(f"{value} ({interval})", html, css=words.outcome(row))


def before_after(
    rows: Sequence[Row],
    compared: Sequence[Row],
    models: Sequence[str],
    *,
    caption: str,
    first_column: str = "task",
) -> Table:
    """A line for each task and metric: the figures of two models and the difference."""
    by_key = {(row["model"], row["task"], row["metric"]): row for row in rows}
    pairs = {(row["b"], row["task"], row["metric"]): row for row in compared}
    head = [first_column, "metric", *models, "difference", "p", "Holm", "n", "in words"]
    lines = []
    for task, metric in dict.fromkeys((row["task"], row["metric"]) for row in rows):
        first, second = (by_key.get((model, task, metric)) for model in models)
        pair = pairs.get((models[1], task, metric))
        found = [_score(first), _score(second), *_compared(pair, second or first)]
        lines.append([task, words.metric_name(metric), *found])
    return Table(caption, head, lines, left=2, words_last=True)


def _compared(pair: Row | None, known: Row | None) -> list[Cell | str]:
    """Difference, p-value, number of items and the meaning of a comparison."""
    if pair is None:
        return ["–", "–", "–", str(known["n"]) if known is not None else "–", "not compared"]
    meaning = Cell(words.meaning(pair), css=f"meaning {words.outcome(pair)}")
    p_values = [words.p_value(pair[key]) for key in ("p_value", "p_holm")]
    return [_difference(pair), *p_values, str(pair["n"]), meaning]


def scores(rows: Sequence[Row], caption: str) -> Table:
    """The figures of a report on one model, without comparison."""
    lines = [
        [row["task"], words.metric_name(row["metric"]), _inline(row), str(row["n"])] for row in rows
    ]
    return Table(caption, ["task", "metric", "value", "n"], lines, left=2)


def many(rows: Sequence[Row], compared: Sequence[Row], baseline: str, caption: str) -> Table:
    """A line for each task, metric and model, with the difference to the baseline if it has one."""
    pairs = {(row["b"], row["task"], row["metric"]): row for row in compared}
    lines: list[list[Cell | str]] = []
    keys = dict.fromkeys((row["task"], row["metric"]) for row in rows)
    for task, metric in keys:
        own = [row for row in rows if (row["task"], row["metric"]) == (task, metric)]
        for number, row in enumerate(own):
            pair = pairs.get((row["model"], task, metric))
            cells: list[Cell | str] = [Cell("–")] * 4
            if pair is not None:
                cells = _compared(pair, row)[:3] + _compared(pair, row)[4:]
            css = "group" if number == 0 else "group again"
            head = [Cell(task, css=css), words.metric_name(metric), row["model"]]
            lines.append([*head, _inline(row), str(row["n"]), *cells])
    head_row = ["task", "metric", "model", "value", "n", f"against {baseline}", "p", "Holm"]
    return Table(caption, [*head_row, "in words"], lines, left=3, words_last=True)


def _figures_table(
    content: Content, rows: Sequence[Row], *, caption: str, first_column: str
) -> Table:
    """A list for one model, before and after for two, a line a model for more."""
    if len(content.models) == 1:
        return scores(rows, caption)
    if len(content.models) > 2:
        return many(rows, content.comparisons, content.models[0], caption)
    return before_after(
        rows, content.comparisons, content.models, caption=caption, first_column=first_column
    )


def score_table(content: Content) -> Table:
    """Accuracy and votes, before and after."""
    rows = [row for row in content.results if row["metric"] != "bits_per_byte"]
    caption = "Shares of problems solved, with their intervals"
    return _figures_table(content, rows, caption=caption, first_column="task")


def perplexity_table(content: Content) -> Table:
    """Bits per byte, before and after."""
    rows = [row for row in content.results if row["metric"] == "bits_per_byte"]
    caption = "Bits per byte of held-out text; lower is better"
    return _figures_table(content, rows, caption=caption, first_column="source")


def by_group(rows: Sequence[Row], models: Sequence[str], group: str) -> Iterator[Table]:
    """For each task and metric a table of subjects or levels: every model's figure."""
    for task, metric in dict.fromkeys((row["task"], row["metric"]) for row in rows):
        own = [row for row in rows if (row["task"], row["metric"]) == (task, metric)]
        by_key = {(row["model"], row[group]): row for row in own}
        there = [model for model in models if any(row["model"] == model for row in own)]
        lines: list[list[Cell | str]] = []
        for name in dict.fromkeys(row[group] for row in own):
            found = [by_key.get((model, name)) for model in there]
            number = max(row["n"] for row in found if row is not None)
            strip = Cell("", _strip([by_key.get((model, name)) for model in models]))
            lines.append([name, strip, *(_inline(row) for row in found), str(number)])
        head = [group, "", *there, "n"]
        yield Table(f"{task}, {words.metric_name(metric)}", head, lines, left=2)


def _strip(found: Sequence[Row | None]) -> Html:
    """Every model's share and interval on one line from 0 to 100 %, in the models' colours."""
    parts = []
    there = [number for number, row in enumerate(found) if row is not None]
    for number, row in enumerate(found):
        if row is not None:
            y = 12 * (there.index(number) + 1) / (len(there) + 1)
            colour = f"var(--c{number % 8})"
            low, high, value = (2 + 124 * row[key] for key in ("low", "high", "value"))
            parts.append(
                f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}" '
                f'stroke="{colour}"/><circle cx="{value:.1f}" cy="{y:.1f}" fill="{colour}"/>'
            )
    return Html(
        f'<svg class="strip" viewBox="0 0 128 12" aria-hidden="true">{"".join(parts)}</svg>'
    )


def _inline(row: Row | None) -> Cell:
    if row is None:
        return Cell("–")
    value, interval = words.figure(row["value"], row["metric"]), words.interval(row)
    html = join([tag("span", value), Html(" "), tag("span", interval, class_="ci")])
    return Cell(f"{value} ({interval})", html)


def statuses(rows: Sequence[Row]) -> Table:
    """How the samples ended."""
    names = ("correct", "incorrect", "no_answer", "timeout", "error")
    lines = [
        [row["task"], row["solver"], row["model"], *(words.count(row[name]) for name in names)]
        for row in sorted(rows, key=lambda row: (row["task"], row["solver"]))
    ]
    head = ["task", "solver", "model", *(name.replace("_", " ") for name in names)]
    return Table("How the samples ended", head, lines, left=3)


def sizes(found: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Table:
    """Documents, bytes and tokens of each source and split."""
    lines = []
    for source, splits in found.items():
        for split in sorted(splits, key=lambda name: (name != "train", name)):
            counts = splits[split]
            cells = [source, split]
            for key, show in (
                ("documents", words.count),
                ("bytes", words.size),
                ("tokens", words.count),
            ):
                cells.append(show(counts[key]) if key in counts else "–")
            has_both = counts.get("bytes") and counts.get("tokens")
            cells.append(f"{counts['bytes'] / counts['tokens']:.2f}" if has_both else "–")
            lines.append(cells)
    head = ["source", "split", "documents", "text", "tokens", "bytes per token"]
    return Table("What the models read", head, lines, left=2)


def _reasons(row: Row) -> str:
    parts = [f"{reason} {words.count(number)}" for reason, number in row["dropped"].items()]
    parts += [f"failed: {reason} {words.count(n)}" for reason, n in row["failed"].items()]
    return ", ".join(parts)


def _bar(row: Row, widest: int) -> Html:
    """Kept and dropped documents as a bar whose length is the share of the source's first step."""
    kept = 100 * row["kept"] / max(1, widest)
    failed = 100 * sum(row["failed"].values()) / max(1, widest)
    dropped = 100 * row["in"] / max(1, widest) - kept - failed
    parts = []
    start = 0.0
    for css, width in (("kept", kept), ("dropped", dropped), ("failed", failed)):
        parts.append(
            f'<rect class="{css}" x="{start:.2f}" y="0" width="{max(0.0, width):.2f}" height="8"/>'
        )
        start += max(0.0, width)
    return Html(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


def funnel(rows: Sequence[Row]) -> Table:
    """What each step of the corpus took in, kept and dropped, source by source."""
    sources = list(dict.fromkeys(row["source"] for row in rows))
    lines: list[list[Cell | str]] = []
    for source in sources:
        own = [row for row in rows if row["source"] == source]
        widest = max(row["in"] for row in own)
        for number, row in enumerate(own):
            lines.append(
                [
                    Cell(source, css="group" if number == 0 else "group again"),
                    row["step"].replace("_", " "),
                    Cell("", _bar(row, widest)),
                    words.count(row["in"]),
                    words.count(row["kept"]),
                    words.count(row["in"] - row["kept"]),
                    Cell(_reasons(row), css="reasons"),
                ]
            )
    head = ["source", "step", "", "in", "kept", "removed", "why"]
    return Table("From raw documents to the corpus", head, lines, left=3, words_last=True)


def trainings(found: Sequence[Training]) -> Table:
    """Size, tokens and first and last loss of each training run."""
    lines = []
    for training in found:
        losses = [step["loss"] for step in training.steps if "loss" in step]
        summary = training.summary
        lines.append(
            [
                training.model,
                training.parent or "scratch",
                f"{summary['parameters'] / 1e6:.2f} M" if "parameters" in summary else "–",
                words.count(summary["steps"]) if "steps" in summary else str(len(losses)),
                f"{summary['tokens'] / 1e6:.2f} M" if "tokens" in summary else "–",
                words.power(summary["flops"]) if "flops" in summary else "–",
                f"{losses[0]:.3f} → {losses[-1]:.3f}" if losses else "–",
            ]
        )
    head = ["model", "from", "parameters", "steps", "tokens", "flops", "loss"]
    return Table("Training runs", head, lines, left=2)


def diets(found: Sequence[Training]) -> Table | None:
    """What each source gave to each training run."""
    lines = []
    for training in found:
        sources = training.summary.get("sources", {})
        total = sum(given.get("sequences", 0) for given in sources.values())
        for source, given in sources.items():
            lines.append(
                [
                    training.model,
                    source,
                    f"{100 * given['sequences'] / max(1, total):.1f} %",
                    words.count(given["tokens"]),
                    f"{given['epochs']:.2f}",
                ]
            )
    head = ["model", "source", "share", "tokens", "epochs"]
    return Table("Diets: what each source gave", head, lines, left=2) if lines else None


def costs(seconds: Mapping[str, float], memory: Mapping[str, float]) -> Table:
    """Wall time and peak memory of each stage, and over all."""
    lines = [
        [name, words.seconds(spent), f"{words.count(memory.get(name, 0))} MiB"]
        for name, spent in seconds.items()
    ]
    total = words.seconds(sum(seconds.values()))
    peak = f"{words.count(max(memory.values(), default=0))} MiB"
    lines.append(["all", total, peak])
    return Table("Time and memory", ["stage", "seconds of wall time", "peak memory"], lines)


def left_out(rows: Sequence[Row]) -> Table:
    """What was not run, and why."""
    lines = [[row["model"], row["what"], row["reason"]] for row in rows]
    return Table("Left out", ["model", "what", "why"], lines, left=3)


def environments(found: Mapping[str, Mapping[str, Any]]) -> Table:
    """Commit, versions and hardware of each run."""
    lines = []
    for run, environment in found.items():
        for key, value in environment.items():
            lines.append([run, key.replace("_", " "), _flat(value)])
    return Table("Where it ran", ["run", "", ""], lines, left=3)


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(part)}" for key, part in value.items())
    if isinstance(value, list):
        return " ".join(map(_flat, value)) or "none"
    return "none" if value is None else str(value)


def left_out_rows(inputs: Inputs) -> list[dict[str, Any]]:
    """Solvers that were not run, problems without a verdict: {model, what, reason}."""
    rows = []
    for evaluation in inputs.evaluations:
        for left in evaluation.left_out:
            what = f"solver {left.get('solver', '?')}"
            reason = str(left.get("reason", ""))
            rows.append({"model": evaluation.model, "what": what, "reason": reason})
        for solver, tasks in evaluation.marks.items():
            for task, problems in tasks.items():
                asked = [identifier for name, identifier in evaluation.problems if name == task]
                if missing := sum(identifier not in problems for identifier in asked):
                    what = f"{missing} of {len(asked)} problems of {task} ({solver})"
                    reason = "no verdict: the figures are over the others"
                    rows.append({"model": evaluation.model, "what": what, "reason": reason})
    return rows
