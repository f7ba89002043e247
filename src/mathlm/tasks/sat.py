"""SAT (32): the mathematics of the SAT of May 2023, which Llemma reports (arXiv 2310.10631)."""

from __future__ import annotations

import re

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.choice_prompts import CHOICE
from mathlm.tasks.dataset import DataFile, DataSet, HubFile, Part, letter
from mathlm.tasks.rows import Row
from mathlm.tasks.task import Task

_MARK = re.compile(r"(?:^|(?<=\s))([A-D])[).]\s")


def _choices(options: str) -> tuple[str, ...]:
    """The four choices of `A) … B) … C) … D) …` (or `A. … B. …`)."""
    marks = list(_MARK.finditer(options))
    if [mark[1] for mark in marks] != list("ABCD"):
        raise ValueError(f"not the choices A to D: {options[:60]}")
    ends = [mark.start() for mark in marks[1:]] + [len(options)]
    return tuple(options[m.end() : end].strip() for m, end in zip(marks, ends, strict=True))


def _problem(row: Row, number: str) -> Problem:
    options = row["options"] if "options" in row else row["Possible Answers"]
    return Problem(
        id=str(row.get("id", number)),
        task="",
        prompt=row["question"] if "question" in row else row["Question"],
        header=options,
        choices=_choices(options),
        answer=letter(row["Answer"]),
    )


SAT = Task(
    name="sat",
    description="32 multiple-choice problems of one SAT; one item is 3.1 points.",
    data=DataSet(
        task="sat",
        splits={
            "test": Part(
                32,
                (
                    DataFile(
                        "sat/test.jsonl",
                        14_128,
                        "96720a1dc496ea72f80db55250290cf9c48e95b657ac2183b7deb1dc4627351f",
                    ),
                ),
                "845d66c9083fec7f",
                (
                    HubFile(
                        "mcaleste/sat_multiple_choice_math_may_23", "default/train/0000.parquet"
                    ),
                ),
            ),
        },
        problem=_problem,
        columns=("question", "options", "Answer"),
    ),
    prompts={**CHOICE, "cot.llemma": theirs.LLEMMA_SAT, "cot.minerva": theirs.MINERVA_SAT},
    answer_kind="choice",
    source="mcaleste/sat_multiple_choice_math_may_23, as in deepseek-ai/DeepSeek-Math b8b0f8c",
    licence="MIT",
)
