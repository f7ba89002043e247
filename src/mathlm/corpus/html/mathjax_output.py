"""MathJax 3's own output, where a page kept neither TeX nor MathML, read back as MathML.

Both outputs mirror the MathML tree, CommonHTML in its elements' names (`mjx-msup`), SVG in its
attributes (`data-mml-node`); characters are code points in classes (`mjx-c1D465`) or in `data-c`.
What the drawing does not keep (alignment of columns in SVG, widths of spaces) is lost. Source:
MathJax 3.2, output/common and its wrappers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mathlm.corpus.html import charset
from mathlm.corpus.html.markup import attributes_of
from mathlm.corpus.html.nodes import Node, elements, plain_text

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_TOKENS = frozenset(("mi", "mn", "mo", "mtext", "ms"))
_SCRIPTS = frozenset(("msub", "msup", "msubsup", "munder", "mover", "munderover"))
_MAX_DEPTH = 150
_CODE = re.compile(r"(?:^|\s)mjx-c([0-9A-F]{1,5})(?=\s|$)")
_CALLIGRAPHIC = re.compile(r"TEX-C(?![A-Z])")
_HEIGHT = re.compile(r"translate\(\s*[-\d.]+\s*,\s*([-\d.]+)")
_WIDTH = re.compile(r"width:\s*(-?[\d.]+em)")
_LAYOUT = frozenset(("nstrut", "dstrut", "tstrut", "line", "spacer", "surd", "labels", "mark"))
_UNREADABLE = frozenset(("mmultiscripts", "merror", "mglyph", "mlongdiv"))
_KEPT = {
    "mrow": "mrow", "texatom": "mrow", "mstyle": "mrow", "mpadded": "mrow", "mphantom": "mphantom",
    "mtr": "mtr", "mlabeledtr": "mlabeledtr", "mtd": "mtd", "menclose": "menclose",
    "msqrt": "msqrt",
}  # fmt: skip
_HTML_PARTS = {
    "mfrac": ("num", "den"), "mroot": ("box", "root"), "munder": ("base", "under"),
    "mover": ("base", "over"), "munderover": ("base", "under", "over"), "msub": ("-",),
    "msup": ("-",), "msubsup": ("-",),
}  # fmt: skip
_HTML_INNER = frozenset(
    f"mjx-{name}" for name in ("frac", "dbox", "dtable", "row", "box", "munder", "mover", "sqrt")
)
_DRAWN = frozenset(("mjx-c", "mjx-stretchy-v", "mjx-stretchy-h"))
# Pieces of which stretched fences and braces are put together, the telling ones.
_PIECES = {
    "⎛": "(", "⎝": "(", "⎞": ")", "⎠": ")", "⎡": "[", "⎣": "[", "⎤": "]", "⎦": "]",
    "⎧": "{", "⎩": "{", "⎫": "}", "⎭": "}", "⏐": "|", "\ue155": "⏞", "\ue156": "⏟",
    "⎢": "|", "⎥": "|", "∣": "|", "∥": "‖",
}  # fmt: skip


class UnreadableError(Exception):
    """The output holds something that cannot be read back."""


def tree(container: LexborNode) -> Node | None:
    """The MathML of a `<mjx-container>`; None where it holds no output that can be read."""
    try:
        root = container.css_first("mjx-math")
        if root is not None:
            return element("math", list(_html_row(root, 0)))
        root = container.css_first('g[data-mml-node="math"]')
        return element("math", list(_svg_row(root, 0))) if root is not None else None
    except UnreadableError:
        return None


def element(tag: str, children: Iterable[Node | str], **attrs: str) -> Node:
    """A MathML element."""
    node = Node(tag, attrs)
    node.children = list(children)
    return node


def _token(tag: str, text: str) -> Node:
    """A token; a single letter of the ordinary alphabet was set upright."""
    if tag == "mo":
        return element(tag, [operator(text)])
    if tag == "mtext":
        bold = unicodedata.name(text[:1], "").startswith("MATHEMATICAL BOLD")
        plain = unicodedata.normalize("NFKC", text) if text.strip() else text
        return element(tag, [plain], mathvariant="bold" if bold else "normal")
    upright = tag == "mi" and len(text) == 1 and text.isascii() and text.isalpha()
    return element(tag, [text], mathvariant="normal") if upright else element(tag, [text])


def operator(text: str) -> str:
    """An operator's characters, one for all the pieces of a stretched one."""
    if len(text) < 2:
        return "―" if text == "–" else text
    for mark, whole in _PIECES.items():
        if mark in text:
            return whole
    return text.strip("–−") or "―"


def _character(code: str, variant: str) -> str:
    number = int(code, 16)
    if _CALLIGRAPHIC.search(variant) and 0x41 <= number <= 0x5A:
        return unicodedata.lookup(f"MATHEMATICAL BOLD SCRIPT CAPITAL {chr(number)}")
    return charset.clean(chr(number)) if number < 0x110000 else ""


def _below(lex: LexborNode) -> Iterator[LexborNode]:
    child = lex.first_child
    while child is not None:
        if child.is_element_node:
            yield child
        child = child.next


def _labelled(table: Node, labels: list[Node]) -> Node:
    """The table with each label in front of its row, where there is one for each."""
    rows = [row for row in elements(table) if row.tag == "mlabeledtr"]
    for row, label in zip(rows, labels if len(labels) == len(rows) else [], strict=False):
        row.children.insert(0, label)
    if len(labels) != len(rows):
        for row in rows:
            row.tag = "mtr"
    return table


# CommonHTML


def _html_row(lex: LexborNode, depth: int) -> Iterator[Node]:
    """The MathML elements below, those of layout looked through."""
    for child in _below(lex):
        name = (child.tag or "").removeprefix("mjx-")
        if name in _LAYOUT:
            continue
        if depth > _MAX_DEPTH or name in _UNREADABLE:
            raise UnreadableError
        if name in _TOKENS:
            yield _token(name, _html_text(child))
        elif name in _HTML_PARTS:
            parts = [_html_part(child, part) for part in _HTML_PARTS[name]]
            if any(part is None for part in parts):
                yield _html_script(name, child, depth)
            else:
                attrs = _html_attrs(name, child)
                yield element(name, [_html_group(part, depth) for part in parts], **attrs)
        elif name == "mspace":
            width = _WIDTH.search(child.attributes.get("style") or "")
            yield element("mspace", [], width=width[1] if width else "0em")
        elif name == "mtable":
            yield _labelled(element(name, _html_row(child, depth + 1)), _html_labels(child, depth))
        elif name in _KEPT:
            yield element(_KEPT[name], _html_row(child, depth + 1), **_html_attrs(name, child))
        else:
            yield from _html_row(child, depth + 1)


def _html_text(lex: LexborNode) -> str:
    out = ""
    for below in lex.traverse(include_text=False):
        css = below.attributes.get("class") or ""
        if below.tag == "mjx-utext":
            out += below.text(deep=True)
        elif below.tag in _DRAWN and (match := _CODE.search(css)):
            out += _character(match[1], css)
    return out


def _html_part(lex: LexborNode, name: str, depth: int = 0) -> LexborNode | None:
    """A part of an element (`mjx-num`, `mjx-base`), sought through elements of layout only."""
    for child in _below(lex):
        if child.tag == f"mjx-{name}":
            return child
        if depth < 8 and child.tag in _HTML_INNER:
            found = _html_part(child, name, depth + 1)
            if found is not None:
                return found
    return None


def _html_group(lex: LexborNode | None, depth: int) -> Node:
    return element("mrow", list(_html_row(lex, depth + 1)) if lex is not None else [])


def _html_script(name: str, lex: LexborNode, depth: int) -> Node:
    """Scripts beside their base; of two the upper one comes first."""
    inside = list(_html_row(lex, depth + 1))
    if len(inside) == 3:
        inside[1:] = [inside[2], inside[1]]
    return element(name, [*inside])


def _html_labels(lex: LexborNode, depth: int) -> list[Node]:
    labels = next((child for child in _below(lex) if child.tag == "mjx-labels"), None)
    rows = _html_row(labels, depth + 1) if labels is not None else ()
    return [element("mtd", elements(row)) for row in rows if plain_text(row)]


def _html_attrs(name: str, lex: LexborNode) -> dict[str, str]:
    style = lex.attributes.get("style") or ""
    if name == "mtd":
        align = re.search(r"text-align:\s*(\w+)", style)
        return {"columnalign": align[1]} if align else {}
    if name == "mfrac":
        without_line = any("atop" in inner.attributes for inner in _below(lex))
        return {"linethickness": "0"} if without_line else {}
    if name == "menclose":
        return {"notation": "box" if lex.css_first('[style*="border:"]') is not None else "none"}
    return {}


# SVG


def _svg_row(lex: LexborNode, depth: int) -> Iterator[Node]:
    """The MathML elements below, groups without a name looked through."""
    for child in _below(lex):
        yield from _svg_one(child, depth)


def _svg_one(lex: LexborNode, depth: int) -> Iterator[Node]:
    attrs = attributes_of(lex)
    name = attrs.get("data-mml-node", "").lower()
    if "data-labels" in attrs or lex.tag in ("defs", "title") or name == "mspace":
        return
    if depth > _MAX_DEPTH or name in _UNREADABLE:
        raise UnreadableError
    if name in _TOKENS:
        yield _token(name, _svg_text(lex))
    elif name in _SCRIPTS:
        yield element(name, _by_height(lex, depth))
    elif name in ("msqrt", "mroot", "mfrac"):
        inside = [list(_svg_one(child, depth + 1)) for child in _below(lex)]
        parts = [element("mrow", part) for part in inside if part and not _is_surd(part[0])]
        lines = any(child.tag == "rect" for child in _below(lex))
        yield element(name, parts, linethickness="1" if lines else "0")
    elif name == "mtable":
        labels = lex.css_first("g[data-labels]")
        rows = element(name, _svg_row(lex, depth + 1))
        yield _labelled(rows, list(_svg_row(labels, depth + 1)) if labels is not None else [])
    elif name in _KEPT:
        boxed = name == "menclose" and lex.css_first("rect") is not None
        yield element(_KEPT[name], _svg_row(lex, depth + 1), notation="box" if boxed else "none")
    else:
        yield from _svg_row(lex, depth + 1)


def _svg_text(lex: LexborNode) -> str:
    out = ""
    for below in _below(lex):
        code = below.attributes.get("data-c") or ""
        if below.tag == "text":
            out += below.text(deep=True)
        elif re.fullmatch(r"[0-9A-F]{1,5}", code):
            out += _character(code, below.attributes.get("xlink:href") or "")
        else:
            out += _svg_text(below)
    return out


def _is_surd(node: Node) -> bool:
    """The root sign, also a tall one that is put together from pieces."""
    return node.tag == "mo" and re.search("[√⎷]", plain_text(node)) is not None


def _by_height(lex: LexborNode, depth: int) -> list[Node]:
    """The base, then what is drawn below it, then what is drawn above it."""
    placed: list[tuple[float, Node]] = []
    for child in _below(lex):
        height = _HEIGHT.search(child.attributes.get("transform") or "")
        inside = list(_svg_one(child, depth + 1))
        if inside:
            placed.append((float(height[1]) if height else 0.0, element("mrow", inside)))
    scripts = sorted(placed[1:], key=lambda pair: pair[0])
    return [node for _, node in (*placed[:1], *scripts)]
