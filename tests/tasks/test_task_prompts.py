"""The prompts of every task: ours are right when run and graded, published ones byte for byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mathlm.core.errors import UserError
from mathlm.core.records import Problem
from mathlm.grading import grade
from mathlm.grading.typed import typed_text
from mathlm.solving.sandbox import ProgramResult, Sandbox
from mathlm.tasks import TASKS, Prompt
from mathlm.tasks.choice_prompts import CHOICE
from mathlm.tasks.competition_prompts import COMPETITION
from mathlm.tasks.science_prompts import SCIENCE
from mathlm.tasks.word_problems import WORD_PROBLEMS

OURS = {
    "words": WORD_PROBLEMS,
    "competition": COMPETITION,
    "choice": CHOICE,
    "science": SCIENCE,
}
PUBLISHED = [
    (name, key)
    for name, task in TASKS.items()
    for key, prompt in task.prompts.items()
    if prompt.published is not None
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    ours = Sandbox(workers=1, minimum_level="rlimits")
    yield ours
    ours.close()


async def run_all(sandbox: Sandbox, programs: list[str]) -> list[ProgramResult]:
    return await asyncio.gather(*(sandbox.run(program) for program in programs))


@pytest.mark.parametrize("style", OURS)
def test_our_worked_examples_agree_with_their_programs(style: str, sandbox: Sandbox) -> None:
    words, programs = OURS[style]["cot"].shots, OURS[style]["program"].shots
    assert [q for q, _ in words] == [q for q, _ in programs]
    assert len(words) >= 4
    results = asyncio.run(run_all(sandbox, [program for _, program in programs]))
    for (question, solution), result in zip(words, results, strict=True):
        assert result.status == "ok", (question, result.error)
        left = typed_text(result.variables["answer"])
        assert grade(solution, left).status == "correct", (question, solution, left)


@pytest.mark.parametrize("style", OURS)
def test_the_outputs_in_our_tool_loops_are_those_of_their_programs(
    style: str, sandbox: Sandbox
) -> None:
    shots = OURS[style]["tool"].shots
    parts = [worked.split("```") for _, worked in shots]
    programs = [part[1].removeprefix("python\n") for part in parts]
    results = asyncio.run(run_all(sandbox, programs))
    for part, result, (_, solution) in zip(parts, results, OURS[style]["cot"].shots, strict=True):
        assert part[3] == f"output\n{result.stdout}"
        assert grade(solution, part[4]).status == "correct"


@pytest.mark.parametrize("name", [n for n, t in TASKS.items() if t.data is not None])
def test_every_task_has_prompts_of_ours_for_words_and_programs(name: str) -> None:
    task = TASKS[name]
    kinds = {"program"} if name.endswith("-python") else {"cot", "program"}
    for kind in kinds:
        assert {"default", "zero-shot", "chat"} <= set(task.variants(kind))
        chat = task.prompt(kind, "chat")
        assert chat.chat
        assert chat.messages(Problem(id="", task="", prompt="7?"), 0)[-1].text.startswith("7?")


@pytest.mark.parametrize("style", OURS)
def test_no_stop_cuts_a_worked_example_short(style: str) -> None:
    for prompt in OURS[style].values():
        for stop in prompt.stops:
            for _, worked in prompt.shots:
                assert stop not in worked
        if prompt.shots:
            whole = prompt.examples(2)
            first = prompt.question.replace("{choices}", "").format(question=prompt.shots[0][0])
            after = whole.removeprefix(first)
            cut = min((after.find(s) for s in prompt.stops if s in after), default=-1)
            assert after[:cut].strip() == prompt.shots[0][1]


@pytest.fixture
def _data(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    monkeypatch.setenv("MATHLM_DATA", str(data_dir))


@pytest.mark.usefixtures("_data")
@pytest.mark.parametrize(("name", "key"), PUBLISHED)
def test_a_published_prompt_is_the_file_then_the_question(
    name: str, key: str, data_dir: Path
) -> None:
    kind, _, variant = key.partition(".")
    prompt = TASKS[name].prompt(kind, variant)
    published = prompt.published
    assert published is not None
    text = published.text()
    problem = Problem(
        id="", task="", prompt="Body. How many?", header="Body.", choices=("one", "two")
    )
    shown = prompt.render(problem, published.shots)
    question, marker = "Body. How many?", "How many?"
    assert marker in shown and "{" + "question}" not in shown
    assert shown.startswith(prompt.examples(published.shots))
    if "{question}" not in text:
        assert shown.startswith(text)
    else:
        assert shown.startswith(text.replace("{question}", question)[: text.find("{question}")])
    if published.path.endswith(".txt"):
        assert text.startswith((data_dir / "prompts" / published.path).read_bytes().decode())
    starts = ("Problem:\n", "Problem:  ", "Q: ", "Question: ", "# Question: ")
    seen = sum(text.count("\n" + s) + text.startswith(s) for s in starts)
    assert seen - ("{question}" in text and published.shots > 0) == published.shots


@pytest.mark.usefixtures("_data")
@pytest.mark.parametrize(
    ("name", "variant", "end"),
    [
        ("math", "cot.llemma", "I hope it is correct.\n\nProblem:\nWhy?\n\nSolution:"),
        ("gsm8k", "cot.llemma", "The answer is 8.\n\nQ: Why?\nA:"),
        ("ocw", "cot.llemma", "I hope it is correct.\n\nProblem:\nWhy?\nSolution:"),
        ("mmlu-stem", "cot.llemma", "\n\nProblem:\nWhy?\nWhat of the following is the right choice?"
         " Explain your answer.\n(A) 1, (B) 2, (C) 3, (D) 4\nSolution:"),
        ("sat", "cot.llemma", "\n\nProblem:\nWhy?\nWhat of the following is the right choice?"
         " Explain your answer.\nA) 1 B) 2\nSolution:"),
        ("gsm8k-python", "program.llemma", "\n\n\n\n\n\nQ: Why?\n\n# solution in Python:"),
        ("gsm8k", "program.pal", "\n\n\n\n\n\nQ: Why?\n\n# solution in Python:\n\n\n"),
        ("math-python", "program.llemma", "I hope my solution is correct.\n\nProblem:\nWhy?\n\nYou"
         " are an expert programmer. Solve the above mathematical problem by writing a Python"
         " program. Express your answer as a numeric type or a SymPy object.\n```"),
        ("gsm8k", "program.pot", "5 - total_hours\n\nQuestion: Why?\n# Python code, return ans\n"),
        ("svamp", "program.pot", "\n\n# Passage: A) 1 B) 2\n# Question: Why?\n"),
        ("aqua", "program.pot", "\n\n# Question: Why?\n# Answer option: A) 1 B) 2"),
        ("gsm8k", "tool.tora", "\n\n---\n\nQuestion: Why?\n\nSolution:"),
        ("math", "cot.tora", "\nThe answer is -1\n\nQuestion: Why?\nAnswer:"),
        ("gsm8k", "program.mammoth", "\n### Instruction:\nWhy? Let's write a program.\n\n"
         "### Response:"),
        ("aqua", "cot.mammoth", "\n### Instruction:\nWhy?\nAnswer Choices: (A) 1 (B) 2 (C) 3 (D) 4"
         "\n\n### Response: Let's solve the multi-choice question step by step.\n"),
    ],
)  # fmt: skip
def test_how_a_published_prompt_ends(name: str, variant: str, end: str) -> None:
    prompt = TASKS[name].prompt(*variant.split("."))
    problem = Problem(id="", task="", prompt="Why?", header="A) 1 B) 2", choices=tuple("1234"))
    assert prompt.render(problem, prompt.shot_count).endswith(end)


@pytest.mark.usefixtures("_data")
def test_the_stops_of_the_paper() -> None:
    stops = {
        ("math", "cot"): ("I hope it is correct.",),
        ("gsm8k", "cot"): ("\n\n",),
        ("ocw", "cot"): ("I hope it is correct.",),
        ("mmlu-stem", "cot"): ("I hope it is correct.",),
        ("sat", "cot"): ("I hope it is correct.",),
        ("gsm8k-python", "program"): ("Q:",),
        ("math-python", "program"): ("I hope my solution is correct.",),
    }
    for (name, kind), expected in stops.items():
        assert TASKS[name].prompt(kind, "llemma").stops == expected
    forms = {n: TASKS[n].prompt("program", "llemma").program_form for n, k in stops if k != "cot"}
    assert forms == {"gsm8k-python": "solution", "math-python": "blocks"}


def test_a_prompts_folder_of_the_users(tmp_path: Path, data_dir: Path) -> None:
    prompt = TASKS["math"].prompt("cot", "llemma", str(data_dir / "prompts"))
    assert prompt.examples(4).startswith("Problem:\nFind the domain")
    with pytest.raises(UserError, match="cannot read the published prompt"):
        TASKS["math"].prompt("cot", "llemma", str(tmp_path))


def test_no_published_text_is_part_of_the_project(data_dir: Path, root: Path) -> None:
    """No line of 50 characters of a published prompt stands in the source."""
    source = "\n".join(
        p.read_text(encoding="utf-8") for p in (root / "src" / "mathlm" / "tasks").glob("*.py")
    )
    lines = {
        line.strip()
        for path in (data_dir / "prompts").rglob("*.*")
        if path.suffix in (".txt", ".md")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    for fewshot in (data_dir / "prompts" / "mammoth" / "fewshot.jsonl").read_text().splitlines():
        lines |= set(json.loads(fewshot)["question"].splitlines())
    assert [line for line in lines if len(line) > 50 and line in source] == []


def test_shots_are_examples_of_the_tasks_own_form() -> None:
    assert isinstance(WORD_PROBLEMS["cot"], Prompt)
    assert len(WORD_PROBLEMS["cot"].shots) == 8
    assert len(COMPETITION["cot"].shots) == 5
