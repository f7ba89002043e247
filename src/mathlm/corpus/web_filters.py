"""Filters of web pages: which there are, in which order they stand, and what each compares.

Each is a `Filter` (a document in, the reason to drop it or None out) that can also say what it
compared (`check`). C4's rule, which drops a page with a curly bracket, is not among them and must
never be: FineMath's first version lost its LaTeX to it. Numbers come from `filter_config.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from mathlm.core.records import Document
from mathlm.corpus import addresses
from mathlm.corpus.filter_config import FilterName, WebFilters
from mathlm.corpus.quality import figures, language
from mathlm.corpus.quality.perplexity import perplexity, published_perplexity
from mathlm.corpus.quality.prose import count_formulas, published_formulas
from mathlm.corpus.quality.scores import score

Mode = Literal["default", "paper"]


class Check(NamedTuple):
    """What a filter found: the figure, its limits, and the reason if the document is dropped."""

    reason: str | None
    figure: float | None = None
    least: float | None = None
    most: float | None = None
    note: str = ""


class WebFilter(Protocol):
    """A filter that can say what it compared."""

    def __call__(self, document: Document) -> str | None:
        """The reason to drop the document, or None."""

    def check(self, document: Document) -> Check:
        """The same with the figure and its limits."""


@dataclass(frozen=True)
class Limit:
    """Drops a document whose figure lies outside of limits."""

    reason: str
    figure: Callable[[str], float]
    least: float | None = None
    most: float | None = None

    def __call__(self, document: Document) -> str | None:
        """The reason to drop the document, or None."""
        return self.check(document).reason

    def check(self, document: Document) -> Check:
        """The figure of the document's text against the limits."""
        figure = self.figure(document.text)
        low = self.least is not None and not figure >= self.least
        high = self.most is not None and not figure <= self.most
        return Check(self.reason if low or high else None, figure, self.least, self.most)


@dataclass(frozen=True)
class Mathematics:
    """Drops a document whose classifier score is too low for one with, or without, formulas."""

    score: Callable[[str], float] | None
    least: float
    least_without_formulas: float

    def __call__(self, document: Document) -> str | None:
        """The reason to drop the document, or None."""
        return self.check(document).reason

    def check(self, document: Document) -> Check:
        """The score, or without a classifier the number of formulas."""
        formulas = count_formulas(document.text)
        if self.score is None:
            reason = None if formulas else "no formulas"
            return Check(reason, formulas, 1, note="formulas; there is no classifier")
        found = self.score(document.text)
        least = self.least if formulas else self.least_without_formulas
        reason = None
        if not found >= least:
            reason = "not mathematics" if formulas else "not mathematics, no formulas"
        return Check(reason, found, least, note=f"{formulas} formulas")


@dataclass(frozen=True)
class Address:
    """Drops a document by its URL; one without a URL passes."""

    reason: str
    against: Callable[[str, str], str | None]
    """What speaks against a URL (and the text behind it), or None."""

    def __call__(self, document: Document) -> str | None:
        """The reason to drop the document, or None."""
        return self.check(document).reason

    def check(self, document: Document) -> Check:
        """What speaks against the document's URL."""
        url = document.provenance.url
        if not url:
            return Check(None, note="no URL")
        against = self.against(url, document.text)
        return Check(f"{self.reason}: {against}" if against else None, note=url[:200])


def _language(settings: WebFilters, mode: Mode) -> WebFilter | None:
    if settings.language is None:
        return None
    figure = functools.partial(
        language.probability,
        language=settings.language,
        model=settings.language_model,
        min_words=settings.min_language_words,
        published=mode == "paper",
    )
    return Limit(f"language is not {settings.language}", figure, least=settings.min_language)


def _mathematics(settings: WebFilters, mode: Mode) -> WebFilter | None:
    if not settings.mathematics:
        return None
    score = scorer(settings, mode)
    return Mathematics(score, settings.min_score, settings.min_score_without_formulas)


def scorer(settings: WebFilters, mode: Mode) -> Callable[[str], float] | None:
    """What gives a text's score by the classifier, if there is one."""
    if settings.classifier is None:
        return None
    return functools.partial(
        score,
        path=settings.classifier,
        label=settings.classifier_label,
        published=mode == "paper",
    )


def _final_score(settings: WebFilters, mode: Mode) -> WebFilter | None:
    score = scorer(settings, mode) if settings.mathematics else None
    if score is None or settings.min_final_score is None:
        return None
    return Limit("not mathematics, last pass", score, least=settings.min_final_score)


def _perplexity(settings: WebFilters, mode: Mode) -> WebFilter | None:
    if settings.perplexity_model is None:
        return None
    measure = published_perplexity if mode == "paper" else perplexity
    figure = functools.partial(measure, path=settings.perplexity_model)
    return Limit("perplexity", figure, most=settings.max_perplexity)


def _final_perplexity(settings: WebFilters, mode: Mode) -> WebFilter | None:
    if settings.perplexity_model is None or settings.max_final_perplexity is None:
        return None
    measure = published_perplexity if mode == "paper" else perplexity
    figure = functools.partial(measure, path=settings.perplexity_model)
    return Limit("perplexity, last pass", figure, most=settings.max_final_perplexity)


def _address(settings: WebFilters, mode: Mode) -> WebFilter | None:
    if not settings.url_rules:
        return None
    return Address("address", lambda url, text: addresses.bad_address(url, mode))


def _listed(settings: WebFilters, mode: Mode) -> WebFilter | None:
    path, sha256 = settings.url_list, settings.url_list_sha256
    if path is None:
        return None
    return Address("listed address", lambda url, text: addresses.listed(url, path, sha256, mode))


def _libretexts(settings: WebFilters, mode: Mode) -> WebFilter | None:
    if not settings.url_rules:
        return None
    count = published_formulas if mode == "paper" else count_formulas

    def against(url: str, text: str) -> str | None:
        formulas = count(text) if "libretexts" in url else 1
        return "libretexts" if addresses.off_topic_libretexts(url, formulas) else None

    return Address("off topic", against)


def _most(reason: str, figure: Callable[[str], float], most: float | None) -> WebFilter | None:
    return None if most is None else Limit(reason, figure, most=most)


def _quality(settings: WebFilters) -> WebFilter | None:
    if settings.quality is None:
        return None
    figure = functools.partial(score, path=settings.quality)
    return Limit("quality", figure, least=settings.min_quality)


FILTERS: Mapping[FilterName, Callable[[WebFilters, Mode], WebFilter | None]] = {
    "language": _language,
    "mathematics": _mathematics,
    "perplexity": _perplexity,
    "final_perplexity": _final_perplexity,
    "final_score": _final_score,
    "address": _address,
    "listed_address": _listed,
    "libretexts": _libretexts,
    "accents": lambda s, _: _most("accents", figures.accents, s.max_accents),
    "repeated_lines": lambda s, _: _most(
        "repeated lines", figures.repeated_lines, s.max_repeated_lines
    ),
    "frequent_ngram": lambda s, _: _most(
        "frequent n-gram", figures.frequent_ngram, s.max_frequent_ngram
    ),
    "repeated_words": lambda s, _: _most(
        "repeated words", figures.repeated_words, s.max_repeated_words
    ),
    "boilerplate": lambda s, _: _most("boilerplate", figures.boilerplate, s.max_boilerplate),
    "alphabetic": lambda s, _: (
        None
        if s.min_alphabetic is None
        else Limit("few words", figures.alphabetic, least=s.min_alphabetic)
    ),
    "quality": lambda s, _: _quality(s),
}
"""By name, what makes a filter of the settings; None where the settings switch it off."""

ORDER: dict[Mode, tuple[FilterName, ...]] = {
    # The cheap ones and those that drop most first: most pages then cost hardly more.
    "default": (
        "address", "listed_address", "accents", "mathematics", "final_score", "libretexts",
        "boilerplate", "alphabetic", "repeated_lines", "language", "frequent_ngram",
        "repeated_words", "perplexity", "final_perplexity", "quality",
    ),
    # The order of OpenWebMath's pipeline; `WebFilters.final` says what waits for the duplicates.
    "paper": (
        "language", "mathematics", "perplexity", "final_perplexity", "final_score", "address",
        "listed_address", "libretexts", "accents", "repeated_lines", "frequent_ngram",
        "repeated_words", "boilerplate", "alphabetic", "quality",
    ),
}  # fmt: skip


def web_filters(settings: WebFilters, mode: Mode = "default") -> dict[str, WebFilter]:
    """The filters that are on, in the mode's order."""
    made = {name: FILTERS[name](settings, mode) for name in ORDER[mode]}
    return {name: filter for name, filter in made.items() if filter is not None}


def checks(document: Document, filters: Mapping[str, WebFilter]) -> dict[str, Check]:
    """What each filter finds, in order, also behind the first that objects."""
    return {name: filter.check(document) for name, filter in filters.items()}
