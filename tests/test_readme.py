"""The README's words, typed as they stand: its commands run, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONSOLE = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
COMMANDS = [line[2:] for block in CONSOLE for line in block.splitlines() if line.startswith("$ ")]
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))


def test_it_is_short_and_finished() -> None:
    assert len(README.splitlines()) <= 150
    assert "@@" not in README


def test_the_two_commands_are_those_of_the_makefile_and_ci() -> None:
    makefile, ci = (ROOT / "Makefile").read_text(), (ROOT / ".ci" / "run").read_text()
    assert COMMANDS[:2] == ["make demo", "make test"]
    for command in COMMANDS[:2]:
        assert f"\n{command.removeprefix('make ')}:" in makefile
        assert f"\n{command}\n" in ci


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("make ")])
def test_a_command_runs(command: str) -> None:
    words = shlex.split(command)
    assert words[0] == ".venv/bin/mathlm"
    arguments = [
        path for word in words[1:]
        for path in (sorted(map(str, ROOT.glob(word))) if "*" in word else [word])
    ]  # fmt: skip
    result = subprocess.run(
        [sys.executable, "-m", "mathlm", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_prints_what_its_comment_says(program: str) -> None:
    expected = re.findall(r"print\(.*#\s*(.*)$", program, re.MULTILINE)
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert result.stdout.split("\n")[:-1] == expected


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_a_recipe_is_short_and_opens_with_its_command(recipe: Path) -> None:
    lines = recipe.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
    assert re.fullmatch(rf"# .*mathlm (run|evaluate) recipes/{recipe.name}.*", lines[0])
    assert tomllib.loads("\n".join(lines))["name"] == recipe.stem
