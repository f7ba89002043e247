"""What a stage is: typed settings, named inputs, a function that fills a directory.

Stages meet only in files. A stage's function may be called on a directory that an earlier, killed
call left half filled: it continues from what is there and must end in the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mathlm.core.inputs import Lister
from mathlm.core.progress import Progress

Effect = Literal["identity", "extends", "none"]


class StageConfig(BaseModel):
    """Settings of one stage kind; every field has a default or is required, none is free-form."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def extends(default: Any, **constraints: Any) -> Any:
    """A setting whose growth reuses what a finished stage has (samples, policies, report)."""
    return Field(default, json_schema_extra={"effect": "extends"}, **constraints)


def neutral(default: Any, **constraints: Any) -> Any:
    """A setting that never changes the output (workers, batch sizes of an exact engine)."""
    return Field(default, json_schema_extra={"effect": "none"}, **constraints)


def effect_of(config: type[StageConfig], name: str) -> Effect:
    """How a change of the setting `name` counts."""
    extra = config.model_fields[name].json_schema_extra
    return extra.get("effect", "identity") if isinstance(extra, dict) else "identity"  # type: ignore[return-value]


@dataclass(frozen=True)
class StageInput:
    """A finished stage that another one reads."""

    name: str
    kind: str
    directory: Path


@dataclass(frozen=True)
class StageContext:
    """What a stage's function is handed beside its settings."""

    name: str
    directory: Path
    """Where it writes; `directory / "logs"` is exempt from checksums (clocks, memory, load)."""
    inputs: Mapping[str, tuple[StageInput, ...]] = field(default_factory=dict)
    """Finished stages by role."""
    seed: int = 0
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))
    follows: bool = False
    """Whether another process runs the recipe, and this one takes part in a parallel stage."""

    def input(self, role: str) -> Path:
        """The directory of the only input of a role."""
        (only,) = self.inputs[role]
        return only.directory

    def optional_input(self, role: str) -> Path | None:
        """The same, or None where the recipe gives none."""
        return self.input(role) if self.inputs.get(role) else None


@dataclass(frozen=True)
class StageKind:
    """A kind of stage that a recipe may name."""

    config: type[StageConfig]
    run: Callable[[StageContext, Any], None]
    needs: Mapping[str, tuple[str, ...]]
    """Roles of inputs, and the kinds of stage accepted for each."""
    optional: frozenset[str] = frozenset()
    """Roles that a recipe may leave out."""
    several: frozenset[str] = frozenset()
    """Roles that may name more than one stage."""
    version: int = 1
    """Raised when the same settings give other output; part of the stage's identity."""
    shown: tuple[str, ...] = ()
    """Files of the finished stage that are copied to the top of the run directory."""
    parallel: bool = False
    """Whether all processes of a `torchrun` work on it together; else the first does it alone."""
    reads: Callable[[Any], Mapping[str, Lister]] = lambda config: {}
    """By the setting's path, what lists the files from outside of the run that the stage reads."""
    check: Callable[[Any, int], None] = lambda config, seed: None
    """Raises `UserError` where data that the stage needs beside files and stages are missing (test
    problems): asked, with the recipe's seed, of all unfinished stages before the first one runs."""
    extended_by_files: bool = False
    """Whether changed files of `reads` make the stage run again, as `extends` settings do."""
    expect: Callable[[Any], str] = lambda config: ""
    """One line on sizes and time, for `--dry-run`."""
