"""The spine end to end on the small recipe: a measured model, and kills at any moment.

Each killed run is SIGKILLed at a moment uniform over the wall time of an undisturbed run, then
continued by the same command; every file that is not a clock must end in the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mathlm.core.stage import StageContext, StageInput
from mathlm.reporting.config import ReportConfig
from mathlm.stages import KINDS

KILLS = 10
DRAWING = threading.Lock()
"""Two reports are not made at once in one process: Matplotlib has settings for all of it."""
CLOCK_FILES = {"environment.json", "lock", "report.html", "report.json"}
PICKLES = {".metadata"}  # of checkpoints: their bytes vary, those of the tensors beside them do not


def start(root: Path, out: Path) -> subprocess.Popen[bytes]:
    recipe = root / "recipes" / "quickstart-small.toml"
    command = [sys.executable, "-m", "mathlm", "run", str(recipe), "workers=1", "--out", str(out)]
    return subprocess.Popen(
        [*command, "--quiet"],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finish(process: subprocess.Popen[bytes]) -> str:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.fixture(scope="module")
def undisturbed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float, str]:
    """A finished run, its wall time in seconds and what it printed."""
    pytest.importorskip("torch", reason="the spine trains")
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    began = time.monotonic()
    printed = finish(start(root, out))
    return out, time.monotonic() - began, printed


def contents(out: Path) -> dict[str, bytes]:
    """Every file of a run that must not differ, by name; the report as made without clocks."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out)
        clocks = (
            name.name in CLOCK_FILES | PICKLES or "logs" in name.parts or name.parts[0] == "report"
        )
        if path.is_file() and not clocks:
            found[name.as_posix()] = path.read_bytes()
    # the line of the report stage holds the checksums of files with clocks
    ledger = found["manifest.jsonl"]
    found["manifest.jsonl"] = b"".join(
        line for line in ledger.splitlines(keepends=True) if b'"stage": "report"' not in line
    )
    return {**found, **report_without_clocks(out)}


def report_without_clocks(out: Path) -> dict[str, bytes]:
    """The report made again from the run's stages where no log and no environment is found."""
    plan = json.loads((out / "report" / "stage.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        ignored = shutil.ignore_patterns("logs", "report", "checkpoints", *CLOCK_FILES)
        shutil.copytree(out, run, ignore=ignored)
        inputs = {
            role: tuple(
                StageInput(name, KINDS["report"].needs[role][0], run / name) for name in names
            )
            for role, names in plan["inputs"].items()
        }
        context = StageContext("report", run / "report", inputs)
        context.directory.mkdir()
        with DRAWING:
            KINDS["report"].run(context, ReportConfig(**plan["extends"], **plan["settings"]))
        return {
            f"report/{p.relative_to(context.directory)}": p.read_bytes()
            for p in context.directory.rglob("*")
            if p.is_file()
        }


def test_the_run_ends_with_a_table_and_a_report(undisturbed: tuple[Path, float, str]) -> None:
    out, _, printed = undisturbed
    report = json.loads((out / "report.json").read_text())
    models = {row["model"] for row in report["results"]}
    metrics = {row["metric"] for row in report["results"]}
    assert models == {"base", "continued"}
    assert {"bits_per_byte", "accuracy"} < metrics
    assert any(metric.startswith("maj@") for metric in metrics)
    assert {"general", "problems"} <= {
        row["task"] for row in report["results"] if row["metric"] == "bits_per_byte"
    }
    for row in report["results"]:
        assert row["low"] <= row["value"] <= row["high"]
        assert row["n"] > 0
    for step in report["funnel"]:
        lost = sum(step["dropped"].values()) + sum(step["failed"].values())
        assert step["in"] == step["kept"] + lost
    assert "report.html" in printed


def test_training_on_problems_helps_on_problems(undisturbed: tuple[Path, float, str]) -> None:
    out, _, _ = undisturbed
    rows = json.loads((out / "report" / "report.json").read_text())["results"]
    bits = {
        row["model"]: row["value"]
        for row in rows
        if (row["task"], row["metric"]) == ("problems", "bits_per_byte")
    }
    assert bits["continued"] < bits["base"] / 1.5


def test_a_second_run_does_nothing(root: Path, undisturbed: tuple[Path, float, str]) -> None:
    out, wall, _ = undisturbed
    before = contents(out)
    began = time.monotonic()
    finish(start(root, out))
    assert time.monotonic() - began < wall / 2
    assert contents(out) == before


def test_killed_at_any_moment_it_ends_in_the_same_bytes(
    root: Path, undisturbed: tuple[Path, float, str], tmp_path: Path
) -> None:
    whole, wall, _ = undisturbed
    expected = contents(whole)

    def killed(number: int) -> list[str]:
        out = tmp_path / str(number)
        process = start(root, out)
        try:
            process.communicate(timeout=wall * (number + 0.5) / KILLS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        finish(start(root, out))
        got = contents(out)
        return [
            name for name in expected.keys() | got.keys() if expected.get(name) != got.get(name)
        ]

    with ThreadPoolExecutor(2) as both_cores:
        differing = dict(enumerate(both_cores.map(killed, range(KILLS))))
    assert {number: names for number, names in differing.items() if names} == {}


@pytest.mark.slow
def test_two_processes_of_torchrun_measure_the_same(
    root: Path, undisturbed: tuple[Path, float, str], tmp_path: Path
) -> None:
    whole, _, _ = undisturbed
    recipe, out = root / "recipes" / "quickstart-small.toml", tmp_path / "run"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "mathlm", "run", str(recipe), "workers=1", "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=root, env=environment, check=True, timeout=300)

    def bits(run: Path) -> dict[tuple[str, str], float]:
        rows = json.loads((run / "report.json").read_text())["results"]
        return {(r["model"], r["task"]): r["value"] for r in rows if r["metric"] == "bits_per_byte"}

    assert bits(out) == pytest.approx(bits(whole), abs=0.02)
