r"""Formulas in text: `$…$`, `$$…$$`, `\(…\)`, `\[…\]` and display environments to MathML trees.

Not a TeX, and no markup: a tree is plain values (tag, attributes, children) that the page's script
turns into elements. latex2mathml parses the formula; what it returns is not trusted: tags and
attributes pass a list here and once more in the page. A formula that cannot be rendered is shown
as it is written.
"""

from __future__ import annotations

import html
import re
import warnings
from typing import Any

from mathlm.reporting.markup import visible

Tree = list[Any]
"""[tag, {attribute: value} or 0, child or text, …]."""
Pieces = list[str | int]
"""Text, and numbers of formulas in a table."""

_MAX = 400
"""Characters of a formula; longer ones are shown as text (parsing time grows with them)."""
_DEPTH = 40
"""Nesting of elements; deeper formulas are shown as text."""
_FORMULA = re.compile(
    rf"\$\$(?P<dd>.{{1,{_MAX}}}?)\$\$"
    rf"|\\\[(?P<bracket>.{{1,{_MAX}}}?)\\\]"
    rf"|\\\((?P<paren>.{{1,{_MAX}}}?)\\\)"
    r"|(?P<environment>\\begin\{(?P<name>(?:align|equation|gather)\*?)\}"
    rf".{{1,{_MAX}}}?\\end\{{(?P=name)\}})"
    # as in pandoc: no space inside the dollars, no digit after them (sums of money)
    rf"|(?<![\\$])\$(?P<dollar>[^\s$](?:[^$\n]{{0,{_MAX}}}?[^\s$\\])?)\$(?!\d)",
    re.DOTALL,
)
_KINDS = {"dd": True, "bracket": True, "environment": True, "paren": False, "dollar": False}
"""Groups of the pattern, and whether they are displayed."""
_TAGS = re.compile(
    "math|mrow|mi|mn|mo|ms|mtext|mspace|msup|msub|msubsup|mfrac|msqrt|mroot|mover|munder"
    "|munderover|mtable|mtr|mtd|mstyle|mpadded|mphantom|menclose|mmultiscripts|mprescripts"
)
_WORDS = re.compile(
    "mathvariant|stretchy|fence|form|separator|columnalign|rowalign|accent|accentunder"
    "|movablelimits|displaystyle|scriptlevel|notation|symmetric|largeop|columnlines"
)
_LENGTHS = re.compile("lspace|rspace|width|minsize|maxsize|linethickness")
_WORD = re.compile(r"[a-z0-9 +-]{1,40}")
_LENGTH = re.compile(r"-?\d?(\.\d{1,3})?(em|ex|px)?|[0-3]")


class _Refused(Exception):
    """A formula that is shown as text."""


class FormulaTable:
    """Formulas by number, each rendered once; after `limit` different ones the rest stay text."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._trees: dict[tuple[str, bool], Tree | None] = {}
        self._numbers: dict[tuple[str, bool], int] = {}
        self.entries: list[Tree] = []
        """[display, tree] of each formula used since `start`."""

    def start(self) -> None:
        """Begin a new table of numbers; what was rendered is kept."""
        self._numbers, self.entries = {}, []

    def pieces(self, text: str) -> Pieces:
        """The text with its formulas replaced by their numbers; what is text is made visible."""
        found: Pieces = []
        last = 0
        for match in _FORMULA.finditer(text):
            kind = next(name for name in _KINDS if match[name] is not None)
            number = self._number((match[kind], _KINDS[kind]))
            if number is not None:
                if match.start() > last:
                    found.append(visible(text[last : match.start()]))
                found.append(number)
                last = match.end()
        if last < len(text) or not found:
            found.append(visible(text[last:]))
        return found

    def _number(self, key: tuple[str, bool]) -> int | None:
        if key not in self._trees:
            if len(self._trees) >= self.limit:
                return None
            self._trees[key] = formula(key[0], display=key[1])
        tree = self._trees[key]
        if tree is None:
            return None
        if key not in self._numbers:
            self._numbers[key] = len(self.entries)
            self.entries.append([int(key[1]), tree])
        return self._numbers[key]


def formula(latex: str, *, display: bool = False) -> Tree | None:
    """The tree of one formula, or None where it cannot be rendered."""
    if len(latex) > _MAX + 40:
        return None
    from latex2mathml.converter import Converter

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind = "block" if display else "inline"
            root = Converter(display=kind).convert_to_element(latex)
        return _element(root, 0)
    except Exception:  # noqa: BLE001 (an item's boundary: a model's formula may raise anything)
        return None


def _element(element: Any, depth: int) -> Tree:
    name = str(element.tag)
    if not _TAGS.fullmatch(name) or depth > _DEPTH:
        raise _Refused(name)
    attributes = {
        key: value
        for key, value in element.attrib.items()
        if (_WORDS.fullmatch(key) and _WORD.fullmatch(value))
        or (_LENGTHS.fullmatch(key) and _LENGTH.fullmatch(value))
    }
    tree: Tree = [name, attributes or 0]
    if text := visible(html.unescape(element.text or "")):
        tree.append(text)
    return tree + [_element(child, depth + 1) for child in element]
