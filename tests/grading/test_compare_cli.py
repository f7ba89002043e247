"""`mathlm compare`: the table, the sentence, and what cannot be concluded."""

import json

import pytest

from mathlm.cli import main
from mathlm.cli.compare import compare_rows, sentence
from mathlm.core.records import Verdict
from mathlm.core.storage import write_jsonl


def _scores(marks, samples=1):
    return {("greedy", "sums", f"p{i}"): [float(mark)] * samples for i, mark in enumerate(marks)}


def _run(root, name, marks):
    verdicts = [
        Verdict(
            problem_id=f"p{i}", task=("sums", "products")[i % 2], solver="greedy",
            status="correct" if mark else "incorrect",
        )
        for i, mark in enumerate(marks)
    ]  # fmt: skip
    write_jsonl(root / name / "grade" / "verdicts.jsonl", verdicts)
    return str(root / name)


def test_a_clear_difference_is_stated():
    (row,) = compare_rows(_scores([0] * 30 + [1] * 20), _scores([1] * 50))
    assert row.comparison.test == "mcnemar_exact"
    text = sentence(row, ("old", "new"))
    assert text.startswith("new is better than old by 60.0 points (95 % interval +4")


def test_a_small_difference_is_not_concluded():
    (row,) = compare_rows(_scores([0, 1] * 16), _scores([1, 1] + [0, 1] * 15))
    text = sentence(row, ("old", "new"))
    assert text.startswith("Which of old and new is better cannot be concluded")
    assert "could have been shown" in text


def test_repeated_samples_count_as_one_problem():
    many = compare_rows(_scores([0] * 4, samples=64), _scores([1] * 4, samples=64))
    assert many[0].comparison.n == 4
    assert many[0].comparison.p_value > 0.05


def test_table_and_json(tmp_path, capsys):
    first = _run(tmp_path, "a", [0] * 20 + [1] * 20)
    second = _run(tmp_path, "b", [1] * 40)
    assert main(["compare", first, second]) == 0
    out = capsys.readouterr().out
    assert "all tasks" in out
    assert "is better than" in out
    assert main(["compare", first, second, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["task"] for row in rows] == ["products", "sums", "all tasks"]
    assert rows[2]["difference"] == pytest.approx(0.5)
    assert rows[2]["n"] == 40


def test_mistakes_are_named(tmp_path, capsys):
    first = _run(tmp_path, "a", [1])
    assert main(["compare", first, str(tmp_path / "none")]) == 2
    assert main(["compare", first, first, "--policy", "llemma"]) == 2
    assert "no verdicts under 'llemma'" in capsys.readouterr().err


def test_stages_named_alike_are_compared_one_by_one(tmp_path, capsys):
    for run in ("a", "b"):
        _run(tmp_path / run, "base", [0, 1])
        _run(tmp_path / run, "continued", [1, 1])
        for stage in ("base", "continued"):
            (tmp_path / run / stage / "grade").rename(tmp_path / run / f"grade-{stage}")
    words = ["compare", str(tmp_path / "a"), str(tmp_path / "b")]
    assert main([*words, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["stage"] for row in rows] == ["grade-base"] * 3 + ["grade-continued"] * 3
    (tmp_path / "b" / "grade-base").rename(tmp_path / "b" / "other")
    (tmp_path / "b" / "grade-continued").rename(tmp_path / "b" / "another")
    assert main(words) == 2
    assert "no grade stage is named alike" in capsys.readouterr().err
