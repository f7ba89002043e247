"""MathML to LaTeX: presentation markup of any dialect, as pages carry it.

Not here: finding the TeX that a page kept beside its MathML (formulas.py prefers it), content
MathML (its text is kept in order). Source: MathML 3 (W3C Recommendation 2014), chapters 3 and 6.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mathlm.corpus.html import mathml_rows as rows
from mathlm.corpus.html import mathml_scripts as scripts
from mathlm.corpus.html.mathml_tokens import TOKENS, text_of
from mathlm.corpus.html.nodes import Node, elements

_MAX_DEPTH = 90


def to_latex(math: Node) -> str:
    """LaTeX for a `<math>` element (or any element inside one); empty when it holds nothing."""
    _inherit(math, None)
    latex = rows.row(elements(math), _convert_at(0)).strip()
    return _MODULO.sub(r"\\pmod{\1}", latex) if "mod" in latex else latex


# What converters make of `\pmod{n}`.
_MODULO = re.compile(
    r"(?:\\q?quad|\\[;:, ]|~| )*\(\\(?:(?:mathrm|mathit|operatorname|text)\{mod\}|bmod)"
    r"(?:\\[;:, ]|~| )*([^()]*)\)"
)
_TOKENS_STYLED = frozenset(("mi", "mn", "mo", "ms", "mtext"))


def _inherit(node: Node, variant: str | None) -> None:
    """Write the variant that `mstyle` asks for on the tokens below that ask for none."""
    stack = [(node, variant)]
    while stack:
        current, inherited = stack.pop()
        if current.tag in ("mstyle", "math"):
            inherited = current.attrs.get("mathvariant", inherited)
        for child in elements(current):
            if inherited and child.tag in _TOKENS_STYLED:
                child.attrs.setdefault("mathvariant", inherited)
            stack.append((child, inherited))


def _convert_at(depth: int) -> Callable[[Node], str]:
    """A converter of one element that knows how deep it is; too deep, only the text is kept."""

    def convert(node: Node) -> str:
        if depth > _MAX_DEPTH:
            return text_of(node)
        token = TOKENS.get(node.tag)
        if token is not None:
            return token(node)
        layout = LAYOUT.get(node.tag, _row)
        return layout(node, _convert_at(depth + 1))

    return convert


Convert = Callable[[Node], str]


def _row(node: Node, convert: Convert) -> str:
    return rows.row(elements(node), convert)


def _first(node: Node, convert: Convert) -> str:
    children = elements(node)
    return convert(children[0]) if children else ""


def _fraction(node: Node, convert: Convert) -> str:
    above, below = scripts.operands(node, 2)
    numerator, denominator = convert(above), convert(below)
    thickness = node.attrs.get("linethickness", "").strip()
    if thickness[:1] == "0" and not thickness.strip("0.pxemtcin%"):
        return f"\\genfrac{{}}{{}}{{0pt}}{{}}{{{numerator}}}{{{denominator}}}"
    return f"\\frac{{{numerator}}}{{{denominator}}}"


def _square_root(node: Node, convert: Convert) -> str:
    return f"\\sqrt{{{_row(node, convert)}}}"


def _root(node: Node, convert: Convert) -> str:
    radicand, index = scripts.operands(node, 2)
    degree = convert(index)
    return (
        f"\\sqrt[{degree}]{{{convert(radicand)}}}" if degree else f"\\sqrt{{{convert(radicand)}}}"
    )


def _phantom(node: Node, convert: Convert) -> str:
    return f"\\phantom{{{_row(node, convert)}}}"


_NOTATIONS = {
    "box": "boxed",
    "roundedbox": "boxed",
    "circle": "boxed",
    "radical": "sqrt",
    "top": "overline",
    "bottom": "underline",
    "updiagonalstrike": "cancel",
    "downdiagonalstrike": "bcancel",
    "horizontalstrike": "cancel",
    "madruwb": "underline",
}


def _enclosed(node: Node, convert: Convert) -> str:
    latex = _row(node, convert)
    notations = node.attrs.get("notation", "longdiv").split()
    if "updiagonalstrike" in notations and "downdiagonalstrike" in notations:
        return f"\\xcancel{{{latex}}}"
    if "longdiv" in notations:
        return f"\\overline{{)\\,{latex}}}"
    for notation in notations:
        if command := _NOTATIONS.get(notation):
            latex = f"\\{command}{{{latex}}}"
    return latex


def _nothing(node: Node, convert: Convert) -> str:
    return ""


LAYOUT: dict[str, Callable[[Node, Convert], str]] = {
    "mfrac": _fraction,
    "msqrt": _square_root,
    "mroot": _root,
    "mphantom": _phantom,
    "menclose": _enclosed,
    "semantics": _first,
    "maction": _first,
    "annotation": _nothing,
    "annotation-xml": _nothing,
    "none": _nothing,
    "mprescripts": _nothing,
    "malignmark": _nothing,
    "maligngroup": _nothing,
    "msub": scripts.sub,
    "msup": scripts.sup,
    "msubsup": scripts.subsup,
    "munder": scripts.under,
    "mover": scripts.over,
    "munderover": scripts.underover,
    "mmultiscripts": scripts.multiscripts,
    "mtable": rows.table,
    "mfenced": rows.fenced,
}
