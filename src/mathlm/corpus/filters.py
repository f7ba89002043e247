"""Filters: what drops a document, by name, and which of them each kind of source passes.

A filter looks at one document and gives the reason to drop it, or None. The rules by programming
language are in `mathlm.corpus.code.rules`, those for web pages in `web_filters.py`; duplicates and
overlaps need more than one document and are steps of their own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mathlm.core.records import Document, Provenance
from mathlm.corpus.code.imports import imports_mathematics
from mathlm.corpus.code.notebooks import to_markdown
from mathlm.corpus.code.rules import RULES, judge, standard
from mathlm.corpus.config import Mode
from mathlm.corpus.filter_config import WebFilters
from mathlm.corpus.prefilter import refuse
from mathlm.corpus.source_config import Source, is_web
from mathlm.corpus.web_filters import WebFilter, tidy, web_filters

Filter = Callable[[Document], str | None]

_LATEX = re.compile(
    r"\\(?:frac|sum|int|sqrt|alpha|beta|theta|mathbb|mathcal|begin\{(?:equation|align|matrix))"
)


def blank(document: Document) -> str | None:
    """Nothing but white space."""
    return None if document.text.strip() else "blank"


def short(document: Document, *, min_characters: int = 100) -> str | None:
    """Too short to say something (OpenWebMath: under 100 characters)."""
    return "short" if len(document.text.strip()) < min_characters else None


def mathematical(document: Document) -> str | None:
    """Mathematics in what should be general: an import of AlgebraicStack's packages, or LaTeX."""
    if imports_mathematics(document.text):
        return "mathematical import"
    if document.provenance.language != "python" and _LATEX.search(document.text):
        return "LaTeX formulas"
    return None


def code(document: Document, *, mode: Mode = "default") -> str | None:
    """AlgebraicStack's rules for the document's language."""
    rules = RULES[mode].get(document.provenance.language or "")
    return judge(document, rules) if rules is not None else "unknown language"


FILTERS: dict[str, Filter] = {
    "blank": blank,
    "short": short,
    "size_and_density": standard,
    "not_mathematical": mathematical,
    "mathematical_code": code,
}

BY_KIND: dict[str, tuple[str, ...]] = {
    "python": ("mathematical_code",),
    "code": ("mathematical_code",),
    "html": ("blank", "short"),  # and every other source of web pages
    "text": ("size_and_density", "not_mathematical"),
    "problems": ("blank",),
    "jsonl": ("blank",),
    "parquet": ("blank",),
}


def readable(document: Document) -> Document | None:
    """The document as text for a model (notebooks become Markdown), or None where it is none."""
    if document.provenance.language != "jupyter":
        return document
    text = to_markdown(document.text)
    return None if text is None else document.model_copy(update={"text": text})


def filters_of(source: Source, mode: Mode) -> dict[str, Filter]:
    """The filters that documents of `source` pass, in order, with the settings bound."""
    kind = "html" if is_web(source) else source.kind
    chosen = {name: FILTERS[name] for name in BY_KIND[kind]}
    if is_web(source):
        chosen["short"] = functools.partial(short, min_characters=source.min_characters)
    if "mathematical_code" in chosen:
        chosen["mathematical_code"] = functools.partial(code, mode=mode)
    return chosen


def first_reason(document: Document, filters: Sequence[Filter]) -> str | None:
    """Why the first filter that objects drops the document, or None."""
    return next((reason for apply in filters if (reason := apply(document))), None)


@dataclass(frozen=True)
class Gates:
    """What a web page has to pass, cheapest first; each gives the reason to drop it, or None."""

    url: Callable[[str], str | None]
    """By its address, before it is looked at."""
    raw: Callable[[bytes], str | None]
    """By its bytes (decompressed HTML), before it is parsed."""
    tidy: Callable[[str], str]
    """What is taken away from its text before that is judged."""
    text: tuple[Filter, ...]
    """By the document that extraction made of it."""


def gates_of(source: Source, mode: Mode, web: WebFilters | None) -> Gates:
    """The gates of a source of web pages; made once in each worker process."""
    text = tuple(filters_of(source, mode).values())
    if web is None:
        return Gates(lambda url: None, lambda data: None, lambda text: text, text)
    address = "address", "listed_address"
    chosen = web_filters(web, mode)
    before = [chosen.pop(name) for name in address if name in chosen and mode == "default"]
    return Gates(
        functools.partial(_first_objection, before),
        functools.partial(refuse, mode=mode) if web.prefilter else lambda data: None,
        functools.partial(tidy, mode=mode),
        (*text, *chosen.values()),
    )


def _first_objection(filters: Sequence[WebFilter], url: str) -> str | None:
    """What filters by address say of a page that is not read yet."""
    page = Document(id="", text="", source="", provenance=Provenance(url=url))
    return first_reason(page, filters)
