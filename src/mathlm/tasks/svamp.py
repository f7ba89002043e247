"""SVAMP: elementary word problems with varied structure (Patel et al., arXiv 2103.07191)."""

from __future__ import annotations

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.dataset import DataFile, DataSet, HubFile, Part, number_text
from mathlm.tasks.rows import Row
from mathlm.tasks.task import Task
from mathlm.tasks.word_problems import WORD_PROBLEMS

_MISSPELT = {"Common-Divison": "Common-Division"}


def _problem(row: Row, number: str) -> Problem:
    body = row["Body"].strip()
    end = "" if body.endswith((".", "?", "!", ",")) else "."
    kind = str(row.get("Type", ""))
    return Problem(
        id=str(row.get("ID", number)),
        task="",
        prompt=f"{body}{end} {row['Question'].strip()}",
        header=body,
        answer=number_text(row["Answer"]),
        subject=_MISSPELT.get(kind, kind) or None,
    )


SVAMP = Task(
    name="svamp",
    description="Elementary word problems that change the wording of known ones.",
    data=DataSet(
        task="svamp",
        splits={
            "test": Part(
                1_000,
                (
                    DataFile(
                        "svamp/test.jsonl",
                        280_029,
                        "d0826ff1264f3860e46fc4e71db9e31d2d188960db87090e22677f9493e67a0d",
                    ),
                ),
                "08fe5160babe8dcd",
                (
                    HubFile("ChilleD/SVAMP", "default/train/0000.parquet"),
                    HubFile("ChilleD/SVAMP", "default/test/0000.parquet"),
                ),
            ),
        },
        problem=_problem,
        columns=("Body", "Question", "Answer", "Type", "ID"),
    ),
    prompts={**WORD_PROBLEMS, "program.pot": theirs.POT_SVAMP, **theirs.MAMMOTH},
    answer_kind="number",
    source="arkilpatel/SVAMP, as in ZubinGou/math-evaluation-harness db77bc6",
    licence="MIT",
)
