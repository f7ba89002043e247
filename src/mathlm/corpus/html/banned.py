"""Elements that selectors of the user's name: found in the C parser's tree, by their addresses.

Nothing is taken out of that tree: what is freed below a freed element would be freed twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_MAX_CHARACTERS = 1000
_PROBE = "mathlm-probe"
_ROOTS = ("html", "body")


def is_selector(text: str) -> bool:
    """Whether the parser knows the selector, and others can stand behind it in one list.

    A bracket or quotation mark left open is closed by the end of the text, and would swallow them.
    """
    from selectolax.lexbor import LexborHTMLParser

    if len(text) > _MAX_CHARACTERS or not text.isprintable():
        return False
    parser = LexborHTMLParser(f"<{_PROBE}></{_PROBE}>")
    found = _matches(parser, f"{text},{_PROBE}") or []
    alone, closed = _matches(parser, text), _matches(parser, f"{text})")
    return alone is not None and closed is None and any(node.tag == _PROBE for node in found)


def _matches(parser: LexborHTMLParser, selector: str) -> list[LexborNode] | None:
    """The elements; None where the parser does not know the selector."""
    from selectolax.lexbor import SelectolaxError

    try:
        return list(parser.css(selector))
    except (SelectolaxError, UnicodeEncodeError):
        return None


def banned(parser: LexborHTMLParser, selectors: Sequence[str]) -> frozenset[int]:
    """The addresses (`mem_id`) of the elements that the selectors name; never of the whole page."""
    if not selectors:
        return frozenset()
    found = parser.css(",".join(selectors))
    return frozenset(node.mem_id for node in found if node.tag not in _ROOTS)
