"""AIME and AMC contests: problems with whole numbers as answers, from a file of the user's.

Few problems, so samples are many (avg@k). No checksum is known here: a file with the columns is
taken as it is and reported as unchecked; the number of problems must be the contest's.
"""

from __future__ import annotations

from mathlm.core.records import Problem
from mathlm.tasks.competition_prompts import COMPETITION
from mathlm.tasks.dataset import DataSet, HubFile, Part, number_text
from mathlm.tasks.rows import Row
from mathlm.tasks.task import Task


def _problem(row: Row, number: str) -> Problem:
    answer = number_text(row["answer"])
    if not answer.lstrip("-").isdecimal():
        raise ValueError(f"the answer {answer[:40]!r} is not a whole number")
    return Problem(
        id=str(row.get("id", number)),
        task="",
        prompt=row["problem"] if "problem" in row else row["question"],
        answer=answer.lstrip("0") or "0",
        solution=row.get("solution"),
    )


def _contest(name: str, description: str, hub: HubFile | None, rows: int = 0) -> Task:
    part = Part(rows, hub=(hub,) if hub else ())
    return Task(
        name=name,
        description=description,
        data=DataSet(name, {"test": part}, problem=_problem, columns=("problem", "answer")),
        prompts=COMPETITION,
        answer_kind="number",
        source=f"{hub.repository} on the Hub" if hub else "the user's file",
        licence="not stated" if hub else "the user's",
    )


AIME_24 = _contest(
    "aime24",
    "The 30 problems of AIME I and II of 2024; answers from 0 to 999.",
    HubFile("HuggingFaceH4/aime_2024", "default/train/0000.parquet"),
    30,
)
AIME_25 = _contest(
    "aime25",
    "The 30 problems of AIME I and II of 2025; answers from 0 to 999.",
    HubFile("math-ai/aime25", "default/test/0000.parquet"),
    30,
)
AMC_23 = _contest(
    "amc23",
    "40 problems of AMC 12 of 2023 whose answers were made whole numbers.",
    HubFile("math-ai/amc23", "default/test/0000.parquet"),
    40,
)
CONTEST = _contest("contest", "Any file of problems with whole numbers as answers.", None)
