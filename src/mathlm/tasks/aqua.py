"""AQuA-RAT: algebra with five choices and rationales (Ling et al., arXiv 1705.04146)."""

from __future__ import annotations

import re

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.choice_prompts import CHOICE
from mathlm.tasks.dataset import DataFile, DataSet, HubFile, Part, letter
from mathlm.tasks.rows import Row
from mathlm.tasks.task import Task

_LETTER = re.compile(r"\(?[A-E]\)\s*")


def _problem(row: Row, number: str) -> Problem:
    options = list(row["options"])
    if len(options) != 5:
        raise ValueError(f"{len(options)} choices, not 5")
    return Problem(
        id=number,
        task="",
        prompt=row["question"],
        header=str(options),
        choices=tuple(_LETTER.sub("", option, count=1).strip() for option in options),
        answer=letter(row["correct"]),
        solution=row.get("rationale"),
    )


AQUA = Task(
    name="aqua",
    description="Algebraic word problems with five choices.",
    data=DataSet(
        task="aqua",
        splits={
            "test": Part(
                254,
                (
                    DataFile(
                        "aqua/test.jsonl",
                        130_192,
                        "de41581881ef95c5588c44ddc701c77fd480839241dd422a0d181262af24520c",
                    ),
                ),
                "2b6405a1f735e786",
                (HubFile("deepmind/aqua_rat", "raw/test/0000.parquet"),),
            ),
            "dev": Part(
                254,
                (
                    DataFile(
                        "aqua/dev.jsonl",
                        132_008,
                        "4a52301d8a49ae0b286f8e697f9c5da1b109b247b825b47b4c6de34312dceec5",
                    ),
                ),
                "952a340d186ef75f",
                (HubFile("deepmind/aqua_rat", "raw/validation/0000.parquet"),),
            ),
        },
        problem=_problem,
        columns=("question", "options", "correct", "rationale"),
    ),
    prompts={**CHOICE, "program.pot": theirs.POT_AQUA, **theirs.MAMMOTH_CHOICE},
    answer_kind="choice",
    source="google-deepmind/AQuA 26b64ed",
    licence="Apache-2.0",
)
