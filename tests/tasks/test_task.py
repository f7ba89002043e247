"""Tasks and prompts: what every task promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from mathlm.core.errors import UserError
from mathlm.core.records import Problem
from mathlm.tasks import TASKS, Where
from mathlm.tasks.task import Prompt

TASK = pytest.mark.parametrize("name", sorted(TASKS))
PROMPT = Prompt((("1?", "one"), ("2?", "two")), "Q: {question}\nA:", " {answer}\n\n", ("\n\n",))


def test_a_prompt_shows_its_first_examples_then_the_question() -> None:
    problem = Problem(id="p", task="t", prompt="{3}?")
    assert PROMPT.render(problem, 0) == "Q: {3}?\nA:"
    assert PROMPT.render(problem, 2) == "Q: 1?\nA: one\n\nQ: 2?\nA: two\n\nQ: {3}?\nA:"


@pytest.mark.parametrize("shots", [-1, 3])
def test_more_examples_than_there_are_is_refused(shots: int) -> None:
    with pytest.raises(ValueError, match="shots"):
        PROMPT.render(Problem(id="p", task="t", prompt="3?"), shots)


@TASK
def test_a_task_keeps_its_promises(name: str) -> None:
    task = TASKS[name]
    assert task.name == name
    assert task.description.endswith(".")
    assert task.source
    assert task.licence
    assert task.prompts
    assert (task.data is None) != (task.generate is None)
    assert task.data is None or (task.data.task == name and task.data.columns)


@pytest.mark.parametrize("name", sorted(n for n, task in TASKS.items() if task.generate))
def test_a_generator_keeps_its_promises(name: str) -> None:
    task = TASKS[name]
    problems = task.load("test", 30, 0)
    assert problems == task.load("test", 30, 0)
    assert len({problem.id for problem in problems}) == len(problems) == 30
    for problem in problems:
        assert problem.task == name
        assert problem.answer
        assert problem.prompt
    for prompt in task.prompts.values():
        assert len(prompt.shots) >= 2
        for _, worked in prompt.shots:
            shown = prompt.answer.format(answer=worked)
            for stop in prompt.stops:
                assert stop not in worked
                assert shown.endswith(stop)


def test_a_generated_task_takes_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    with pytest.raises(UserError, match="is generated; it takes no file"):
        TASKS["arithmetic-seen"].load("test", 5, 0, Where(data=str(tmp_path / "a.jsonl")))
