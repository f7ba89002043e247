"""The package in an empty environment: the base install grades without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_the_base_install_grades_without_torch(root: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    install = [str(python), "-m", "pip", "install", "-q", "-c", str(root / "constraints.txt")]
    subprocess.run([*install, str(root)], check=True, timeout=600)
    mathlm = str(python.with_name("mathlm"))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def call(*words: str) -> str:
        result = subprocess.run(
            [mathlm, *words], capture_output=True, text=True, check=True,
            env=environment, cwd=tmp_path, timeout=60,
        )  # fmt: skip
        return result.stdout

    assert "usage: mathlm" in call("--help")
    words = ["grade", "--gold", "1/2", "--answer", "0.5", "--json"]
    assert json.loads(call(*words))["status"] == "correct"
    listed = subprocess.run(
        [str(python), "-m", "pip", "list"], capture_output=True, text=True, check=True
    )
    assert "torch" not in listed.stdout.split()
