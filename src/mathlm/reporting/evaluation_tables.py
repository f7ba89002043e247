"""Tables of an evaluation beside the scores: votes, policies, verifiers, memorisation, costs.

Figures come from `content`; nothing is estimated here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mathlm.reporting import words
from mathlm.reporting.markup import Cell, Html, Table, join, tag

if TYPE_CHECKING:
    from mathlm.reporting.content import Content

Row = Mapping[str, Any]


def named(content: Content) -> Iterator[tuple[str, Table]]:
    """All tables of this module, by the names of their files."""
    yield "published", published(content.results, content.published)
    yield "votes", votes(content.majority_curves, content.pass_curves)
    yield "policies", policies(content.policy_scores)
    yield "policy-pairs", policy_pairs(content.policy_pairs)
    yield "memorisation", memorisation(content.memorisation)
    if content.overlap is not None:
        yield "overlap", overlap(content.overlap)
    yield "variance", variances(content.variances)
    yield "verifiers", calibration(content.calibration)
    yield "completions", completions(content.completions)
    yield "engines", engines(content.engines)


def _share(value: float | None, low: float | None = None, high: float | None = None) -> Cell:
    """A share in per cent with its interval below."""
    if value is None:
        return Cell("–")
    shown = f"{100 * value:.1f} %"
    if low is None or high is None:
        return Cell(shown)
    interval = f"{100 * low:.1f}–{100 * high:.1f}"
    html = join([tag("span", shown), Html(" "), tag("span", interval, class_="ci")])
    return Cell(f"{shown} ({interval})", html)


def published(results: Sequence[Row], figures: Sequence[Row]) -> Table:
    """Measured and published figures: a line a model, a column a task and metric."""
    columns = list(dict.fromkeys((row["task"], row["metric"]) for row in figures))
    measured = [row for row in results if (row["task"], row["metric"]) in columns]
    lines: list[list[Cell | str]] = []
    for kind, rows in (("measured here", measured), ("published", figures)):
        for model in dict.fromkeys(row["model"] for row in rows):
            own = {(row["task"], row["metric"]): row for row in rows if row["model"] == model}
            cells = [_published(own.get(column)) for column in columns]
            css = "ours" if kind == "measured here" else ""
            lines.append([Cell(model, css=css), Cell(kind, css="ci"), *cells])
    heads = [task if metric == "accuracy" else f"{task}, {metric}" for task, metric in columns]
    return Table("Measured and published", ["model", "", *heads], lines, left=2)


def _published(row: Row | None) -> Cell:
    if row is None:
        return Cell("–")
    cell = _share(row["value"], row.get("low"), row.get("high"))
    if row.get("mark", "reported") == "reported":
        return cell
    doubt = join([tag("span", cell.text), Html(" "), tag("span", row["mark"], class_="ci")])
    return Cell(f"{cell.text} ({row['mark']})", doubt)


def votes(majority: Sequence[Row], passing: Sequence[Row]) -> Table:
    """maj@k and pass@k at 1, 2, 4, … samples."""
    keys = ("task", "solver", "model")
    by_key = {tuple(row[key] for key in keys): row for row in passing}
    steps = sorted({point["k"] for row in majority for point in row["points"]})
    lines: list[list[Cell | str]] = []
    for row in majority:
        place = tuple(row[key] for key in keys)
        for label, curve in (("maj@k", row), ("pass@k", by_key.get(place))):
            if curve is not None:
                points = {point["k"]: point for point in curve["points"]}
                cells = [
                    _share(*(points[k][x] for x in ("value", "low", "high"))) if k in points
                    else Cell("–")
                    for k in steps
                ]  # fmt: skip
                lines.append([*place, label, *cells])
    head = [*keys, "", *(f"k = {k}" for k in steps)]
    return Table("Votes and best of k samples", head, lines, left=4)


def policies(rows: Sequence[Row]) -> Table:
    """Accuracy under every policy, a line a task, solver and model."""
    names = list(dict.fromkeys(row["policy"] for row in rows))
    groups: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        groups.setdefault((row["model"], row["task"], row["solver"]), {})[row["policy"]] = row
    lines: list[list[Cell | str]] = []
    for place, own in groups.items():
        cells = [
            _share(*(own[name][x] for x in ("value", "low", "high"))) if name in own else Cell("–")
            for name in names
        ]
        lines.append([*place, *cells, str(max(row["n"] for row in own.values()))])
    head = ["model", "task", "solver", *names, "n"]
    return Table("The same answers under every policy", head, lines, left=3)


def policy_pairs(rows: Sequence[Row]) -> Table:
    """Answers that one policy accepts and another does not, with the rules behind most of them."""
    lines: list[list[Cell | str]] = []
    for row in rows:
        if row["only_policy"] or row["only_other"]:
            lines.append(
                [
                    row["model"], row["task"], f"{row['policy']} / {row['other']}",
                    words.count(row["answers"]), words.count(row["only_policy"]),
                    words.count(row["only_other"]),
                    Cell(_rules(row), css="reasons"),
                ]
            )  # fmt: skip
    head = ["model", "task", "policies", "answers", "only the first", "only the second", "why"]
    return Table("Who differs on what", head, lines, left=3, words_last=True)


def _rules(row: Row) -> str:
    shown = []
    for rule in row["rules"][:3]:
        said = [
            f"{rule[f'{side}status'].replace('_', ' ')}"
            + (f" ({rule[f'{side}rule']})" if rule[f"{side}rule"] else "")
            for side in ("", "other_")
        ]
        shown.append(f"{rule['n']} × {said[0]} / {said[1]}")
    return "; ".join(shown)


def memorisation(rows: Sequence[Row]) -> Table:
    """Accuracy of items that stand in the corpus and of others, by level."""
    lines: list[list[Cell | str]] = []
    for row in rows:
        gap = "–"
        if row["difference"] is not None:
            gap = f"{words.difference(row['difference'], 'accuracy')} ("
            gap += f"{words.difference(row['low'], 'accuracy')} to "
            gap += f"{words.difference(row['high'], 'accuracy')})"
        hit, other = (
            _share(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in ("hit", "other")
        )
        p_value = "–" if row["p_value"] is None else words.p_value(row["p_value"])
        lines.append(
            [row["model"], row["task"], row["solver"], str(row["level"]), hit,
             str(row["hit_n"]), other, str(row["other_n"]), gap, p_value]
        )  # fmt: skip
    head = ["model", "task", "solver", "level", "in the corpus", "n", "others", "n"]
    return Table(
        "Accuracy on items that stand in the corpus", [*head, "difference", "p"], lines, left=4
    )


def overlap(found: Row) -> Table:
    """How many items and generations stand in how many documents."""
    rows = [
        [f"problems and solutions of {row['task']}", row["items"], row["hit"], row["documents"]]
        for row in found["tasks"]
    ]
    rows += [
        [f"generations of {row['model']}", row["generations"], row["hit"], row["documents"]]
        for row in found["generations"]
    ]
    n = f"{found['n']} words" if found["n"] else "n-grams"
    lines = [[text, *map(words.count, counts)] for text, *counts in rows]
    return Table(f"Texts that share {n} in a row", ["", "texts", "hit", "documents"], lines)


def variances(rows: Sequence[Row]) -> Table:
    """The standard error of accuracy by its sources."""
    lines = [
        [
            row["model"], row["task"], row["solver"], words.count(row["n_problems"]),
            words.count(row["n_samples"]), f"{100 * row['error_problems']:.2f}",
            f"{100 * row['error_samples']:.2f}",
        ]
        for row in rows
    ]  # fmt: skip
    head = ["model", "task", "solver", "problems", "samples", "from problems", "from samples"]
    return Table("Standard error of accuracy, in points, by its source", head, lines, left=3)


def calibration(rows: Sequence[Row]) -> Table:
    """How well scores tell right answers from wrong ones."""
    lines: list[list[Cell | str]] = []
    for row in rows:
        error = "no probability" if row["ece"] is None else f"{row['ece']:.3f}"
        area = "–"
        if row["auc"] is not None:
            area = f"{row['auc']:.3f} ({row['auc_low']:.3f}–{row['auc_high']:.3f})"
        place = [row["model"], row["task"], row["solver"], row["score"]]
        lines.append([*place, area, error, words.count(row["right"]), words.count(row["n"])])
    head = ["model", "task", "solver", "score", "AUC", "calibration error", "right", "n"]
    return Table("Scores of verifiers", head, lines, left=4)


def completions(rows: Sequence[Row]) -> Table:
    """Tokens and tool calls a completion, and how completions ended."""
    lines: list[list[Cell | str]] = []
    for row in rows:
        if not row["model_tokens"] and set(row["finish"]) <= {"stop"}:
            continue  # foreign completions say nothing of this
        number = max(1, row["n"])
        ended = ", ".join(f"{name} {words.count(n)}" for name, n in row["finish"].items())
        lines.append(
            [
                row["model"], row["task"], row["solver"], words.count(row["n"]),
                words.count(row["model_tokens"]), f"{row['model_tokens'] / number:.1f}",
                words.count(row["tool_calls"]), Cell(ended, css="reasons"),
            ]
        )  # fmt: skip
    head = ["model", "task", "solver", "completions", "tokens written", "each", "programs run"]
    return Table("What solving took", [*head, "ended by"], lines, left=3, words_last=True)


def engines(rows: Sequence[Row]) -> Table:
    """Batch fill, idle share and speed of each engine."""
    lines = []
    for row in rows:
        load = row["load"]
        lines.append(
            [
                row["stage"], row["model"],
                *(f"{100 * load[key]:.1f} %" if key in load else "–"
                  for key in ("mean_batch_fill", "idle_share")),
                *(words.count(load[key]) if key in load else "–"
                  for key in ("tokens_per_s", "model_tokens", "prompt_tokens_computed")),
            ]
        )  # fmt: skip
    head = ["stage", "model", "batch fill", "idle", "tokens/s", "tokens written", "prompt tokens"]
    return Table("How well the engine was used", head, lines, left=2)
