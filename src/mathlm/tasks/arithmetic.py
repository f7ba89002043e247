"""Arithmetic word problems with worked solutions and programs, made here and not downloaded.

Training and test problems are disjoint by construction: a hash of the family and the numbers,
whatever their order and the wording, decides the split. Not a measure of mathematical ability at
large; it is what a model small enough to be trained on a laptop in minutes can be measured on.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence

from mathlm.core.records import Problem
from mathlm.tasks.arithmetic_families import FAMILIES, NAMES, THINGS, Family, Step
from mathlm.tasks.dataset import Split
from mathlm.tasks.prompt import Prompt
from mathlm.tasks.task import SolverKind, Task

SEEN = tuple(family for family in FAMILIES if family.seen)
UNSEEN = tuple(family for family in FAMILIES if not family.seen)
_BY_NAME = {family.name: family for family in FAMILIES}
_BUCKETS = 10
_SHOT_FAMILIES = ("change", "ages", "times-as-many", "sharing")
_SHOT_SEED = 20_240
_PROBLEMS_PER_SHEET = 4
_EXERCISES_PER_SHEET = 24
_COT_SHARE, _PROGRAM_SHARE = 0.4, 0.4

Numbers = dict[str, int]


def values(family: Family, numbers: Mapping[str, int]) -> Numbers | None:
    """The operands' and every step's value, or None where the numbers make no problem.

    Numbers make a problem where exact divisions are exact and steps lie in 1..limit.
    """
    known = dict(numbers)
    for step in family.steps:
        value = _calculate(step, known)
        if value is None or not 1 <= value <= family.limit:
            return None
        known[step.name] = value
    return known


def _calculate(step: Step, known: Mapping[str, int]) -> int | None:
    left, right = (known[term] if term in known else int(term) for term in (step.left, step.right))
    if step.op == "+":
        return left + right
    if step.op == "-":
        return left - right
    if step.op == "*":
        return left * right
    if step.op == "/" and left % right:
        return None
    return left // right


def split_of(family: Family, numbers: Mapping[str, int]) -> Split:
    """The split of a problem, by a hash of its family and its numbers in any order.

    One problem in ten is for testing and one for development (choosing settings).
    """
    text = f"{family.name}:{sorted(numbers.values())}"
    bucket = hashlib.sha256(text.encode()).digest()[0] % _BUCKETS
    return "test" if bucket == 0 else "dev" if bucket == 1 else "train"


def problem_id(family: Family, numbers: Mapping[str, int]) -> str:
    """The stable name of a problem: its family and its numbers, not its wording."""
    return f"{family.name}/{'-'.join(str(numbers[name]) for name in family.ranges)}"


def numbers_of(identifier: str) -> tuple[Family, Numbers]:
    """The family and the numbers that `problem_id` named."""
    name, _, digits = identifier.partition("/")
    family = _BY_NAME[name]
    return family, dict(zip(family.ranges, map(int, digits.split("-")), strict=True))


def enumerate_numbers(family: Family, split: Split) -> Iterator[Numbers]:
    """Every problem's numbers in a split of a family, in order."""
    for chosen in itertools.product(*family.ranges.values()):
        numbers = dict(zip(family.ranges, chosen, strict=True))
        if values(family, numbers) is not None and split_of(family, numbers) == split:
            yield numbers


def draw(family: Family, split: Split, rng: random.Random) -> Numbers:
    """Random numbers of a family, uniform over the split's problems."""
    while True:
        numbers = {name: rng.choice(choices) for name, choices in family.ranges.items()}
        if values(family, numbers) is not None and split_of(family, numbers) == split:
            return numbers


def question(family: Family, numbers: Mapping[str, int], rng: random.Random) -> str:
    """The problem in words, in one of the family's wordings."""
    name, other = rng.sample(NAMES, 2)
    things, gifts = rng.sample(THINGS, 2)
    wording = rng.choice(family.questions)
    text = wording.format(name=name, other=other, things=things, gifts=gifts, **numbers)
    return text[0].upper() + text[1:]


def solution(family: Family, numbers: Mapping[str, int]) -> str:
    """The worked solution: one calculation a sentence; the last sentence is `The answer is N.`.

    Raises ValueError where the numbers make no problem.
    """
    known = values(family, numbers)
    if known is None:
        raise ValueError(f"{numbers} make no problem of family {family.name}")
    sentences = []
    for step in family.steps:
        sentences.append(f"{step.name} = {equation(step, known)}.")
    return " ".join([*sentences, f"The answer is {known[family.steps[-1].name]}."])


def equation(step: Step, known: Mapping[str, int]) -> str:
    """A step with its numbers put in: `3 * 4 = 12`."""
    left, right = (known.get(term, term) for term in (step.left, step.right))
    return f"{left} {step.op} {right} = {known[step.name]}"


def program(family: Family, numbers: Mapping[str, int]) -> str:
    """The same steps as a Python program that leaves the result in `answer`."""
    names = {step.name: step.name for step in family.steps[:-1]}
    names |= {name: str(value) for name, value in numbers.items()}
    lines = []
    for step in family.steps:
        target = "answer" if step is family.steps[-1] else step.name
        op = "//" if step.op == "/" else step.op  # exact, and the result stays a whole number
        left, right = (names.get(term, term) for term in (step.left, step.right))
        lines.append(f"{target} = {left} {op} {right}")
    return "\n".join(lines)


def _problem(family: Family, numbers: Mapping[str, int], task: str, seed: int) -> Problem:
    identifier = problem_id(family, numbers)
    known = values(family, numbers)
    assert known is not None
    return Problem(
        id=identifier,
        task=task,
        prompt=question(family, numbers, random.Random(f"wording {seed} {identifier}")),
        answer=str(known[family.steps[-1].name]),
        solution=solution(family, numbers),
        level=str(len(family.steps)),
        subject=family.name,
    )


def generate(
    families: Sequence[Family], split: Split, count: int, *, seed: int = 0, task: str = "arithmetic"
) -> list[Problem]:
    """`count` different problems of a split, the families in turn.

    Raises ValueError where a family has too few problems for its share.
    """
    chosen: dict[str, Problem] = {}
    rng = random.Random(f"problems {seed} {split}")
    for index in range(count):
        family = families[index % len(families)]
        for _ in range(1000):
            numbers = draw(family, split, rng)
            if problem_id(family, numbers) not in chosen:
                break
        else:
            raise ValueError(f"family {family.name} has too few problems in split {split}")
        problem = _problem(family, numbers, task, seed)
        chosen[problem.id] = problem
    return list(chosen.values())


def check_disjoint(problems: Sequence[Problem], split: Split) -> None:
    """Raise ValueError where a problem's numbers do not belong to the split it claims."""
    for problem in problems:
        family, numbers = numbers_of(problem.id)
        if split_of(family, numbers) != split:
            raise ValueError(f"{problem.id} belongs to {split_of(family, numbers)}, not {split}")


_FORMATS: Mapping[SolverKind, tuple[str, str]] = {
    "cot": ("Q: {question}\nA:", " {answer}\n\n"),
    "program": ("Q: {question}\nProgram:\n", "{answer}\n\n"),
}


def training_texts(count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """`count` sheets (id, text) over the seen families, with numbers of the train split alone.

    Two in five are worksheets of four problems with solutions in words, as many the same with
    programs, both in the format of the task's prompts; a fifth are exercises: single steps of such
    problems. A small model learns from the programs which number goes where, long before it can
    calculate; the exercises teach that in a tenth of a whole problem's tokens.
    """
    for index in range(count):
        rng = random.Random(f"sheet {seed} {index}")
        place = rng.random()
        if place < _COT_SHARE:
            text = _worksheet("cot", rng)
        elif place < _COT_SHARE + _PROGRAM_SHARE:
            text = _worksheet("program", rng)
        else:
            text = _exercises(rng)
        yield f"sheet-{seed}-{index}", text


def _worksheet(kind: SolverKind, rng: random.Random) -> str:
    asked, answered = _FORMATS[kind]
    text = ""
    for family in rng.sample(SEEN, _PROBLEMS_PER_SHEET):
        numbers = draw(family, "train", rng)
        worked = solution(family, numbers) if kind == "cot" else program(family, numbers)
        text += asked.format(question=question(family, numbers, rng))
        text += answered.format(answer=worked)
    return text.strip() + "\n"


def _exercises(rng: random.Random) -> str:
    """Calculations without a story: a step takes a tenth of the tokens of a whole problem."""
    done = []
    for _ in range(_EXERCISES_PER_SHEET):
        family = rng.choice(SEEN)
        known = values(family, draw(family, "train", rng))
        assert known is not None
        done.append(equation(rng.choice(family.steps), known) + ".")
    return "Exercises: " + " ".join(done) + "\n"


def _prompt(kind: SolverKind) -> Prompt:
    shots = []
    for name in _SHOT_FAMILIES:
        family = _BY_NAME[name]
        rng = random.Random(f"shots {_SHOT_SEED} {name}")
        numbers = draw(family, "train", rng)
        worked = solution(family, numbers) if kind == "cot" else program(family, numbers)
        shots.append((question(family, numbers, rng), worked))
    asked, answered = _FORMATS[kind]
    return Prompt(shots=tuple(shots), question=asked, answer=answered, stops=("\n\n",))


def _tool_prompt() -> Prompt:
    """The same worked examples, each with a program, its output and the answer in words."""
    shots = []
    for name in _SHOT_FAMILIES:
        family = _BY_NAME[name]
        rng = random.Random(f"shots {_SHOT_SEED} {name}")
        numbers = draw(family, "train", rng)
        known = values(family, numbers)
        assert known is not None, "drawn numbers make a problem"
        result = known[family.steps[-1].name]
        code = f"```python\n{program(family, numbers).strip()}\nprint(answer)\n```"
        worked = f"{code}\n```output\n{result}\n```\nThe answer is {result}."
        shots.append((question(family, numbers, rng), worked))
    asked, _ = _FORMATS["cot"]
    return Prompt(shots=tuple(shots), question=asked, answer="\n{answer}\n\n", stops=("\n\n",))


def _task(name: str, description: str, families: Sequence[Family]) -> Task:
    def problems(split: Split, limit: int | None, seed: int, /) -> list[Problem]:
        return generate(families, split, limit or _DEFAULT_COUNT, seed=seed, task=name)

    return Task(
        name=name,
        description=description,
        generate=problems,
        prompts={"cot": _prompt("cot"), "program": _prompt("program"), "tool": _tool_prompt()},
        answer_kind="number",
        source="mathlm.tasks.arithmetic, a seeded generator",
        licence="Apache-2.0",
    )


_DEFAULT_COUNT = 600

ARITHMETIC_SEEN = _task(
    "arithmetic-seen",
    "Word problems of the families in the training text, with other numbers.",
    SEEN,
)
ARITHMETIC_UNSEEN = _task(
    "arithmetic-unseen",
    "Word problems of families that the training text does not have.",
    UNSEEN,
)
