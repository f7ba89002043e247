"""The generator of arithmetic problems: true solutions, disjoint splits, determinism."""

from __future__ import annotations

import ast
import itertools
import operator
import random
import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.tasks import TASKS
from mathlm.tasks.arithmetic import (
    SEEN,
    UNSEEN,
    check_disjoint,
    draw,
    enumerate_numbers,
    generate,
    numbers_of,
    problem_id,
    program,
    question,
    solution,
    split_of,
    training_texts,
    values,
)
from mathlm.tasks.arithmetic_families import FAMILIES, NAMES, THINGS, Family, steps
from mathlm.tasks.task import Split

FAMILY = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
EQUATION = re.compile(r"(\d+) (\+|-|\*|//|/) (\d+) = (\d+)")
OPERATORS: dict[str, Callable[[int, int], int | Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": Fraction,
    "//": operator.floordiv,
}


def test_there_are_many_families_and_some_are_held_back() -> None:
    assert len(SEEN) >= 10
    assert len(UNSEEN) >= 2
    structures = {
        (tuple((step.op, step.left in family.ranges) for step in family.steps), family.name)
        for family in FAMILIES
    }
    assert len(structures) == len(FAMILIES)


@FAMILY
def test_every_family_has_many_different_problems(family: Family) -> None:
    for split, enough in (("train", 2000), ("dev", 200), ("test", 200)):
        found = itertools.islice(enumerate_numbers(family, cast(Split, split)), enough)
        assert len({problem_id(family, numbers) for numbers in found}) == enough


@FAMILY
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_every_equation_of_a_solution_is_true_and_ends_in_the_answer(
    family: Family, seed: int
) -> None:
    numbers = draw(family, "train", random.Random(seed))
    text = solution(family, numbers)
    equations = EQUATION.findall(text)
    assert len(equations) == len(family.steps)
    for left, op, right, result in equations:
        assert OPERATORS[op](int(left), int(right)) == int(result), text
    assert text.endswith(f" The answer is {equations[-1][3]}.")


@FAMILY
def test_a_solution_uses_every_number_of_the_question(family: Family) -> None:
    numbers = draw(family, "train", random.Random(3))
    for wording in range(20):
        asked = question(family, numbers, random.Random(wording))
        shown = sorted(map(int, re.findall(r"\d+", asked)))
        # a day or shelf numbered 1, or boxes counted in words, may come on top
        for value in numbers.values():
            assert value in shown, asked
        assert "{" not in asked
        assert asked[0].isupper() or asked[0].isdigit()
        assert asked.endswith("?")


def test_programs_run_by_themselves_leave_the_answers() -> None:
    """One subprocess runs a program of every problem in its own namespace."""
    problems = [
        *generate(SEEN, "test", 120, seed=5),
        *generate(UNSEEN, "test", 30, seed=5),
        *generate(SEEN, "train", 120, seed=5),
    ]
    programs = [program(*numbers_of(problem.id)) for problem in problems]
    script = (
        f"for text in {programs!r}:\n"
        "    space = {}\n"
        "    exec(text, space)\n"
        "    print(space['answer'])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert ran.stdout.split() == [problem.answer for problem in problems]


@FAMILY
def test_programs_use_only_whole_number_arithmetic(family: Family) -> None:
    tree = ast.parse(program(family, draw(family, "train", random.Random(0))))
    allowed = (
        ast.Module, ast.Assign, ast.Name, ast.Load, ast.Store, ast.BinOp, ast.Constant,
        ast.Add, ast.Sub, ast.Mult, ast.FloorDiv,
    )  # fmt: skip
    assert all(isinstance(node, allowed) for node in ast.walk(tree))


def _sheets(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Worksheets and exercises among the training texts."""
    texts = [text for _, text in training_texts(count, seed)]
    exercises = [text for text in texts if text.startswith("Exercises:")]
    return [text for text in texts if text not in exercises], exercises


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_test_problems_never_occur_in_training_text(seed: int) -> None:
    """Read from the text itself: no worked solution or program is that of a test problem."""
    tested = generate(SEEN, "test", 48, seed=seed)
    for text in _sheets(8, seed)[0]:
        blocks = text.strip().split("\n\n")
        assert len(blocks) == 4
        for block in blocks:
            asked, _, worked = block.partition("\nA: ")
            if not worked:
                asked, _, worked = block.partition("\nProgram:\n")
            assert asked.startswith("Q: ")
            for problem in tested:
                assert worked not in (problem.solution, program(*numbers_of(problem.id)))


def test_exercises_are_true_and_cover_all_operations() -> None:
    _, exercises = _sheets(200, 3)
    equations = [equation for text in exercises for equation in EQUATION.findall(text)]
    assert len(equations) == 24 * len(exercises)
    assert {op for _, op, _, _ in equations} == set(OPERATORS)
    for left, op, right, result in equations:
        assert OPERATORS[op](int(left), int(right)) == int(result)


def test_every_kind_of_sheet_is_common() -> None:
    worksheets, exercises = _sheets(400, 0)
    with_programs = [text for text in worksheets if "\nProgram:\n" in text]
    assert min(len(exercises), len(with_programs), len(worksheets) - len(with_programs)) >= 40


@FAMILY
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**9), order=st.randoms())
def test_the_split_does_not_depend_on_the_order_of_numbers(
    family: Family, seed: int, order: random.Random
) -> None:
    numbers = draw(family, "test", random.Random(seed))
    shuffled = list(numbers.values())
    order.shuffle(shuffled)
    again = dict(zip(numbers, shuffled, strict=True))
    assert split_of(family, again) == "test"


def test_a_problem_in_the_wrong_split_is_found() -> None:
    problems = generate(SEEN, "test", 24)
    check_disjoint(problems, "test")
    with pytest.raises(ValueError, match="belongs to test, not train"):
        check_disjoint(problems, "train")


def test_unseen_families_are_in_no_worksheet_and_no_shot() -> None:
    wordings = {wording.partition("}")[2][:25] for family in UNSEEN for wording in family.questions}
    shown = "".join(text for _, text in training_texts(200, 1))
    shown += "".join(
        question
        for task in TASKS.values()
        for p in task.prompts.values()
        for question, _ in p.shots
    )
    last_steps = [family.steps[-1].name for family in UNSEEN]
    assert not any(f"{name} =" in shown for name in last_steps)
    assert not any(len(part) > 20 and part in shown for part in wordings)


def test_the_same_arguments_give_the_same_text() -> None:
    assert list(training_texts(20, 7)) == list(training_texts(20, 7))
    assert list(training_texts(20, 7))[:5] == list(training_texts(5, 7))
    assert list(training_texts(5, 7)) != list(training_texts(5, 8))
    assert generate(SEEN, "dev", 24, seed=2) == generate(SEEN, "dev", 24, seed=2)


def test_the_generator_is_pinned() -> None:
    """These bytes are what a published figure was measured on; a change needs a new version."""
    first = generate(SEEN, "test", 1, seed=0)[0]
    family, numbers = numbers_of(first.id)
    assert problem_id(family, numbers) == first.id
    assert split_of(family, numbers) == "test"
    assert first.subject == "get-and-give"
    known = values(family, numbers)
    assert known is not None
    assert first.answer == str(numbers["a"] + numbers["b"] - numbers["c"])


def test_too_many_problems_are_refused() -> None:
    tiny = Family("tiny", True, {"a": range(2, 60)}, 99, steps("sum = a + 1"), ("{a}?",))
    with pytest.raises(ValueError, match="too few problems"):
        generate([tiny], "test", 50)


def test_numbers_that_make_no_problem_are_refused() -> None:
    sharing = next(family for family in FAMILIES if family.name == "sharing")
    assert values(sharing, {"a": 20, "b": 5, "k": 4}) is None
    assert values(sharing, {"a": 5, "b": 20, "k": 3}) is None
    with pytest.raises(ValueError, match="make no problem"):
        solution(sharing, {"a": 20, "b": 5, "k": 4})


@pytest.mark.parametrize("line", ["cost = n", "cost : n * p", "cost = n ^ p"])
def test_a_malformed_step_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        steps(line)


def test_free_words_are_distinct() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert len(set(THINGS)) == len(THINGS)
