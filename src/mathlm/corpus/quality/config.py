"""Settings of the stages `classifier` (learn what to keep) and `recall` (find more of it)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mathlm.core.stage import StageConfig, extends, neutral

LabelRule = Literal["formulas", "source", "field", "judge"]


class JudgeConfig(StageConfig):
    """A language model behind an OpenAI-compatible endpoint that marks a sample of documents."""

    base_url: str = "http://localhost:8000/v1"
    """The endpoint's address, up to `/v1`."""
    model: str = ""
    """The model's name there."""
    key_file: str | None = neutral(None)
    """A file that holds the key, where the endpoint asks for one; the key is stored nowhere."""
    samples: int = Field(2_000, ge=10)
    """Documents that are marked (FineWeb-Edu: 450,000; FineMath: 1,000,000)."""
    max_characters: int = Field(6_000, ge=200)
    """So much of a document is shown (FineWeb-Edu: about 1,000 tokens of it)."""
    max_tokens: int = Field(400, ge=8)
    """Longest answer."""
    concurrency: int = neutral(8, ge=1, le=256)
    """Requests at once."""


class ClassifierConfig(StageConfig):
    """The classifier stage: labelled texts to a linear model with its figures."""

    labels: LabelRule = "formulas"
    """Where labels come from. `formulas`: whether the document has LaTeX (as OpenWebMath's
    MathScore); `source`: whether its source is among `positive` (as DeepSeekMath's seeds);
    `field`: the field `label` of `files`; `judge`: marks from 0 to 5 of a language model (as
    FineMath)."""
    positive: tuple[str, ...] = ()
    """With `source`: the sources whose documents are what is looked for."""
    files: tuple[str, ...] = ()
    """Labelled or unlabelled Parquet or JSONL (`.gz`, `.zst`), beside or instead of documents."""
    text: str = "text"
    """The files' field of text."""
    label: str = "label"
    """The files' field of labels: true or false, a number from 0 to `scale`, or a word."""
    positive_labels: tuple[str, ...] = ("1", "true", "yes", "math", "positive")
    """Words that count as a label of `scale` (without case, `__label__` before it allowed)."""
    scale: float = Field(1.0, gt=0)
    """The highest label: 1, or 5 for marks; scores are given on this scale."""
    max_documents: int = Field(50_000, ge=100)
    """At most so many are learnt from, chosen by a hash of their ids."""
    bits: int = Field(20, ge=10, le=26)
    """2^bits weights of 4 bytes."""
    epochs: int = Field(3, ge=1)
    """Passes over the texts (DeepSeekMath's fastText: 3)."""
    learning_rate: float = Field(0.1, gt=0)
    """AdaGrad's step (DeepSeekMath's fastText: 0.1 of plain descent)."""
    min_count: int = Field(2, ge=1)
    """Features of fewer texts are left out (DeepSeekMath's fastText: 3 occurrences)."""
    judge: JudgeConfig = JudgeConfig()
    """With `judge`: who marks."""

    @model_validator(mode="after")
    def _consistent(self) -> ClassifierConfig:
        if self.labels == "source" and not self.positive:
            raise ValueError('labels = "source" needs `positive`, the names of sources')
        if self.labels == "judge" and not self.judge.model:
            raise ValueError('labels = "judge" needs `judge.model`, the name of a model')
        if self.labels == "field" and not self.files:
            raise ValueError('labels = "field" needs `files` with a field of labels')
        return self


class RecallConfig(StageConfig):
    """The recall stage: a classifier over a pool of documents, hits counted by domain."""

    sources: tuple[str, ...] = ()
    """Sources of the documents that are the pool; none named takes all."""
    threshold: float | None = Field(None, ge=0)
    """Least score of a hit; None: the classifier's own, where its F1 was highest."""
    min_share: float = Field(0.1, ge=0, le=1)
    """A domain with more hits than this share of its pages is proposed (DeepSeekMath: 0.1)."""
    min_pages: int = Field(5, ge=1)
    """Domains of fewer pages are not proposed."""
    depth: int = Field(1, ge=1)
    """Documents without a URL: so many folders of their file's path stand for the domain."""
    reviewed: str | None = extends(None)
    """`domains.tsv` after a person has edited its column `mathematical`: all documents of a domain
    with `yes` are seeds, none of one with `no`; without a row the hits are. A domain may be
    followed by a path (`example.org/maths`): the longest that fits counts."""


def expect_classifier(config: ClassifierConfig) -> str:
    """One line on what the stage will do, for `--dry-run`."""
    asked = f"; {config.judge.samples} answers of the judge" if config.labels == "judge" else ""
    return f"labels by {config.labels}, at most {config.max_documents} texts, 1 ms each{asked}"


def expect_recall(config: RecallConfig) -> str:
    """The same for a recall stage."""
    by = f"domains as reviewed in {config.reviewed}" if config.reviewed else "domains unreviewed"
    return f"{', '.join(config.sources) or 'all documents'}; {by}; about 0.2 ms a document"
