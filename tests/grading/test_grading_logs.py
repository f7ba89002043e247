"""Sample logs written by lm-evaluation-harness 0.4.13, lighteval 0.13.0 and Inspect 0.3.285."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from mathlm.cli import main
from mathlm.core.errors import UserError
from mathlm.grading.logs import FORMATS, graded

LOGS = Path(__file__).with_name("logs")
SAMPLES = LOGS / "samples_mygsm_2026-11-25T15-10-32.217441.jsonl"


def _graded(name, path):
    items = list(FORMATS[name](str(path)))
    verdicts = graded(items, "default", task=None, workers=1)
    return [(item.id, verdict.status) for item, verdict in zip(items, verdicts, strict=True)]


def test_lm_eval_samples_are_read_once_though_each_filter_logs_them():
    assert len(SAMPLES.read_text().splitlines()) == 6
    assert _graded("lm-eval", SAMPLES) == [("0", "correct"), ("1", "correct"), ("2", "incorrect")]
    assert {item.task for item in FORMATS["lm-eval"](str(SAMPLES))} == {"mygsm"}


def test_lighteval_details_in_parquet_with_several_golds_and_samples():
    pytest.importorskip("pyarrow")
    assert _graded("lighteval", LOGS / "lighteval.parquet") == [
        ("0", "correct"), ("1#0", "correct"), ("1#1", "incorrect"), ("2", "correct"),
    ]  # fmt: skip


def test_inspect_logs_compressed_by_zstandard_any_target_counts():
    pytest.importorskip("pyarrow")
    assert _graded("inspect", LOGS / "inspect.eval") == [("a", "correct"), ("a#2", "no_answer")]


def test_a_broken_archive_is_the_users_mistake(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "broken.eval"
    shutil.copy(LOGS / "inspect.eval", path)
    with zipfile.ZipFile(path) as archive:
        member = next(m for m in archive.infolist() if m.filename.startswith("samples/"))
    with path.open("r+b") as file:
        file.seek(member.header_offset + 200)
        file.write(b"\x00" * 400)
    with pytest.raises(UserError, match="cannot read"):
        list(FORMATS["inspect"](str(path)))


def test_a_log_under_several_policies_shows_who_differs_on_what(capsys):
    words = ["grade", str(SAMPLES), "--format", "lm-eval", "--policy", "default",
             "--policy", "llemma"]  # fmt: skip
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "policies differ on 2 of 3 answers" in out
    (row,) = [line for line in out.splitlines() if line.strip().startswith("default  ")][-1:]
    assert row.split() == ["default", ".", "2"]
    assert main([*words, "--json", "--differences"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["id"], row["said"]["llemma"]["status"]) for row in rows] == [
        ("0", "no_answer"), ("1", "no_answer"),
    ]  # fmt: skip


def test_all_policies_by_one_word(capsys):
    assert main(["grade", str(SAMPLES), "--format", "lm-eval", "--policy", "all", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"default", "llemma", "minerva", "prm800k"} <= {row["policy"] for row in rows}
