"""Jupyter notebooks to Markdown: prose as it stands, code and its printed output in fences.

As AlgebraicStack's conversion (`process_stack.py`, section 2 of our notes on Proof-Pile-2): all
outputs of a cell go if one is a picture or a traceback; pictures, video, scripts and frames in
prose are removed. Without nbconvert: a notebook is JSON, and reading it runs nothing. Formats 3 and
4 are read; what is neither is a drop reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# Linear on any text: a part that may be long never runs over what could begin the next match.
_PICTURE = re.compile(r"!\[[^\[\]\n]*\]\([^()\n]*\)|<img\b[^<>]*>", re.IGNORECASE)
_EMBEDDED = {
    name: (re.compile(rf"<{name}\b", re.IGNORECASE), re.compile(rf"</{name}\s*>", re.IGNORECASE))
    for name in ("video", "script", "iframe")
}
_MAX_OUTPUT = 10_000
"""Characters of printed output a cell may keep: longer prints are data, not text."""


def to_markdown(text: str) -> str | None:
    """The notebook as Markdown, or None where it is no notebook."""
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        return None
    cells = _cells(notebook)
    if cells is None:
        return None
    language = _language(notebook)
    parts = (part for cell in cells if isinstance(cell, dict) for part in _cell(cell, language))
    return "\n\n".join(part for part in parts if part.strip()) + "\n"


def _cells(notebook: Any) -> list[Any] | None:
    if not isinstance(notebook, dict):
        return None
    if isinstance(notebook.get("cells"), list):
        return list(notebook["cells"])
    sheets = notebook.get("worksheets")
    if not isinstance(sheets, list):
        return None
    found = (sheet.get("cells") for sheet in sheets if isinstance(sheet, dict))
    return [cell for cells in found if isinstance(cells, list) for cell in cells]


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    info = metadata.get("language_info") if isinstance(metadata, dict) else None
    name = info.get("name") if isinstance(info, dict) else None
    return name if isinstance(name, str) and name.isalnum() else "python"


def _text(value: Any) -> str:
    """Text, which notebooks keep whole or as a list of lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


def _cell(cell: dict[str, Any], language: str) -> Iterator[str]:
    source = _text(cell.get("source", cell.get("input")))
    if cell.get("cell_type") == "code":
        if source.strip():
            yield _fenced(source, language)
        output = _outputs(cell.get("outputs"))
        if output.strip():
            yield _fenced(output[:_MAX_OUTPUT], "")
    else:
        yield _plain(source).strip()


def _plain(prose: str) -> str:
    """Prose without pictures and without what is embedded."""
    for begin, end in _EMBEDDED.values():
        kept, place = [], 0
        while (opened := begin.search(prose, place)) and (
            closed := end.search(prose, opened.end())
        ):
            kept.append(prose[place : opened.start()])
            place = closed.end()
        prose = "".join([*kept, prose[place:]])
    return _PICTURE.sub("", prose)


def _outputs(outputs: Any) -> str:
    rows = [row for row in outputs if isinstance(row, dict)] if isinstance(outputs, list) else []
    datas = [row["data"] if isinstance(row.get("data"), dict) else row for row in rows]
    if any("image/png" in d or "png" in d for d in datas):
        return ""
    if any(row.get("output_type") in ("error", "pyerr") for row in rows):
        return ""
    return "".join(_text(data.get("text/plain", data.get("text"))) for data in datas)


def _fenced(code: str, language: str) -> str:
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code.rstrip()}\n{fence}"
