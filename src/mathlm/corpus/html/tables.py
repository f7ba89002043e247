"""Tables: data as Markdown tables, equations in cells as formulas, layout as plain blocks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mathlm.corpus.html.inline import CLOSE, CODE, PLACE
from mathlm.corpus.html.nodes import Math, Node, elements, walk, words

if TYPE_CHECKING:
    from mathlm.corpus.html.render import Renderer

_MAX_CELL = 400
_MAX_SPAN = 100
_EQUATIONS = ("ltx_eqn_table", "ltx_equation", "ltx_equationgroup", "equation", "eqn")
_PIPE = re.compile(r"\\.|\|", re.DOTALL)
_IN_CELL = words("table ul ol pre blockquote h1 h2 h3 h4 h5 h6 dl")


def render(node: Node, renderer: Renderer) -> list[str]:
    """The table as paragraphs of Markdown."""
    rows = _rows(node)
    if not rows:
        return renderer.blocks(_copy(node, "div"))
    css = (node.attrs.get("class") or "").split()
    if any(name in css for name in _EQUATIONS):
        return _equations(rows, renderer)
    caption = [
        block
        for child in elements(node)
        if child.tag == "caption"
        for block in renderer.blocks(child)
    ]
    if _is_layout(rows):
        cells = [block for row in rows for cell in row for block in renderer.blocks(cell)]
        return caption + cells
    return caption + _markdown(rows, renderer)


def _copy(node: Node, tag: str) -> Node:
    copy = Node(tag, node.attrs)
    copy.children = [
        _copy(child, "div")
        if isinstance(child, Node) and child.tag in ("tbody", "thead", "tfoot", "tr")
        else child
        for child in node.children
    ]
    return copy


def _rows(node: Node) -> list[list[Node]]:
    """The rows of cells, not those of tables within."""
    rows: list[list[Node]] = []
    for child in elements(node):
        if child.tag in ("tbody", "thead", "tfoot"):
            rows += _rows(child)
        elif child.tag == "tr":
            cells = [cell for cell in elements(child) if cell.tag in ("td", "th")]
            if cells:
                rows.append(cells)
    return rows


def _is_layout(rows: list[list[Node]]) -> bool:
    if (len(rows) < 2 and len(rows[0]) < 3) or max(map(len, rows)) < 2:
        return True
    for row in rows:
        for cell in row:
            if cell.chars > 3 * _MAX_CELL or any(
                below.tag in _IN_CELL for below in walk(cell) if below is not cell
            ):
                return True
    total = sum(cell.chars for row in rows for cell in row)
    return total == 0 and not any(
        isinstance(child, Math) for row in rows for cell in row for child in cell.children
    )


def _span(value: str) -> int:
    return (
        min(int(value), _MAX_SPAN) if value.isdecimal() and len(value) < 6 and int(value) > 0 else 1
    )


def _markdown(rows: list[list[Node]], renderer: Renderer) -> list[str]:
    covered: dict[int, int] = {}
    lines = [_line(row, covered, renderer) for row in rows]
    lines = [line for line in lines if any(line)]
    if not lines:
        return []
    width = max(map(len, lines))
    table = ["| " + " | ".join([*line, *[""] * (width - len(line))]) + " |" for line in lines]
    table.insert(1, "|" + " --- |" * width)
    return ["\n".join(table)]


def _line(row: list[Node], covered: dict[int, int], renderer: Renderer) -> list[str]:
    """A row's cells; `covered` has for how many rows yet cells from above cover a column."""
    line: list[str] = []
    for cell in row:
        while covered and len(line) in covered:
            line.append("")
        text = renderer.line(cell.children)
        if CLOSE in text:
            _without_pipes(text, renderer)
        line.append(text.replace("|", "\\|") if "|" in text else text)
        column = len(line) - 1
        width, height = cell.attrs.get("colspan"), cell.attrs.get("rowspan")
        if width and width != "1":
            line += [""] * (_span(width) - 1)
        if height and height != "1":
            covered |= dict.fromkeys(range(column, len(line)), _span(height))
    for column in tuple(covered) if covered else ():
        covered[column] -= 1
        if not covered[column]:
            del covered[column]
    return line


def _without_pipes(text: str, renderer: Renderer) -> None:
    """Write the pipes of a cell's formulas as commands and escape those of its code.

    A pipe ends a cell wherever it stands, and escaped in a formula it would be another sign.
    """
    for place in PLACE.finditer(text):
        number = int(place[2])
        if place[1] == CODE:
            renderer.codes[number] = renderer.codes[number].replace("|", "\\|")
            continue
        latex = renderer.places[number].latex
        if "|" in latex and "\\begin" not in latex:
            renderer.places[number].latex = _PIPE.sub(_command, latex)


def _command(pipe: re.Match[str]) -> str:
    if pipe[0][-1] != "|":
        return pipe[0]
    name = "\\Vert" if pipe[0] == "\\|" else "\\vert"
    return f"{name} " if pipe.string[pipe.end() : pipe.end() + 1].isalpha() else name


def _equations(rows: list[list[Node]], renderer: Renderer) -> list[str]:
    """LaTeXML's equations: several rows without numbers and texts are one aligned formula."""
    if len(rows) > 1 and all(formulas and not rest for formulas, rest in map(_parts, rows)):
        lines = (
            " & ".join(" ".join(_parts([cell])[0]) for cell in row if not _is_margin(cell))
            for row in rows
        )
        body = " \\\\\n".join(line.rstrip(" &") for line in lines)
        return [renderer.place(Math(f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}", True))]
    return [block for row in rows for block in _equation(row, renderer)]


def _is_margin(cell: Node) -> bool:
    return re.search(r"pad(?:left|right)|eqno", cell.css) is not None


def _parts(row: list[Node]) -> tuple[list[str], list[str]]:
    """The formulas of a row of an equation, and the texts in it (its number)."""
    formulas: list[str] = []
    rest: list[str] = []
    for cell in row:
        for below in walk(cell):
            for child in below.children:
                if isinstance(child, Math):
                    (rest if "eqno" in cell.css else formulas).append(child.latex)
                elif isinstance(child, str) and child.strip():
                    rest.append(child.strip())
    return formulas, rest


def _equation(row: list[Node], renderer: Renderer) -> list[str]:
    """A row of a LaTeXML equation: its formulas as one display formula, then its number."""
    formulas, rest = _parts(row)
    if not formulas:
        return [block for cell in row for block in renderer.blocks(cell)]
    mark = renderer.place(Math(" ".join(formulas), True))
    return [mark, *([" ".join(rest)] if rest else [])]
