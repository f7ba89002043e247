"""Settings of the corpus stage: its sources, how duplicates and overlaps are judged.

Not here: the settings of each kind of source (`source_config.py`), of the filters of web pages
(`filter_config.py`) and of duplicates (`duplicate_config.py`), and what the rules do
(`filters.py`, `code/rules.py`, `decontaminate.py`).
Defaults cite where they come from; section numbers are those of the Proof-Pile-2 paper's release
(EleutherAI/math-lm) unless another source is named.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from mathlm.core.runs import split_settings
from mathlm.core.stage import StageConfig, neutral
from mathlm.corpus.duplicate_config import Duplicates, with_published
from mathlm.corpus.filter_config import WebFilters, with_paper_defaults
from mathlm.corpus.source_config import Source

Mode = Literal["default", "paper"]


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


class Engine(StageConfig):
    """Where the stage's tasks run."""

    ray: str | None = neutral(None)
    """None: processes of this machine. `local`, `auto`, `host:6379` or `ray://host:10001`: tasks
    of Ray, on storage that all machines share under the same path."""


class CorpusConfig(StageConfig):
    """The corpus stage: raw sources to filtered, deduplicated, decontaminated documents."""

    sources: dict[str, Source] = Field(min_length=1)
    """A table per source; its name is the domain by which documents are weighted and measured."""
    mode: Mode = "default"
    """Rules for code and web pages: `paper` keeps the published ones, `default` mends them."""
    filters: WebFilters | None = None
    """Filters of web pages, on once there is such a table, be it empty; None keeps all pages that
    have `min_characters` of text."""
    duplicates: Duplicates = Duplicates()
    """Which duplicates are looked for, and how."""
    decontaminate: Decontamination = Decontamination()
    """How overlap with test problems is found."""
    engine: Engine = Engine()
    """Where the work is done; it never changes the outcome."""
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

    @model_validator(mode="before")
    @classmethod
    def _published_filters(cls, values: Any) -> Any:
        """In paper mode, what is left open of filters and duplicates of web pages is as published.

        OpenWebMath knew no duplicates by address, and compared pages that share one of the bands.
        """
        if not isinstance(values, dict) or values.get("mode") != "paper":
            return values
        given, duplicates = values.get("filters"), values.get("duplicates", {})
        if isinstance(given, dict):
            values = {**values, "filters": with_paper_defaults(given)}
        if isinstance(given, dict) and isinstance(duplicates, dict):
            values = {**values, "duplicates": with_published(duplicates)}
        return values

    def outcome(self) -> dict[str, Any]:
        """The settings that change the output, as JSON values."""
        settings: dict[str, Any] = json.loads(json.dumps(split_settings(self)[0]))
        return settings


def expect(config: CorpusConfig) -> str:
    """One line on what the stage will do, for `--dry-run`."""
    caps = [source.max_bytes for source in config.sources.values() if source.max_bytes]
    size = f"at most {sum(caps) / 1e6:g} MB of text where capped" if caps else "no cap on bytes"
    final = config.filters.final if config.filters is not None else ()
    return (
        f"{', '.join(config.sources)}; {size}; about 1 s a MB of code and text, 100 pages a second"
        + (f"; once duplicates are gone: {', '.join(final)}" if final else "")
    )
