"""Inline content as text with marked places: code spans, line breaks, superscripts and subscripts.

Not here: blocks (render.py) and delimiters in the text (scan.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mathlm.corpus.html import supsub
from mathlm.corpus.html.nodes import Math, Node
from mathlm.corpus.html.supsub import END, SUB, SUP

if TYPE_CHECKING:
    from mathlm.corpus.html.render import Renderer

FORMULA, CODE, CLOSE, BREAK = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3"
FOREIGN = re.compile("[\ufdd0-\ufdef]")
"""What no formula holds once it is found."""
MARKS = re.compile(f"[{FORMULA}{CODE}{CLOSE}{BREAK}]")
PLACE = re.compile(f"([{FORMULA}{CODE}])([0-9]+){CLOSE}")
_CODE_TAGS = frozenset(["code", "kbd", "samp", "tt"])
_SPACED = frozenset(["div", "p", "td", "th", "li", "tr", "option"])


class Inline:
    """Puts together the text of one run of inline content."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer
        self.out: list[str] = []
        self.scripts = False

    def text(self, run: list[str | Node | Math]) -> str:
        """The run's text."""
        self._all(run)
        text = "".join(self.out)
        return supsub.formulas(text, self.renderer.place) if self.scripts else text

    def _all(self, run: list[str | Node | Math]) -> None:
        for child in run:
            if isinstance(child, str):
                self.out.append(child)
            elif isinstance(child, Math):
                self.out.append(self.renderer.place(child))
            else:
                self._element(child)

    def _element(self, node: Node) -> None:
        tag = node.tag
        if tag == "br":
            self.out.append(BREAK)
        elif tag in _CODE_TAGS:
            self._code(node)
        elif tag in ("sup", "sub"):
            self._script(node)
        elif tag == "a" and (note := supsub.link_of_note(node)) is not None:
            self.out.append(note)
        elif tag == "q":
            self.out.append("“")
            self._all(node.children)
            self.out.append("”")
        elif tag in _SPACED:
            self.out.append(" ")
            self._all(node.children)
            self.out.append(" ")
        else:
            self._all(node.children)

    def _code(self, node: Node) -> None:
        text = " ".join(supsub.in_code(node).split())
        if not text:
            return
        if _has_formula(node):
            self._all(node.children)
            return
        ticks = "`"
        while ticks in text:
            ticks += "`"
        pad = " " if len(ticks) > 1 else ""
        self.out.append(self.renderer.code(f"{ticks}{pad}{text}{pad}{ticks}"))

    def _script(self, node: Node) -> None:
        if note := supsub.footnote(node):
            self.out.append(note)
            return
        self.scripts = True
        self.out.append(SUP if node.tag == "sup" else SUB)
        self._all(node.children)
        self.out.append(END)


def _has_formula(node: Node) -> bool:
    return any(
        isinstance(child, Math) or (isinstance(child, Node) and _has_formula(child))
        for child in node.children
    )
