"""Solvers over an engine and a sandbox that replay known answers: what they ask and keep."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from mathlm.core.records import Completion, Problem, TypedValue
from mathlm.grading import grade
from mathlm.grading.completions import answered
from mathlm.solving.engines.protocol import Generation, Request, Sampling, StopReason
from mathlm.solving.services import Services
from mathlm.solving.solvers import SOLVERS
from mathlm.solving.solvers.asking import Asking
from mathlm.solving.solvers.programs import program_in_form, program_of
from mathlm.tasks import Prompt

PROMPT = Prompt(
    shots=(("1 + 1?", "2"), ("2 + 2?", "4")),
    question="Q: {question}\nA:",
    answer=" {answer}\n\n",
    stops=("\n\n",),
)
PROBLEM = Problem(id="p", task="t", prompt="3 {x} + 3?")


@dataclass
class Replaying:
    """An engine that answers every request alike and remembers what it was asked."""

    text: str
    reason: StopReason = "stop"
    asked: list[Request] = field(default_factory=list)

    async def generate(self, request: Request) -> Generation:
        self.asked.append(request)
        return Generation(self.text, (1, 2), (-0.1, -0.2), self.reason, 9)


@dataclass
class Ran:
    """A program's result."""

    status: str = "ok"
    stdout: str = "6\n"
    error: str = ""
    level: str = "full"
    variables: dict[str, TypedValue] = field(
        default_factory=lambda: {"b": TypedValue(type="int", value="6")}
    )


@dataclass
class Box:
    """A sandbox that gives a known result and remembers the programs."""

    result: Ran
    programs: list[str] = field(default_factory=list)

    async def run(self, program: str) -> Ran:
        self.programs.append(program)
        return self.result


def solve(kind: str, engine: Any, box: Any = None, shots: int = 2) -> Sequence[Completion]:
    how = Asking(name="mine", prompt=PROMPT, shots=shots, sampling=Sampling(stops=("END",)))
    services = Services(engine=engine, seed=5, sandbox=box)
    return asyncio.run(SOLVERS[kind](PROBLEM, 3, services, how=how))


def test_chain_of_thought_asks_with_shots_and_keeps_the_text() -> None:
    engine = Replaying(" 6")
    (made,) = solve("cot", engine)
    (request,) = engine.asked
    shared = "Q: 1 + 1?\nA: 2\n\nQ: 2 + 2?\nA: 4\n\n"
    assert request.prompt == shared + "Q: 3 {x} + 3?\nA:"
    assert request.shared == shared
    assert (request.seed, request.sample_index, request.problem_id) == (5, 3, "t/p/mine")
    assert request.sampling.stops == ("\n\n", "END")
    assert made.text == " 6" and made.segments[0].source == "model"
    assert (made.task, made.problem_id, made.solver, made.sample_index) == ("t", "p", "mine", 3)
    assert (made.cost.prompt_tokens, made.cost.model_tokens) == (9, 2)


@pytest.mark.parametrize("reason", ["stop", "eos", "length", "budget"])
def test_how_it_ended_is_kept(reason: StopReason) -> None:
    (made,) = solve("cot", Replaying("", reason))
    assert made.finish_reason == reason


def test_zero_shots_share_nothing() -> None:
    engine = Replaying("x")
    solve("cot", engine, shots=0)
    assert engine.asked[0].shared == "" and engine.asked[0].prompt == "Q: 3 {x} + 3?\nA:"


def test_a_program_is_run_and_its_result_is_a_segment() -> None:
    box = Box(Ran())
    (made,) = solve("program", Replaying("answer = 6\n"), box)
    assert box.programs == ["answer = 6\n"]
    model, tool = made.segments
    assert (model.source, tool.source, tool.text) == ("model", "tool", "6\n")
    assert (tool.status, tool.level) == ("ok", "full")
    assert tool.variables == {"b": TypedValue(type="int", value="6")}
    assert made.cost.tool_calls == 1


def test_an_error_keeps_its_kind_and_no_addresses() -> None:
    error = 'Traceback:\n  File "/tmp/x91"\nsympy.SympifyError: <object at 0x7f12>'
    (made,) = solve("program", Replaying("1/0"), Box(Ran("error", "", error, variables={})))
    assert (made.segments[1].status, made.segments[1].text) == (
        "error",
        "sympy.SympifyError: <object at 0x…>",
    )


def test_an_empty_program_is_not_run() -> None:
    box = Box(Ran())
    (made,) = solve("program", Replaying(" \n "), box)
    assert box.programs == [] and len(made.segments) == 1


def test_programs_need_a_sandbox() -> None:
    with pytest.raises(ValueError, match="sandbox"):
        solve("program", Replaying("x = 1"))


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("x = 1", "x = 1\n"),
        ("Here:\n```python\nx = 1\n```\nand ```y```", "x = 1\n"),
        ("```\nx = 1", "x = 1\n"),
        ("\n\nx = 1\n\n", "x = 1\n"),
        ("a ` b", "a ` b\n"),
    ],
)
def test_the_program_in_a_text(text: str, program: str) -> None:
    assert program_of(text) == program


SYMPY = """```
x = symbols("x")
answer = solve(x**2 - 2, x)
```
The imports required for this program are
```
from sympy import symbols, solve
```
"""


def form(name: str, **more: Any) -> Prompt:
    return Prompt((), "{question}", "", (), program_form=name, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "prompt", "program"),
    [
        (
            "def solution():\n    return 3\n",
            form("solution"),
            "def solution():\n    return 3\n\nanswer = solution()\nprint(answer)\n",
        ),
        (
            "    return 3\n",
            form("solution"),
            "def solution():\n    return 3\n\nanswer = solution()\nprint(answer)\n",
        ),
        ("x = 3\nprint(x)", form("print"), "x = 3\nprint(x)\n"),
        ("The answer is 3.", form("print"), ""),
        ("x = 3", form("print"), ""),
        (
            SYMPY,
            form("blocks"),
            'from sympy import symbols, solve\nx = symbols("x")\nanswer = solve(x**2 - 2, x)\n',
        ),
        ("```\nanswer = 2\n```\nThe imports", form("blocks"), "\nanswer = 2\n"),
        ("answer = 2", form("blocks"), "answer = 2\n"),
        (" \n", form("blocks"), ""),
    ],
)
def test_programs_by_their_form(text: str, prompt: Prompt, program: str) -> None:
    assert program_in_form(text, prompt) == program


@pytest.mark.parametrize(
    ("text", "prompt", "answer"),
    [
        ("def solution():\n    return 7 / 2", form("solution"), "3.5"),
        ("def solution():\n    return answer", form("solution"), None),
        ("answer = 5\nprint(answer + 1)", form("print"), "6"),
        (SYMPY, form("blocks"), r"-\sqrt{2}, \sqrt{2}"),
        ("ans = 5\nanswer = 6", form("answer", answer_name="ans"), "5"),
        (
            "x = Symbol('x')\nans = solve_it(2*x - 3, x)[x]",
            form("answer", answer_name="ans"),
            "3/2",
        ),
        ("answer = 5\nprint(9)", form("answer"), "5"),
        ("print(9)", form("answer"), "9"),
    ],
)
def test_what_a_program_of_each_form_answers(
    box: Any, text: str, prompt: Prompt, answer: str | None
) -> None:
    how = Asking(name="mine", prompt=prompt, shots=0, sampling=Sampling())
    services = Services(engine=Replaying(text), sandbox=box)  # type: ignore[arg-type]
    (made,) = asyncio.run(SOLVERS["program"](PROBLEM, 0, services, how=how))
    found = answered(made)
    if answer is None:
        assert found.status == "error"
    else:
        assert grade(answer, found.text).status == "correct", made.segments[-1]
