"""OCWCourses: problems of MIT's open courses (Lewkowycz et al., Minerva, arXiv 2206.14858)."""

from __future__ import annotations

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.dataset import DataFile, DataSet, HubFile, Part
from mathlm.tasks.rows import Row
from mathlm.tasks.science_prompts import SCIENCE
from mathlm.tasks.task import Task


def _problem(row: Row, number: str) -> Problem:
    return Problem(
        id=str(row.get("id", number)),
        task="",
        prompt=row["problem"],
        answer=row["answer"],
        solution=row["solution"],
    )


OCW = Task(
    name="ocw",
    description="University physics, chemistry, engineering and economics; numbers and formulas.",
    data=DataSet(
        task="ocw",
        splits={
            "test": Part(
                272,
                (
                    DataFile(
                        "ocw/test.jsonl",
                        242_381,
                        "095ba49696fcd401474a5014e2fae5e6b0b8ec1939d8dded0343fcbdb0bf1a9b",
                    ),
                ),
                "671f7d7d2f7e28ea",
                (HubFile("open-web-math/ocwcourses", "default/test/0000.parquet"),),
            ),
        },
        problem=_problem,
        columns=("problem", "solution", "answer"),
    ),
    prompts={
        **SCIENCE,
        "cot.llemma": theirs.LLEMMA_OCW,
        "cot.minerva": theirs.MINERVA_OCW,
    },
    answer_kind="expression",
    source="open-web-math/ocwcourses, as in deepseek-ai/DeepSeek-Math b8b0f8c",
    licence="MIT",
)
