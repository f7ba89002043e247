"""Reasoning models: thoughts are segments of their own, and nothing is ever graded from one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from mathlm.core.records import Completion, CompletionSegment, Problem
from mathlm.grading.completions import answer_of, answered
from mathlm.solving.engines.protocol import Generation, Request, Sampling
from mathlm.solving.services import Services
from mathlm.solving.solvers.asking import Asking
from mathlm.solving.solvers.cot import chain_of_thought
from mathlm.tasks.prompt import Prompt
from solving.solvers.scripted import END, Scripted

CHAT = Prompt(
    shots=(("1 + 1?", "2"),),
    question="{question}",
    answer="",
    stops=("\n\n",),
    chat=True,
    system="Think.",
)
PROBLEM = Problem(id="p", task="t", prompt="3 + 3?")
THOUGHT = "<think>Is it 5?\n\nThe answer is 5. No.</think>"
ANSWER = "\n\\boxed{6}"


def solve(text: str, **more: Any) -> tuple[Completion, Scripted]:
    """What a model makes that writes `text`, wherever it is let go on."""
    start = "<system>Think.\n<user>1 + 1?\n<assistant>2\n<user>3 + 3?\n"
    engine = Scripted(lambda so_far: (start + text)[len(so_far) :])
    asked = {"reasoning": True, "sampling": Sampling(max_tokens=100), **more}
    how = Asking(name="r", prompt=CHAT, shots=1, **asked)
    (made,) = asyncio.run(chain_of_thought(PROBLEM, 0, Services(engine=engine), how=how))
    assert not engine.held
    return made, engine


def test_a_thought_and_an_answer() -> None:
    made, engine = solve(THOUGHT + ANSWER + END)
    thought, answer = made.segments
    assert (thought.text, thought.thought) == (THOUGHT, True)
    assert (answer.text, answer.thought, made.finish_reason) == (ANSWER, False, "eos")
    assert len(thought.token_ids) == len(THOUGHT) and len(answer.token_ids) == len(ANSWER + END)
    assert engine.asked[0].sampling.stops == ("</think>",), (
        "the prompt's stops are not the thought's"
    )
    assert answer_of(PROBLEM, made) == "6"


def test_stops_count_after_the_thought() -> None:
    made, _ = solve(THOUGHT + ANSWER + "\n\nProblem: more")
    assert made.segments[-1].text == ANSWER and made.finish_reason == "stop"


@pytest.mark.parametrize("tokens", range(1, len(THOUGHT)))
def test_cut_off_inside_its_thought(tokens: int) -> None:
    made, _ = solve(THOUGHT + ANSWER + END, sampling=Sampling(max_tokens=tokens))
    assert made.finish_reason == "length" and made.segments[-1].thought
    assert answered(made).status == "no_answer" and answer_of(PROBLEM, made) is None


def test_cut_off_after_its_thought() -> None:
    made, _ = solve(THOUGHT + ANSWER + END, sampling=Sampling(max_tokens=len(THOUGHT) + 4))
    assert made.finish_reason == "length" and not made.segments[-1].thought
    exact, _ = solve(THOUGHT + ANSWER + END, sampling=Sampling(max_tokens=len(THOUGHT)))
    assert exact.finish_reason == "length" and answer_of(PROBLEM, exact) is None


def test_a_thought_over_its_budget_is_ended_for_the_model() -> None:
    start = "<think>" + "hm " * 90
    engine = Scripted(lambda so_far: ANSWER + END if "</think>" in so_far else start)
    how = Asking("r", CHAT, 0, Sampling(max_tokens=20), reasoning=True, think_tokens=30)
    (made,) = asyncio.run(chain_of_thought(PROBLEM, 0, Services(engine=engine), how=how))
    assert [s.source for s in made.segments] == ["model", "forced", "model"]
    assert made.segments[1].text == "\n</think>\n\n" and made.segments[1].thought
    assert made.segments[-1].text == ANSWER and answer_of(PROBLEM, made) == "6"
    assert made.cost.model_tokens == 30 + len(ANSWER + END)


@dataclass
class Server:
    """A chat server that tells thoughts apart."""

    text: str
    asked: int = 0

    async def generate(self, request: Request) -> Generation:
        self.asked += 1
        reason = "eos" if self.text else "length"
        return Generation(self.text, (), (), reason, 9, thought="Is it\n\n5?", counted_tokens=7)  # type: ignore[arg-type]


@pytest.mark.parametrize("reasoning", [True, False])
@pytest.mark.parametrize("text", ["\\boxed{6}", ""])
def test_a_server_that_tells_thoughts_apart(reasoning: bool, text: str) -> None:
    engine = Server(text)
    how = Asking("r", CHAT, 1, Sampling(max_tokens=100), reasoning=reasoning)
    services = Services(engine=engine)  # type: ignore[arg-type]
    (made,) = asyncio.run(chain_of_thought(PROBLEM, 0, services, how=how))
    assert engine.asked == 1 and made.cost.model_tokens == 7
    assert [s.thought for s in made.segments] == ([True, False] if text else [True])
    assert answer_of(PROBLEM, made) == ("6" if text else None)


def test_total_tokens_are_a_budget() -> None:
    made, _ = solve(THOUGHT + ANSWER + END, total_tokens=9)
    assert made.finish_reason == "budget" and made.cost.model_tokens == 9


@pytest.mark.parametrize(
    ("text", "answer", "status"),
    [
        (THOUGHT + ANSWER, "6", None),
        ("Is it 5?</think>\\boxed{6}", "6", None),
        ("<think>The answer is 5", None, "no_answer"),
        ("The answer is 4.", "4", None),
        ("<think>5</think>\\boxed{6}<think>or 7", None, "no_answer"),
    ],
)
def test_thoughts_inside_one_text_are_not_graded(text: str, answer: Any, status: Any) -> None:
    segment = CompletionSegment(source="model", text=text)
    made = Completion(
        problem_id="p",
        task="t",
        solver="r",
        sample_index=0,
        segments=(segment,),
        finish_reason="eos",
    )
    assert (answer_of(PROBLEM, made), answered(made).status) == (answer, status)
