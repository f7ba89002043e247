"""GSM8K: grade-school word problems (Cobbe et al., arXiv 2110.14168), and with programs."""

from __future__ import annotations

from dataclasses import replace

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.dataset import DataFile, DataSet, HubFile, Part
from mathlm.tasks.rows import Row
from mathlm.tasks.task import Task
from mathlm.tasks.word_problems import WORD_PROBLEMS


def _problem(row: Row, number: str) -> Problem:
    solution, mark, answer = row["answer"].rpartition("####")
    if not mark:
        raise ValueError("the answer has no '####' before its number")
    return Problem(
        id=number, task="", prompt=row["question"], answer=answer.strip(), solution=solution.strip()
    )


_DATA = DataSet(
    task="gsm8k",
    splits={
        "test": Part(
            1_319,
            (
                DataFile(
                    "gsm8k/test.jsonl",
                    749_738,
                    "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14",
                ),
            ),
            "a1364bee173190a2",
            (HubFile("openai/gsm8k", "main/test/0000.parquet"),),
        ),
        "train": Part(
            7_473,
            (
                DataFile(
                    "gsm8k/train.jsonl",
                    4_166_206,
                    "17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465",
                ),
            ),
            "d1ebe3d3a83c8573",
            (HubFile("openai/gsm8k", "main/train/0000.parquet"),),
        ),
    },
    problem=_problem,
    columns=("question", "answer"),
)
_SOURCE = "openai/grade-school-math 3101c7d, grade_school_math/data"
_PROGRAMS = {
    **{key: prompt for key, prompt in WORD_PROBLEMS.items() if key.startswith("program")},
    "program.llemma": theirs.LLEMMA_GSM8K_PROGRAM,
    "program.deepseek-math": theirs.DEEPSEEK_GSM8K_PROGRAM,
    "program.pal": theirs.PAL_GSM8K,
    "program.pal-chat": theirs.PAL_CHAT,
    "program.pot": theirs.POT_GSM8K,
    "program.tora": theirs.TORA_GSM8K_PAL,
    "program.mammoth": theirs.MAMMOTH["program.mammoth"],
    "tool.tora": theirs.TORA_GSM8K_TOOL,
}

GSM8K = Task(
    name="gsm8k",
    description="Grade-school word problems of two to eight steps; the answer is a number.",
    data=_DATA,
    prompts={
        **WORD_PROBLEMS,
        "cot.llemma": theirs.LLEMMA_GSM8K,
        "cot.deepseek-math": theirs.DEEPSEEK_GSM8K,
        "cot.tora": theirs.TORA_GSM8K,
        "cot.mammoth": theirs.MAMMOTH["cot.mammoth"],
        **_PROGRAMS,
    },
    answer_kind="number",
    source=_SOURCE,
    licence="MIT",
)
GSM8K_PYTHON = replace(
    GSM8K,
    name="gsm8k-python",
    description="GSM8K solved by programs alone, as in Llemma's GSM8k+Python.",
    data=replace(_DATA, task="gsm8k-python"),
    prompts=_PROGRAMS,
)
