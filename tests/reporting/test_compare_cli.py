"""`mathlm compare`: the table, the sentences, and what cannot be concluded."""

import json

import numpy as np
import pytest

from mathlm.cli import main
from mathlm.core.records import Verdict
from mathlm.core.storage import write_jsonl
from mathlm.reporting.comparison import Pair, compare_runs, sentence
from mathlm.reporting.verdicts import Mark

PAIR = Pair(("default", "default"), ("greedy", "greedy"))
NAMES = ("old", "new")


def _marks(marks, samples=1):
    problems = {
        f"p{i}": [
            Mark(s, "correct" if mark else "incorrect", int(not mark)) for s in range(samples)
        ]
        for i, mark in enumerate(marks)
    }
    return {"default": {"greedy": {"sums": problems}}}


def _rows(first, second):
    return compare_runs([first], [second], [PAIR])


def _verdicts(marks, solver="greedy", tasks=("sums", "products"), **more):
    return [
        Verdict(
            problem_id=f"p{i}", task=tasks[i % len(tasks)], solver=solver,
            status="correct" if mark else "incorrect", **more,
        )
        for i, mark in enumerate(marks)
    ]  # fmt: skip


def _run(root, name, marks, **more):
    write_jsonl(root / name / "grade" / "verdicts.jsonl", _verdicts(marks, **more))
    return str(root / name)


def _json(capsys, *words):
    assert main(["compare", *map(str, words), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_clear_difference_is_stated():
    (row,) = _rows(_marks([0] * 30 + [1] * 20), _marks([1] * 50))
    assert row.comparison.test == "mcnemar_exact"
    text = sentence(row, NAMES)
    assert text.startswith("new is better than old by 60.0 points (95 % interval +4")


def test_a_small_difference_is_not_concluded():
    (row,) = _rows(_marks([0, 1] * 16), _marks([1, 1] + [0, 1] * 15))
    text = sentence(row, NAMES)
    assert text.startswith("Which of old and new is better cannot be concluded")
    assert "could have been shown" in text


def test_the_same_run_twice_scores_the_same():
    (row,) = _rows(_marks([0, 1] * 16), _marks([0, 1] * 16))
    assert sentence(row, NAMES).startswith("old and new score the same on 32 problems (95 %")


def test_repeated_samples_count_as_one_problem():
    rows = _rows(_marks([0] * 4, samples=64), _marks([1] * 4, samples=64))
    assert [row.metric for row in rows] == ["accuracy", "maj@64", "pass@64"]
    assert rows[0].comparison.n == 4
    assert rows[0].comparison.p_value > 0.05


def test_different_numbers_of_samples_are_compared_at_what_both_have():
    rows = _rows(_marks([0, 1] * 20, samples=8), _marks([1, 1] * 20, samples=3))
    assert [row.metric for row in rows] == ["accuracy", "maj@3", "pass@3"]
    assert all(row.samples == (8, 3) for row in rows)
    assert "8 and 3 samples" in sentence(rows[1], NAMES)


def test_table_and_json(tmp_path, capsys):
    first = _run(tmp_path, "a", [0] * 20 + [1] * 20)
    second = _run(tmp_path, "b", [1] * 40)
    assert main(["compare", first, second]) == 0
    out = capsys.readouterr().out
    assert "all tasks" in out
    assert "Holm" in out
    assert "is better than" in out
    rows = _json(capsys, first, second)
    assert [row["task"] for row in rows] == ["products", "sums", "all tasks"]
    assert rows[2]["difference"] == pytest.approx(0.5)
    assert rows[2]["n"] == 40


def test_many_tasks_are_adjusted_and_said_to_be_many(tmp_path, capsys):
    """Twenty tasks without any effect: one falls below 0.05 alone, none after Holm."""
    random = np.random.default_rng(0)
    tasks = [f"t{i}" for i in range(20)]
    marks = random.random((2, 20 * 60)) < 0.5
    first, second = (
        _run(tmp_path, name, side, tasks=tasks) for name, side in zip("ab", marks, strict=True)
    )
    rows = [row for row in _json(capsys, first, second) if row["task"] != "all tasks"]
    assert sum(row["p_value"] <= 0.05 for row in rows) >= 1
    assert all(row["p_holm"] > 0.05 and row["family"] == 20 for row in rows)
    assert main(["compare", first, second]) == 0
    out = capsys.readouterr().out
    assert "that may be luck" in " ".join(out.split())


def test_solvers_of_other_names_are_paired(tmp_path, capsys):
    first = _run(tmp_path, "a", [0] * 9 + [1] * 9, solver="cot")
    second = _run(tmp_path, "b", [1] * 18, solver="chain")
    assert {row["solver"] for row in _json(capsys, first, second)} == {"cot / chain"}
    both = _verdicts([0] * 18, solver="cot") + _verdicts([1] * 18, solver="program")
    write_jsonl(tmp_path / "c" / "verdicts.jsonl", both)
    rows = _json(capsys, first, tmp_path / "c")
    assert {row["solver"] for row in rows} == {"cot"}
    assert main(["compare", first, str(tmp_path / "c")]) == 0
    assert "Not compared: solver program only in B." in capsys.readouterr().out
    rows = _json(capsys, first, tmp_path / "c", "--solver", "cot=program")
    assert rows[-1]["second"] == 1.0
    assert main(["compare", second, str(tmp_path / "c")]) == 2
    assert "--solver A=B pairs two" in capsys.readouterr().err


def test_policies_alike_or_crossed(tmp_path, capsys):
    marks = [0, 1] * 12
    both = _verdicts(marks) + _verdicts([1] * 24, policy="llemma")
    write_jsonl(tmp_path / "a" / "verdicts.jsonl", both)
    write_jsonl(tmp_path / "b" / "verdicts.jsonl", both)
    words = tmp_path / "a", tmp_path / "b"
    assert {row["policy"] for row in _json(capsys, *words)} == {"default"}
    assert {row["policy"] for row in _json(capsys, *words, "--policy", "all")} == {
        "default", "llemma",
    }  # fmt: skip
    rows = _json(capsys, *words, "--policy", "default=llemma", "--metric", "accuracy")
    assert rows[-1]["difference"] == pytest.approx(0.5)
    assert rows[-1]["policy"] == "default / llemma"


def test_files_of_other_programs(tmp_path, capsys):
    """Lines of `mathlm grade --json`, without task, solver or classes."""
    for name, right in (("a", 6), ("b", 14)):
        lines = [
            {"id": i, "sample": s, "status": "correct" if i < right else "incorrect",
             "answer": str(i if i < right else s % 2), "policy": "default"}
            for i in range(20) for s in range(3)
        ]  # fmt: skip
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows = _json(capsys, tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert [row["metric"] for row in rows] == ["accuracy", "maj@3", "pass@3"]
    assert rows[1]["difference"] == pytest.approx(8 / 20)
    (tmp_path / "a.jsonl").write_text('{"id": 1, "status": "right"}\n')
    assert main(["compare", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]) == 2
    assert "line 1 is no verdict" in capsys.readouterr().err


def test_runs_of_several_seeds(tmp_path, capsys):
    random = np.random.default_rng(0)
    hard = random.random(200)
    for side, shift in (("a", 0.0), ("b", 0.25)):
        for seed in range(3):
            level = shift + random.normal(0, 0.04)
            _run(tmp_path, f"{side}{seed}", random.random(200) < np.clip(hard + level - 0.3, 0, 1))
    rows = _json(capsys, tmp_path / "a*", tmp_path / "b*")
    whole = rows[-1]
    assert whole["test"] == "seeds"
    assert whole["samples"] == [3, 3]
    assert whole["low"] < whole["difference"] < whole["high"]
    assert whole["seeds"]["error_seeds"] > 0
    assert "from the seeds" in whole["conclusion"]
    commas = f"{tmp_path}/a0,{tmp_path}/a1"
    one = _json(capsys, commas, tmp_path / "b0")[-1]
    assert one["seeds"]["deviations"][1] is None
    assert "unknown" in one["conclusion"]


def test_mistakes_are_named(tmp_path, capsys):
    first = _run(tmp_path, "a", [1])
    assert main(["compare", first, str(tmp_path / "none")]) == 2
    assert main(["compare", first, first, "--policy", "llemma"]) == 2
    assert "no verdicts under 'llemma'" in capsys.readouterr().err
    other = _run(tmp_path, "b", [1], tasks=("else",))
    assert main(["compare", first, other]) == 2
    assert "share no problem: the first has p0 of task 'sums'" in capsys.readouterr().err


def test_stages_named_alike_are_compared_one_by_one(tmp_path, capsys):
    for run in ("a", "b"):
        _run(tmp_path / run, "base", [0, 1])
        _run(tmp_path / run, "continued", [1, 1])
        for stage in ("base", "continued"):
            (tmp_path / run / stage / "grade").rename(tmp_path / run / f"grade-{stage}")
    words = [str(tmp_path / "a"), str(tmp_path / "b")]
    rows = _json(capsys, *words)
    assert [row["stage"] for row in rows] == ["grade-base"] * 3 + ["grade-continued"] * 3
    (tmp_path / "b" / "grade-base").rename(tmp_path / "b" / "other")
    (tmp_path / "b" / "grade-continued").rename(tmp_path / "b" / "another")
    assert main(["compare", *words]) == 2
    assert "no grade stage is named alike" in capsys.readouterr().err
