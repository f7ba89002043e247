"""The light tree that extraction works on: nodes, text as plain strings, formulas already read.

Not a DOM: there are no parents and no siblings; what matters of them is settled while it is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias


def words(text: str) -> frozenset[str]:
    """The words of a text: how the lists of names in this package are written."""
    return frozenset(text.split())


class Math:
    """A formula found in the page; `display` is None where only its place in the text can tell."""

    __slots__ = ("display", "latex")

    def __init__(self, latex: str, display: bool | None) -> None:
        self.latex = latex
        self.display = display


DROP = Math("", False)
"""Stands for a copy of a formula that is read elsewhere: nothing is kept of the element."""


class Node:
    """One element: tag, attributes, children, and how much text and link text it holds."""

    __slots__ = (
        "attrs", "chars", "children", "doubtful", "holds_block", "links", "suspect", "tag",
        "weight",
    )  # fmt: skip

    def __init__(self, tag: str, attrs: dict[str, str]) -> None:
        self.tag = tag
        self.attrs = attrs
        self.children: list[Child] = []
        self.chars = 0
        """Characters of text below, formulas included."""
        self.links = 0
        """Of these, characters within links."""
        self.weight = 0.0
        """How much running text is below: pieces long enough and outside of links, and formulas."""
        self.holds_block = False
        """Whether a block element is below."""
        self.doubtful = False
        """Whether something below is suspect, or may be a list of links."""
        self.suspect = False
        """Whether its tag, role or name speaks of navigation, advertising and the like."""

    @property
    def css(self) -> str:
        """The class attribute, or an empty string."""
        return self.attrs.get("class", "")


BLOCKS = words(
    """
    address article aside blockquote body center dd details div dl dt fieldset figcaption figure
    footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol p pre section
    summary table tbody thead tfoot tr td th caption ul listing xmp
    """
)
"""Elements that begin and end a paragraph."""
Child: TypeAlias = "str | Node | Math"


def elements(node: Node) -> list[Node]:
    """The children that are elements."""
    return [child for child in node.children if child.__class__ is Node]


def walk(node: Node) -> Iterator[Node]:
    """The node and all elements below it, in document order."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack += [child for child in reversed(current.children) if child.__class__ is Node]


def plain_text(node: Node) -> str:
    """All text below, as it stands; formulas as their LaTeX."""
    pieces: list[str] = []
    stack: list[Child] = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, str):
            pieces.append(current)
        elif isinstance(current, Math):
            pieces.append(current.latex)
        else:
            stack.extend(reversed(current.children))
    return "".join(pieces)
