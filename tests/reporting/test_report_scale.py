"""A report on very many completions: bounded memory, a page below 20 MB, whatever the texts."""

import json
import subprocess
import sys

import pytest

from mathlm.core.stage import StageContext, StageInput
from mathlm.core.storage import write_json
from mathlm.reporting.config import ReportConfig
from mathlm.reporting.stage import run

RUN = """
import sys
from pathlib import Path
from mathlm.core.stage import StageContext, StageInput
from mathlm.reporting.config import ReportConfig
from mathlm.reporting.stage import run

root = Path(sys.argv[1])
(root / "report").mkdir()
inputs = {role: (StageInput(role, role, root / role),) for role in ("solve", "grade")}
run(StageContext("report", root / "report", inputs), ReportConfig())
status = Path("/proc/self/status").read_text()  # the other counters include the parent's peak
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""
POLICIES = ("default", "llemma")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads its memory from /proc")


def write_large(root, problems, samples):
    """A run of one solver: each answer about a kilobyte, every text different."""
    write_json(root / "solve" / "meta.json", {"model": "m", "solvers": {"vote": {"kind": "cot"}}})
    write_json(root / "grade" / "meta.json", {"model": "m", "policies": list(POLICIES)})
    with open(root / "solve" / "problems.jsonl", "w") as file:
        for p in range(problems):
            row = {"id": f"p{p}", "task": "math", "prompt": f"Find ${p} + x$.", "answer": str(p)}
            file.write(json.dumps({**row, "level": f"Level {p % 5}"}) + "\n")
    filler = [f"Step {i}: $x_{{{i}}} = {i * i}$ since {i:x} is what remains. " for i in range(997)]
    with (
        open(root / "solve" / "completions.jsonl", "w") as completions,
        open(root / "grade" / "verdicts.jsonl", "w") as verdicts,
    ):
        for p in range(problems):
            for s in range(samples):
                text = "".join(filler[(p * 31 + s * 7 + i) % 997] for i in range(16))
                head = f'{{"problem_id":"p{p}","task":"math","solver":"vote","sample_index":{s},'
                completions.write(
                    head + f'"segments":[{{"source":"model","text":{json.dumps(text)}}}],'
                    '"finish_reason":"stop","cost":{"model_tokens":300}}\n'
                )
                for policy in POLICIES:
                    right = (p * 7 + s * 13) % 10 < (4 if policy == "default" else 3)
                    status = "correct" if right else "incorrect"
                    answer = p if right else s % 17
                    verdicts.write(
                        head + f'"status":"{status}","answer":"{answer}","policy":"{policy}",'
                        f'"rule":"numeric","equivalence_class":{0 if right else 1 + s % 17}}}\n'
                    )


def report_of(root, problems, samples):
    """The report's figures and the peak memory in MiB."""
    for name in ("solve", "grade"):
        (root / name).mkdir()
    write_large(root, problems, samples)
    made = subprocess.run(
        [sys.executable, "-c", RUN, str(root)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    assert (root / "report" / "report.html").stat().st_size < 20e6
    return json.loads((root / "report" / "report.json").read_text()), int(made.stdout.split()[-1])


def check(report, problems, samples):
    (status,) = report["statuses"]
    assert status["n"] == problems * samples
    (pair,) = report["policy_pairs"]
    assert pair["answers"] == problems * samples
    assert pair["only_policy"] == pytest.approx(problems * samples / 10, rel=0.01)
    accuracy = next(row for row in report["results"] if row["metric"] == "accuracy")
    assert accuracy["value"] == pytest.approx(0.4, abs=0.01)
    assert accuracy["n"] == problems
    assert len(report["pass_curves"][0]["values"]) == samples
    assert report["completions"][0]["model_tokens"] == 300 * problems * samples


def test_a_hundred_thousand_completions(tmp_path):
    report, memory = report_of(tmp_path, 2_000, 50)
    check(report, 2_000, 50)
    assert memory < 700


@pytest.mark.slow
def test_a_million_completions(tmp_path):
    report, memory = report_of(tmp_path, 5_000, 200)
    check(report, 5_000, 200)
    assert memory < 1_500


def test_hostile_sizes(tmp_path, synthetic):
    """Lines of ten megabytes, ten thousand formulas in one answer, a thousand segments."""
    (tmp_path / "solve").mkdir()
    texts = [
        "x" * 10_000_000,
        "$" * 2_000_000,
        " ".join(f"${i}^{{{i}}}$" for i in range(10_000)),
        r"$\frac{" * 100_000,
        "\u202e</script>" * 500_000,
    ]
    completions, verdicts = [], []
    for number, text in enumerate(texts):
        head = {"problem_id": f"p{number}", "task": "t", "solver": "s", "sample_index": 0}
        segments = [{"source": "model", "text": text}] + [{"source": "tool", "text": "1"}] * 1000
        completions.append({**head, "segments": segments, "finish_reason": "length"})
        verdicts.append({**head, "status": "incorrect", "answer": text, "reason": text})
    problems = [{"id": f"p{n}", "task": "t", "prompt": text} for n, text in enumerate(texts)]
    for name, rows in (("problems", problems), ("completions", completions)):
        synthetic.jsonl(tmp_path / "solve" / f"{name}.jsonl", rows)
    synthetic.jsonl(tmp_path / "grade" / "verdicts.jsonl", verdicts)
    inputs = {r: (StageInput(r, r, tmp_path / r),) for r in ("solve", "grade")}
    (tmp_path / "report").mkdir()
    run(StageContext("report", tmp_path / "report", inputs), ReportConfig())
    text = (tmp_path / "report" / "report.html").read_text()
    assert len(text) < 3e6
    assert "\u202e" not in text
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["models"] == ["solve"], "a folder without meta.json lends its name"
