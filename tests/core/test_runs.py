"""Runs on toy stages: order, skipping, continuing, extending, refusing."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from mathlm.core.errors import UserError
from mathlm.core.progress import Progress
from mathlm.core.recipe import Recipe, build_recipe
from mathlm.core.runs import follow_recipe, locked, plan_run, run_recipe
from mathlm.core.stage import StageConfig, StageContext, StageKind, extends, neutral

CALLS: list[str] = []


class MakeConfig(StageConfig):
    number: int = 3
    workers: int = neutral(1)


class SampleOptions(StageConfig):
    samples: int = extends(2)
    temperature: float = 0.5


class TakeConfig(StageConfig):
    samples: int = extends(1)
    solvers: dict[str, SampleOptions] = Field({})


def _make(context: StageContext, config: MakeConfig) -> None:
    CALLS.append(context.name)
    if config.number == 0:
        raise UserError("number = 0 makes nothing")
    half = context.directory / "half.txt"
    if config.number == 13 and not half.exists():
        half.write_text("half")
        raise KeyboardInterrupt
    (context.directory / "out.txt").write_text("x" * config.number)
    (context.directory / "logs" / "clock.txt").write_text("now")


def _take(context: StageContext, config: TakeConfig) -> None:
    CALLS.append(context.name)
    text = (context.input("source") / "out.txt").read_text()
    before = context.directory / "taken.txt"
    kept = before.read_text() if before.exists() else ""
    before.write_text(kept + text[: config.samples])


KINDS = {
    "make": StageKind(MakeConfig, _make, needs={}),
    "take": StageKind(TakeConfig, _take, needs={"source": ("make", "take")}),
}


def recipe(**settings: dict[str, Any]) -> Recipe:
    stage = {
        "last": {"kind": "take", "needs": {"source": "first"}, **settings.get("last", {})},
        "first": {"kind": "make", **settings.get("first", {})},
    }
    return build_recipe({"name": "toy", "seed": settings.get("seed", 0), "stage": stage}, KINDS)


def go(directory: Path, **settings: dict[str, Any]) -> list[str]:
    CALLS.clear()
    run_recipe(recipe(**settings), directory, KINDS, Progress(quiet=True))
    return list(CALLS)


def test_stages_run_in_the_order_of_their_needs_and_only_once(tmp_path: Path) -> None:
    assert go(tmp_path) == ["first", "last"]
    assert go(tmp_path) == []
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines] == ["first", "last"]
    assert list(lines[0]["files"]) == ["out.txt", "stage.json"]  # logs are exempt
    assert (tmp_path / "recipe.toml").exists()
    assert json.loads((tmp_path / "environment.json").read_text())["seed"] == 0


def test_a_neutral_setting_changes_nothing(tmp_path: Path) -> None:
    go(tmp_path)
    assert go(tmp_path, first={"workers": 8}) == []


def test_another_identity_is_refused_with_the_keys_before_any_work(tmp_path: Path) -> None:
    go(tmp_path)
    with pytest.raises(UserError, match=r"'first'.*number: 3 → 4"):
        go(tmp_path, first={"number": 4})
    assert CALLS == []
    with pytest.raises(UserError, match=r"seed: 0 → 1"):
        go(tmp_path, seed=1)  # type: ignore[arg-type]


def test_an_extending_setting_runs_over_what_is_there(tmp_path: Path) -> None:
    go(tmp_path)
    assert go(tmp_path, last={"samples": 2}) == ["last"]
    assert (tmp_path / "last" / "taken.txt").read_text() == "x" + "xx"
    assert go(tmp_path, last={"samples": 2}) == []


def test_extending_settings_inside_tables_extend_too(tmp_path: Path) -> None:
    def solvers(samples: int, temperature: float) -> dict[str, Any]:
        return {"solvers": {"cot": {"samples": samples, "temperature": temperature}}}

    go(tmp_path, last=solvers(2, 0.5))
    assert go(tmp_path, last=solvers(4, 0.5)) == ["last"]
    with pytest.raises(UserError, match=r"solvers.cot.temperature: 0.5 → 0.7"):
        go(tmp_path, last=solvers(4, 0.7))


def test_what_was_made_of_grown_inputs_is_made_afresh(tmp_path: Path) -> None:
    def chain(samples: int) -> Recipe:
        stage = {
            "a": {"kind": "make"},
            "b": {"kind": "take", "needs": {"source": "a"}, "samples": samples},
            "c": {"kind": "grow", "needs": {"source": "b"}},
        }
        return build_recipe({"name": "toy", "stage": stage}, kinds)

    def grow(context: StageContext, config: MakeConfig) -> None:
        with open(context.directory / "seen.txt", "a") as file:
            file.write((context.input("source") / "taken.txt").read_text() + "\n")

    kinds = {**KINDS, "grow": StageKind(MakeConfig, grow, needs={"source": ("take",)})}
    quiet = Progress(quiet=True)
    run_recipe(chain(1), tmp_path, kinds, quiet)
    run_recipe(chain(2), tmp_path, kinds, quiet)
    assert (tmp_path / "c" / "seen.txt").read_text() == "xxx\n"


def test_a_stopped_stage_continues_on_its_own_directory(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, first={"number": 13})
    plans = plan_run(recipe(first={"number": 13}), tmp_path, KINDS)
    assert [plan.state for plan in plans] == ["continue", "new"]
    with pytest.raises(UserError, match="other settings"):
        go(tmp_path, first={"number": 14})
    assert go(tmp_path, first={"number": 13}) == ["first", "last"]


def test_a_setting_refused_at_the_start_may_be_mended(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="makes nothing"):
        go(tmp_path, first={"number": 0})
    assert not (tmp_path / "first").exists()
    assert go(tmp_path, first={"number": 4}) == ["first", "last"]
    with pytest.raises(UserError, match="other settings"):
        go(tmp_path, first={"number": 0})
    assert (tmp_path / "first" / "out.txt").read_text() == "xxxx", "finished work stays"


def test_a_damaged_finished_stage_is_refused(tmp_path: Path) -> None:
    go(tmp_path)
    (tmp_path / "first" / "out.txt").write_text("shorter than it was?")
    with pytest.raises(UserError, match=r"out\.txt"):
        go(tmp_path)


def test_two_runs_cannot_share_a_directory(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(UserError, match="another run"):
        go(tmp_path)


def test_chosen_stages_need_finished_inputs(tmp_path: Path) -> None:
    quiet = Progress(quiet=True)
    with pytest.raises(UserError, match="needs 'first'"):
        run_recipe(recipe(), tmp_path, KINDS, quiet, only={"last"})
    run_recipe(recipe(), tmp_path, KINDS, quiet, only={"first"})
    run_recipe(recipe(), tmp_path, KINDS, quiet, only={"last"})
    assert go(tmp_path) == []


def test_other_processes_join_parallel_stages_and_wait_for_the_rest(tmp_path: Path) -> None:
    joined: list[str] = []
    meeting = threading.Barrier(2, timeout=20)

    def together(context: StageContext, config: MakeConfig) -> None:
        joined.append(threading.current_thread().name)
        meeting.wait()
        (context.directory / "out.txt").write_text("xyz")

    kinds = {**KINDS, "make": StageKind(MakeConfig, together, needs={}, parallel=True)}
    CALLS.clear()
    follower = threading.Thread(
        target=follow_recipe, args=(recipe(), tmp_path, kinds), kwargs={"poll_s": 0.01}, name="f"
    )
    follower.start()
    run_recipe(recipe(), tmp_path, kinds, Progress(quiet=True))
    follower.join(20)
    assert not follower.is_alive()
    assert sorted(joined) == ["MainThread", "f"]
    assert CALLS == ["last"]
    follow_recipe(recipe(), tmp_path, kinds)  # all is finished: returns at once


def test_what_people_look_for_is_at_the_top(tmp_path: Path) -> None:
    kinds = {**KINDS, "make": StageKind(MakeConfig, _make, needs={}, shown=("out.txt",))}
    run_recipe(recipe(), tmp_path, kinds, Progress(quiet=True))
    assert (tmp_path / "out.txt").read_text() == "xxx"
    (tmp_path / "out.txt").unlink()
    run_recipe(recipe(), tmp_path, kinds, Progress(quiet=True))
    assert (tmp_path / "out.txt").exists()
