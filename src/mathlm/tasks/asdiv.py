"""ASDiv: diverse elementary word problems (Miao et al., ACL 2020), and its arithmetic part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.dataset import DataFile, DataSet, Part, Rows
from mathlm.tasks.rows import Row
from mathlm.tasks.task import Task
from mathlm.tasks.word_problems import WORD_PROBLEMS

_UNIT = re.compile(r"(?<=[\w.%])\s*\([^()]*\)")
_FILE = DataFile(
    "asdiv/test.jsonl", 613_636, "5759580385e706f961a30d4c07d6925b35c3f7c86d6c50bc413957169693dad2"
)
_MISSPELT = {"Substraction": "Subtraction"}


def _problem(row: Row, number: str) -> Problem:
    """The unit in brackets after a number (`9 (apples)`) is not part of the answer."""
    kind = str(row.get("solution_type", ""))
    return Problem(
        id=str(row.get("idx", number)),
        task="",
        prompt=f"{row['body'].strip()} {row['question'].strip()}".strip(),
        header=row["body"].strip(),
        answer=_UNIT.sub("", row["answer"].strip()),
        solution=row.get("formula"),
        subject=_MISSPELT.get(kind, kind) or None,
    )


def _arithmetic(files: Sequence[Rows]) -> Rows:
    """The problems that the second file names by `idx`; all of a single file."""
    if len(files) == 1:
        return files[0]
    named = {row["idx"] for row in files[1]}
    return [row for row in files[0] if row["idx"] in named]


_DATA = DataSet(
    task="asdiv",
    splits={"test": Part(2_215, (_FILE,), "05abc29ed86de315")},
    problem=_problem,
    columns=("body", "question", "answer", "solution_type"),
)
ASDIV = Task(
    name="asdiv",
    description="Elementary word problems of many kinds; a few answers are words or ratios.",
    data=_DATA,
    prompts={**WORD_PROBLEMS, **theirs.MAMMOTH},
    answer_kind="number",
    source="chaochun/nlu-asdiv-dataset, as in ZubinGou/math-evaluation-harness db77bc6",
    licence="CC BY-NC 4.0",
)
ASDIV_A = replace(
    ASDIV,
    name="asdiv-a",
    description="ASDiv's problems that one arithmetic expression solves.",
    data=replace(
        _DATA,
        task="asdiv-a",
        splits={
            "test": Part(
                1_218,
                (
                    _FILE,
                    DataFile(
                        "asdiv/asdiv_a.jsonl",
                        54_065,
                        "b2bcef13c466e2abb8de5608feae75a3051a21d807dd967543fd434a46fa6122",
                    ),
                ),
                "fc3ac62fb9eb526a",
            ),
        },
        join=_arithmetic,
    ),
)
