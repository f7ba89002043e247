"""Numbers of the filters for web pages, `[stage.corpus.filters]` in a recipe.

Not here: what the filters do (`web_filters.py`), in which order they stand (`web_filters.ORDER`).
Two sets of defaults: those below, and `PAPER`, OpenWebMath's published ones (arXiv 2310.06786 and
keirp/OpenWebMath@98f81d0), which `mode = "paper"` puts in place of what a recipe does not set.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from mathlm.core.errors import UserError
from mathlm.core.stage import StageConfig, StageContext
from mathlm.core.storage import sha256_of

FilterName = Literal[
    "language", "mathematics", "perplexity", "final_perplexity", "final_score", "address",
    "listed_address", "libretexts", "accents", "repeated_lines", "frequent_ngram",
    "repeated_words", "boilerplate", "alphabetic", "quality",
]  # fmt: skip
"""The filters of `web_filters.py`."""
EditName = Literal["definitions", "notices", "phrases"]
"""The edits of `edits.py`."""
FinalName = FilterName | EditName | Literal["short"]


class WebFilters(StageConfig):
    """What a web page must be to be kept; a filter whose limit is None is off."""

    prefilter: bool = True
    """Whether pages whose raw bytes bear no mark of mathematics are left unparsed."""
    language: str | None = "en"
    """ISO 639-1 code of the language that is kept; None keeps all."""
    min_language: float = Field(0.5, ge=0, le=1)
    """Least probability of the language (OpenWebMath: top label `en` with p >= 0.5)."""
    min_language_words: int = Field(10, ge=0)
    """Texts of fewer plain words are kept: so few say no language (ours; paper: 0)."""
    language_model: str | None = None
    """A fastText model such as the published lid.176 (`.bin`, `.ftz`); None: py3langid's."""
    mathematics: bool = True
    """Whether a page must have formulas or, judged by its prose, be about mathematics."""
    classifier: str | None = None
    """A trained classifier's folder or a fastText `.bin`; the recipe's `needs.classifier` fills it.
    Without one, a page with a formula is mathematics and one without is none."""
    classifier_label: str = "__label__positive"
    """In a fastText model: the label whose probability counts."""
    min_score: float = Field(0.15, ge=0, le=1)
    """Least classifier score of a page with formulas (OpenWebMath: 0.15)."""
    min_score_without_formulas: float = Field(0.8, ge=0, le=1)
    """Least classifier score of a page without formulas (OpenWebMath: 0.8)."""
    min_final_score: float | None = Field(None, ge=0, le=1)
    """Least score of any page in the last pass (OpenWebMath's `filter_dataset.py`: 0.17)."""
    perplexity_model: str | None = None
    """A KenLM model (`.bin` or `.arpa`) of mathematical text; None: no such filter."""
    max_perplexity: float = Field(15_000, gt=0)
    """Highest perplexity (OpenWebMath: 30,000, then 15,000 in the last pass)."""
    max_final_perplexity: float | None = Field(None, gt=0)
    """Highest perplexity in the last pass (OpenWebMath: 15,000)."""
    url_rules: bool = True
    """Whether pages are dropped by what their address says (search results, user pages …)."""
    url_list: str | None = None
    """A file of substrings of addresses, one a line, or OpenWebMath's `filter_dataset.py`."""
    url_list_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """What the list's sha256 must be."""
    banned_selectors: str | None = None
    """A file of CSS selectors, one a line (OpenWebMath's `banned_selectors.txt`): their elements
    are no content. By default an element that holds more than 30 % of the page's text stays."""
    banned_selectors_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """What that file's sha256 must be."""
    boilerplate_words: str | None = None
    """A file of phrases, one a line (OpenWebMath's `boilerplate_words.txt`), by which lines are
    boilerplate. By default they count as whole words, and at most a fifth of a text goes."""
    boilerplate_words_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """What that file's sha256 must be."""
    max_boilerplate_ratio: float = Field(0.18, ge=0)
    """A line goes when the phrases make up more of its words (OpenWebMath: 0.18 in 90 % of pages,
    else 0.30)."""
    max_boilerplate_words: int = Field(10, ge=0)
    """A line goes when the phrases have more words in it (OpenWebMath: 10 in 90 %, else 20)."""
    boilerplate_end_lines: int = Field(15, ge=0)
    """Such a line among the last ones, fewer than this, takes all that follows with it, but for
    formulas and code (OpenWebMath: 15 in 95 %, else 5)."""
    max_accents: float | None = Field(0.015, ge=0, le=1)
    """Highest share of accented Latin letters among all characters (OpenWebMath: 1.5 %)."""
    max_repeated_lines: float | None = Field(0.6, ge=0, le=1)
    """Highest share of characters in lines that stood before (Gopher, 2112.11446 table A1: 0.2,
    which drops threads whose answers quote the question and references with like entries)."""
    max_frequent_ngram: float | None = Field(0.35, ge=0, le=1)
    """Highest share of words in the most frequent 2-, 3- or 4-gram (Gopher: 0.20, 0.18, 0.16)."""
    max_repeated_words: float | None = Field(0.7, ge=0, le=1)
    """Highest share of words in 10-grams that stood before; a formula is one word (Gopher: 0.10;
    at 0.5 pages on distributions went, whose functions are described in like words)."""
    max_boilerplate: float | None = Field(0.5, ge=0, le=1)
    """Highest share of characters in lines of boilerplate (ours)."""
    min_alphabetic: float | None = Field(0.15, ge=0, le=1)
    """Least share of words with a letter, a formula counting as one (Gopher: 0.8 of
    plain text; tables and matrices of numbers have fewer)."""
    quality: str | None = None
    """A trained quality model's folder; the recipe's `needs.quality` fills it."""
    min_quality: float = Field(3.0, ge=0, le=5)
    """Least quality from 0 to 5 (FineMath: 3)."""
    final: tuple[FinalName, ...] = ()
    """Filters and edits that wait until duplicates are gone, in this order: a step of its own, in
    which a costly model sees fewer pages (paper: OpenWebMath's `filter_dataset.py`)."""

    @field_validator("final")
    @classmethod
    def _each_once(cls, names: tuple[FinalName, ...]) -> tuple[FinalName, ...]:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} named twice")
        return names

    @model_validator(mode="after")
    def _accents_of_english(self) -> WebFilters:
        """Accents say something of English pages alone."""
        if self.language not in (None, "en") and "max_accents" not in self.model_fields_set:
            object.__setattr__(self, "max_accents", None)
        return self


PAPER: dict[str, Any] = {
    "min_language_words": 0,
    "min_final_score": 0.17,
    "max_perplexity": 30_000,
    "max_final_perplexity": 15_000,
    "max_repeated_lines": None,
    "max_frequent_ngram": None,
    "max_repeated_words": None,
    "max_boilerplate": None,
    "min_alphabetic": None,
    "final": (
        "final_perplexity", "final_score", "address", "listed_address", "definitions", "short",
        "libretexts", "accents",
    ),
}  # fmt: skip
"""Where OpenWebMath differs from the defaults."""

MODELS = (
    "language_model", "classifier", "perplexity_model", "url_list", "banned_selectors",
    "boilerplate_words", "quality",
)  # fmt: skip
"""Settings that name a file or a folder of the user's."""


def with_paper_defaults(given: dict[str, Any]) -> dict[str, Any]:
    """The settings as given, the published ones in the place of those that are not."""
    return {**PAPER, **given}


def bound(settings: WebFilters | None, context: StageContext) -> WebFilters | None:
    """The settings with the models that the recipe's `needs` give; `UserError` where two are."""
    given = {role: context.optional_input(role) for role in ("classifier", "quality")}
    models = {role: str(path) for role, path in given.items() if path is not None}
    if settings is None:
        if models:
            raise UserError(
                f"stage {context.name} needs a {' and a '.join(models)} but has no table"
                f" [stage.{context.name}.filters], so that nothing would be judged by it"
            )
        return None
    twice = [role for role in models if getattr(settings, role) is not None]
    if twice:
        raise UserError(f"give either filters.{twice[0]} or needs.{twice[0]}, not both")
    return settings.model_copy(update=models)


def files_digest(settings: WebFilters) -> bytes:
    """A digest of the models and lists that the settings name, by content."""
    digest = hashlib.sha256()
    for name in MODELS:
        path = Path(getattr(settings, name) or "")
        for file in (path / "weights.npy", path / "classifier.json", path):
            if getattr(settings, name) and file.is_file():
                digest.update(f"{name} {sha256_of(file)}\n".encode())
    return digest.digest()
