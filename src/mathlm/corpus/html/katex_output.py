"""KaTeX's visual output, where a page kept neither TeX nor MathML, read back as MathML.

Its boxes have no tree of their own: what stands above what is said by offsets (`top`), what a
symbol is by classes. Accents and fences that are drawn and arrows with labels are not read: there
is no formula then. Source: KaTeX 0.19, src/buildHTML.ts and the builders of its functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mathlm.corpus.html.mathjax_output import UnreadableError, element, operator
from mathlm.corpus.html.nodes import Node, words

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_SKIPPED = words(
    """
    strut pstrut vlist-s arraycolsep nulldelimiter frac-line overline-line underline-line mspace
    vertical-separator hline
    """
)
_UNREADABLE = words("x-arrow cancel-pad mover munder sout angl tag eqn-num llap rlap")
_NEGATED = {"\ue020=": "≠", "∈/": "∉", "\ue020∈": "∉"}
_VARIANTS = {
    "mathbb": "double-struck", "mathcal": "script", "mathscr": "script", "mathfrak": "fraktur",
    "mathbf": "bold", "boldsymbol": "bold-italic", "mathsf": "sans-serif", "mathtt": "monospace",
    "mathit": "italic", "mathrm": "normal", "mainrm": "normal",
}  # fmt: skip
_TOP = re.compile(r"top:\s*(-?[\d.]+)em")
_MIDDLE = -2.62
"""Offsets (in em, upwards negative) below this are superscripts."""
_MAX_DEPTH = 150


def tree(html: LexborNode) -> Node | None:
    """The MathML of an element of class `katex-html`; None where it cannot be read."""
    try:
        return element("math", _row(html, 0))
    except UnreadableError:
        return None


def _spans(lex: LexborNode) -> list[LexborNode]:
    return [child for child in lex.iter(include_text=False) if child.tag in ("span", "svg")]


def _css(lex: LexborNode) -> frozenset[str]:
    names = (lex.attributes.get("class") or "").split()
    return frozenset(name.removeprefix("katex-") for name in names)


def _row(lex: LexborNode, depth: int) -> list[Node]:
    """What stands beside each other below, scripts put on what is before them."""
    if depth > _MAX_DEPTH:
        raise UnreadableError
    out: list[Node] = []
    for child in _spans(lex):
        css = _css(child)
        if not css.isdisjoint(_SKIPPED):
            continue
        if child.tag == "svg" or not css.isdisjoint(_UNREADABLE):
            raise UnreadableError
        if "msupsub" in css:
            base = out.pop() if out else element("mrow", ())
            out.append(_scripts(base, child, depth))
        else:
            out += _one(child, css, depth)
    return out


def _one(lex: LexborNode, css: frozenset[str], depth: int) -> Iterator[Node]:
    if "mrel" in css and (negated := _NEGATED.get(_text(lex).strip())):
        yield element("mo", [negated])
    elif "mop" in css and lex.css_first(".vlist, .op-symbol") is None:
        yield _token(_text(lex).strip(), css)
    elif "mfrac" in css:
        parts = [(top, part) for top, part in _stack(lex) if not _css_below(part) & {"frac-line"}]
        line = "1" if lex.css_first(".frac-line") is not None else "0"
        yield element("mfrac", _groups(parts, depth, 2), linethickness=line)
    elif "sqrt" in css:
        root = next((span for span in _spans(lex) if "root" in _css(span)), None)
        inside = [part for _, part in _stack(lex) if "svg-align" in _css(part)]
        degree = [] if root is None else [element("mrow", _row(_stack(root)[0][1], depth + 1))]
        radicand = element("mrow", _row(_only(inside), depth + 1))
        yield element("mroot" if degree else "msqrt", [radicand, *degree])
    elif "op-limits" in css:
        yield _limits(lex, depth)
    elif "accent" in css or "overline" in css or "underline" in css:
        yield _accented(lex, css, depth)
    elif "mtable" in css:
        yield _table(lex, depth)
    elif "delimsizing" in css:
        if not (mark := operator(_text(lex).strip())):
            raise UnreadableError
        yield element("mo", [mark])
    elif "text" in css:
        yield element("mtext", [_text(lex)])
    elif "vlist-t" in _css_below(lex):
        yield _boxed(lex, depth)
    elif _spans(lex):
        if css & {"minner", "mord", "mop", "mbin", "mrel", "mopen", "mclose"}:
            yield element("mrow", _row(lex, depth + 1))
        else:
            yield from _row(lex, depth + 1)
    elif text := _text(lex).strip():
        if "mathnormal" in css:
            yield from (element("mi", [letter]) for letter in text)
        else:
            yield _token(text, css)


def _token(text: str, css: frozenset[str]) -> Node:
    variant = next((_VARIANTS[name] for name in css if name in _VARIANTS), None)
    if any("\ue000" <= character < "\uf900" for character in text):
        raise UnreadableError
    if text == "∣" and "mrel" not in css:
        return element("mo", ["|"])
    if text.replace(".", "").isdigit():
        return element("mn", [text], **({"mathvariant": variant} if variant else {}))
    if css & {"mbin", "mrel", "mopen", "mclose", "mpunct", "op-symbol"}:
        return element("mo", [text])
    if text.isalpha():
        upright = "mop" not in css or len(text) > 1
        return element("mi", [text], mathvariant=variant or ("normal" if upright else "italic"))
    return element("mi" if text in "∞∅∂∇ℓℏ" else "mo", [text])


def _text(lex: LexborNode) -> str:
    return lex.text(deep=True).replace("\u200b", "")


def _stack(lex: LexborNode) -> list[tuple[float, LexborNode]]:
    """What a vertical list holds, from the lowest to the highest."""
    holder = next((span for span in _spans(lex) if "vlist-t" in _css(span)), None)
    found = holder.css_first(".vlist") if holder is not None else None
    parts = []
    for part in _spans(found) if found is not None else ():
        top = _TOP.search(part.attributes.get("style") or "")
        parts.append((float(top[1]) if top else 0.0, part))
    if not parts:
        raise UnreadableError
    return sorted(parts, key=lambda pair: -pair[0])


def _css_below(lex: LexborNode) -> frozenset[str]:
    return frozenset(name for span in _spans(lex) for name in _css(span))


def _only(parts: list[LexborNode]) -> LexborNode:
    if len(parts) != 1:
        raise UnreadableError
    return parts[0]


def _groups(parts: list[tuple[float, LexborNode]], depth: int, count: int) -> list[Node]:
    """As many rows, from the highest to the lowest."""
    if len(parts) != count:
        raise UnreadableError
    return [element("mrow", _row(part, depth + 1)) for _, part in reversed(parts)]


def _scripts(base: Node, lex: LexborNode, depth: int) -> Node:
    parts = _stack(lex)
    rows = [element("mrow", _row(part, depth + 1)) for _, part in parts]
    if len(rows) == 2:
        return element("msubsup", [base, *rows])
    if len(rows) != 1:
        raise UnreadableError
    return element("msup" if parts[0][0] < _MIDDLE else "msub", [base, *rows])


def _limits(lex: LexborNode, depth: int) -> Node:
    parts = _stack(lex)
    sizes = [part.css_first(".sizing, .katex-sizing") is None for _, part in parts]
    if sum(sizes) != 1:
        raise UnreadableError
    middle = sizes.index(True)
    rows = [element("mrow", _row(part, depth + 1)) for _, part in parts]
    tag = {(1, 1): "munderover", (1, 0): "munder", (0, 1): "mover"}.get(
        (middle, len(rows) - middle - 1)
    )
    if tag is None:
        raise UnreadableError
    return element(tag, [rows[middle], *rows[:middle], *rows[middle + 1 :]])


def _accented(lex: LexborNode, css: frozenset[str], depth: int) -> Node:
    marks = {"overline-line", "underline-line", "accent-body"}
    inside = _only([part for _, part in _stack(lex) if not _css_below(part) & marks])
    body = lex.css_first(".accent-body")
    if "accent" in css and (body is None or body.css_first("svg") is not None):
        raise UnreadableError
    mark = _text(body).strip() if "accent" in css and body is not None else "―"
    tag = "munder" if "underline" in css else "mover"
    return element(tag, [element("mrow", _row(inside, depth + 1)), element("mo", [mark])])


def _boxed(lex: LexborNode, depth: int) -> Node:
    inside = lex.css_first(".boxpad, .katex-boxpad")
    if inside is None or lex.css_first(".fbox, .katex-fbox") is None:
        raise UnreadableError
    return element("menclose", _row(inside, depth + 1), notation="box")


def _table(lex: LexborNode, depth: int) -> Node:
    columns: list[tuple[str, list[LexborNode]]] = []
    for span in _spans(lex):
        align = next((name[10:] for name in _css(span) if name.startswith("col-align-")), None)
        if align is not None:
            columns.append((align, [part for _, part in reversed(_stack(span))]))
    count = max((len(cells) for _, cells in columns), default=0)
    rows = []
    for number in range(count):
        cells = []
        for align, column in columns:
            side = {"r": "right", "l": "left"}.get(align, "center")
            inside = _row(column[number], depth + 1) if number < len(column) else ()
            cells.append(element("mtd", inside, columnalign=side))
        rows.append(element("mtr", cells))
    return element("mtable", rows)
