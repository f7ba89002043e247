"""The solve stage on a small random model: files, resuming, growth, left-out solvers, errors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from mathlm.core.errors import UserError
from mathlm.core.records import Completion, Problem
from mathlm.core.runs import split_settings
from mathlm.core.stage import StageContext, StageInput
from mathlm.core.storage import read_jsonl
from mathlm.solving.config import SolveConfig, SolverConfig
from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.stage import Wiring, run

torch.set_num_threads(1)
TASKS = ("arithmetic-seen", "arithmetic-unseen")
FILES = ("problems.jsonl", "completions.jsonl", "meta.json")


def make_model(stage: Path) -> None:
    """Put a model that writes whatever it likes into a stage's directory."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    names = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<end>"]
    bare = Tokenizer(models.BPE({name: number for number, name in enumerate(names)}, []))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=bare, eos_token="<end>").save_pretrained(
        stage / "model"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=257,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=4096,
        eos_token_id=256,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(stage / "model")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage directory with such a model."""
    stage = tmp_path_factory.mktemp("base")
    make_model(stage)
    return stage


def config(samples: int = 2, **changes: Any) -> SolveConfig:
    settings = {
        "tasks": TASKS,
        "limit": 3,
        "solvers": {
            "greedy": SolverConfig(kind="cot", max_tokens=12),
            "vote": SolverConfig(kind="cot", max_tokens=12, samples=samples, temperature=1.0),
        },
    }
    return SolveConfig(**(settings | changes))


def context(directory: Path, trained: Path) -> StageContext:
    directory.mkdir(exist_ok=True)
    inputs = {"model": (StageInput("base", "train", trained),)}
    return StageContext("solve", directory, inputs, seed=1, workers=1)


def bytes_of(directory: Path) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def finished(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("solve")
    run(context(directory, trained), config())
    return directory


class Box:
    """A sandbox of a given level that answers every program alike."""

    def __init__(self, level: str) -> None:
        self.level, self.failed, self.closed = level, {"landlock": "no such system call"}, False

    async def run(self, program: str) -> Any:
        from mathlm.solving.sandbox import ProgramResult

        return ProgramResult(status="ok", stdout=f"{len(program)}\n", level="full")

    def close(self) -> None:
        self.closed = True


def test_the_files_of_a_stage(finished: Path) -> None:
    problems = list(read_jsonl(finished / "problems.jsonl", Problem))
    made = list(read_jsonl(finished / "completions.jsonl", Completion))
    expected = [
        (p.task, p.id, solver, sample)
        for p in problems
        for solver, samples in (("greedy", 1), ("vote", 2))
        for sample in range(samples)
    ]
    assert [(c.task, c.problem_id, c.solver, c.sample_index) for c in made] == expected and len(
        problems
    ) == 6
    assert [p.task for p in problems] == [TASKS[0]] * 3 + [TASKS[1]] * 3
    assert all(c.cost.seconds == 0 and c.cost.model_tokens > 0 for c in made)
    assert not any(c.segments[0].logprobs for c in made)
    assert len({c.text for c in made if c.solver == "vote"}) > 6, "samples differ"
    meta = json.loads((finished / "meta.json").read_text())
    assert meta["model"] == "base" and meta["tasks"] == list(TASKS) and meta["left_out"] == []
    assert meta["solvers"]["vote"]["samples"] == 2
    load = json.loads((finished / "logs/engine.json").read_text())
    assert load["model_tokens"] == sum(c.cost.model_tokens for c in made)
    assert sorted(p.name for p in finished.iterdir()) == sorted([*FILES, "logs"])


def test_batch_size_and_logprobs(trained: Path, finished: Path, tmp_path: Path) -> None:
    run(context(tmp_path / "a", trained), config(max_rows=3, logprobs=True))
    a = list(read_jsonl(tmp_path / "a" / "completions.jsonl", Completion))
    b = list(read_jsonl(finished / "completions.jsonl", Completion))
    assert [c.segments[0].token_ids for c in a] == [c.segments[0].token_ids for c in b]
    assert all(len(c.segments[0].logprobs) == c.cost.model_tokens for c in a)


def test_a_torn_run_generates_only_what_is_missing(
    trained: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "torn"
    shutil.copytree(finished, directory)
    lines = (directory / "completions.jsonl").read_bytes().splitlines(keepends=True)
    (directory / "journal").mkdir()
    (directory / "journal/1-of-1.jsonl").write_bytes(b"".join(lines[5:12])[:-30])
    for name in FILES:
        (directory / name).unlink()
    asked: list[Any] = []
    real = LocalEngine.generate

    async def counted(self: LocalEngine, request: Any) -> Any:
        asked.append(request)
        return await real(self, request)

    monkeypatch.setattr(LocalEngine, "generate", counted)
    run(context(directory, trained), config())
    assert len(asked) == len(lines) - 6
    assert bytes_of(directory) == bytes_of(finished)


def test_more_samples_generate_only_the_rest(
    trained: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown = tmp_path / "grown"
    shutil.copytree(finished, grown)
    asked: list[int] = []
    real = LocalEngine.generate

    async def counted(self: LocalEngine, request: Any) -> Any:
        asked.append(request.sample_index)
        return await real(self, request)

    monkeypatch.setattr(LocalEngine, "generate", counted)
    run(context(grown, trained), config(samples=4))
    assert sorted(asked) == [2] * 6 + [3] * 6
    run(context(tmp_path / "fresh", trained), config(samples=4))
    assert bytes_of(grown) == bytes_of(tmp_path / "fresh")
    asked.clear()
    run(context(grown, trained), config(samples=2))
    assert asked == [] and bytes_of(grown) == bytes_of(finished)


def test_programs_run_in_the_sandbox_that_is_handed_in(trained: Path, tmp_path: Path) -> None:
    solvers = {"pot": SolverConfig(kind="program", max_tokens=8)}
    box = Box("full")
    run(context(tmp_path, trained), config(solvers=solvers), Wiring(sandbox=lambda *_: box))
    made = list(read_jsonl(tmp_path / "completions.jsonl", Completion))
    assert {c.segments[-1].status for c in made if len(c.segments) == 2} == {"ok"}
    assert json.loads((tmp_path / "meta.json").read_text())["sandbox_level"] == "full"
    assert box.closed


def test_where_the_sandbox_refuses_programs_are_left_out(trained: Path, tmp_path: Path) -> None:
    solvers = {**config().solvers, "pot": SolverConfig(kind="program", max_tokens=8)}
    run(
        context(tmp_path, trained),
        config(solvers=solvers),
        Wiring(sandbox=lambda *_: Box("rlimits")),
    )
    meta = json.loads((tmp_path / "meta.json").read_text())
    (left,) = meta["left_out"]
    assert left["solver"] == "pot" and "landlock" in left["reason"]
    assert sorted(meta["solvers"]) == ["greedy", "vote"]
    made = read_jsonl(tmp_path / "completions.jsonl", Completion)
    assert {c.solver for c in made} == {"greedy", "vote"}


def test_mistakes_are_said_before_any_work(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="unknown tasks nothing"):
        config(tasks=("nothing",))
    with pytest.raises(ValidationError, match="temperature"):
        SolverConfig(kind="cot", samples=2)
    bare = StageContext("solve", tmp_path, seed=1)
    with pytest.raises(UserError, match="no model"):
        run(bare, config())
    with pytest.raises(UserError, match="not both"):
        run(context(tmp_path, trained), config(model="x"))
    many = {"greedy": SolverConfig(kind="cot", shots=99)}
    with pytest.raises(UserError, match="99 shots"):
        run(context(tmp_path, trained), config(solvers=many))


def test_which_settings_count_for_the_identity() -> None:
    base, more, rows = config(2), config(4), config(2, max_rows=7, memory_mib=99)
    assert split_settings(base)[0] == split_settings(more)[0] == split_settings(rows)[0]
    assert split_settings(base)[1] != split_settings(more)[1]
    assert split_settings(base)[1] == split_settings(rows)[1]
    assert split_settings(base)[0] != split_settings(config(2, limit=4))[0]


def test_two_processes_of_torchrun_make_the_completions_of_one(
    trained: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "two"\n[stage.solve]\nkind = "solve"\n'
        f'model = "{trained / "model"}"\ntasks = ["arithmetic-seen"]\nlimit = 7\n'
        'solvers.vote = { kind = "cot", samples = 3, temperature = 1.0, max_tokens = 12 }\n'
        'solvers.program = { kind = "program", max_tokens = 12 }\n',
        encoding="utf-8",
    )
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    mathlm = ["-m", "mathlm", "run", str(recipe), "workers=2", "--quiet", "--out"]
    done = subprocess.run(
        [sys.executable, *torchrun, *mathlm, str(tmp_path / "two")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    alone = tmp_path / "one"
    alone.mkdir()
    settings = config(
        samples=3,
        model=str(trained / "model"),
        tasks=("arithmetic-seen",),
        limit=7,
        solvers={
            "vote": SolverConfig(kind="cot", samples=3, temperature=1.0, max_tokens=12),
            "program": SolverConfig(kind="program", max_tokens=12),
        },
    )
    run(StageContext("solve", alone, seed=0, workers=1), settings)
    for name in FILES:
        assert (alone / name).read_bytes() == (tmp_path / "two/solve" / name).read_bytes(), name
    logs = tmp_path / "two/solve/logs"
    loads = [json.loads((logs / name).read_text()) for name in ("engine.json", "engine-1.json")]
    tokens = [load["model_tokens"] for load in loads]
    assert min(tokens) > 0.3 * sum(tokens), "both had a share"
    assert not (tmp_path / "two/solve/journal").exists()
