"""Solving that is killed, stopped, split, continued, limited; machines that fail.

Most tests put an engine in the model's place whose text is a function of the request, so that a
whole run takes milliseconds; the slow kill test has the real one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mathlm.core.errors import MachineError, UserError
from mathlm.core.records import Completion
from mathlm.core.stage import StageContext
from mathlm.core.storage import read_jsonl
from mathlm.solving import stage
from mathlm.solving.config import SolveConfig, SolverConfig
from mathlm.solving.engines.protocol import Generation, Request
from mathlm.tasks import TASKS

FILES = ("problems.jsonl", "completions.jsonl", "meta.json")


@dataclass
class Hashing:
    """An engine whose text is a hash of the request, after `delay_s`."""

    delay_s: float = 0.0
    fails: Callable[[Request], bool] = lambda request: False
    asked: list[Request] = field(default_factory=list)

    async def generate(self, request: Request) -> Generation:
        self.asked.append(request)
        number = int(hashlib.sha256(repr(request).encode()).hexdigest()[:8], 16)
        await asyncio.sleep(self.delay_s * (0.5 + number / 2**32))
        if self.fails(request):
            raise ConnectionError("no route to host")
        return Generation(f"The answer is {number}.", (1, 2, 3), (-0.5,) * 3, "stop", 9)


def config(samples: int = 3, **changes: Any) -> SolveConfig:
    vote = SolverConfig(kind="cot", samples=samples, temperature=1.0)
    settings: dict[str, Any] = {
        "engine": "openai",  # in its place stands `Hashing`; a server's run loads no torch
        "model": "some/model",
        "tasks": ("arithmetic-seen",),
        "limit": 8,
        "solvers": {"greedy": SolverConfig(kind="cot"), "vote": vote},
        "max_rows": 2,
    }
    return SolveConfig(**(settings | changes))


def solve(folder: Path, wanted: SolveConfig, engine: Hashing | None = None) -> Hashing:
    """Run the stage with an engine of ours in the model's place."""
    engine = engine or Hashing()

    @contextlib.contextmanager
    def opened(*_: Any) -> Iterator[Hashing]:
        yield engine

    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "open_engine", opened)
        stage.run(StageContext("solve", folder, seed=1, workers=1), wanted)
    return engine


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def made(folder: Path) -> list[Completion]:
    return list(read_jsonl(folder / "completions.jsonl", Completion))


def test_sixteen_samples_grow_to_sixty_four(tmp_path: Path) -> None:
    solve(tmp_path / "a", config(16))
    grown = solve(tmp_path / "a", config(64))
    assert sorted(r.sample_index for r in grown.asked) == sorted([*range(16, 64)] * 8)
    solve(tmp_path / "b", config(64))
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert solve(tmp_path / "a", config(64)).asked == []


def test_a_changed_prompt_or_model_makes_everything_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(solve(tmp_path, config()).asked) == 32
    assert len(solve(tmp_path, config(model="another/model")).asked) == 32
    assert len(solve(tmp_path, config(model="another/model")).asked) == 0
    task = TASKS["arithmetic-seen"]
    prompt = task.prompts["cot"]
    changed = type(prompt)(prompt.shots, prompt.question + " ", prompt.answer, prompt.stops)
    monkeypatch.setitem(task.prompts, "cot", changed)  # type: ignore[arg-type]
    assert len(solve(tmp_path, config(model="another/model")).asked) == 32


def test_weights_name_a_model(tmp_path: Path) -> None:
    from mathlm.solving.engines.make import model_key

    folder = tmp_path / "model"
    folder.mkdir()
    weights = folder / "model.safetensors"
    weights.write_bytes(bytes(20 << 20))
    context = StageContext("solve", tmp_path)
    keys = [model_key(context, config(engine="local", model=str(folder)))]
    for place in (0, 7 << 20, (20 << 20) - 1):  # a tensor of a megabyte, wherever it lies
        with open(weights, "r+b") as file:
            file.seek(min(place, 19 << 20))
            file.write(b"\x01" * (1 << 20))
        keys.append(model_key(context, config(engine="local", model=str(folder))))
    (folder / "README.md").write_text("said")
    assert len(set(keys)) == 4
    assert model_key(context, config(engine="local", model=str(folder))) == keys[-1]


def test_shards_are_joined_without_a_model(tmp_path: Path) -> None:
    solve(tmp_path / "whole", config())
    for number in (1, 2, 3):
        solve(tmp_path / f"s{number}", config(shard=f"{number}/3"))
    problems = [
        len((tmp_path / f"s{n}/problems.jsonl").read_text().splitlines()) for n in (1, 2, 3)
    ]
    assert problems == [3, 3, 2]
    folders = tuple(str(tmp_path / f"s{number}") for number in (1, 2, 3))
    assert solve(tmp_path / "joined", config(reuse=folders)).asked == []
    assert bytes_of(tmp_path / "joined") == bytes_of(tmp_path / "whole")
    some = solve(tmp_path / "two", config(reuse=folders[:2]))
    assert len(some.asked) == 2 * 4, "only what the third would have made"
    assert bytes_of(tmp_path / "two") == bytes_of(tmp_path / "whole")
    with pytest.raises(UserError, match="no completions"):
        solve(tmp_path / "none", config(reuse=(str(tmp_path),)))
    for wrong in ("0/3", "4/3", "1", "1/0"):
        with pytest.raises(ValueError, match="shard"):
            config(shard=wrong)


def test_errors_are_counted_kept_apart_and_tried_again(tmp_path: Path) -> None:
    odd = Hashing(fails=lambda request: request.sample_index == 1)
    solve(tmp_path, config(), odd)
    failed = [c for c in made(tmp_path) if c.finish_reason == "error"]
    assert len(made(tmp_path)) == 32 and {c.sample_index for c in failed} == {1}
    assert json.loads((tmp_path / "meta.json").read_text())["errors"] == {"vote": 8}
    logged = (tmp_path / "logs/errors.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in logged]
    assert {entry["error"] for entry in entries} == {"ConnectionError: no route to host"}
    again = solve(tmp_path, config())
    assert {r.sample_index for r in again.asked} == {1} and len(again.asked) == 8
    solve(tmp_path / "fresh", config())
    assert bytes_of(tmp_path) == bytes_of(tmp_path / "fresh")


def test_too_many_errors_stop_the_run_with_its_work_kept(tmp_path: Path) -> None:
    broken = Hashing(fails=lambda request: request.sample_index == 1)
    with pytest.raises(MachineError, match="no route to host"):
        solve(tmp_path, config(max_errors=2), broken)
    assert not (tmp_path / "completions.jsonl").exists()
    kept = (tmp_path / "journal/1-of-1.jsonl").read_text().count("\n")
    assert kept > 0 and len(solve(tmp_path, config()).asked) == 32 - kept
    with pytest.raises(MachineError, match="none was"):
        solve(tmp_path / "all", config(max_errors=99), Hashing(fails=lambda request: True))


def test_a_run_stops_at_its_tokens_and_goes_on(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="run_tokens = 30"):
        solve(tmp_path, config(run_tokens=30))
    journal = tmp_path / "journal/1-of-1.jsonl"
    assert 10 <= journal.read_text().count("\n") < 10 + 8, "those in flight may still come in"
    with pytest.raises(MachineError, match="run_minutes"):
        solve(tmp_path, config(run_minutes=1e-9))
    kept = journal.read_text().count("\n")
    assert len(solve(tmp_path, config()).asked) == 32 - kept
    solve(tmp_path / "whole", config())
    assert bytes_of(tmp_path) == bytes_of(tmp_path / "whole")


def test_limits_of_runs_and_reused_folders_are_no_part_of_the_identity() -> None:
    from mathlm.core.runs import split_settings

    neutral = {"run_tokens": 5, "run_minutes": 1.0, "max_errors": 3, "reuse": ("x",)}
    assert split_settings(config()) == split_settings(config(**neutral))
    assert split_settings(config()) != split_settings(config(shard="1/2"))


CHILD = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from solving.test_solve_resume import Hashing, solve
from mathlm.solving.config import SolveConfig
print("begun", flush=True)
solve(Path({folder!r}), SolveConfig.model_validate_json({config!r}), Hashing(delay_s={delay}))
"""


def child(folder: Path, wanted: SolveConfig, delay: float) -> subprocess.Popen[str]:
    """A process that solves; returns when it has begun."""
    code = CHILD.format(
        tests=str(Path(__file__).parent.parent),
        folder=str(folder),
        config=wanted.model_dump_json(),
        delay=delay,
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as told:
        assert told.readline() == "begun\n"
    return process


def kill_until_done(folder: Path, start: Callable[[], subprocess.Popen[str]], last_s: float) -> int:
    """Kill at times uniform over a run's length until one ends by itself; how many were killed."""
    rng, kills = random.Random(3), 0
    for _ in range(200):
        process = start()
        try:
            process.wait(rng.uniform(0, last_s))
            assert process.returncode == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills, last_s = kills + 1, last_s * 1.1
        if (folder / "meta.json").is_file():
            return kills
    raise AssertionError("it never ends")


def test_killed_at_any_time_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    wanted = config(20)  # 168 completions, eight at a time, of 50 ms: about a second
    solve(tmp_path / "whole", wanted)
    folder = tmp_path / "killed"
    kills = kill_until_done(folder, lambda: child(folder, wanted, 0.05), 0.8)
    assert kills > 0
    assert bytes_of(folder) == bytes_of(tmp_path / "whole")
    assert sorted(p.name for p in folder.iterdir()) == sorted(FILES)


STOPPED = """
import contextlib, sys
sys.path.insert(0, {tests!r})
from mathlm.cli import main
from mathlm.solving import stage
from solving.test_solve_resume import Hashing
if {ours}:
    stage.open_engine = lambda *_: contextlib.nullcontext(Hashing(delay_s=0.1))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("number", "ours"),
    [
        (signal.SIGINT, True),
        (signal.SIGTERM, True),
        pytest.param(signal.SIGINT, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, False, marks=pytest.mark.slow),
    ],
)
def test_stopped_by_the_user_it_says_one_line_and_goes_on(
    tmp_path: Path, number: int, ours: bool
) -> None:
    """The command itself, with an engine of ours or the real one."""
    model = "some/model"
    if not ours:
        from solving.test_solve_stage import make_model

        make_model(tmp_path / "base")
        model = f"{tmp_path}/base/model"
    kind = "openai" if ours else "local"
    words = ["stage", "solve", f"model={model}", f"engine={kind}",
             'tasks=["arithmetic-seen"]', "limit=40", "max_rows=4",
             "--out", str(tmp_path / "out"), "solvers.vote.kind=cot",
             "solvers.vote.samples=60", "solvers.vote.temperature=1.0",
             "solvers.vote.max_tokens=20"]  # fmt: skip
    code = STOPPED.format(tests=str(Path(__file__).parent.parent), ours=ours)
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True
    )
    journal = tmp_path / "out/journal/1-of-1.jsonl"
    deadline = time.monotonic() + 300
    while not (journal.is_file() and journal.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    lines = [line for line in error.splitlines() if not line.startswith("  ")]
    assert lines == [
        "mathlm: stopped; what is finished is kept, the same command goes on from there"
    ], error
    assert journal.read_bytes().endswith(b"\n")


@pytest.mark.slow
def test_the_real_engine_killed_at_any_time_ends_in_the_same_bytes(tmp_path: Path) -> None:
    from solving.test_solve_stage import make_model

    make_model(tmp_path / "base")
    settings = {"limit": 8, "max_rows": 16, "engine": "local"}
    settings["model"] = str(tmp_path / "base/model")
    short = {"max_tokens": 12, "temperature": 1.0, "samples": 24}
    wanted = config(solvers={"vote": SolverConfig(kind="cot", **short)}, **settings)
    whole = StageContext("solve", tmp_path / "whole", seed=1, workers=1)
    whole.directory.mkdir()
    stage.run(whole, wanted)
    folder = tmp_path / "killed"
    code = CHILD.replace("solve(Path", "solve_really(Path").replace(
        ", Hashing(delay_s={delay}))", ")"
    )
    code = code.replace("Hashing, solve", "solve_really").format(
        tests=str(Path(__file__).parent.parent), folder=str(folder), config=wanted.model_dump_json()
    )

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, text=True)

    begun = time.monotonic()
    start_ = start()
    start_.wait()
    length_s = time.monotonic() - begun
    for name in FILES:
        (folder / name).unlink()
    kills = kill_until_done(folder, start, length_s)
    print(f"{kills} kills over runs of {length_s:.1f} s")
    assert kills > 0 and bytes_of(folder) == bytes_of(tmp_path / "whole")


def solve_really(folder: Path, wanted: SolveConfig) -> None:
    """The stage with the model that it names."""
    import torch

    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    stage.run(StageContext("solve", folder, seed=1, workers=1), wanted)
