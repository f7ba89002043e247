"""The `report` stage: finished stages to `report.json`, `tables.md` and `report.html`."""

from __future__ import annotations

import json

from mathlm.core.stage import StageContext
from mathlm.core.storage import write_bytes, write_text
from mathlm.reporting import figures, page, tables
from mathlm.reporting.config import ReportConfig
from mathlm.reporting.content import Content, collect
from mathlm.reporting.inputs import read_inputs


def run(context: StageContext, config: ReportConfig) -> None:
    """Fill the stage's directory; everything is made anew, each file whole or absent."""
    figures.require()
    inputs = read_inputs(context, config.policy)
    content = collect(inputs, config)
    write_bytes(context.directory / "report.json", as_json(content))
    write_text(context.directory / "tables.md", markdown(content))
    write_text(context.directory / "report.html", page.render(inputs, content, config))


def as_json(content: Content) -> bytes:
    """`report.json`; a lone surrogate in somebody's text stays the escape that JSON has for it."""
    text = json.dumps(content.as_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


def markdown(content: Content) -> str:
    """The report's tables as Markdown."""
    found = [page.score_table(content), page.perplexity_table(content)]
    found += list(tables.by_subject(content.by_subject, content.models))
    if content.sizes:
        found.append(tables.sizes(content.sizes))
    if content.funnel:
        found.append(tables.funnel(content.funnel))
    if content.left_out:
        found.append(tables.left_out(content.left_out))
    if content.seconds:
        found.append(tables.costs(content.seconds, content.peak_memory_mib))
    return "\n".join(table.to_markdown() for table in found if table.rows)
