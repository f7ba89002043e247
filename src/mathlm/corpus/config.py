"""Settings of the corpus stage: which sources, which caps, how duplicates and overlaps are judged.

Not here: what the rules do (`filters.py`, `code/rules.py`, `near.py`, `decontaminate.py`).
Defaults cite where they come from; section numbers are those of the Proof-Pile-2 paper's release
(EleutherAI/math-lm) unless another source is named.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from mathlm.core.stage import StageConfig, effect_of, neutral

Mode = Literal["default", "paper"]
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


class HtmlSource(SourceSettings):
    """Web pages in folders, to text with their formulas."""

    kind: Literal["html"] = "html"
    folders: tuple[str, ...]
    """Folders searched for `.html`, `.htm` and `.xhtml`; a missing one is skipped with a warning.
    A relative folder is resolved against the current directory."""
    timeout_s: float = Field(20.0, gt=0)
    """Seconds that one page may take before it counts as failed."""
    memory_mib: int = Field(1024, ge=64)
    """Memory that the process parsing one page may take."""
    min_characters: int = Field(100, ge=0)
    """Shorter texts are dropped (OpenWebMath: 100)."""


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


class RecordsSource(SourceSettings):
    """The user's own documents: `.jsonl` (also `.gz`, `.zst`) or Parquet with a column of text."""

    kind: Literal["jsonl", "parquet"]
    files: tuple[str, ...] = Field(min_length=1)
    """Paths or URLs, read in this order."""
    text: str = "text"
    """The field that holds the text."""
    id: str = "id"
    """The field that holds the id; where it is absent the id is `file:line`."""


Source = Annotated[
    PythonSource | CodeSource | HtmlSource | TextSource | ProblemsSource | RecordsSource,
    Field(discriminator="kind"),
]


class NearDuplicates(StageConfig):
    """MinHash LSH: bands × rows on word n-grams (FineWeb's 14 × 8 on 5-grams)."""

    words: int = Field(5, ge=1)
    """Words in a shingle."""
    bands: int = Field(14, ge=1)
    """Number of bands; two documents are compared when one band agrees."""
    rows: int = Field(8, ge=1)
    """Values in a band: P(compared) = 1 - (1 - s^rows)^bands, 0.92 at similarity s = 0.8."""
    similarity: float = Field(0.7, ge=0, le=1)
    """Compared documents are joined when this share of the bands × rows values agrees."""
    partitions: int = neutral(16, ge=1, le=4096)
    """Files into which keys are parted on disk; sets peak memory, never the outcome."""


class Decontamination(StageConfig):
    """Removal of documents that share word n-grams with test problems."""

    tasks: tuple[str, ...] = ("arithmetic-seen", "arithmetic-unseen")
    """Tasks whose test problems are looked for; none switches the step off."""
    words: int = Field(13, ge=1)
    """n: words of a shared run that counts (GPT-3 and Llama: 13; Llemma's analysis: 30)."""
    min_words: int = Field(3, ge=1)
    """Items of fewer than n but at least so many words count when found whole (DeepSeekMath: 3)."""
    letters: int = Field(3, ge=0)
    """A shared run counts only with so many distinct words that have a letter: a run of numbers
    or of signs says nothing about its origin."""

    @field_validator("tasks")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from mathlm.tasks import TASKS

        unknown = sorted(set(names) - set(TASKS))
        if unknown:
            raise ValueError(f"unknown tasks {', '.join(unknown)}; there are {', '.join(TASKS)}")
        return names


class CorpusConfig(StageConfig):
    """The corpus stage: raw sources to filtered, deduplicated, decontaminated documents."""

    sources: dict[str, Source] = Field(min_length=1)
    """A table per source; its name is the domain by which documents are weighted and measured."""
    mode: Mode = "default"
    """Code rules: `paper` keeps the published behaviour, `default` mends its defects."""
    near: NearDuplicates = NearDuplicates()
    """How near duplicates are found."""
    decontaminate: Decontamination = Decontamination()
    """How overlap with test problems is found."""
    shard_mib: int = Field(256, ge=1)
    """A Parquet file is closed once it holds this many MiB of text."""

    @field_validator("sources")
    @classmethod
    def _plain_names(cls, sources: dict[str, Source]) -> dict[str, Source]:
        """Names become folders and card configurations."""
        for name in sources:
            if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
                raise ValueError(f"source name {name!r} must be letters, digits, '-' and '_'")
        return sources

    def outcome(self) -> dict[str, Any]:
        """The settings that change the output, as JSON values."""
        settings = self.model_dump(mode="json")
        for name in NearDuplicates.model_fields:
            if effect_of(NearDuplicates, name) == "none":
                del settings["near"][name]
        return settings


def expect(config: CorpusConfig) -> str:
    """One line on what the stage will do, for `--dry-run`."""
    caps = [source.max_bytes for source in config.sources.values() if source.max_bytes]
    size = f"at most {sum(caps) / 1e6:g} MB of text where capped" if caps else "no cap on bytes"
    return (
        f"{', '.join(config.sources)}; {size}; about 1 s a MB of code and text, 25 pages a second"
    )
