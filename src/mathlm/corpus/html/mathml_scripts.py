"""MathML's scripts and limits (`msub` … `munderover`, `mmultiscripts`) to LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable

from mathlm.corpus.html.mathml_tokens import braced, text_of
from mathlm.corpus.html.nodes import Node, elements
from mathlm.corpus.html.symbols import (
    BIG,
    LIMIT_FUNCTIONS,
    OVER_ACCENTS,
    OVER_STRETCHED,
    UNDER_STRETCHED,
    WIDE_ACCENTS,
    symbol,
)

Convert = Callable[[Node], str]
_TRANSPARENT = frozenset(("mrow", "mstyle", "mpadded", "semantics"))
_BARE_BASES = frozenset(("mi", "mn", "mo", "mtext", "msqrt", "mtable", "mfenced"))
_PRIME = re.compile(r"'+$")
_ARROWS = {
    "→": "xrightarrow",
    "⟶": "xrightarrow",
    "←": "xleftarrow",
    "⟵": "xleftarrow",
    "⇒": "xRightarrow",
    "⇐": "xLeftarrow",
    "↔": "xleftrightarrow",
    "⇌": "xrightleftharpoons",
}
_INTEGRALS = frozenset("∫∬∭⨌∮∯∰")
_LIMIT_WORDS = LIMIT_FUNCTIONS | {"lim sup", "lim inf", "argmax", "argmin", "arg max", "arg min"}


def operands(node: Node, count: int) -> list[Node]:
    """The element's children, filled up with empty rows (broken pages leave some out)."""
    found = elements(node)
    if len(found) > count:
        found = [child for child in found if not is_invisible(child)]
    return found[:count] + [Node("mrow", {}) for _ in range(count - len(found))]


def is_invisible(node: Node) -> bool:
    """Whether the element is a space, or an operator that is not seen (function application)."""
    return node.tag == "mspace" or (node.tag == "mo" and not text_of(node).strip("\u2061\u2062 "))


def core(node: Node) -> Node:
    """The element inside wrappers that hold nothing else to be seen."""
    while node.tag in _TRANSPARENT:
        inside = [child for child in elements(node) if not is_invisible(child)]
        if len(inside) != 1:
            break
        node = inside[0]
    return node


def _base(node: Node, convert: Convert) -> str:
    """A base that scripts can be put on."""
    latex = convert(node)
    if not latex:
        return "{}"
    inner = core(node)
    if inner.tag in _BARE_BASES and not re.search(r"[_^']", latex):
        return latex if inner.tag != "mn" or latex.isdigit() else braced(latex)
    if re.fullmatch(r"\\left.*\\right\S*|\([^()]*\)|\\[a-zA-Z]+(\{[^{}]*\})?", latex):
        return latex
    return braced(latex)


def _scripted(base: str, below: str, above: str) -> str:
    latex = base
    if below:
        latex += f"_{{{below}}}"
    if above:
        latex += above if _PRIME.fullmatch(above) else f"^{{{above}}}"
    return latex


def _above(latex: str) -> str:
    """A superscript; a degree sign is one already."""
    return "\\circ" if latex == "^{\\circ}" else latex


def sub(node: Node, convert: Convert) -> str:
    """`msub`."""
    base, below = operands(node, 2)
    return _scripted(_base(base, convert), convert(below), "")


def sup(node: Node, convert: Convert) -> str:
    """`msup`; primes stay primes."""
    base, above = operands(node, 2)
    return _scripted(_base(base, convert), "", _above(convert(above)))


def subsup(node: Node, convert: Convert) -> str:
    """`msubsup`."""
    base, below, above = operands(node, 3)
    return _scripted(_base(base, convert), convert(below), _above(convert(above)))


def takes_limits(node: Node) -> bool:
    """Whether scripts under and over the base are its limits (sums, `lim`)."""
    inner = core(node)
    if inner.tag in ("munder", "mover", "munderover", "msub", "msup"):
        inner = core(operands(inner, 1)[0])
    if inner.tag not in ("mo", "mi", "mtext"):
        return False
    text = (
        text_of(inner).replace("\u2061", "").replace("\u00a0", " ").replace("\u2009", " ").strip()
    )
    return text in BIG or text in _LIMIT_WORDS


def _limits(base: Node, convert: Convert) -> str:
    latex = convert(base)
    inner = core(base)
    text = text_of(inner)
    if text in _INTEGRALS:
        return latex + "\\limits"
    if inner.tag == "mtext" or (latex.startswith(("\\mathrm", "\\text"))):
        return f"\\operatorname*{{{text}}}"
    return latex.replace("\\operatorname{", "\\operatorname*{")


def under(node: Node, convert: Convert) -> str:
    r"""`munder`: limits, braces and bars below, or `\underset`."""
    base, below = operands(node, 2)
    if is_invisible(core(below)):
        return convert(base)
    mark = text_of(core(below)) if core(below).tag in ("mo", "mtext", "mi") else ""
    if takes_limits(base):
        return _scripted(_limits(base, convert), convert(below), "")
    if mark in UNDER_STRETCHED:
        return f"\\{UNDER_STRETCHED[mark]}{{{convert(base)}}}"
    if core(base).tag == "munder" and _is_brace(operands(core(base), 2)[1]):
        return f"{convert(base)}_{{{convert(below)}}}"
    if arrow := _arrow(base):
        return _over_arrow(arrow, convert(below), "")
    return f"\\underset{{{convert(below)}}}{{{convert(base)}}}"


def _arrow(base: Node) -> str | None:
    return _ARROWS.get(text_of(core(base))) if core(base).tag == "mo" else None


_PADDING = re.compile(r"^(?:\\[;:, !]|\\q?quad|\s)+|(?:\\[;:, !]|\\q?quad|\s)+$")


def _over_arrow(arrow: str, below: str, above: str) -> str:
    """An arrow with its labels, without the space that renderers put around these."""
    below, above = _PADDING.sub("", below), _PADDING.sub("", above)
    return f"\\{arrow}[{below}]{{{above}}}" if below else f"\\{arrow}{{{above}}}"


def _is_brace(node: Node) -> bool:
    return text_of(core(node)) in ("⏟", "⏞", "︸", "︷")


def over(node: Node, convert: Convert) -> str:
    r"""`mover`: accents, limits, braces and arrows above, or `\overset`."""
    base, above = operands(node, 2)
    inner = core(above)
    if is_invisible(inner):
        return convert(base)
    mark = text_of(inner) if inner.tag in ("mo", "mtext", "mi") else ""
    if mark in OVER_STRETCHED and not takes_limits(base):
        return f"\\{OVER_STRETCHED[mark]}{{{convert(base)}}}"
    if accent := _accent(mark, node, inner):
        wide = WIDE_ACCENTS.get(accent) if _is_wide(base, inner, accent) else None
        return f"\\{wide or accent}{{{convert(base)}}}"
    if takes_limits(base):
        return _scripted(_limits(base, convert), "", convert(above))
    if core(base).tag == "mover" and _is_brace(operands(core(base), 2)[1]):
        return f"{convert(base)}^{{{convert(above)}}}"
    if arrow := _arrow(base):
        return _over_arrow(arrow, "", convert(above))
    return f"\\overset{{{convert(above)}}}{{{convert(base)}}}"


def _accent(mark: str, node: Node, inner: Node) -> str | None:
    if mark in ("-", "−", ".", "_") and inner.tag == "mi":
        return None
    return OVER_ACCENTS.get(mark)


def _is_wide(base: Node, mark: Node, accent: str) -> bool:
    if mark.attrs.get("stretchy") == "false":
        return False
    inner = core(base)
    if inner.tag in ("mi", "mn", "mo"):
        return len(text_of(inner)) > 1
    if (
        accent == "bar"
        and text_of(mark) in ("―", "‾", "_")
        and mark.attrs.get("stretchy") == "true"
    ):
        return True
    return bool(elements(inner))


def underover(node: Node, convert: Convert) -> str:
    """`munderover`."""
    base, below, above = operands(node, 3)
    if takes_limits(base):
        return _scripted(_limits(base, convert), convert(below), convert(above))
    if arrow := _arrow(base):
        return _over_arrow(arrow, convert(below), convert(above))
    inside = Node("mover", {})
    inside.children = [base, above]
    outside = Node("munder", {})
    outside.children = [inside, below]
    return under(outside, convert)


def multiscripts(node: Node, convert: Convert) -> str:
    """`mmultiscripts`: scripts on the left hang on an empty base."""
    children = elements(node)
    if not children:
        return ""
    split = next(
        (i for i, child in enumerate(children) if child.tag == "mprescripts"), len(children)
    )
    after = _pairs(children[1:split], convert)
    before = _pairs(children[split + 1 :], convert)
    left = "".join(_scripted("{}", below, above) for below, above in before)
    base = _base(children[0], convert)
    right = "{}".join(_scripted("", below, above) for below, above in after)
    return left + base + right


def _pairs(nodes: list[Node], convert: Convert) -> list[tuple[str, str]]:
    latex = [convert(node) for node in nodes]
    latex += [""] * (len(latex) % 2)
    pairs = list(zip(latex[::2], latex[1::2], strict=True))
    return [pair for pair in pairs if pair != ("", "")]


def bare_symbol(node: Node) -> str:
    """The LaTeX of a token that is one character, for tests of equality."""
    return symbol(text_of(node))
