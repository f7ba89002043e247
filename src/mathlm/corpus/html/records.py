"""What extraction returns: the text, its formulas, and why there is none when there is none.

Not here: the document of the corpus (core/records), which the corpus stage makes of an extraction.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from mathlm.core.records import Record

Reason = Literal[
    "empty", "not_html", "too_large", "too_many_nodes", "too_deep", "too_many_links", "error"
]  # fmt: skip


class PageRules(NamedTuple):
    """What is asked of a page beside its text."""

    banned: tuple[str, ...] = ()
    """CSS selectors of elements that are no content (`banned.is_selector` of each)."""
    spare_large: bool = True
    """Whether a banned element that holds much of the page's text stays."""
    max_links: int | None = None
    """Pages with more links are not read."""


NO_RULES = PageRules()


class Formula(Record):
    """One formula as it stands in the text, without its delimiters."""

    latex: str
    display: bool
    """True for `$$…$$` on its own, False for `$…$` in a line of text."""


class Extraction(Record):
    """The text of one page as Markdown with LaTeX, or the reason why none could be had."""

    text: str
    title: str | None = None
    formulas: tuple[Formula, ...] = ()
    """In the order of the text; each stands in it exactly once, between its delimiters."""
    charset: str = "utf-8"
    """The character set by which the bytes were read (Python's name)."""
    charset_declared: str | None = None
    """What the page or its header said, as it said it."""
    reason: Reason | None = None
    """None when text was had."""
    detail: str = ""
    """For `error`: the kind of exception and its message."""
