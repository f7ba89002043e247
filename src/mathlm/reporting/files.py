"""A report's figures as files: `report.json`, and tables as Markdown, LaTeX and CSV."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from mathlm.reporting import evaluation_tables, tables
from mathlm.reporting.content import Content
from mathlm.reporting.markup import Table, to_csv

_CSV = (
    "results", "published", "by_subject", "by_level", "comparisons", "statuses", "policy_scores",
    "policy_pairs", "variances", "calibration", "memorisation", "completions",
)  # fmt: skip
"""Lists of rows in `report.json` that are written as CSV too, unrounded."""


def as_json(content: Content) -> bytes:
    """`report.json`; a lone surrogate in somebody's text stays the escape that JSON has for it."""
    text = json.dumps(content.as_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


def named_tables(content: Content) -> Iterator[tuple[str, Table]]:
    """The report's tables that hold rows, by the names of their files."""
    subjects = tables.by_group(content.by_subject, content.models, "subject")
    levels = tables.by_group(content.by_level, content.models, "level")
    found: list[tuple[str, Table]] = [
        ("scores", tables.score_table(content)),
        *evaluation_tables.named(content),
        *((f"subjects-{_file(table.caption)}", table) for table in subjects),
        *((f"levels-{_file(table.caption)}", table) for table in levels),
        ("bits", tables.perplexity_table(content)),
        ("sizes", tables.sizes(content.sizes)),
        ("funnel", tables.funnel(content.funnel)),
        ("left-out", tables.left_out(content.left_out)),
        ("costs", tables.costs(content.seconds, content.peak_memory_mib)),
    ]
    return ((name, table) for name, table in found if _has_rows(name, table, content))


def _has_rows(name: str, table: Table, content: Content) -> bool:
    return bool(content.seconds) if name == "costs" else bool(table.rows)


def _file(caption: str) -> str:
    """A file name out of a table's caption, whatever its tasks are called."""
    return re.sub(r"[^A-Za-z0-9@+]+", "-", caption).strip("-").lower()[:80] or "table"


def markdown(content: Content) -> str:
    """All tables as Markdown in one text."""
    return "\n".join(table.to_markdown() for _, table in named_tables(content))


def table_files(content: Content) -> Iterator[tuple[str, str]]:
    """Names and texts: each table as `.md` and `.tex`, the rows of `report.json` as `.csv`."""
    seen: set[str] = set()
    for name, table in named_tables(content):
        unique = name if name not in seen else f"{name}-{len(seen)}"
        seen.add(unique)
        yield f"{unique}.md", table.to_markdown()
        yield f"{unique}.tex", table.to_latex()
    for name in _CSV:
        if rows := getattr(content, name):
            yield f"{name}.csv", to_csv(rows)
    curves = [
        {"curve": kind, **{k: v for k, v in row.items() if k not in ("values", "points")}, **point}
        for kind, rows in (("maj", content.majority_curves), ("pass", content.pass_curves))
        for row in rows
        for point in row["points"]
    ]
    if curves:
        yield "curves.csv", to_csv(curves)
