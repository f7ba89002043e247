"""Settings of the `solve` stage; no torch here."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from mathlm.core.stage import StageConfig, extends, neutral

SolverKind = Literal["cot", "program"]
Level = Literal["full", "landlock", "rlimits"]


class SolverConfig(StageConfig):
    """One way to solve, under a name of its own: `[stage.NAME.solvers.greedy]`."""

    kind: SolverKind
    """`cot`: a worked solution in words; `program`: a program that the sandbox runs."""
    samples: int = extends(1, ge=1)
    """Completions a problem; raising it generates only the new ones."""
    temperature: float = Field(0.0, ge=0)
    """0 is greedy (Llemma votes at 0.6: maj@k, arXiv 2310.10631 section 3)."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Mass of the most likely tokens that are kept (Llemma: 0.95)."""
    top_k: int = Field(0, ge=0)
    """Number of the most likely tokens that are kept; 0 keeps all."""
    min_p: float = Field(0.0, ge=0, le=1)
    """Tokens less likely than this times the most likely one are dropped."""
    repetition_penalty: float = Field(1.0, gt=0)
    """As in transformers; 1 changes nothing."""
    max_tokens: int = Field(256, ge=1)
    """Most new tokens (Llemma: 1024); a completion cut off by it ends with `length`."""
    shots: int | None = Field(None, ge=0)
    """Worked examples before the question; empty: all that the task's prompt has."""
    stops: tuple[str, ...] = ()
    """Strings that end a completion, beside those of the task's prompt."""

    @model_validator(mode="after")
    def _several_differ(self) -> Self:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("samples above 1 need a temperature above 0: all would be the same")
        return self

    @field_validator("stops")
    @classmethod
    def _not_empty(cls, stops: tuple[str, ...]) -> tuple[str, ...]:
        if "" in stops:
            raise ValueError("an empty stop string would end every completion")
        return stops


class SolveConfig(StageConfig):
    """Generate completions of tasks' problems with one model and several solvers."""

    model: str | None = None
    """A folder or id of a Hugging Face model, where no stage is given for the role `model`."""
    tasks: tuple[str, ...] = Field(min_length=1)
    """Names of tasks (`mathlm.tasks.TASKS`)."""
    split: Literal["train", "dev", "test"] = "test"
    """Which problems of each task."""
    limit: int | None = Field(None, ge=1)
    """Most problems a task; empty: all."""
    solvers: dict[str, SolverConfig] = Field(min_length=1)
    """Solvers by name; the name is written into every completion."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model runs; auto: a CUDA device if there is one."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of the arithmetic; auto: bfloat16 on CUDA, float32 (exact) on CPU."""
    logprobs: bool = False
    """Write each token's log-probability beside its id (rounded to 4 places)."""
    max_rows: int = neutral(256, ge=1)
    """Most completions generated at a time."""
    memory_mib: int = neutral(1024, ge=16)
    """Memory for keys and values; the engine picks its batch within it."""
    program_timeout_s: float = Field(10.0, gt=0)
    """Wall time of one program in the sandbox."""
    sandbox_minimum: Level = "landlock"
    """Where the sandbox cannot reach this level, solvers with programs are left out."""

    @field_validator("tasks")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from mathlm.tasks import TASKS

        unknown = sorted(set(names) - set(TASKS))
        if unknown:
            raise ValueError(f"unknown tasks {', '.join(unknown)}; there are {', '.join(TASKS)}")
        if len(set(names)) < len(names):
            raise ValueError("a task is named twice")
        return names


def expect(config: SolveConfig) -> str:
    """One line on what the stage will do, for `--dry-run`."""
    samples = sum(solver.samples for solver in config.solvers.values())
    problems = f"at most {config.limit}" if config.limit else "all"
    return f"{problems} problems of {', '.join(config.tasks)} x {samples} completions"
