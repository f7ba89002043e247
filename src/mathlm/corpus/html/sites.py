"""Formulas in the markup of single sites: Substack, Canvas, AtCoder, Math is Fun.

Not here: images (images.py) and delimiters of single sites (delimiters.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from mathlm.corpus.html import htmlmath
from mathlm.corpus.html.latex_text import clean
from mathlm.corpus.html.markup import html_tree
from mathlm.corpus.html.nodes import DROP, Math, elements

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

Attrs = dict[str, str]
_VARIABLE = re.compile(
    r"\\[A-Za-z]+|^[A-Za-z](?:[_^](?:\w|\{[^{}]*\}))+$|(?<![\w.-])\w\s*[<>=]\s*\w(?![\w.-])"
)


def variable(lex: LexborNode, attrs: Attrs) -> Math | None:
    """A `<var>` that holds TeX (AtCoder); others are names of variables in prose."""
    text = lex.text(deep=True)
    return Math(clean(text), False) if _VARIABLE.search(text) else None


def _substack(lex: LexborNode, attrs: Attrs) -> Math | None:
    """A display of Substack: its TeX is in a record among the attributes."""
    try:
        record = json.loads(attrs.get("data-attrs") or "")
    except (ValueError, RecursionError):
        return None
    source = record.get("persistentExpression") if isinstance(record, dict) else None
    return Math(clean(source), True) if isinstance(source, str) and clean(source) else None


def _canvas_copy(lex: LexborNode, attrs: Attrs) -> Math | None:
    """Canvas writes MathML for screen readers behind the image of the same formula."""
    before = lex.prev
    if before is None or before.tag != "img":
        return None
    return DROP if "equation" in (before.attributes.get("class") or "") else None


def _fraction(lex: LexborNode, attrs: Attrs) -> Math | None:
    """Math is Fun's fractions: an `<em>` above a `<strong>`."""
    parts = elements(html_tree(lex))
    if [part.tag for part in parts] != ["em", "strong"]:
        return None
    above, below = map(htmlmath.inside, parts)
    return Math(f"\\frac{{{above}}}{{{below}}}", False) if above and below else None


BY_CLASS: dict[str, Callable[[LexborNode, Attrs], Math | None]] = {
    "latex-rendered": _substack,
    "hidden-readable": _canvas_copy,
    "intbl": _fraction,
}
