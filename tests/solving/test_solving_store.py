"""The journal of completions: nothing lost, nothing twice, whatever a kill leaves behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.records import Completion, CompletionSegment
from mathlm.solving.store import CompletionStore, key_of

JOURNAL = "completions.journal.jsonl"


def answer(problem: int, sample: int, text: str = "7 \u2264 8\n") -> list[Completion]:
    made = Completion(
        problem_id=f"p{problem}",
        task="t",
        solver="cot",
        sample_index=sample,
        segments=(CompletionSegment(source="model", text=text, token_ids=(1, 2)),),
        finish_reason="stop",
    )
    tree = made.model_copy(update={"parent": "root", "finish_reason": "length"})
    return [made, tree] if problem % 2 else [made]


ALL = [answer(problem, sample) for problem in range(4) for sample in range(2)]
KEYS = [key_of(answers[0]) for answers in ALL]


def whole(directory: Path) -> bytes:
    """The merged file of an undisturbed run."""
    with CompletionStore(directory) as store:
        for answers in ALL:
            store.add(answers)
        store.merge(KEYS)
    assert not (directory / JOURNAL).exists()
    return (directory / "completions.jsonl").read_bytes()


def finish(directory: Path) -> bytes:
    """What a resumed run ends in."""
    with CompletionStore(directory) as store:
        for key, answers in reversed(list(zip(KEYS, ALL, strict=True))):
            if key not in store:
                store.add(answers)
        store.merge(KEYS)
    return (directory / "completions.jsonl").read_bytes()


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(len(ALL))), st.integers(0, 10_000), st.booleans())
def test_a_torn_journal_ends_in_the_same_bytes(order: list, cut: int, zeros: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        expected = whole(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        with CompletionStore(directory) as store:
            for number in order:
                store.add(ALL[number])
        data = (directory / JOURNAL).read_bytes()
        left = data[: cut % (len(data) + 1)]
        (directory / JOURNAL).write_bytes(left + (b"\0" * 7 if zeros else b""))
        store = CompletionStore(directory)
        assert len(store) == left.count(b"\n")
        assert store.torn == int(zeros or (left != b"" and not left.endswith(b"\n")))
        assert finish(directory) == expected


def test_a_kill_between_merge_and_the_journals_end(tmp_path: Path) -> None:
    expected = whole(tmp_path)
    with CompletionStore(tmp_path) as store:
        store.add(ALL[3])  # the journal is still there, the merged file too
    assert finish(tmp_path) == expected


def test_growth_keeps_what_is_there_and_trees_stay_with_their_answer(tmp_path: Path) -> None:
    first = KEYS[::2]
    with CompletionStore(tmp_path) as store:
        for answers in ALL[::2]:
            store.add(answers)
        store.merge(first)
    again = CompletionStore(tmp_path)
    assert [key in again for key in KEYS] == [True, False] * 4
    assert finish(tmp_path) == whole(tmp_path)
    lines = (tmp_path / "completions.jsonl").read_text().splitlines()
    assert len(lines) == sum(len(answers) for answers in ALL)
    records = [Completion.model_validate_json(line) for line in lines]
    assert [key_of(r) for r in records] == sorted(key_of(r) for r in records)


def test_fewer_samples_give_the_file_of_a_fresh_run(tmp_path: Path) -> None:
    whole(tmp_path)
    store = CompletionStore(tmp_path)
    assert store.merge(KEYS[:1]) == 1
    assert (
        key_of(Completion.model_validate_json((tmp_path / "completions.jsonl").read_text()))
        == (KEYS[0])
    )
