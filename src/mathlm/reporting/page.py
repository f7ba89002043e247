"""The page: sections in order, joined into one self-contained HTML file.

No font, no link to the network, no script but our own: a Content-Security-Policy names its hash
and forbids everything else, should hostile text ever get past the escaping (`markup`).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from mathlm.reporting import costs, evaluation_tables, figures, tables, words
from mathlm.reporting.browser import Packed
from mathlm.reporting.content import Content
from mathlm.reporting.inputs import Inputs
from mathlm.reporting.markup import Html, Table, escape, join, tag

_SCRIPTS = ("data.js", "formulas.js", "view.js", "browser.js")
_RECIPE_CHARS = 50_000
_ENDINGS = {
    "+python": "programs that the model wrote",
    "+tool": "programs whose output the model saw",
    "+hybrid": "programs and words together",
}
"""What the endings of tasks' names say (`scores`)."""


class Section(NamedTuple):
    """A part of the page."""

    name: str
    title: str
    content: Html


def render(inputs: Inputs, content: Content, packed: Packed) -> str:
    """The whole page."""
    sections = [s for s in _sections(inputs, content, packed) if s.content]
    links = join((tag("a", s.title, href=f"#{s.name}") for s in sections), "\n")
    body = join(
        [
            tag("h1", content.title),
            tag("p", _under(content), class_="under"),
            tag("div", join(_abstract(content)), class_="abstract"),
            tag("nav", links, aria_label="Sections"),
            *(tag("section", _body(section), id=section.name) for section in sections),
            tag("footer", "Made by mathlm. Every figure on this page is in report.json."),
        ],
        "\n",
    )
    code = script()
    head = (
        '<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(code)}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(content.title)}</title>\n<style>\n{_asset('style.css')}</style>"
    )
    opening = f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>'
    data = _data(packed)
    return f"{opening}\n<body>\n{body}\n{data}<script>{code}</script>\n</body>\n</html>\n"


def _asset(name: str) -> str:
    place = resources.files("mathlm.reporting").joinpath("assets", name)
    return place.read_text(encoding="utf-8")


def script() -> str:
    """The page's own script: the files of `assets/` in one scope."""
    parts = "\n".join(_asset(name) for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'


def policy(code: str) -> str:
    """The Content-Security-Policy: our script and styles, and no request at all."""
    digest = base64.b64encode(hashlib.sha256(code.encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


def _data(packed: Packed) -> str:
    """The browser's data as elements that no browser runs; base64 holds no markup."""
    parts = [("data-index", packed.index)] if packed.shown else []
    parts += [(f"data-{number}", chunk) for number, chunk in enumerate(packed.chunks)]
    return "".join(
        f'<script type="application/octet-stream" id="{name}">{text}</script>\n'
        for name, text in parts
    )


def _body(section: Section) -> Html:
    return join([tag("h2", section.title), section.content], "\n")


def _under(content: Content) -> str:
    arrow = " → " if len(content.models) == 2 else ", "
    models = arrow.join(content.models) or "no model"
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
    if any(by_key[model, row["task"], metric]["n"] != row["n"] for model in (row["a"], row["b"])):
        gap = words.difference(row["difference"], metric)
        mark += f" ({gap} on the {words.count(row['n'])} problems of both)"
    return join([escape(f"{row['task']} "), change, escape(mark)])


def _sections(inputs: Inputs, content: Content, packed: Packed) -> Iterator[Section]:
    named = dict(evaluation_tables.named(content))
    pair = len(content.models) == 2
    yield Section("scores", "Before and after" if pair else "Scores", _scores(content))
    yield Section("published", "Beside published figures", _published(named["published"]))
    yield Section("subjects", "By subject", _groups(content, content.by_subject, "subject"))
    yield Section("levels", "By level", _groups(content, content.by_level, "level"))
    yield Section("votes", "Votes and best of k", _votes(content, named))
    yield Section("policies", "Under every grading policy", _policies(named))
    yield Section("verifiers", "Verifiers", _noted(named["verifiers"], _VERIFIERS))
    yield Section("memorisation", "Memorisation", _memorisation(named))
    yield Section("text", "What was learnt and what was forgotten", _perplexity(content))
    yield Section("corpus", "Corpus", _corpus(content))
    yield Section("training", "Training", _training(inputs))
    yield Section("samples", "Samples", _browser(packed))
    yield Section("run", "What was run, and on what", _run(inputs, content, named))


_VERIFIERS = (
    "AUC is the chance that a right answer scores above a wrong one (interval clustered by "
    "problem); the calibration error is the mean gap between score and share of right answers."
)
_PUBLISHED = (
    "Published figures were measured by others, with their prompts, samples and rules; where the "
    "source could not be checked they are marked unverified. They have no intervals."
)


def _noted(table: Table, note: str) -> Html:
    """A table with a note under it; nothing where it has no rows."""
    if not table.rows:
        return Html("")
    return join([table.to_html(), tag("p", note, class_="note")])


def _published(table: Table) -> Html:
    return _noted(table, _PUBLISHED)


def _browser(packed: Packed) -> Html:
    if not packed.shown:
        return Html("")
    what = f"{words.count(packed.shown)} completions"
    if packed.shown < packed.total:
        what += f" of {words.count(packed.total)}, chosen so that problems keep all their answers"
    note = tag(
        "p",
        join(
            [
                escape(f"{what}. Press "),
                tag("kbd", "?"),
                escape(" for the keys."),
            ]
        ),
        class_="note",
    )
    needs = tag("noscript", "Looking at samples needs JavaScript; no other part of this page does.")
    return join([note, needs, tag("div", "", id="browser")])


def _figure(svg: Html | None, caption: str) -> Html:
    if svg is None:
        return Html("")
    return tag("figure", join([svg, tag("figcaption", caption)]))


def _scores(content: Content) -> Html:
    table = tables.score_table(content)
    if not table.rows:
        return Html("")
    note = f"Grading policy: {', '.join(content.policies) or 'none'}."
    if content.comparisons:
        note = (
            "Compared models answer the same problems. p is the exact McNemar test's where a "
            "problem has one right or wrong answer, else that of a sign-flip permutation test over "
            "problems; Holm adjusts it for the number of tasks, and “better” or “worse” needs both "
            f"that and the interval. {note}"
        )
    for ending, how in _ENDINGS.items():
        if any(row["task"].partition(" [")[0].endswith(ending) for row in content.results):
            note += f" Tasks ending in {ending} were solved by {how}."
    figure = _figure(
        figures.before_after(content.results, content.models),
        "Each point is the share of problems solved, each line its interval.",
    )
    return join([table.to_html(), tag("p", note, class_="note"), figure, _statuses(content)])


def _statuses(content: Content) -> Html:
    return tables.statuses(content.statuses).to_html() if content.statuses else Html("")


def _groups(content: Content, rows: Sequence[dict[str, Any]], group: str) -> Html:
    """Accuracy by subject or level in the open, other metrics folded away."""
    shown = [row for row in rows if row["metric"] == "accuracy"]
    folded = [row for row in rows if row["metric"] != "accuracy"]
    parts = [table.to_html() for table in tables.by_group(shown, content.models, group)]
    if parts:
        text = "Points are shares, lines their intervals, from 0 to 100 %: "
        there = {row["model"] for row in shown}
        key = _legend(content.models, there)
        parts.insert(0, tag("p", join([escape(text), *key]), class_="note"))
    if folded:
        inside = [table.to_html() for table in tables.by_group(folded, content.models, group)]
        head = tag("summary", "The same for majority votes")
        parts.append(tag("details", join([head, *inside]), class_="plain"))
    return join(parts)


def _legend(models: Sequence[str], there: Collection[str]) -> Iterator[Html]:
    for number, model in enumerate(models):
        if model not in there:
            continue
        yield tag("span", "", class_="key", style=f"background: var(--c{number % 8})")
        yield escape(model)


def _votes(content: Content, named: Mapping[str, Table]) -> Html:
    if not content.majority_curves:
        return Html("")
    caption = (
        "Solid: the expected score of a majority vote over k samples, over all subsets of the "
        "samples, ties shared. Dashed: the chance that one of k samples is right (pass@k, "
        "unbiased). Bands are intervals over problems."
    )
    figure = figures.curves(content.majority_curves, content.pass_curves, content.models)
    parts = [_figure(figure, caption), named["votes"].to_html()]
    if named["variance"].rows:
        parts.append(named["variance"].to_html())
    return join(parts)


def _policies(named: Mapping[str, Table]) -> Html:
    if not named["policies"].rows:
        return Html("")
    note = (
        "The same completions judged by each policy. An answer that policies judge differently is "
        "shown in the samples below by the filter “agreement”."
    )
    parts = [named["policies"].to_html(), tag("p", note, class_="note")]
    if named["policy-pairs"].rows:
        head = tag("summary", "Who differs on what")
        inside = join([head, named["policy-pairs"].to_html()])
        parts.append(tag("details", inside, class_="plain"))
    return join(parts)


def _memorisation(named: Mapping[str, Table]) -> Html:
    parts = [named["overlap"].to_html()] if "overlap" in named else []
    if named["memorisation"].rows:
        note = (
            "By level Fisher's exact test and Newcombe's interval; over all levels the common "
            "difference (Mantel-Haenszel), so that hit items being easier or harder does not count."
        )
        parts += [named["memorisation"].to_html(), tag("p", note, class_="note")]
    return join(parts)


def _perplexity(content: Content) -> Html:
    table = tables.perplexity_table(content)
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


def _run(inputs: Inputs, content: Content, named: Mapping[str, Table]) -> Html:
    parts = []
    if content.left_out:
        parts.append(tables.left_out(content.left_out).to_html())
    else:
        parts.append(tag("p", "Nothing was left out: every solver ran on every problem."))
    parts += [named[name].to_html() for name in ("completions", "engines") if named[name].rows]
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
