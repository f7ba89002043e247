"""NumGLUE's open-ended part: numbers in science, commonsense and text (Mishra et al., 2022)."""

from __future__ import annotations

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.dataset import DataFile, DataSet, Part, number_text
from mathlm.tasks.rows import Row
from mathlm.tasks.task import Task
from mathlm.tasks.word_problems import WORD_PROBLEMS


def _problem(row: Row, number: str) -> Problem:
    """Problems of type 3 have their choices in the question; their answer is a letter."""
    return Problem(
        id=number,
        task="",
        prompt=row["question"],
        answer=number_text(row["answer"]),
        subject=row.get("type"),
    )


NUMGLUE = Task(
    name="numglue",
    description="Arithmetic with commonsense, chemistry, units and gaps to fill.",
    data=DataSet(
        task="numglue",
        splits={
            "test": Part(
                1_042,
                (
                    DataFile(
                        "numglue/test.jsonl",
                        199_650,
                        "b7732bd0a55d3a05447f9ae601d1b2841048a921056bd0b7688bbded4c4cf26f",
                    ),
                ),
                "d0f38d3dc686815f",
            )
        },
        problem=_problem,
        columns=("question", "answer", "type"),
    ),
    prompts={**WORD_PROBLEMS, **theirs.MAMMOTH},
    answer_kind="number",
    source="allenai/numglue, as in TIGER-AI-Lab/MAmmoTH2 9c67cb1",
    licence="MIT",
)
