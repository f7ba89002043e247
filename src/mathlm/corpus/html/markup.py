"""A page's markup before it is parsed: MathML without prefixes, relations in TeX that are no tags.

Also the trees of single formulas. Not here: what they mean (formulas.py, mathml.py).
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from mathlm.corpus.html.nodes import Node

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_PREFIX = re.compile(
    r"""xmlns:([A-Za-z][\w-]{0,20})\s*=\s*["']http://www\.w3\.org/1998/Math/MathML["']"""
)
# No element's name goes on like this: `a<b\)`, `i<n}`, `0<x$`, `k<n_1`.
_RELATION = re.compile(
    r"<(?=[A-Za-z][A-Za-z0-9]{0,15}[\\^=+$,;(){}\[\]|&]|[A-Za-z]_[A-Za-z0-9{\\])"
)
# References to what clean text has none of: control characters and noncharacters.
_UNCLEAN = re.compile(
    r"&#(?:[xX]0*(?:[fF][dD][dDeE][\dA-Fa-f]|[\dA-Fa-f]{0,2}[fF]{3}[eEfF]|[0-8bBcCeEfF]|1[\dA-Fa-f])"
    r"|0*(?:649[789]\d|6500\d|6553[45]|[0-8]|1[124-9]|2\d|3[01]))(?:;|(?![\dA-Fa-f]))"
)
# In XHTML an element may end itself; read as HTML, one of these swallows the page.
_SELF_ENDED = re.compile(r"<(s(?:cript|tyle)|t(?:itle|extarea)|iframe|noscript)\b([^<>]*)/>")
_HEAD = 2000
_MAX_DEPTH = 200
_TOKENS = frozenset(("mi", "mn", "mo", "mtext", "ms", "annotation", "annotation-xml", "mglyph"))


def prepared(markup: str) -> str:
    """The markup as it goes to the parser."""
    if "&#" in markup:
        markup = _UNCLEAN.sub("", markup)
    if "/1999/xhtml" in markup[:_HEAD]:
        markup = _SELF_ENDED.sub(r"<\1\2></\1>", markup)
    return _without_prefixes(_RELATION.sub("&lt;", markup))


def _without_prefixes(markup: str) -> str:
    """The markup with prefixed MathML (`<mml:mi>`) as plain MathML, which HTML parsers know."""
    if ":math" not in markup:
        return markup
    prefixes = {match[1] for match in _PREFIX.finditer(markup)}
    if "<mml:math" in markup:
        prefixes.add("mml")
    if "<m:math" in markup:
        prefixes.add("m")
    if not prefixes:
        return markup
    names = "|".join(sorted(map(re.escape, prefixes)))
    return re.sub(rf"<(/?)(?:{names}):(?=[a-z])", r"<\1", markup)


def parse_math(source: str) -> LexborNode | None:
    """The `<math>` element of a string of markup."""
    from selectolax.lexbor import LexborHTMLParser

    if "<" not in source and "&lt;" in source:
        source = html.unescape(source)
    return LexborHTMLParser(_without_prefixes(source)).css_first("math")


def plain_tree(lex: LexborNode) -> Node:
    """A MathML element as light nodes, without comments; what is nested too deep is left out.

    Text that stands outside of a token (TeX4ht puts primes there) becomes an operator.
    """
    return _tree(
        lex, lambda tag, text: text if tag in _TOKENS or text.isspace() else _operator(text)
    )


def html_tree(lex: LexborNode) -> Node:
    """An element of HTML as light nodes, without comments."""
    return _tree(lex, lambda tag, text: text)


def _tree(lex: LexborNode, of_text: Callable[[str, str], str | Node]) -> Node:
    root = Node(lex.tag or "", attributes_of(lex))
    stack = [(lex, root, 0)]
    while stack:
        source, target, depth = stack.pop()
        child = source.first_child
        while child is not None:
            if child.is_text_node:
                target.children.append(of_text(target.tag, child.text_content or ""))
            elif child.is_element_node and depth < _MAX_DEPTH:
                node = Node(child.tag or "", attributes_of(child))
                if node.tag == "mrow" and "border:" in node.attrs.get("style", ""):
                    node.tag, node.attrs = "menclose", {"notation": "box"}
                target.children.append(node)
                stack.append((child, node, depth + 1))
            child = child.next
    return root


def _operator(text: str) -> Node:
    node = Node("mo" if len(text.strip()) == 1 else "mtext", {})
    node.children.append(text)
    return node


def attributes_of(lex: LexborNode) -> dict[str, str]:
    """The element's attributes; one without a value has an empty one."""
    return {name: value or "" for name, value in lex.attributes.items()}
