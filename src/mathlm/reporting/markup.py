"""Text to HTML that is safe, and tables in HTML, Markdown, LaTeX and CSV.

Text of models and of the web is hostile. One rule keeps it out of the markup: what is joined into
a page is `Html`, and only `escape` and the functions built on it make `Html` out of text.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Html(str):
    """Markup that is safe to put into a page."""

    __slots__ = ()


_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def visible(text: str) -> str:
    """The text with what would act on the page made visible: controls, direction marks, nulls."""
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _BIDI.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)
    return _CONTROL.sub("\ufffd", text)


def escape(text: object) -> Html:
    """Any text as HTML, for elements and for attributes in double quotes."""
    return Html(html.escape(visible(str(text)), quote=True))


def join(parts: Iterable[Html], separator: str = "") -> Html:
    """Pieces of markup, one after the other."""
    return Html(separator.join(parts))


def tag(name: str, content: str | Html = "", **attributes: object) -> Html:
    """An element; content that is no `Html` is escaped. `class_` stands for `class`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = content if isinstance(content, Html) else escape(content)
    return Html(f"<{name}{given}>{inner}</{name}>")


class Cell(NamedTuple):
    """A cell of a table: its text, and its markup where that says more."""

    text: str
    html: Html | None = None
    css: str = ""


@dataclass(frozen=True)
class Table:
    """A table that can be shown as HTML, Markdown or LaTeX."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    left: int = 1
    """Columns from the left that hold words; the others are numbers, set to the right."""
    words_last: bool = False
    """Whether the last column holds words too."""

    def _css(self, number: int) -> str:
        words = number < self.left or (self.words_last and number == len(self.columns) - 1)
        return "" if words else "num"

    def to_html(self) -> Html:
        """The table in a box that scrolls sideways where the page is narrow."""
        head = join(
            tag("th", column, scope="col", class_=self._css(number) or None)
            for number, column in enumerate(self.columns)
        )
        body = join((tag("tr", join(self._cells(row))) for row in self.rows), "\n")
        content = join(
            [
                tag("caption", self.caption) if self.caption else Html(""),
                tag("thead", tag("tr", head)),
                tag("tbody", body),
            ]
        )
        return tag("div", tag("table", content), class_="scroll")

    def _cells(self, row: Sequence[Cell | str]) -> Iterable[Html]:
        for number, value in enumerate(row):
            cell = value if isinstance(value, Cell) else Cell(value)
            css = f"{self._css(number)} {cell.css}".strip()
            inner = cell.html if cell.html is not None else escape(cell.text)
            yield tag("td", inner, class_=css or None)

    def to_markdown(self) -> str:
        """The table in GitHub's Markdown, its caption in bold above it."""
        marks = [
            "---" if self._css(number) == "" else "---:" for number in range(len(self.columns))
        ]
        lines = [f"**{_plain(self.caption)}**", ""] if self.caption else []
        lines += [_line([_plain(column) for column in self.columns]), _line(marks)]
        for row in self.rows:
            lines.append(_line([_plain(c.text if isinstance(c, Cell) else c) for c in row]))
        return "\n".join(lines) + "\n"

    def to_latex(self) -> str:
        """The table for a paper, with the rules of `booktabs`."""
        columns = "".join("l" if self._css(i) == "" else "r" for i in range(len(self.columns)))
        lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
        lines += [_row(map(_latex, self.columns)), r"\midrule"]
        for row in self.rows:
            lines.append(_row(_latex(c.text if isinstance(c, Cell) else c) for c in row))
        lines += [r"\bottomrule", r"\end{tabular}"]
        head = [f"% {' '.join(visible(self.caption).split())}"] if self.caption else []
        return "\n".join([*head, *lines]) + "\n"


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


_LATEX = {
    **{char: "\\" + char for char in "#$%&_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "±": r"$\pm$",
    "→": r"$\rightarrow$",
    "≤": r"$\leq$",
    "–": "--",
    "\u202f": r"\,",
}


def _latex(text: str) -> str:
    """Text in a LaTeX cell: no character of it is a command."""
    return "".join(_LATEX.get(char, char) for char in " ".join(visible(text).split()))


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of plain values as CSV; columns in order of first appearance, nested values as JSON.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv(row.get(column)) for column in columns])
    return buffer.getvalue()


def _csv(value: Any) -> Any:
    if isinstance(value, str):
        text = visible(value)
        return "'" + text if text[:1] in ("=", "+", "-", "@", "\t") else text
    if isinstance(value, Mapping | list | tuple):
        return visible(json.dumps(value, ensure_ascii=False))
    return value


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(text: str) -> str:
    """Text in a Markdown cell: nothing in it can end the cell or become markup."""
    flat = " ".join(visible(text).split())
    return re.sub(r"([\\`*_{}\[\]<>|])", r"\\\1", flat)
