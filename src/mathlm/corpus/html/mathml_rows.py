r"""MathML's rows, fences and tables to LaTeX.

A row is where fences find their partners and where a table between fences becomes a matrix; LaTeX
needs `\left…\right` only around tall content, so plain parentheses stay plain.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mathlm.corpus.html.mathml_tokens import escape_text, join, text_of
from mathlm.corpus.html.nodes import Node, elements
from mathlm.corpus.html.symbols import BARS, BINARY, CLOSING, OPENING, RELATIONS, symbol

Convert = Callable[[Node], str]
_TALL = re.compile(
    r"\\(?:d?frac|sum|int|prod|coprod|begin|genfrac|binom|over|under|bigcup|bigcap|left|big|iint|oint|limits|sqrt|x?cancel)"
)
_LETTERS = re.compile(r"(?:\\mathrm\{[A-Za-z]+\}){2,}")
_MATRICES = {
    ("(", ")"): "pmatrix",
    ("[", "]"): "bmatrix",
    ("{", "}"): "Bmatrix",
    ("|", "|"): "vmatrix",
    ("‖", "‖"): "Vmatrix",
}
_WRAPPERS = frozenset(("mrow", "mstyle", "mpadded"))


def row(nodes: list[Node], convert: Convert) -> str:
    """Elements one after the other, fences paired, operators spaced."""
    nodes = _unwrapped(nodes)
    pieces: list[str] = []
    position = 0
    while position < len(nodes):
        close = _partner(nodes, position)
        if close is None:
            pieces.append(_spaced(nodes, position, convert))
            position += 1
        else:
            pieces.append(_enclosed(nodes, position, close, convert))
            position = close + 1
    return _tidy(join(pieces))


def _unwrapped(nodes: list[Node]) -> list[Node]:
    while len(nodes) == 1 and nodes[0].tag in _WRAPPERS:
        nodes = elements(nodes[0])
    return [_lone_operator(node) if node.tag in _WRAPPERS else node for node in nodes]


def _lone_operator(node: Node) -> Node:
    """MathJax wraps single fences in rows of their own."""
    inside = node
    while inside.tag in _WRAPPERS:
        children = elements(inside)
        if len(children) != 1:
            return node
        inside = children[0]
    return inside if inside.tag == "mo" else node


def _tidy(latex: str) -> str:
    """Without needless spaces; upright letters one by one as the word that they spell."""
    if "}\\mathrm{" in latex:
        latex = _LETTERS.sub(
            lambda run: "\\mathrm{" + "".join(re.findall(r"\{(\w+)\}", run[0])) + "}", latex
        )
    if "  " in latex or latex[:1] == " " or latex[-1:] == " ":
        return re.sub(r" {2,}", " ", latex).strip(" ")
    return latex


def _spaced(nodes: list[Node], position: int, convert: Convert) -> str:
    """One element of a row, with spaces around relations and binary operators."""
    node = nodes[position]
    latex = convert(node)
    if node.tag != "mo" or not latex:
        return latex
    text = text_of(node)
    if text in RELATIONS:
        return f" {latex} "
    if (
        text in BINARY
        and 0 < position < len(nodes) - 1
        and nodes[position - 1].tag != "mo"
        and text != "/"
    ):
        return f" {latex} "
    if text == ",":
        return ", "
    return latex


def _fence(node: Node) -> str:
    if node.tag != "mo":
        return ""
    return text_of(node)


def _partner(nodes: list[Node], start: int) -> int | None:
    """Where the fence that opens at `start` closes in the same row, if it opens one."""
    opening = _fence(nodes[start])
    if opening in BARS and opening != "/":
        return _bar_partner(nodes, start, opening)
    if opening not in OPENING:
        return None
    depth = 0
    for position in range(start, len(nodes)):
        mark = _fence(nodes[position])
        if mark in OPENING:
            depth += 1
        elif mark in CLOSING:
            depth -= 1
            if depth == 0:
                return position
    return _table_end(nodes, start) if opening == "{" else None


def _table_end(nodes: list[Node], start: int) -> int | None:
    """A brace with no partner before a table: cases."""
    following = [n for n in nodes[start + 1 :] if n.tag != "mspace"]
    if following and _table_of([following[0]]) is not None:
        return nodes.index(following[0], start)
    return None


def _bar_partner(nodes: list[Node], start: int, bar: str) -> int | None:
    """Bars open and close alike: a pair is the row's two ends, or what the attributes say."""
    if nodes[start].attrs.get("form") == "postfix":
        return None
    if (
        start == 0
        and len(nodes) > 2
        and _fence(nodes[-1]) == bar
        and sum(_fence(n) == bar for n in nodes) == 2
    ):
        return len(nodes) - 1
    if nodes[start].attrs.get("fence") == "true" or nodes[start].attrs.get("form") == "prefix":
        for position in range(start + 2, len(nodes)):
            if _fence(nodes[position]) == bar and nodes[position].attrs.get("form") != "prefix":
                return position
    return None


def _table_of(nodes: list[Node]) -> Node | None:
    """The table, where the nodes hold one and nothing else."""
    nodes = _unwrapped(
        [
            n
            for n in nodes
            if n.tag != "mspace" and not (n.tag == "mtext" and not text_of(n).strip("\u00a0 "))
        ]
    )
    return nodes[0] if len(nodes) == 1 and nodes[0].tag == "mtable" else None


def _enclosed(nodes: list[Node], start: int, close: int, convert: Convert) -> str:
    opening = _fence(nodes[start])
    closing = _fence(nodes[close])
    if closing not in CLOSING and closing not in BARS:
        inner = _table_of(nodes[start + 1 : close + 1])
        return _matrix(inner, "cases", convert) if inner is not None else convert(nodes[close])
    inside = nodes[start + 1 : close]
    table_node = _table_of(inside)
    matrix = _MATRICES.get((opening, closing))
    if table_node is not None and matrix:
        return _matrix(table_node, matrix, convert)
    stretchy = nodes[start].attrs.get("stretchy") != "false"
    return between(opening, row(inside, convert), closing, stretchy=stretchy)


def delimiter(text: str) -> str:
    """A fence as LaTeX writes it."""
    return OPENING.get(text) or CLOSING.get(text) or BARS.get(text) or "".join(map(symbol, text))


def between(opening: str, latex: str, closing: str, *, stretchy: bool = True) -> str:
    """LaTeX between two fences, stretched where the content is tall."""
    if binomial := _binomial(opening, latex, closing):
        return binomial
    left, right = delimiter(opening), delimiter(closing)
    if stretchy and _TALL.search(latex) and len(left) > 0 and len(right) > 0:
        return join(
            [f"\\left{left}", f" {latex} " if left[-1:].isalpha() else latex, f"\\right{right}"]
        )
    return join([left, latex, right])


_STACKED = "\\genfrac{}{}{0pt}{}"


def _binomial(opening: str, latex: str, closing: str) -> str | None:
    """A fraction without a line between parentheses."""
    if (opening, closing) != ("(", ")") or not latex.startswith(_STACKED):
        return None
    arguments = latex[len(_STACKED) :]
    depth = groups = 0
    for character in arguments.replace("\\{", "  ").replace("\\}", "  "):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            groups += 1
    return f"\\binom{arguments}" if groups == 2 else None


def fenced(node: Node, convert: Convert) -> str:
    """`mfenced`: its children between fences, with separators."""
    opening = node.attrs.get("open", "(").strip()
    closing = node.attrs.get("close", ")").strip()
    children = elements(node)
    if len(children) == 1 and (inner := _table_of(children)) is not None:
        name = _MATRICES.get((opening, closing)) or (
            "cases" if (opening, closing) == ("{", "") else None
        )
        if name:
            return _matrix(inner, name, convert)
    separators = node.attrs.get("separators", ",").replace(" ", "")
    latex = ""
    for position, child in enumerate(children):
        if position and separators:
            mark = separators[min(position - 1, len(separators) - 1)]
            latex += f"{symbol(mark)} " if mark in ",;" else symbol(mark)
        latex = join([latex, convert(child)])
    if bool(opening) != bool(closing):
        return f"\\left{delimiter(opening) or '.'} {latex} \\right{delimiter(closing) or '.'}"
    return between(opening, latex, closing)


def table(node: Node, convert: Convert) -> str:
    """`mtable` without fences: a matrix, or aligned equations where the columns say so."""
    lines = elements(node)
    if len(lines) == 1 and lines[0].tag == "mlabeledtr" and len(elements(lines[0])) == 2:
        return _line(lines[0], convert)
    return _matrix(node, "aligned" if _is_aligned(node) else "matrix", convert)


def _is_aligned(node: Node) -> bool:
    align = node.attrs.get("columnalign", "").split()
    if align[:2] == ["right", "left"]:
        return True
    cells = [elements(r) for r in elements(node)]
    return bool(cells) and all(
        len(c) >= 2
        and "right" in c[0].attrs.get("columnalign", "")
        and "left" in c[1].attrs.get("columnalign", "")
        for c in cells
    )


def _matrix(node: Node, environment: str, convert: Convert) -> str:
    lines = [
        _line(child, convert)
        for child in elements(node)
        if child.tag in ("mtr", "mlabeledtr", "mtd", "tr")
    ]
    body = " \\\\\n".join(lines)
    return f"\\begin{{{environment}}}\n{body}\n\\end{{{environment}}}"


def _line(node: Node, convert: Convert) -> str:
    if node.tag == "mtd":
        return row(elements(node), convert)
    cells = elements(node)
    tag = ""
    if node.tag == "mlabeledtr" and cells:
        label = text_of(cells[0]).strip("()").replace("∗", "*")
        tag = f" \\tag{{{escape_text(label)}}}" if label else ""
        cells = cells[1:]
    return " & ".join(row(elements(cell), convert) for cell in cells) + tag
