"""Settings of the corpus stage's sources: where documents come from, and how far each is read.

Not here: how sources are read (`sources/`) and filtered (`filters.py`). Section numbers are those
of the Proof-Pile-2 paper's release (EleutherAI/math-lm) unless another source is named.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeGuard

from pydantic import Field

from mathlm.core.stage import StageConfig

Evidence = Literal["any", "numbers"]


class SourceSettings(StageConfig):
    """What every source has; the kinds below add where their documents come from."""

    held_out: float = Field(0.05, ge=0, lt=1)
    """Share of documents kept out of training, by a hash of the id (Proof-Pile-2: 0.005)."""
    max_documents: int | None = Field(None, ge=1)
    """At most this many items are read, in the source's own order; None reads all."""
    max_bytes: int | None = Field(None, ge=1)
    """Reading stops once this many bytes (UTF-8) of text passed the filters; None reads all."""
    near_duplicates: bool = True
    """Whether near duplicates are dropped; off where documents share templates by design."""
    decontaminate: bool = True
    """Whether documents that overlap test problems are dropped."""
    evidence: Evidence = "any"
    """Which shared n-grams count: `any`, or only those that together cover the item's numbers."""
    licence: str | None = None
    """Licence of the documents, for the dataset card; None where each document has its own."""


class PythonSource(SourceSettings):
    """Mathematical Python: the `.py` files of installed packages, under AlgebraicStack's rules."""

    kind: Literal["python"] = "python"
    packages: tuple[str, ...] = ("sympy", "mpmath", "networkx", "numpy", "scipy")
    """Importable packages whose files are read; they are found without being imported."""


class CodeSource(SourceSettings):
    """Mathematical code of AlgebraicStack's 17 languages, in folders of repositories."""

    kind: Literal["code"] = "code"
    folders: tuple[str, ...]
    """Folders searched for the languages' files; a missing one is skipped with a warning."""
    languages: tuple[str, ...] = ()
    """Languages read (agda c cpp coq fortran gap haskell idris isabelle julia jupyter lean maple
    matlab python r tex); none named reads all."""


class WebSettings(SourceSettings):
    """What every source of web pages has: the limits on one page, which is hostile."""

    timeout_s: float = Field(20.0, gt=0)
    """Seconds that one page may take before it counts as failed."""
    memory_mib: int = Field(1024, ge=64)
    """Memory that the process parsing one page may take."""
    max_page_mib: int = Field(32, ge=1)
    """Larger pages, decompressed, are failures; so is a tree of over 600,000 nodes."""
    min_characters: int = Field(100, ge=0)
    """Shorter texts are dropped (OpenWebMath: 100)."""


class HtmlSource(WebSettings):
    """Web pages in folders, to text with their formulas."""

    kind: Literal["html"] = "html"
    folders: tuple[str, ...]
    """Folders searched for `.html`, `.htm` and `.xhtml`; a missing one is skipped with a warning.
    A relative folder is resolved against the current directory."""


class WarcSource(WebSettings):
    """Web pages in WARC files, plain or compressed (`.gz`, `.lz4`, `.zst`)."""

    kind: Literal["warc"] = "warc"
    files: tuple[str, ...] = Field(min_length=1)
    """Paths, globs or URLs (`s3://`, `https://`), read in this order."""
    truncated: Literal["keep", "drop"] = "keep"
    """Pages that the crawler cut off (`WARC-Truncated`)."""


class WetSource(WebSettings):
    """The text that Common Crawl extracted (WET files): formulas are mostly gone from it."""

    kind: Literal["wet"] = "wet"
    files: tuple[str, ...] = Field(min_length=1)
    """Paths, globs or URLs (`s3://`, `https://`), read in this order."""


class UrlsSource(WebSettings):
    """A list of URLs, whose pages come from Common Crawl by its index."""

    kind: Literal["urls"] = "urls"
    file: str
    """One URL a line; empty lines and lines that begin with `#` are left out."""
    index: str = "https://index.commoncrawl.org/CC-MAIN-2024-51-index"
    """The index server's address of one crawl; a query is `<index>?url=…&output=json`."""
    data: str = "https://data.commoncrawl.org/"
    """Where the index's `filename`s lie."""
    requests_per_s: float = Field(1.0, gt=0)
    """At most this many requests a second, over all hosts together."""
    retries: int = Field(5, ge=0)
    """How often a request is repeated, after 1, 2, 4 … seconds or what `Retry-After` says."""
    user_agent: str = "mathlm (https://github.com/mathlm/mathlm)"
    """How the client names itself; say here whom to write to."""
    truncated: Literal["keep", "drop"] = "keep"
    """Pages that the crawler cut off (`WARC-Truncated`)."""


class TextSource(SourceSettings):
    """General text and code without mathematics: what keeps a model's other abilities alive."""

    kind: Literal["text"] = "text"
    standard_library: bool = True
    """The running Python's own modules."""
    descriptions: bool = True
    """Installed packages' descriptions and licences, and Python's help topics."""
    packages: tuple[str, ...] = ()
    """Further importable packages whose `.py` files are read."""
    folders: tuple[str, ...] = ()
    """Folders searched for `.txt`, `.md`, `.rst` and `.py`; a missing one is skipped."""


class ProblemsSource(SourceSettings):
    """Generated word problems with worked solutions (`mathlm.tasks`)."""

    kind: Literal["problems"] = "problems"
    count: int = Field(20_000, ge=1)
    """Number of problems generated."""
    seed: int = 0
    """Seed of the generator."""
    near_duplicates: bool = False
    """Off: a template's instances are near duplicates of one another by design."""
    evidence: Evidence = "numbers"
    """Test problems share the templates, so only an overlap that covers all numbers is a leak."""


class RecordsSource(WebSettings):
    """The user's own records: `.jsonl` (also `.gz`, `.zst`) or Parquet, of text or of pages.

    The limits on a page and `min_characters` count with `html` alone.
    """

    kind: Literal["jsonl", "parquet"]
    files: tuple[str, ...] = Field(min_length=1)
    """Paths, globs or URLs, read in this order."""
    text: str = "text"
    """The field that holds the text."""
    html: str | None = None
    """The field that holds a page (characters or bytes), read as web pages are; `text` is then
    left aside."""
    url: str = "url"
    """The field that holds the URL, where there is one."""
    date: str = "date"
    """The field that holds the date (ISO 8601, HTTP's form or 14 digits), where there is one."""
    id: str = "id"
    """The field that holds the id; where it is absent the id is `file:line`."""


WebSource = HtmlSource | WarcSource | WetSource | UrlsSource | RecordsSource

Source = Annotated[
    PythonSource
    | CodeSource
    | HtmlSource
    | WarcSource
    | WetSource
    | UrlsSource
    | TextSource
    | ProblemsSource
    | RecordsSource,
    Field(discriminator="kind"),
]


def is_web(source: SourceSettings) -> TypeGuard[WebSource]:
    """Whether the source yields web pages, which go through worker processes."""
    if isinstance(source, RecordsSource):
        return source.html is not None
    return isinstance(source, WebSettings)
