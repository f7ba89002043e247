"""The command line as a user meets it: help, versions, mistakes, exit codes."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mathlm import __version__
from mathlm.cli import _GROUPS, COMMANDS, build_parser, main


def mathlm(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mathlm", *words],
        capture_output=True, text=True, timeout=60, check=False, **options,  # type: ignore[call-overload]
    )  # fmt: skip


def test_help_names_every_command_and_answers_at_once() -> None:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        result = mathlm("--help")
        seconds.append(time.perf_counter() - start)
    assert result.returncode == 0
    assert all(f"  {name} " in result.stdout for name in COMMANDS)
    assert sorted(sum(_GROUPS.values(), ())) == sorted(COMMANDS)
    assert min(seconds) < 0.3


def test_version() -> None:
    assert mathlm("--version").stdout == f"mathlm {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    module = importlib.import_module(f"mathlm.cli.{command}")
    assert module.HELP
    assert "usage: mathlm" in build_parser(command).format_help()


def test_commands_import_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, importlib\n"
        f"for name in {list(COMMANDS)!r}: importlib.import_module(f'mathlm.cli.{{name}}')\n"
        "import mathlm.stages\n"
        "print([m for m in ('torch', 'transformers', 'pyarrow', 'sympy') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["rnu"], 2, "did you mean 'run'?"),
        (["run", "no-such.toml"], 2, "cannot read the recipe no-such.toml"),
        (["stage", "trian"], 2, "did you mean 'train'?"),
        (["stage", "train"], 2, "--out DIR"),
        ([], 2, ""),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") <= 1


def test_a_wrong_key_is_named_before_anything_starts(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = str(root / "recipes" / "quickstart-small.toml")
    out = tmp_path / "run"
    assert main(["run", recipe, "stage.base.stpes=3", "--out", str(out)]) == 2
    assert "stage.base.stpes: no such key; did you mean 'steps'?" in capsys.readouterr().err
    assert not out.exists()


def test_dry_run_shows_the_plan_and_writes_nothing(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = str(root / "recipes" / "quickstart.toml")
    out = tmp_path / "run"
    assert main(["run", recipe, "--dry-run", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "[stage.base.model]" in printed
    assert all(f"#   {name}" in printed for name in ("corpus", "tokens", "base", "report"))
    assert not out.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_one_error(root: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    recipe = str(root / "recipes" / "quickstart-small.toml")
    result = mathlm("run", recipe, "--out", str(tmp_path / "run"))
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)


def test_completion_scripts_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    assert "mathlm" in capsys.readouterr().out
