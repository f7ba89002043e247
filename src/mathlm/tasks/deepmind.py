"""DeepMind Mathematics: 1,000 generated problems (Saxton et al., arXiv 1904.01557)."""

from __future__ import annotations

import re

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.competition_prompts import COMPETITION
from mathlm.tasks.dataset import DataFile, DataSet, Part, number_text
from mathlm.tasks.rows import Row
from mathlm.tasks.task import Task

_LIST = re.compile(r"\[([^\[\]]*)\]")


def _problem(row: Row, number: str) -> Problem:
    """A list of roots is written without its brackets: `[3, 5]` is `3, 5`."""
    answer = str(row["answer"]).strip()
    values = _LIST.fullmatch(answer)
    return Problem(
        id=number,
        task="",
        prompt=row["question"],
        answer=values[1] if values else number_text(answer),
    )


DEEPMIND = Task(
    name="deepmind",
    description="Generated school mathematics: arithmetic, algebra, numbers, calculus, measures.",
    data=DataSet(
        task="deepmind",
        splits={
            "test": Part(
                1_000,
                (
                    DataFile(
                        "deepmind_mathematics/test.jsonl",
                        98_368,
                        "9a6b7283ea47c50bfe3892ea8d1a0e8c450bd345128a5f3970649bd0ce1fe3ff",
                    ),
                ),
                "410ac86f1d371947",
            )
        },
        problem=_problem,
        columns=("question", "answer"),
    ),
    prompts={**COMPETITION, **theirs.MAMMOTH},
    answer_kind="expression",
    source="google-deepmind/mathematics_dataset, as in TIGER-AI-Lab/MAmmoTH2 9c67cb1",
    licence="MIT",
)
