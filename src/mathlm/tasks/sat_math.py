"""SAT-Math of AGIEval (Zhong et al., arXiv 2304.06364): 220 problems with four choices."""

from __future__ import annotations

import re

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.choice_prompts import CHOICE
from mathlm.tasks.dataset import DataFile, DataSet, Part, letter
from mathlm.tasks.rows import Row
from mathlm.tasks.task import Task

_LETTER = re.compile(r"\(?[A-E]\)\s*")


def _problem(row: Row, number: str) -> Problem:
    passage = (row["passage"] or "").strip()
    return Problem(
        id=number,
        task="",
        prompt=f"{passage}\n{row['question']}" if passage else row["question"],
        header=passage or None,
        choices=tuple(_LETTER.sub("", option, count=1).strip() for option in row["options"]),
        answer=letter(row["label"]),
        solution=(row.get("other") or {}).get("solution"),
    )


SAT_MATH = Task(
    name="sat-math",
    description="SAT mathematics with four choices, collected from many years.",
    data=DataSet(
        task="sat-math",
        splits={
            "test": Part(
                220,
                (
                    DataFile(
                        "sat_math/test.jsonl",
                        280_509,
                        "9cde4c0522b6196852a5562db6e72bf8817b4802822db0fc10013d1becdab3c3",
                    ),
                ),
                "03fbe2cd7ee7a823",
            )
        },
        problem=_problem,
        columns=("passage", "question", "options", "label"),
    ),
    prompts={**CHOICE, "cot.minerva": theirs.MINERVA_SAT, **theirs.MAMMOTH_CHOICE},
    answer_kind="choice",
    source="ruixiangcui/AGIEval 5c77d07, data/v1/sat-math.jsonl",
    licence="MIT",
)
