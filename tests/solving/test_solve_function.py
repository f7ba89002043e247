"""`mathlm.solve` and the examples that use it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from mathlm import solve
from mathlm.core.errors import UserError
from mathlm.grading.completions import answer_of
from mathlm.grading.verdicts import same_answers
from mathlm.solving.sandbox import Sandbox
from solving.solvers.scripted import END, Scripted
from solving.test_solve_stage import make_model


def model(text: str) -> str:
    """Writes a program where one is asked for, its answer after the output, else words."""
    if text.endswith("```\n"):
        return "The answer is 7." + END
    if "```output" in text:
        return "\n```python\nanswer = 3 + 4\nprint(answer)\n```\n"
    return "answer = 3 + 4" + END if text.endswith("Program:\n") else " The answer is 8." + END


@pytest.fixture(scope="module")
def box() -> Any:
    made = Sandbox(workers=2)
    if made.level == "rlimits":
        made.close()
        pytest.skip(f"no sandbox here: {made.failed}")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        ({}, "8"),
        ({"kind": "program"}, "7"),
        ({"kind": "tool"}, "7"),
        ({"kind": "hybrid"}, "7"),
        ({"kind": "hybrid", "mode": "agreement", "prefer": "cot"}, "8"),
    ],
)
def test_every_kind_of_solver(box: Any, settings: dict[str, Any], answer: str) -> None:
    engine = Scripted(model)
    made = solve("arithmetic-seen", engine, limit=3, sandbox=box, answer=answer_of,
                 same=same_answers, **settings)  # fmt: skip
    assert len(made) == 3
    for problem, (completion,) in made:
        assert completion.problem_id == problem.id
        assert answer_of(problem, completion) == answer


def test_samples_come_in_their_order() -> None:
    made = solve("arithmetic-seen", Scripted(model), limit=2, samples=3, temperature=1.0)
    assert [[c.sample_index for c in samples] for _, samples in made] == [[0, 1, 2]] * 2


@pytest.mark.parametrize(
    ("task", "settings", "said"),
    [
        ("nothing", {}, "no task 'nothing'"),
        ("arithmetic-seen", {"sampels": 3}, "sampels"),
        ("arithmetic-seen", {"samples": 3}, "temperature"),
        ("arithmetic-seen", {"prompt": "pal"}, "no prompt 'pal'"),
        ("arithmetic-seen", {"shots": 99}, "99 shots"),
        ("arithmetic-seen", {"mode": "vote"}, "hybrid"),
    ],
)
def test_mistakes_are_one_line(task: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        solve(task, Scripted(model), limit=1, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["local_engine.py", "vote.py", "tool_loop.py"])
def test_the_examples_run(
    root: Path,
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_model(tmp_path)
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", [name, str(tmp_path / "model")])
    runpy.run_path(str(root / "examples" / name), run_name="__main__")
    assert capsys.readouterr().out.count("\n") >= 3
