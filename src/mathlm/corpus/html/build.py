"""The C parser's tree as the light one: scripts and styles gone, formulas read, text counted.

Not here: what of the page is its content (content.py). One pass, because a call on a node of the C
tree costs as much as all the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mathlm.corpus.html import content, formulas, symbol_font
from mathlm.corpus.html.nodes import BLOCKS, Math, Node, words

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

MAX_DEPTH = 100
"""Elements deeper than this become text of the last one allowed (browsers stop at 512)."""
_DROPPED = words(
    """
    style noscript template iframe object embed canvas video audio source track select option
    optgroup button input textarea map area meta link base frame frameset noframes applet svg
    dialog datalist progress meter param picture-source head title rp
    """
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_MOVED = re.compile(r"vertical-align\s*:\s*(super|sub)\b", re.IGNORECASE)
_SCRIPTS = {"super": "sup", "sub": "sub"}
_HIDING = frozenset(("style", "hidden", "aria-hidden"))
_LOOKED_AT = _HIDING | formulas.DATA_SET
_TRANSPARENT = words(
    """
    span b i em strong u s font small big strike abbr acronym cite dfn ins mark label time bdi bdo
    nobr var
    """
)
"""Elements that mean nothing to the text: what is in them may stand in their parent."""
_AFTER_COLON = "classifier"
"""Before a type of this class Docutils' style sheet writes a colon."""
_REVEALED = re.compile(
    r"spoiler|solution|answer|proof|collaps|toggle|hint|expand|accordion|tab-?pane|mw-content|noscript|reveal|hidden-content",
    re.IGNORECASE,
)
_RUNNING_TEXT = 25
"""Characters from which a piece of text outside of links counts as running text."""


class TooManyNodesError(Exception):
    """The page has more nodes than the limit allows."""


class Builder:
    """Builds the light tree of one page within a limit of nodes.

    Elements that are `banned` (`banned.banned`) are left out; with `spare`, they are marked for
    `content.select`, which decides by how much of the page they hold.
    """

    def __init__(
        self, max_nodes: int, banned: frozenset[int] = frozenset(), *, spare: bool = False
    ) -> None:
        self.left = max_nodes
        self.banned, self.spare = banned, spare

    def build(self, lex: LexborNode) -> Node:
        """The light tree of the element."""
        root = Node(lex.tag or "", {})
        self._children(lex, root, 0, linked=False)
        return root

    def _children(self, lex: LexborNode, node: Node, depth: int, *, linked: bool) -> None:
        """Add what is below `lex` to the node; this loop is where a page's time goes."""
        child = lex.first_child
        append = node.children.append
        seen = chars = 0
        while child is not None:
            seen += 1
            tag = child.tag
            if tag == "-text":
                text = child.text_content or ""
                append(text)
                length = len(text.strip())
                if length:
                    chars += length
                    if length >= _RUNNING_TEXT and not linked:
                        node.weight += length
            elif tag in _DROPPED or tag is None or tag[0] == "-":
                pass
            else:
                self._element(child, tag, node, depth, linked=linked)
            child = child.next
        node.chars += chars
        if linked:
            node.links += chars
        self.left -= seen
        if self.left < 0:
            raise TooManyNodesError

    def _element(
        self, lex: LexborNode, tag: str, parent: Node, depth: int, *, linked: bool
    ) -> None:
        attrs: dict[str, str] = lex.attributes  # type: ignore[assignment]
        suspect = tag in content.SUSPECT_TAGS
        inside = linked
        if self.banned and lex.mem_id in self.banned:
            if not self.spare:
                return
            suspect, tag = True, "div" if tag == "p" else tag
        if attrs or tag in formulas.TAGS:
            if None in attrs.values():
                attrs = {name: value or "" for name, value in attrs.items()}  # one without a value
            css = attrs.get("class")
            if (
                tag in formulas.TAGS
                or (css and formulas.class_words(css))
                or not _LOOKED_AT.isdisjoint(attrs)
            ):
                math = formulas.read(lex, tag, attrs)
                if math is not None:
                    _add_formula(math, parent, linked=linked)
                    return
                if not _HIDING.isdisjoint(attrs):
                    if _is_hidden(attrs):
                        return
                    if tag == "span" and (moved := _MOVED.search(attrs.get("style", ""))):
                        tag = _SCRIPTS[moved[1].lower()]
            if css or "id" in attrs or "role" in attrs:
                suspect = (suspect and not content.is_note(attrs)) or content.is_suspect(
                    tag, attrs, css
                )
            inside = linked or (tag == "a" and "href" in attrs)
        if depth >= MAX_DEPTH:
            self._flatten(lex, parent, linked=linked)
            return
        node = Node(tag, attrs)
        node.suspect = suspect
        self._children(lex, node, depth + 1, linked=inside)
        if tag == "pre":
            node.weight = node.chars
        parent.chars += node.chars
        parent.links += node.links
        parent.weight += node.weight
        if node.holds_block or tag in BLOCKS:
            parent.holds_block = True
        elif tag in _TRANSPARENT and not suspect and (linked or not node.links):
            if attrs and attrs.get("class") == _AFTER_COLON:
                _add_colon(parent)
            if ("style" in attrs or "face" in attrs) and symbol_font.is_named(attrs):
                node.children = symbol_font.read(node.children)
            parent.children += node.children
            parent.doubtful = parent.doubtful or node.doubtful
            return
        parent.children.append(node)
        if suspect or node.doubtful or (node.links and tag in content.LISTS):
            parent.doubtful = True

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


def _add_colon(node: Node) -> None:
    last = node.children[-1] if node.children else None
    if not isinstance(last, str) or not last.rstrip().endswith(":"):
        node.children.append(" : ")


def _add_formula(math: Math, parent: Node, *, linked: bool) -> None:
    if math.latex:
        parent.children.append(math)
        parent.chars += len(math.latex)
        parent.weight += 0 if linked else _RUNNING_TEXT


def _is_hidden(attributes: dict[str, str]) -> bool:
    style = attributes.get("style")
    hidden = (
        (style and _HIDDEN.search(style))
        or "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
    )
    if not hidden:
        return False
    return _REVEALED.search(f"{attributes.get('class') or ''} {attributes.get('id') or ''}") is None
