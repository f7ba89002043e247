"""Runs on toy stages: order, skipping, continuing, extending, refusing."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from mathlm.core.errors import UserError
from mathlm.core.inputs import files_of, named
from mathlm.core.progress import Progress
from mathlm.core.recipe import Recipe, build_recipe, load_recipe
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


class ReadConfig(StageConfig):
    files: str = ""
    copies: int = 1


def _read(context: StageContext, config: ReadConfig) -> None:
    CALLS.append(context.name)
    text = "".join(Path(file).read_text() for file in files_of([config.files]))
    (context.directory / "half.txt").write_text(text)
    if "stop" in text:
        raise KeyboardInterrupt
    (context.directory / "out.txt").write_text(text * config.copies)


READING = {
    **KINDS,
    "read": StageKind(
        ReadConfig, _read, needs={}, reads=lambda c: {"files": partial(named, [c.files])}
    ),
    "take": StageKind(TakeConfig, _take, needs={"source": ("read",)}),
}


def reads(tmp_path: Path, copies: int = 1) -> Recipe:
    stage = {
        "web": {"kind": "read", "files": str(tmp_path / "*.txt"), "copies": copies},
        "last": {"kind": "take", "needs": {"source": "web"}},
    }
    return build_recipe({"name": "toy", "stage": stage}, READING)


def go_on(tmp_path: Path, copies: int = 1, **options: bool) -> list[str]:
    CALLS.clear()
    quiet = Progress(quiet=True)
    run_recipe(reads(tmp_path, copies), tmp_path / "run", READING, quiet, **options)  # type: ignore[arg-type]
    return list(CALLS)


def test_changed_input_files_are_refused_and_what_follows_from_them_too(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (tmp_path / "a.txt").write_text("one")
    assert go_on(tmp_path) == ["web", "last"]
    assert go_on(tmp_path) == []
    (tmp_path / "a.txt").write_text("two")
    os.utime(tmp_path / "a.txt", (0, 0))
    with pytest.raises(
        UserError, match=r"inputs of the finished stage 'web' .*1 changed"
    ) as caught:
        go_on(tmp_path)
    assert f"delete {run / 'web'} and {run / 'last'}" in str(caught.value)
    assert CALLS == [] and "\n" not in str(caught.value)
    plans = plan_run(reads(tmp_path), run, READING)
    assert [plan.state for plan in plans] == ["differs", "differs"]
    assert go_on(tmp_path, ignore_changed_inputs=True) == []
    with pytest.raises(UserError, match="1 changed"):  # it was ignored, not forgotten
        go_on(tmp_path)
    shutil.rmtree(run / "web")
    with pytest.raises(UserError, match=r"'last' .*needs.source.web: another input"):
        go_on(tmp_path)
    shutil.rmtree(run / "last")
    assert go_on(tmp_path) == ["web", "last"]
    assert (run / "last" / "taken.txt").read_text() == "t"


def test_settings_and_inputs_that_differ_are_both_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    go_on(tmp_path)
    (tmp_path / "b.txt").write_text("two")
    with pytest.raises(UserError, match=r"other settings \(copies: 1 → 2; files: 1 added"):
        go_on(tmp_path, copies=2)


def test_a_finished_stage_stands_without_its_input_files(tmp_path: Path, capsys: Any) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(name)
    go_on(tmp_path)
    before = tree(tmp_path / "run")
    (tmp_path / "a.txt").unlink()
    run_recipe(reads(tmp_path), tmp_path / "run", READING, Progress())
    assert "web: finished before, skipped (files: 1 gone (" in capsys.readouterr().err
    (tmp_path / "b.txt").unlink()
    assert go_on(tmp_path) == []
    assert tree(tmp_path / "run") == before
    for name in ("web", "last"):
        shutil.rmtree(tmp_path / "run" / name)
    with pytest.raises(UserError, match="no such file"):
        go_on(tmp_path)
    assert not (tmp_path / "run" / "web").exists()


def test_an_unfinished_stage_goes_on_with_changed_files(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.txt").write_text("stop")
    with pytest.raises(KeyboardInterrupt):
        go_on(tmp_path)
    (tmp_path / "a.txt").write_text("go")
    plans = plan_run(reads(tmp_path), tmp_path / "run", READING)
    assert [plan.state for plan in plans] == ["continue", "new"]
    run_recipe(reads(tmp_path), tmp_path / "run", READING, Progress())
    assert "inputs changed since it was begun: files: 1 changed (" in capsys.readouterr().err
    assert go_on(tmp_path) == []
    for before in (tmp_path / "again", tmp_path / "run"):
        run_recipe(reads(tmp_path), before, READING, Progress(quiet=True))
    assert tree(tmp_path / "again") == tree(tmp_path / "run")


def test_files_that_extend_a_stage_make_it_and_what_follows_again(tmp_path: Path) -> None:
    reviewing = dataclasses.replace(READING["read"], extended_by_files=True)
    kinds, quiet = {**READING, "read": reviewing}, Progress(quiet=True)
    for text in ("one", "two"):
        (tmp_path / "a.txt").write_text(text)
        os.utime(tmp_path / "a.txt", (0, len(text) + ord(text[0])))
        for calls in (["web", "last"], []):
            CALLS.clear()
            run_recipe(reads(tmp_path), tmp_path / "run", kinds, quiet)
            assert calls == CALLS
        assert (tmp_path / "run" / "last" / "taken.txt").read_text() == text[0]
    (tmp_path / "a.txt").unlink()
    CALLS.clear()
    run_recipe(reads(tmp_path), tmp_path / "run", kinds, quiet)
    assert CALLS == []


def test_a_run_from_before_inputs_were_noted_stands(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    go_on(tmp_path)
    record = tmp_path / "run" / "web" / "logs" / "inputs.jsonl"
    record.unlink()
    later = tmp_path / "a.txt"
    later.write_text("other")
    assert go_on(tmp_path) == []
    assert record.is_file()
    later.write_text("yet another")
    with pytest.raises(UserError, match="1 changed"):
        go_on(tmp_path)


def test_files_that_an_earlier_stage_writes(tmp_path: Path) -> None:
    stage = {
        "first": {"kind": "make"},
        "web": {"kind": "read", "files": str(tmp_path / "run" / "first" / "out.txt")},
    }
    recipe = build_recipe({"name": "toy", "stage": stage}, READING)
    for calls in (["first", "web"], []):
        CALLS.clear()
        run_recipe(recipe, tmp_path / "run", READING, Progress(quiet=True))
        assert calls == CALLS


def test_another_process_follows_a_run_that_reads_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    follower = threading.Thread(
        target=follow_recipe,
        args=(reads(tmp_path), tmp_path / "run", READING),
        kwargs={"poll_s": 0.01},
    )
    follower.start()
    go_on(tmp_path)
    follower.join(20)
    assert not follower.is_alive()


def tree(directory: Path) -> dict[str, bytes]:
    """Every file that a checksum covers."""
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in files
        if "logs" not in path.parts and path.name not in ("environment.json", "lock")
    }


def test_what_a_later_stage_lacks_is_said_before_the_first_one_runs(tmp_path):
    ran = []

    def lacks(config, seed):
        raise UserError(f"no data for seed {seed}")

    kinds = {
        "first": StageKind(StageConfig, lambda context, config: ran.append(context.name), {}),
        "second": StageKind(StageConfig, lambda context, config: None, {}, check=lacks),
    }
    text = 'name = "r"\nseed = 7\n[stage.a]\nkind = "first"\n[stage.b]\nkind = "second"\n'
    (tmp_path / "r.toml").write_text(text)
    recipe = load_recipe(tmp_path / "r.toml", [], kinds)
    with pytest.raises(UserError, match="no data for seed 7"):
        run_recipe(recipe, tmp_path / "run", kinds, Progress(quiet=True))
    assert not ran
    run_recipe(recipe, tmp_path / "run", kinds, Progress(quiet=True), only={"a"})
    assert ran == ["a"]
