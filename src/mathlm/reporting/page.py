"""The page: sections in order, joined into one self-contained HTML file.

No script, no font, no link to the network; a Content-Security-Policy forbids all of them, should
hostile text ever get past the escaping (`markup`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from mathlm.reporting import costs, figures, samples, tables, words
from mathlm.reporting.config import ReportConfig
from mathlm.reporting.content import Content
from mathlm.reporting.inputs import Inputs
from mathlm.reporting.markup import Html, Table, escape, join, tag

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_RECIPE_CHARS = 50_000


class Section(NamedTuple):
    """A part of the page."""

    name: str
    title: str
    content: Html


def render(inputs: Inputs, content: Content, config: ReportConfig) -> str:
    """The whole page."""
    sections = [section for section in _sections(inputs, content, config) if section.content]
    links = join((tag("a", s.title, href=f"#{s.name}") for s in sections), "\n")
    body = join(
        [
            tag("h1", content.title),
            tag("p", _under(content), class_="under"),
            tag("div", join(_abstract(content)), class_="abstract"),
            tag("nav", links),
            *(tag("section", _body(section), id=section.name) for section in sections),
            tag("footer", "Made by mathlm. Every figure on this page is in report.json."),
        ],
        "\n",
    )
    style = resources.files("mathlm.reporting").joinpath("style.css").read_text(encoding="utf-8")
    head = (
        '<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(content.title)}</title>\n<style>\n{style}</style>"
    )
    opening = f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>'
    return f"{opening}\n<body>\n{body}\n</body>\n</html>\n"


def _body(section: Section) -> Html:
    return join([tag("h2", section.title), section.content], "\n")


def _under(content: Content) -> str:
    models = " → ".join(content.models) or "no model"
    parts = [models, f"{100 * content.confidence:g} % intervals"]
    if content.seconds:
        parts.append(f"made in {words.seconds(sum(content.seconds.values()))}")
    if content.peak_memory_mib:
        peak = max(content.peak_memory_mib.values())
        parts.append(f"at most {words.count(peak)} MiB of memory")
    return " · ".join(parts)


def _abstract(content: Content) -> Iterator[Html]:
    """What was found, in sentences."""
    if not content.comparisons:
        number = len(content.results)
        yield tag("p", f"{number} figures of {len(content.models)} model(s); nothing to compare.")
        return
    by_key = {(row["model"], row["task"], row["metric"]): row for row in content.results}
    metrics = dict.fromkeys(row["metric"] for row in content.comparisons)
    for other in content.models[1:]:
        for metric in sorted(metrics, key=lambda name: name == "bits_per_byte"):
            rows = [r for r in content.comparisons if (r["b"], r["metric"]) == (other, metric)]
            if rows:
                lead = f"{words.metric_name(metric)}, {rows[0]['a']} → {other}: "
                found = join([_finding(row, by_key) for row in rows], "; ")
                lead = lead if metric.startswith("maj") else lead[:1].upper() + lead[1:]
                yield tag("p", join([tag("strong", lead), found, Html(".")]))


def _finding(row: Mapping[str, Any], by_key: Mapping[tuple[str, str, str], Any]) -> Html:
    metric = row["metric"]
    values = [
        words.figure(by_key[model, row["task"], metric]["value"], metric)
        for model in (row["a"], row["b"])
    ]
    css = words.outcome(row)
    change = tag("span", f"{values[0]} → {values[1]}", class_=css)
    mark = {"better": "", "worse": " (worse)", "unclear": " (no difference shown)"}[css]
    return join([escape(f"{row['task']} "), change, escape(mark)])


def _sections(inputs: Inputs, content: Content, config: ReportConfig) -> Iterator[Section]:
    yield Section("scores", "Before and after", _scores(content))
    yield Section("subjects", "By subject", _subjects(content))
    yield Section("votes", "Majority votes", _votes(content))
    yield Section("text", "What was learnt and what was forgotten", _perplexity(content))
    yield Section("corpus", "Corpus", _corpus(content))
    yield Section("training", "Training", _training(inputs))
    yield Section(
        "samples",
        "Sample solutions",
        samples.section(_ordered(inputs, content), config.samples, config.sample_chars),
    )
    yield Section("run", "What was run, and on what", _run(inputs, content))


def _ordered(inputs: Inputs, content: Content) -> list[Any]:
    return sorted(inputs.evaluations, key=lambda e: content.models.index(e.model))


def _table(
    content: Content, rows: Sequence[dict[str, Any]], *, caption: str, first_column: str
) -> Table:
    if len(content.models) == 1:
        return tables.scores(rows, caption)
    return tables.before_after(
        rows, content.comparisons, content.models, caption=caption, first_column=first_column
    )


def score_table(content: Content) -> Table:
    """Accuracy and votes, before and after."""
    rows = [row for row in content.results if row["metric"] != "bits_per_byte"]
    caption = "Shares of problems solved, with their intervals"
    return _table(content, rows, caption=caption, first_column="task")


def perplexity_table(content: Content) -> Table:
    """Bits per byte, before and after."""
    rows = [row for row in content.results if row["metric"] == "bits_per_byte"]
    caption = "Bits per byte of held-out text; lower is better"
    return _table(content, rows, caption=caption, first_column="source")


def _figure(svg: Html | None, caption: str) -> Html:
    if svg is None:
        return Html("")
    return tag("figure", join([svg, tag("figcaption", caption)]))


def _scores(content: Content) -> Html:
    table = score_table(content)
    if not table.rows:
        return Html("")
    note = (
        "Both models answer the same problems. p is the exact McNemar test's where a problem has "
        "one right or wrong answer, else that of a sign-flip permutation test over problems; it is "
        "not adjusted for the number of rows. Tasks ending in +python were solved by programs that "
        f"the model wrote. Grading policy: {', '.join(content.policies) or 'none'}."
    )
    figure = _figure(
        figures.before_after(content.results, content.models),
        "Each point is the share of problems solved, each line its interval.",
    )
    return join([table.to_html(), tag("p", note, class_="note"), figure, _statuses(content)])


def _statuses(content: Content) -> Html:
    return tables.statuses(content.statuses).to_html() if content.statuses else Html("")


def _subjects(content: Content) -> Html:
    """Accuracy in the open, other metrics folded away."""
    rows = content.by_subject
    shown = [row for row in rows if row["metric"] == "accuracy"]
    folded = [row for row in rows if row["metric"] != "accuracy"]
    parts = [table.to_html() for table in tables.by_subject(shown, content.models)]
    if parts:
        text = "Points are shares, lines their intervals, from 0 to 100 %: "
        parts.insert(0, tag("p", join([escape(text), *_legend(content.models)]), class_="note"))
    if folded:
        inside = [table.to_html() for table in tables.by_subject(folded, content.models)]
        head = tag("summary", "The same for majority votes")
        parts.append(tag("details", join([head, *inside]), class_="plain"))
    return join(parts)


def _legend(models: Sequence[str]) -> Iterator[Html]:
    for number, model in enumerate(models):
        yield tag("span", "", class_="key", style=f"background: var(--c{number % 8})")
        yield escape(model)


def _votes(content: Content) -> Html:
    caption = (
        "The expected score of a majority vote, over all subsets of the samples; ties are shared."
    )
    return _figure(figures.majority(content.majority_curves, content.models), caption)


def _perplexity(content: Content) -> Html:
    table = perplexity_table(content)
    if not table.rows:
        return Html("")
    note = (
        "Bits that the model needs for a byte of text that it was not trained on; intervals and "
        "tests are over documents. A source outside the new diet that got worse was forgotten."
    )
    return join([table.to_html(), tag("p", note, class_="note")])


def _corpus(content: Content) -> Html:
    parts = []
    if content.sizes:
        parts.append(tables.sizes(content.sizes).to_html())
    if content.funnel:
        parts.append(tables.funnel(content.funnel).to_html())
        keys = [(tag("span", "", class_=f"key {k}"), k) for k in ("kept", "dropped", "failed")]
        key = join(join([mark, escape(name)]) for mark, name in keys)
        parts.append(tag("p", key, class_="note"))
    return join(parts)


def _training(inputs: Inputs) -> Html:
    if not inputs.trainings:
        return Html("")
    curves = _figure(
        figures.training_curves(inputs.trainings),
        "Left: loss of each step (thin) and its running mean. Right: held-out text of each source "
        "during training; a dotted line is where a model goes on from another.",
    )
    diet = tables.diets(inputs.trainings)
    rest = [diet.to_html()] if diet is not None else []
    return join([curves, tables.trainings(inputs.trainings).to_html(), *rest])


def _run(inputs: Inputs, content: Content) -> Html:
    parts = []
    if content.left_out:
        parts.append(tables.left_out(content.left_out).to_html())
    else:
        parts.append(tag("p", "Nothing was left out: every solver ran on every problem."))
    if content.seconds:
        parts.append(tables.costs(content.seconds, content.peak_memory_mib).to_html())
    levels = {e.sandbox_level for e in inputs.evaluations if e.sandbox_level}
    if levels:
        text = f"Programs ran in the sandbox at level {', '.join(sorted(levels))}."
        parts.append(tag("p", text))
    environments = costs.read_environments(inputs.runs)
    if environments:
        parts.append(tables.environments(environments).to_html())
    for name, recipe in costs.read_recipes(inputs.runs).items():
        block = tag("pre", recipe[:_RECIPE_CHARS], class_="recipe")
        head = tag("summary", f"The resolved recipe of {name}")
        parts.append(tag("details", join([head, block]), class_="plain"))
    return join(parts)
