"""GSM-Hard: GSM8K with large numbers (Gao et al., PAL, arXiv 2211.10435).

Replacing numbers left negative and fractional answers where counts are asked; they are kept.
"""

from __future__ import annotations

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.dataset import DataFile, DataSet, HubFile, Part, number_text
from mathlm.tasks.rows import Row
from mathlm.tasks.task import Task
from mathlm.tasks.word_problems import WORD_PROBLEMS


def _problem(row: Row, number: str) -> Problem:
    return Problem(
        id=str(row.get("idx", number)),
        task="",
        prompt=row["input"],
        answer=number_text(row["target"]),
        solution=row.get("code"),
    )


GSM_HARD = Task(
    name="gsm-hard",
    description="GSM8K with one number of each problem made large.",
    data=DataSet(
        task="gsm-hard",
        splits={
            "test": Part(
                1_319,
                (
                    DataFile(
                        "gsm_hard/test.jsonl",
                        1_151_550,
                        "45db606263a4902580aba3974e8b7fb3f66012877889209af206b1c1b2f208f5",
                    ),
                ),
                "fb410924a89cd3be",
                (HubFile("reasoning-machines/gsm-hard", "default/train/0000.parquet"),),
            ),
        },
        problem=_problem,
        columns=("input", "target"),
    ),
    prompts={
        **WORD_PROBLEMS,
        "cot.llemma": theirs.LLEMMA_GSM8K,
        "cot.tora": theirs.TORA_GSM8K,
        "program.pal": theirs.PAL_GSM8K,
        "program.tora": theirs.TORA_GSM8K_PAL,
        **theirs.MAMMOTH,
        "tool.tora": theirs.TORA_GSM8K_TOOL,
    },
    answer_kind="number",
    source="reasoning-machines/gsm-hard, as in ZubinGou/math-evaluation-harness db77bc6",
    licence="MIT",
)
