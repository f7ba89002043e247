import json
import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[3] / "src"


def mathlm(*words, stdin=""):
    return subprocess.run(
        [sys.executable, "-m", "mathlm", "sandbox", *words],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        check=False,
    )


def test_one_object_a_program_in_input_order(tmp_path):
    slow, quick = tmp_path / "slow.py", tmp_path / "quick.py"
    slow.write_text("import time\ntime.sleep(0.5)\nans = 1")
    quick.write_text("1/0")
    options = ("--json", "--timeout-s", "20", "--minimum-level", "rlimits")
    done = mathlm(str(slow), str(quick), "-", *options, stdin="print(2)")
    assert done.returncode == 0, done.stderr
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    fields = ["path", "status", "stdout", "error", "variables", "level", "seconds"]
    assert [list(o) for o in objects] == [fields] * 3
    assert [o["path"] for o in objects] == [str(slow), str(quick), "-"]
    assert [o["status"] for o in objects] == ["ok", "error", "ok"]
    assert objects[0]["variables"] == {"ans": {"type": "int", "value": "1"}}
    assert objects[2]["stdout"] == "2\n"


def test_mistakes_are_said_in_one_line(tmp_path):
    missing = mathlm(str(tmp_path / "none.py"))
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "cannot read" in missing.stderr
    negative = mathlm("-", "--timeout-s", "-1")
    assert negative.returncode == 2
    assert "--timeout-s must be positive" in negative.stderr


def test_people_can_read_it():
    done = mathlm("-", "--minimum-level", "rlimits", stdin="print('hello')\nx = 3")
    assert "ok (" in done.stdout
    assert "hello" in done.stdout
    assert "x: int = 3" in done.stdout
