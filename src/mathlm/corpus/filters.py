"""Filters: what drops a document, by name, and which of them each kind of source passes.

A filter looks at one document and gives the reason to drop it, or None. The rules by programming
language are in `mathlm.corpus.code.rules`, those for web pages in `web_filters.py`; duplicates and
overlaps need more than one document and are steps of their own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast, get_args

from mathlm.core.records import Document, Provenance
from mathlm.corpus.code.imports import imports_mathematics
from mathlm.corpus.code.notebooks import to_markdown
from mathlm.corpus.code.rules import RULES, judge, standard
from mathlm.corpus.config import Mode
from mathlm.corpus.edits import Edit, edits
from mathlm.corpus.filter_config import EditName, WebFilters
from mathlm.corpus.html.records import NO_RULES, PageRules
from mathlm.corpus.prefilter import (
    MAX_LINKS_PAPER,
    PAPER_CHARACTERS,
    needs_text,
    refuse,
    refuse_text,
)
from mathlm.corpus.selectors import read_selectors
from mathlm.corpus.source_config import HtmlSource, Source, WebSource, is_web
from mathlm.corpus.web_filters import Check, scorer, web_filters

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

Filter = Callable[[Document], str | None]

_LATEX = re.compile(
    r"\\(?:frac|sum|int|sqrt|alpha|beta|theta|mathbb|mathcal|begin\{(?:equation|align|matrix))"
)


def blank(document: Document) -> str | None:
    """Nothing but white space."""
    return None if document.text.strip() else "blank"


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
    "size_and_density": standard,
    "not_mathematical": mathematical,
    "mathematical_code": code,
}

BY_KIND: dict[str, tuple[str, ...]] = {
    "python": ("mathematical_code",),
    "code": ("mathematical_code",),
    "html": ("blank",),  # and every other source of web pages; `Short` follows
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
        chosen["short"] = Short(source.min_characters)
    if "mathematical_code" in chosen:
        chosen["mathematical_code"] = functools.partial(code, mode=mode)
    return chosen


def suspects(filters: Mapping[str, Filter], texts: pa.Array) -> npt.NDArray[np.intp]:
    """Which texts the filters have to look at one by one, where a look at all can clear the rest.

    `blank` alone objects to no text that begins with a visible character of ASCII.
    """
    import numpy as np
    import pyarrow.compute as pc

    if tuple(filters) != ("blank",):
        return np.arange(len(texts))
    clear = pc.match_substring_regex(texts, "^[!-~]")
    return np.flatnonzero(~clear.to_numpy(zero_copy_only=False))


def first_reason(document: Document, filters: Sequence[Filter]) -> str | None:
    """Why the first filter that objects drops the document, or None."""
    return next((reason for apply in filters if (reason := apply(document))), None)


@dataclass(frozen=True)
class Short:
    """Drops a document that is too short to say something (OpenWebMath: under 100 characters)."""

    least: int = 100
    stripped: bool = True
    """Whether white space at the ends does not count."""

    def __call__(self, document: Document) -> str | None:
        """The reason to drop the document, or None."""
        return self.check(document).reason

    def check(self, document: Document) -> Check:
        """The text's length."""
        size = len(document.text.strip() if self.stripped else document.text)
        return Check("short" if size < self.least else None, size, self.least)


@dataclass(frozen=True)
class Gates:
    """What a web page has to pass, cheapest first; each gives the reason to drop it, or None."""

    url: Callable[[str], str | None] = lambda url: None
    """By its address, before it is looked at."""
    raw: Callable[[bytes], str | None] = lambda data: None
    """By its bytes (decompressed HTML), before it is parsed."""
    needs_text: Callable[[bytes], bool] = lambda data: False
    """Whether a page whose bytes pass has yet to pass `plain`."""
    plain: Callable[[str], str | None] = lambda text: None
    """By the text of its main content, nothing taken away."""
    rules: PageRules = NO_RULES
    """What extraction leaves out, or does not read."""
    edits: Mapping[str, Edit] = field(default_factory=dict)
    """What is taken away from its text before that is judged."""
    text: Mapping[str, Filter] = field(default_factory=dict)
    """By the document that extraction made of it."""
    final: Mapping[str, Filter | Edit] = field(default_factory=dict)
    """What waits until duplicates are gone: filters and, by the names of `EditName`, edits."""


def gates_of(source: WebSource, mode: Mode, web: WebFilters | None) -> Gates:
    """The gates of a source of web pages; made once in each worker process."""
    text = filters_of(source, mode)
    if web is None:
        return Gates(text=text)
    text["short"] = Short(source.min_characters, stripped=mode == "default")
    judges: dict[str, Filter] = {**text, **web_filters(web, mode)}
    changes = edits(web, mode)
    known: dict[str, Filter | Edit] = {**judges, **changes}
    final: dict[str, Filter | Edit] = {name: known[name] for name in web.final if name in known}
    early = {name: judge for name, judge in judges.items() if name not in final}
    addresses = [n for n in ("address", "listed_address") if n in early and mode == "default"]
    before = [early.pop(name) for name in addresses]
    gates = Gates(
        functools.partial(_first_objection, before),
        rules=_rules(web, mode),
        edits={name: edit for name, edit in changes.items() if name not in final},
        text=early,
        final=final,
    )
    if not web.prefilter:
        return gates
    return replace(
        gates,
        raw=functools.partial(refuse, mode=mode),
        needs_text=functools.partial(needs_text, mode=mode),
        plain=functools.partial(refuse_text, score=scorer(web, mode)),
    )


def try_filters(web: WebFilters, mode: Mode = "default") -> None:
    """Judge one text, so that a wrong model, label or list is the user's one error before any work.

    Raises `UserError`.
    """
    page = Provenance(url="https://example.org/")
    document = Document(id="trial", text="Let $x$ be a number.", source="web", provenance=page)
    gates = gates_of(HtmlSource(folders=()), mode, web)
    for judging in web_filters(web, mode).values():
        judging.check(document)
    gates.plain(document.text * PAPER_CHARACTERS)
    finish(document, gates.final)


def _rules(web: WebFilters, mode: Mode) -> PageRules:
    selectors = web.banned_selectors
    banned = read_selectors(selectors, web.banned_selectors_sha256) if selectors else ()
    if mode == "default":
        return PageRules(banned)
    return PageRules(
        banned, spare_large=False, max_links=MAX_LINKS_PAPER if web.prefilter else None
    )


def finish(document: Document, final: Mapping[str, Filter | Edit]) -> Document | str:
    """The document after the edits among the final gates, or why one of the filters drops it."""
    for name, gate in final.items():
        found = step(document, name, gate)
        if isinstance(found, str):
            return found
        document = found
    return document if document.text.strip() else "blank"


def step(document: Document, name: str, gate: Filter | Edit) -> Document | str:
    """One of the final gates: the document, edited by an edit, or why a filter drops it."""
    if name in get_args(EditName):
        text = cast("Edit", gate)(document.text)
        return document if text == document.text else document.model_copy(update={"text": text})
    return cast("Filter", gate)(document) or document


def _first_objection(filters: Sequence[Filter], url: str) -> str | None:
    """What filters by address say of a page that is not read yet."""
    page = Document(id="", text="", source="", provenance=Provenance(url=url))
    return first_reason(page, filters)
