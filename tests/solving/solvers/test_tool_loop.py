"""The tool loop: who writes what, when a program runs, how it ends, what is read again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mathlm.core.records import Completion, Problem
from mathlm.grading.completions import answered
from mathlm.solving.engines.protocol import Sampling
from mathlm.solving.services import Services
from mathlm.solving.solvers.asking import Asking
from mathlm.solving.solvers.tool import ToolUse, tool_loop
from mathlm.tasks.prompt import Prompt
from solving.solvers.scripted import END, Scripted

PROMPT = Prompt(shots=(), question="Question: {question}\n\nSolution:\n", answer="", stops=("---",))
PROBLEM = Problem(id="p", task="t", prompt="6 * 7?")
START = "Question: 6 * 7?\n\nSolution:\n"


def script(*turns: str) -> Callable[[str], str]:
    """A model that writes its n-th turn after n outputs."""
    return lambda text: turns[min(text.count("```output\n"), len(turns) - 1)]


def solve(engine: Scripted, box: Any, **more: Any) -> Completion:
    asked = {"sampling": Sampling(max_tokens=400), **more}
    use = ToolUse(calls=asked.pop("calls", 4), output_characters=asked.pop("characters", 1000))
    how = Asking(name="t", prompt=asked.pop("prompt", PROMPT), shots=0, **asked)
    services = Services(engine=engine, sandbox=box)
    (made,) = asyncio.run(tool_loop(PROBLEM, 0, services, how=how, use=use))
    assert not engine.held, "every kept prefix was given up"
    return made


ONE = "I calculate.\n```python\nx = 6 * 7\nprint(x)\n```\n"
DONE = "The answer is $\\boxed{42}$." + END
WHOLE = (
    "I calculate.\n```python\nx = 6 * 7\nprint(x)\n```\n```output\n42\n```\n"
    "The answer is $\\boxed{42}$."
)


@pytest.mark.parametrize(
    ("first", "keeps", "tells"),
    [
        (ONE + "```output", True, True),
        (ONE, True, True),
        (ONE.rstrip() + END, True, True),
        (ONE.removesuffix("\n```\n") + END, True, True),
        (ONE + "```output\nI see 5\n```", False, True),
        (ONE, False, False),
        (ONE.rstrip() + END, True, False),
    ],
)
def test_one_round_reads_alike_however_the_model_ends_its_program(
    box: Any, first: str, keeps: bool, tells: bool
) -> None:
    engine = Scripted(script(first, DONE), keeps=keeps, tells=tells)
    made = solve(engine, box)
    assert made.text == WHOLE and made.finish_reason == "eos"
    assert engine.contexts == [START, START + WHOLE.partition("The answer")[0]]
    assert [s.source for s in made.segments] == ["model", "forced", "tool", "forced", "model"]
    tool = made.segments[2]
    assert (tool.text, tool.status, tool.variables["x"].value) == ("42\n", "ok", "42")
    assert made.cost.tool_calls == 1 and answered(made).text.startswith("The answer is")


def test_nothing_is_read_twice(box: Any) -> None:
    engine = Scripted(script(ONE, ONE.replace("6 * 7", "x + 1"), DONE))
    made = solve(engine, box)
    assert [r.branch for r in engine.asked] == [(), (1,), (2,)]
    assert engine.read == len(engine.contexts[-1]), "each token once: prompt, turns, outputs"
    forced = sum(len(s.text) for s in made.segments if s.source != "model")
    assert made.cost.forced_tokens == forced
    assert made.cost.model_tokens == sum(len(s.token_ids) for s in made.segments)


def test_variables_live_on_and_a_killed_turn_leaves_those_before_it(box: Any) -> None:
    turns = (
        "```python\nvalues = [1, 2]\n```\n",
        "```python\nvalues.append(3)\nimport os\nos._exit(0)\n```\n",
        "```python\nvalues.append(4)\nvalues\n```\n",
        "```python\n1 / 0\n```\n",
        DONE,
    )
    made = solve(Scripted(script(*turns)), box)
    tools = [s for s in made.segments if s.source == "tool"]
    assert [t.status for t in tools] == ["ok", "error", "ok", "error"]
    assert tools[2].text == "[1, 2, 4]\n", "the last line of a turn is shown, as in a notebook"
    assert tools[3].text == "ZeroDivisionError: division by zero\n"
    assert answered(made).text.strip() == "The answer is $\\boxed{42}$."


def test_after_so_many_programs_it_ends(box: Any) -> None:
    made = solve(Scripted(lambda text: ONE), box, calls=2)
    assert made.finish_reason == "tool_limit" and made.cost.tool_calls == 2
    assert made.segments[-1].source == "model"
    assert answered(made).text == "42" and answered(made).from_program


def test_budgets(box: Any) -> None:
    made = solve(Scripted(lambda text: ONE), box, total_tokens=len(ONE) + 10, calls=9)
    assert made.finish_reason == "budget" and made.cost.model_tokens == len(ONE) + 10
    cut = solve(Scripted(script(ONE, "words " * 99)), box, sampling=Sampling(max_tokens=60))
    assert cut.finish_reason == "length" and len(cut.segments[-1].text) == 60
    half = solve(Scripted(script(ONE)), box, sampling=Sampling(max_tokens=30))
    assert half.finish_reason == "length" and half.cost.tool_calls == 0, "half a program is not run"
    full = solve(Scripted(script(ONE, DONE), context_tokens=len(START + ONE) + 8), box)
    assert full.finish_reason == "length", "the context is full before the model may go on"


def test_blocks_that_are_no_programs_are_the_models_own(box: Any) -> None:
    text = "```latex\n\\frac12\n```\nSo:\n```\nprint(3)\n```\n"
    made = solve(Scripted(lambda so_far: (START + text)[len(so_far) :] or DONE), box)
    assert made.text == text + "```output\n3\n```\nThe answer is $\\boxed{42}$."
    plain = solve(Scripted(script("no program --- more")), box)
    assert (plain.text, plain.finish_reason) == ("no program ", "stop")


def test_a_model_of_empty_blocks_comes_to_an_end(box: Any) -> None:
    made = solve(Scripted(lambda text: "\n```\n"), box, sampling=Sampling(max_tokens=50))
    assert made.finish_reason in ("length", "tool_limit") and made.cost.model_tokens < 60


def test_long_output_is_cut_in_the_middle(box: Any) -> None:
    first = "```python\nprint('a' * 500 + 'b' * 500)\n```\n"
    made = solve(Scripted(script(first, DONE)), box, characters=20)
    assert made.segments[2].text == "a" * 10 + "\n…\n" + "b" * 9 + "\n"


def test_a_reasoning_model_thinks_first_and_its_drafts_are_not_run(box: Any) -> None:
    draft = "<think>```python\nprint(1)\n```\n</think>\n" + ONE
    engine = Scripted(lambda t: draft if t == START else script(ONE, DONE)(t))
    made = solve(engine, box, reasoning=True)
    assert made.segments[0].thought and made.segments[0].text.endswith("</think>")
    assert made.cost.tool_calls == 1 and made.segments[-1].text.startswith("The answer")


def test_it_needs_a_sandbox() -> None:
    with pytest.raises(ValueError, match="sandbox"):
        solve(Scripted(lambda text: DONE), None)
