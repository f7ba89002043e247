"""Completions on disk: torn lines, stale hashes, other folders, trees, order, disk and memory."""

from __future__ import annotations

import random
import tempfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.errors import MachineError, UserError
from mathlm.core.records import Completion, CompletionSegment, Problem
from mathlm.core.storage import read_jsonl, write_jsonl
from mathlm.solving.store import CompletionStore
from mathlm.solving.wanted import Wanted

NUMBER = 5


def wanted(problems: int = 2, samples: int = NUMBER, salt: int = 0) -> Wanted:
    asked = [Problem(id=f"p{row}", task="t") for row in range(problems)]
    return Wanted(
        asked, {"s": samples}, lambda problem, name: hash((problem.id, salt)) & (2**64 - 1)
    )


def made(job: Any, text: str = "", **more: Any) -> Completion:
    return Completion(
        problem_id=job.problem.id,
        task=job.problem.task,
        solver=job.solver,
        sample_index=job.sample,
        key=job.key,
        segments=(CompletionSegment(source="model", text=text or f"{job.place} é\n\u2028"),),
        finish_reason="stop",
        **more,
    )


def store(folder: Path, jobs: Wanted, **more: Any) -> CompletionStore:
    return CompletionStore(folder, len(jobs), jobs.number, **more)


def fill(folder: Path, jobs: Wanted, places: Sequence[int], **more: Any) -> CompletionStore:
    listed = list(jobs)
    with store(folder, jobs, **more) as opened:
        for place in places:
            opened.add(place, [made(listed[place])])
    return opened


def written(folder: Path) -> list[Completion]:
    return list(read_jsonl(folder / "completions.jsonl", Completion))


def test_what_was_added_is_found_again_and_merged_in_order(tmp_path: Path) -> None:
    jobs = wanted()
    order = list(range(len(jobs)))
    random.Random(0).shuffle(order)
    fill(tmp_path, jobs, order[:6])
    again = store(tmp_path, jobs)
    assert again.found == 6 and [place for place in range(10) if place in again] == sorted(
        order[:6]
    )
    fill(tmp_path, jobs, order[6:]).merge()
    assert written(tmp_path) == [made(job) for job in jobs]
    assert [path.name for path in tmp_path.iterdir()] == ["completions.jsonl"]
    before = (tmp_path / "completions.jsonl").read_bytes()
    store(tmp_path, jobs).merge()
    assert (tmp_path / "completions.jsonl").read_bytes() == before


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_a_line_torn_anywhere_is_made_again(tmp_path: Path, cut: int) -> None:
    jobs = wanted()
    fill(tmp_path, jobs, range(4))
    path = tmp_path / "journal/1-of-1.jsonl"
    whole = path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    path.write_bytes(whole[: len(whole) - last + min(cut, last - 1)])
    torn = store(tmp_path, jobs)
    assert torn.found == 3 and torn.torn == (1 if cut else 0)
    fill(tmp_path, jobs, range(3, 10)).merge()
    assert written(tmp_path) == [made(job) for job in jobs]


@settings(max_examples=40, deadline=None)
@given(
    st.permutations(range(10)), st.integers(0, 10_000), st.sampled_from([b"", b"\0" * 7, b"{}\n"])
)
def test_a_journal_left_in_any_state_ends_in_the_same_bytes(
    order: list[int], cut: int, garbage: bytes
) -> None:
    jobs = wanted()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        fill(directory, jobs, order)
        path = directory / "journal/1-of-1.jsonl"
        data = path.read_bytes()
        left = data[: cut % (len(data) + 1)]
        path.write_bytes(left + garbage)
        found = store(directory, jobs)
        assert found.found == left.count(b"\n")
        fill(directory, jobs, [p for p in reversed(range(10)) if p not in found]).merge()
        assert written(directory) == [made(job) for job in jobs]


def test_a_kill_between_the_merge_and_the_journals_end(tmp_path: Path) -> None:
    jobs = wanted()
    fill(tmp_path, jobs, range(10)).merge()
    before = (tmp_path / "completions.jsonl").read_bytes()
    fill(tmp_path, jobs, [7, 3])
    store(tmp_path, jobs).merge()
    assert (tmp_path / "completions.jsonl").read_bytes() == before


def test_damage_in_the_middle_costs_that_line_alone(tmp_path: Path) -> None:
    jobs = wanted()
    fill(tmp_path, jobs, range(4))
    path = tmp_path / "journal/1-of-1.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\x00garbage\n" + b"".join(lines[2:]))
    damaged = store(tmp_path, jobs)
    assert (damaged.found, damaged.torn) == (3, 1) and 1 not in damaged


def test_what_another_prompt_made_is_not_taken(tmp_path: Path) -> None:
    fill(tmp_path, wanted(), range(10)).merge()
    assert store(tmp_path, wanted()).found == 10
    assert store(tmp_path, wanted(salt=1)).found == 0
    assert store(tmp_path, wanted(samples=3)).found == 6
    assert store(tmp_path, wanted(problems=4, samples=9)).found == 10


def test_other_folders_are_reused_finished_or_not(tmp_path: Path) -> None:
    jobs = wanted()
    fill(tmp_path / "a", jobs, range(5), writer="1-of-2").merge(
        {place: made(job) for place, job in enumerate(jobs) if place >= 5}
    )
    fill(tmp_path / "b", jobs, range(3, 8), writer="2-of-2")
    (tmp_path / "c").mkdir()
    joined = store(tmp_path / "c", jobs, reuse=[tmp_path / "b"])
    assert joined.found == 5
    with store(tmp_path / "c", jobs, reuse=[tmp_path / "a", tmp_path / "b"]) as joined:
        assert joined.found == 10
    joined.merge()
    assert written(tmp_path / "c") == [made(job) for job in jobs]
    assert (tmp_path / "b/journal/2-of-2.jsonl").is_file(), "others' folders are only read"


def test_errors_are_tried_again(tmp_path: Path) -> None:
    jobs = wanted()
    failed = {
        p: made(job).model_copy(update={"finish_reason": "error"}) for p, job in enumerate(jobs)
    }
    fill(tmp_path, jobs, range(4)).merge(failed)
    assert [c.finish_reason for c in written(tmp_path)] == ["stop"] * 4 + ["error"] * 6
    assert store(tmp_path, jobs).found == 4


def test_a_tree_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    jobs = wanted()
    job = list(jobs)[2]
    tree = [made(job, "root", parent="-"), made(job, "leaf", parent="root")]
    with store(tmp_path, jobs) as opened:
        opened.add(2, [made(job, "answer"), *tree])
        with pytest.raises(ValueError, match="parent"):
            opened.add(3, [made(job), made(job)])
    path = tmp_path / "journal/1-of-1.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    path.write_bytes(b"".join(lines[:2]))
    assert store(tmp_path, jobs).found == 0
    with store(tmp_path, jobs) as opened:
        opened.add(2, [made(job, "answer"), *tree])
        opened.add(1, [made(list(jobs)[1])])
    rest = {p: made(j) for p, j in enumerate(jobs) if p not in (1, 2)}
    opened.merge(rest)
    assert [c.text for c in written(tmp_path)][1:5] == ["1 é\n\u2028", "root", "leaf", "answer"]
    assert store(tmp_path, jobs).found == 10


def test_two_writers_of_one_name_are_refused(tmp_path: Path) -> None:
    jobs = wanted()
    with store(tmp_path, jobs), pytest.raises(UserError, match="another process"):
        store(tmp_path, jobs).__enter__()
    with store(tmp_path, jobs), store(tmp_path, jobs, writer="2-of-2"):
        pass


def test_a_full_disk_is_a_broken_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = wanted()
    with pytest.raises(MachineError, match="cannot write"), store(tmp_path, jobs) as opened:
        monkeypatch.setattr("os.write", lambda *_: (_ for _ in ()).throw(OSError(28, "no space")))
        opened.add(0, [made(next(iter(jobs)))])


def test_problems_of_one_id_are_refused() -> None:
    with pytest.raises(UserError, match="'a'"):
        Wanted([Problem(id="a", task="t"), Problem(id="a", task="t")], {"s": 1}, lambda p, n: 0)


def test_memory_grows_by_bytes_a_completion(tmp_path: Path) -> None:
    jobs = wanted(problems=40, samples=1000)
    write_jsonl(tmp_path / "completions.jsonl", (made(job, "x" * 400) for job in jobs))
    tracemalloc.start()
    try:
        held = store(tmp_path, jobs)
        held.merge()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held.found == 40_000
    size = (tmp_path / "completions.jsonl").stat().st_size
    assert peak < 3e6 < size / 5, f"{peak} bytes at the peak for a file of {size}"
