"""Somebody else's completions through the command line, and the example on published outputs."""

import importlib.util
import json
import sys

import pytest

from mathlm.cli import main
from mathlm.core.records import Completion, CompletionSegment, Problem, Verdict
from mathlm.core.storage import read_jsonl, write_jsonl


def write_own(folder, answers):
    problems = [Problem(id=str(n), task="mine", prompt=f"What is {n} + 1?", answer=str(n + 1))
                for n in range(len(answers))]  # fmt: skip
    completions = [
        Completion(
            problem_id=str(n), task="mine", solver="cot", sample_index=0, finish_reason="stop",
            segments=(CompletionSegment(source="model", text=f"The answer is {answer}."),),
        )
        for n, answer in enumerate(answers)
    ]  # fmt: skip
    write_jsonl(folder / "problems.jsonl", problems)
    write_jsonl(folder / "completions.jsonl", completions)


def test_two_files_are_enough(tmp_path, capsys):
    """The steps of docs/report.md, for two models, without any meta.json."""
    words = []
    for name, answers in (("weak", [1, 2, 0, 0]), ("strong", [1, 2, 3, 4])):
        write_own(tmp_path / name, answers)
        grade = ["stage", "grade", "--input", f"completions={tmp_path / name}", "--quiet"]
        graded = tmp_path / f"graded-{name}"
        assert main([*grade, "--out", str(graded), 'policies=["default", "llemma"]']) == 0
        words += ["--input", f"solve={tmp_path / name}", "--input", f"grade={graded}"]
    assert main(["stage", "report", *words, "--out", str(tmp_path / "report")]) == 0
    assert "report.html" in capsys.readouterr().err
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["models"] == ["weak", "strong"]
    assert [row["value"] for row in report["results"]] == [0.5, 1.0]
    assert report["comparisons"][0]["n"] == 4
    assert {row["policy"] for row in report["policy_scores"]} == {"default", "llemma"}
    assert main(["compare", str(tmp_path / "graded-weak"), str(tmp_path / "graded-strong")]) == 0


def test_a_broken_line_is_named(tmp_path, capsys):
    write_own(tmp_path / "own", [1])
    for name, line, says in (
        (
            "completions",
            '{"problem_id": "0"}',
            "names no solver, task, problem_id and sample_index",
        ),
        ("completions", "[1]", "completions.jsonl, line 2"),
        ("problems", '{"id": 1}', "problems.jsonl, line 2 is no problem"),
    ):
        folder = tmp_path / name / line[:3]
        write_own(folder, [1])
        verdict = Verdict(problem_id="0", task="mine", solver="cot", status="correct")
        write_jsonl(folder / "verdicts.jsonl", [verdict])
        with open(folder / f"{name}.jsonl", "a") as file:
            file.write(line + "\n")
        inputs = ["--input", f"solve={folder}", "--input", f"grade={folder}"]
        assert main(["stage", "report", *inputs, "--out", str(tmp_path / "out"), "--quiet"]) == 2
        assert says in capsys.readouterr().err


@pytest.fixture
def example(root, monkeypatch):
    """The example as a module."""
    path = root / "examples" / "regrade_outputs.py"
    spec = importlib.util.spec_from_file_location("regrade_outputs", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "regrade_outputs", module)
    spec.loader.exec_module(module)
    return module


def test_the_example_on_a_part_of_the_outputs(data_dir, tmp_path, example, monkeypatch, capsys):
    """Sixty lines of each file: every model is there, and the graders follow the labels."""
    part = tmp_path / "outputs"
    part.mkdir()
    for path in (data_dir / "outputs").glob("*.jsonl"):
        lines = path.read_text(encoding="utf-8").splitlines()[:60]
        (part / path.name).write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "run"
    monkeypatch.setattr(sys, "argv", ["x", "--outputs", str(part), "--out", str(out)])
    example.main()
    assert "8 models, 4 policies and the labels" in capsys.readouterr().out
    report = json.loads((out / "report" / "report.json").read_text())
    assert len(report["models"]) == 8
    rows = {(r["model"], r["task"], r["policy"]): r for r in report["policy_scores"]}
    for model, task, policy in rows:
        if policy == "default":
            label = rows[model, task, "label"]
            assert abs(rows[model, task, policy]["correct"] - label["correct"]) <= 2, (model, task)
    programs = list(read_jsonl(out / "solve-tora-70b" / "completions.jsonl", Completion))
    assert all(any(s.source == "tool" for s in c.segments) for c in programs)
    assert (out / "report" / "report.html").stat().st_size < 2e6
