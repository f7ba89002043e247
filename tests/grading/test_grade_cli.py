"""`mathlm grade`: pairs, files, logs of other harnesses, whole runs."""

import json
import subprocess
import sys
import zipfile

import pytest

from mathlm.cli import main
from mathlm.core.records import Completion, CompletionSegment, Problem
from mathlm.core.storage import write_jsonl
from mathlm.grading.logs import FORMATS, Item

FIELDS = ["id", "status", "rule", "gold", "answer", "policy", "seconds"]


def _json(capsys, *words):
    assert main(["grade", *words, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_one_pair_has_the_fields_that_others_build_on(capsys):
    (row,) = _json(capsys, "--gold", "1/2", "--answer", "so $\\boxed{0.5}$")
    assert list(row)[:7] == FIELDS
    assert (row["status"], row["gold"], row["answer"]) == ("correct", "1/2", "0.5")
    assert main(["grade", "--gold", "1/2", "--answer", "0.6"]) == 0
    assert "incorrect  (rule: number" in capsys.readouterr().out


def test_one_pair_imports_neither_sympy_nor_torch():
    code = (
        "import sys\nfrom mathlm.cli import main\n"
        "main(['grade', '--gold', '1/2', '--answer', '0.5'])\n"
        "assert not {'sympy', 'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_a_file_gives_one_object_a_line_in_order(tmp_path, capsys):
    path = tmp_path / "answers.jsonl"
    rows = [
        {"id": "a", "gold": "4", "answer": "The answer is 4."},
        {"gold": "\\frac12", "completion": "x = 0.5"},
        {"id": 7, "gold": "B", "answer": "(C)", "task": "sat"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = _json(capsys, str(path))
    assert [(row["id"], row["status"]) for row in found] == [
        ("a", "correct"), ("1", "correct"), ("7", "incorrect"),
    ]  # fmt: skip
    assert main(["grade", str(path)]) == 0
    assert "66.7 % correct of 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "message"),
    [("{", "line 1: no JSON"), ('{"answer": "1"}', "line 1: no gold"), ("[1]", "no JSON object")],
)
def test_a_bad_line_is_the_users_mistake(tmp_path, capsys, line, message):
    path = tmp_path / "bad.jsonl"
    path.write_text(line + "\n")
    assert main(["grade", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_arguments_that_do_not_fit_together(capsys):
    assert main(["grade", "--gold", "1"]) == 2
    assert main(["grade"]) == 2
    assert main(["grade", "--gold", "1", "--answer", "1", "--policy", "nobody"]) == 2
    assert "no policy 'nobody'" in capsys.readouterr().err


def test_lm_eval_samples(tmp_path):
    path = tmp_path / "samples_gsm8k_2026-01-01T00-00-00.jsonl"
    rows = [
        {
            "doc_id": 0,
            "target": "Sum.\n#### 18",
            "resps": [["It is 18."]],
            "filtered_resps": ["18"],
        },
        {"doc_id": 1, "target": 5, "resps": [["4"], ["5"]]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert list(FORMATS["lm-eval"](str(path))) == [
        Item("0", "Sum.\n#### 18", "It is 18.", "gsm8k"),
        Item("1#0", "5", "4", "gsm8k"),
        Item("1#1", "5", "5", "gsm8k"),
    ]


def test_lighteval_details(tmp_path):
    path = tmp_path / "details.jsonl"
    doc = {"choices": ["12"], "gold_index": 0, "task_name": "math", "id": "q"}
    old = {"gold": ["3"], "predictions": ["3"]}
    rows = [{"doc": doc, "model_response": {"text": ["\\boxed{12}"]}}, old]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert list(FORMATS["lighteval"](str(path))) == [
        Item("q", "12", "\\boxed{12}", "math"), Item("1", "3", "3", None),
    ]  # fmt: skip


@pytest.mark.parametrize("archive", [False, True])
def test_inspect_logs(tmp_path, archive):
    samples = [
        {"id": 1, "epoch": 1, "target": "42", "output": {"completion": "42"}},
        {"id": 1, "epoch": 2, "target": ["42", "x"], "output": {"choices": [
            {"message": {"content": [{"type": "text", "text": "43"}]}}]}},
    ]  # fmt: skip
    path = tmp_path / "log.eval"
    if archive:
        with zipfile.ZipFile(path, "w") as file:
            for sample in samples:
                file.writestr(f"samples/1_epoch_{sample['epoch']}.json", json.dumps(sample))
            file.writestr("header.json", "{}")
    else:
        path.write_text(json.dumps({"samples": samples}))
    assert list(FORMATS["inspect"](str(path))) == [
        Item("1", "42", "42"), Item("1#2", "42", "43", None, ("x",)),
    ]  # fmt: skip


def _run(root, answers):
    said = [
        Completion(
            problem_id=f"p{i}", task="sums", solver="greedy", sample_index=0,
            segments=(CompletionSegment(source="model", text=text),), finish_reason="stop",
        )
        for i, text in enumerate(answers)
    ]  # fmt: skip
    problems = [Problem(id=f"p{i}", task="sums", answer=str(i)) for i in range(len(answers))]
    write_jsonl(root / "solve" / "problems.jsonl", problems)
    write_jsonl(root / "solve" / "completions.jsonl", said)


def test_a_run_is_regraded_under_several_policies(tmp_path, capsys):
    _run(tmp_path, ["\\boxed{0}", "Final Answer: The final answer is $1$.", "so it is \\boxed{2}"])
    words = ["grade", "--run", str(tmp_path), "--policy", "default", "--policy", "llemma"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "policies differ on 2 of 3 answers" in out
    assert main([*words, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["status"] for row in rows if row["policy"] == "default"] == ["correct"] * 3
    assert sum(row["status"] == "correct" for row in rows if row["policy"] == "llemma") == 1


def test_a_directory_without_completions_is_refused(tmp_path, capsys):
    assert main(["grade", "--run", str(tmp_path)]) == 2
    assert "completions.jsonl" in capsys.readouterr().err
