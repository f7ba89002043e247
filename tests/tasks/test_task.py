"""Tasks and prompts: what every task promises."""

from __future__ import annotations

import pytest

from mathlm.core.records import Problem
from mathlm.tasks import TASKS
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
    problems = task.load("test", 30, 0)
    assert problems == task.load("test", 30, 0)
    assert len({problem.id for problem in problems}) == len(problems) == 30
    for problem in problems:
        assert problem.task == name
        assert problem.answer
        assert problem.prompt


@TASK
def test_no_prompt_stops_inside_its_own_examples(name: str) -> None:
    for prompt in TASKS[name].prompts.values():
        assert len(prompt.shots) >= 2
        for _, worked in prompt.shots:
            shown = prompt.answer.format(answer=worked)
            for stop in prompt.stops:
                assert stop not in worked
                assert shown.endswith(stop)
