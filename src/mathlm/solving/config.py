"""Settings of the `solve` stage; no torch here."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from mathlm.core.stage import StageConfig, extends, neutral
from mathlm.solving.engines.openai_config import ServerConfig

SolverKind = Literal["cot", "program", "tool", "hybrid"]
Level = Literal["full", "landlock", "rlimits"]


class SolverConfig(StageConfig):
    """One way to solve, under a name of its own: `[stage.NAME.solvers.greedy]`."""

    kind: SolverKind
    """`cot`: a worked solution in words; `program`: a program that the sandbox runs; `tool`:
    programs whose output the model sees, in several rounds; `hybrid`: a program and words."""
    prompt: str = "default"
    """Which of the task's prompts for that kind: ours, or a published one (`llemma`, `pal`)."""
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
    """Most new tokens (Llemma: 1024), in a tool loop those of one turn; a completion cut off by
    it ends with `length`."""
    total_tokens: int | None = Field(None, ge=1)
    """Most new tokens of a completion over all its turns and parts; one that reaches it ends
    with `budget`. Empty: no such limit."""
    shots: int | None = Field(None, ge=0)
    """Worked examples before the question; empty: all that the task's prompt has."""
    stops: tuple[str, ...] = ()
    """Strings that end a completion, beside those of the task's prompt."""
    reasoning: bool = False
    """The model thinks first: all before `</think>` is its thought, kept apart and never graded;
    stops count after it."""
    think_tokens: int | None = Field(None, ge=1)
    """Most tokens of the thought, which is then ended for the model (budget forcing, arXiv
    2501.19393) and `max_tokens` counts for the answer alone. Empty: both share `max_tokens`."""
    tool_calls: int = Field(4, ge=1)
    """Most programs of one tool loop (ToRA: 4); one more ends it with `tool_limit`."""
    output_characters: int = Field(1000, ge=2)
    """What of a program's output a tool loop shows to the model."""
    mode: Literal["crash", "agreement", "vote"] = "crash"
    """Of `hybrid`. `crash`: words where the program gives nothing (MAmmoTH); `agreement`: both,
    and whether they agree; `vote`: every second sample in words, all of them vote."""
    prefer: Literal["program", "cot"] = "program"
    """Whose answer counts where `agreement` finds two."""

    @model_validator(mode="after")
    def _several_differ(self) -> Self:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("samples above 1 need a temperature above 0: all would be the same")
        if self.mode != "crash" and self.kind != "hybrid":
            raise ValueError(f"mode = {self.mode} is for solvers of kind hybrid")
        if self.mode == "vote" and self.samples < 2:
            raise ValueError("mode = vote needs samples of 2 or more: they alternate")
        if self.think_tokens is not None and not self.reasoning:
            raise ValueError("think_tokens needs reasoning = true")
        return self

    @field_validator("stops")
    @classmethod
    def _not_empty(cls, stops: tuple[str, ...]) -> tuple[str, ...]:
        if "" in stops:
            raise ValueError("an empty stop string would end every completion")
        return stops


class SolveConfig(StageConfig):
    """Generate completions of tasks' problems with one model and several solvers."""

    engine: Literal["local", "openai"] = "local"
    """`local`: the model in this process; `openai`: one behind an OpenAI-compatible server."""
    server: ServerConfig = ServerConfig()
    """The server, for `engine = "openai"`."""
    model: str | None = None
    """A folder or id of a Hugging Face model, where no stage is given for the role `model`; with
    `engine = "openai"` the model's name at the server."""
    tasks: tuple[str, ...] = Field(min_length=1)
    """Names of tasks (`mathlm.tasks.TASKS`)."""
    split: Literal["train", "dev", "test"] = "test"
    """Which problems of each task."""
    limit: int | None = Field(None, ge=1)
    """Most problems a task; empty: all."""
    shard: str | None = Field(None, pattern=r"^[1-9]\d*/[1-9]\d*$")
    """`i/n`: every n-th problem from the i-th on, so that n machines share the work."""
    reuse: tuple[str, ...] = neutral(())
    """Folders of other solve stages (shards, earlier runs): their completions are taken over
    where model, prompt, sampling and seed are the same, and only the missing ones made."""
    prompts: str | None = None
    """A folder of published prompts, if they are not in `MATHLM_DATA`/prompts."""
    data: str | None = None
    """A file or folder of the tasks' data, if they are not in `MATHLM_DATA`."""
    check_data: bool = True
    """Refuse data that are not the known ones (by sha256); false: take them as they are."""
    download: bool = neutral(False)
    """Ask the Hub for a model and for data that are nowhere else."""
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
    memory_mib: int | None = neutral(None, ge=16)
    """Memory for keys and values; the engine picks its batch within it. Empty: 1 GiB on a CPU,
    most of what is free on a GPU."""
    deterministic: bool = False
    """On CUDA: the same tokens whatever else is in the batch, at the price of speed."""
    program_timeout_s: float = Field(10.0, gt=0)
    """Wall time of one program in the sandbox."""
    sandbox_minimum: Level = "landlock"
    """Where the sandbox cannot reach this level, solvers with programs are left out."""
    max_errors: int = neutral(20, ge=0)
    """Completions that may fail for reasons of the machine (a server's error, a dead sandbox)
    before the run stops; they are written as `error`, and tried again by the next run."""
    run_tokens: int | None = neutral(None, ge=1)
    """New tokens after which the run stops; the same command goes on from there."""
    run_minutes: float | None = neutral(None, gt=0)
    """Minutes of solving after which the run stops; the same command goes on from there."""

    @field_validator("shard")
    @classmethod
    def _within(cls, shard: str | None) -> str | None:
        if shard is not None and int(shard.split("/")[0]) > int(shard.split("/")[1]):
            raise ValueError(f"shard {shard}: the first number is at most the second")
        return shard

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
