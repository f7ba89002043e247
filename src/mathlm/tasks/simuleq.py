"""SimulEq: word problems of simultaneous equations (Kushman et al., ACL 2014; MAmmoTH's set)."""

from __future__ import annotations

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.dataset import DataFile, DataSet, Part, number_text
from mathlm.tasks.rows import Row
from mathlm.tasks.task import Task
from mathlm.tasks.word_problems import WORD_PROBLEMS


def _problem(row: Row, number: str) -> Problem:
    """Where a question asks for several values the set has the first one alone."""
    return Problem(id=number, task="", prompt=row["question"], answer=number_text(row["answer"]))


SIMULEQ = Task(
    name="simuleq",
    description="Word problems of simultaneous equations; of several values asked, the first.",
    data=DataSet(
        task="simuleq",
        splits={
            "test": Part(
                514,
                (
                    DataFile(
                        "simuleq/test.jsonl",
                        118_732,
                        "44285ebaaa68dd56875713f3596d63ae6197536b3cba2a6565ed0bad91c56435",
                    ),
                ),
                "58e214b48393c794",
            )
        },
        problem=_problem,
        columns=("question", "answer"),
    ),
    prompts={**WORD_PROBLEMS, **theirs.MAMMOTH},
    answer_kind="number",
    source="TIGER-AI-Lab/MAmmoTH2 9c67cb1, math_eval/dataset/simuleq",
    licence="MIT",
)
