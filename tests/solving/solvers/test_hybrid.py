"""Hybrid decoding: when it falls back, what counts as the answer, what grading reads of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mathlm.core.records import Completion, CompletionSegment, Problem
from mathlm.grading.completions import answer_of, answered
from mathlm.grading.verdicts import same_answers
from mathlm.solving.engines.protocol import Sampling
from mathlm.solving.services import Services
from mathlm.solving.solvers.asking import Asking
from mathlm.solving.solvers.hybrid import hybrid
from mathlm.tasks.prompt import Prompt
from solving.solvers.scripted import END, Scripted

# MAmmoTH asks for the program by one more sentence.
PROGRAM = Prompt((), "{question} Let's write a program.\n", "", (), program_form="print")
WORDS = Prompt((), "{question}\n", "", ())
PROBLEM = Problem(id="p", task="t", prompt="How many?")
GOOD = "total = 3 * 4\nprint(total)" + END
SAID = "There are 3 times 4. The answer is 12." + END
OTHER = "The answer is 13." + END


def solve(box: Any, program: str, words: str, *, sample: int = 0, **more: Any) -> Any:
    engine = Scripted(lambda text: program if text.endswith("program.\n") else words)
    services = Services(engine=engine, sandbox=box, answer=answer_of, same=same_answers)
    how = Asking("h", PROGRAM, 0, Sampling(), part="program")
    other = Asking("h", WORDS, 0, Sampling(), part="cot")
    (made,) = asyncio.run(hybrid(PROBLEM, sample, services, how=how, words=other, **more))
    return made, engine


def graded(made: Completion) -> str | None:
    return answer_of(PROBLEM, made)


@pytest.mark.parametrize(
    ("program", "words", "answer", "asked"),
    [
        (GOOD, SAID, "12", 1),
        (GOOD.replace("3 * 4", "99"), SAID, "99", 1),
        ("print(1 / 0)" + END, SAID, "12", 2),
        ("print('')" + END, SAID, "12", 2),
        ("print(" + END, SAID, "12", 2),
        ("total = 3 * 4" + END, SAID, "12", 2),
        ("I cannot write one. The answer is 7." + END, SAID, "7", 1),
        ("" + END, SAID, "12", 2),
        ("print(open('/etc/shadow').read())" + END, SAID, "12", 2),
    ],
)
def test_words_come_in_where_the_program_gives_nothing(
    box: Any, program: str, words: str, answer: str, asked: int
) -> None:
    made, engine = solve(box, program, words)
    assert graded(made) == answer and len(engine.asked) == asked
    assert len({request.problem_id for request in engine.asked}) == asked, "streams of their own"
    assert made.cost.model_tokens == sum(len(s.token_ids) for s in made.segments)
    if asked == 2:
        assert [s.status for s in made.segments if s.source == "forced"] == ["anew"]


def test_words_without_an_answer_are_no_answer_even_after_a_number(box: Any) -> None:
    made, _ = solve(box, "print(7 / 0)" + END, "I do not know." + END)
    assert answered(made).text == "I do not know."


@pytest.mark.parametrize(
    ("program", "words", "prefer", "agree", "answer"),
    [
        (GOOD, SAID, "program", 1.0, "12"),
        (GOOD, SAID.replace("12", "$\\frac{24}{2}$"), "program", 1.0, "12"),
        (GOOD, OTHER, "program", 0.0, "12"),
        (GOOD, OTHER, "cot", 0.0, "13"),
        ("print(1/0)" + END, OTHER, "program", 0.0, "13"),
        (GOOD, END, "cot", 0.0, "12"),
    ],
)
def test_agreement(
    box: Any, program: str, words: str, prefer: Any, agree: float, answer: str
) -> None:
    made, engine = solve(box, program, words, mode="agreement", prefer=prefer)
    assert made.scores == {"agreement": agree} and graded(made) == answer
    assert len(engine.asked) == 2


def test_votes_alternate(box: Any) -> None:
    made = [solve(box, GOOD, OTHER, sample=k, mode="vote")[0] for k in range(4)]
    assert [graded(one) for one in made] == ["12", "13", "12", "13"]
    assert [one.sample_index for one in made] == [0, 1, 2, 3]


def test_agreement_needs_grading(box: Any) -> None:
    services = Services(engine=Scripted(lambda text: GOOD), sandbox=box)
    how = Asking("h", PROGRAM, 0, Sampling())
    with pytest.raises(ValueError, match="agreement"):
        asyncio.run(hybrid(PROBLEM, 0, services, how=how, words=how, mode="agreement"))


def test_a_completion_that_the_machine_could_not_make() -> None:
    made = Completion(
        problem_id="p", task="t", solver="h", sample_index=0, segments=(), finish_reason="error"
    )
    assert answered(made).status == "error"
    thought = CompletionSegment(source="model", text="The answer is 3", thought=True)
    cut = made.model_copy(update={"segments": (thought,), "finish_reason": "length"})
    assert answered(cut).status == "no_answer" and answer_of(PROBLEM, cut) is None
