"""From the C parser's tree to the light one: scripts and styles go, formulas are read, text counted.

Not here: what of the page is its content (content.py). One pass, because a call on a node of the C
tree costs as much as all the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mathlm.corpus.html import formulas
from mathlm.corpus.html.nodes import Math, Node

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

MAX_DEPTH = 100
"""Elements deeper than this are taken as children of the last one allowed (browsers do the like at 512)."""
_DROPPED = frozenset(
    "style noscript template iframe object embed canvas video audio source track select option optgroup button input textarea map area meta"
    " link base frame frameset noframes applet svg dialog datalist progress meter param picture-source head title rp".split()
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_REVEALED = re.compile(
    r"spoiler|solution|answer|proof|collaps|toggle|hint|expand|accordion|tab-?pane|mw-content|noscript|reveal|hidden-content",
    re.IGNORECASE,
)
_RUNNING_TEXT = 25
"""Characters from which a piece of text outside of links counts as running text."""


class TooManyNodesError(Exception):
    """The page has more nodes than the limit allows."""


class Builder:
    """Builds the light tree of one page within a limit of nodes."""

    def __init__(self, max_nodes: int) -> None:
        self.left = max_nodes

    def build(self, lex: LexborNode) -> Node:
        """The light tree of the element."""
        root = Node(lex.tag or "", {})
        self._children(lex, root, 0, linked=False)
        return root

    def _children(self, lex: LexborNode, node: Node, depth: int, *, linked: bool) -> None:
        child = lex.first_child
        children = node.children
        while child is not None:
            self.left -= 1
            if self.left < 0:
                raise TooManyNodesError
            tag = child.tag
            if tag == "-text":
                text = child.text_content
                if text:
                    children.append(text)
                    length = len(text) if not text.isspace() else 0
                    node.chars += length
                    if linked:
                        node.links += length
                    elif length >= _RUNNING_TEXT:
                        node.weight += length
            elif tag not in _DROPPED and tag is not None and tag[0] != "-":
                self._element(child, tag, node, depth, linked=linked)
            child = child.next

    def _element(
        self, lex: LexborNode, tag: str, parent: Node, depth: int, *, linked: bool
    ) -> None:
        attributes = attributes_of(lex)
        math = formulas.read(lex, tag, attributes)
        if math is not None:
            if math.latex:
                parent.children.append(math)
                parent.chars += len(math.latex)
                parent.weight += 0 if linked else 20
            return
        if _is_hidden(attributes):
            return
        linked = linked or tag == "a" and "href" in attributes
        if depth >= MAX_DEPTH:
            self._flatten(lex, parent, linked=linked)
            return
        node = Node(tag, attributes)
        self._children(lex, node, depth + 1, linked=linked)
        parent.children.append(node)
        parent.chars += node.chars
        parent.links += node.links
        parent.weight += node.weight

    def _flatten(self, lex: LexborNode, parent: Node, *, linked: bool) -> None:
        """All text below, put into the parent."""
        for below in lex.traverse(include_text=True):
            self.left -= 1
            if self.left < 0:
                raise TooManyNodesError
            if below.is_text_node and (text := below.text_content):
                holder = below.parent
                if holder is not None and holder.tag in ("script", "style"):
                    continue
                parent.children.append(text)
                parent.chars += len(text)
                parent.links += len(text) if linked else 0


def attributes_of(lex: LexborNode) -> dict[str, str]:
    """The element's attributes; one without a value has an empty one."""
    attributes = lex.attributes
    if None in attributes.values():
        return {name: value or "" for name, value in attributes.items()}
    return attributes  # type: ignore[return-value]


def _is_hidden(attributes: dict[str, str]) -> bool:
    if not attributes:
        return False
    style = attributes.get("style")
    hidden = (
        (style and _HIDDEN.search(style))
        or "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
    )
    if not hidden:
        return False
    return _REVEALED.search(f"{attributes.get('class') or ''} {attributes.get('id') or ''}") is None
