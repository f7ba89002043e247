"""MATH (Hendrycks et al., arXiv 2103.03874), its 500-problem subset, and MATH with programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.competition_prompts import COMPETITION
from mathlm.tasks.dataset import DataFile, DataSet, HubFile, Part, Rows
from mathlm.tasks.rows import Row
from mathlm.tasks.task import Task

_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_LEVEL = re.compile(r"(?:Level )?([1-5])(?:\.0)?")
_SUBJECTS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)


def last_box(solution: str) -> str:
    r"""What the last box of a solution holds: `\boxed{...}`, or what follows `\boxed ` up to `$`.

    Raises ValueError where there is none.
    """
    places = list(_BOX.finditer(solution))
    if not places:
        raise ValueError("the solution has no \\boxed answer")
    rest = solution[places[-1].end() :]
    if not rest.startswith("{"):
        return rest.split("$")[0].strip()
    depth = 0
    for place, character in enumerate(rest):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return rest[1:place].strip()
    raise ValueError("the box of the solution is not closed")


def _problem(row: Row, number: str) -> Problem:
    level = _LEVEL.fullmatch(str(row.get("level", row.get("difficulty", ""))))
    solution = row.get("solution")
    answer = row["answer"] if "answer" in row else last_box(row["solution"])
    return Problem(
        id=str(row.get("unique_id", row.get("idx", number))),
        task="",
        prompt=row["problem"],
        answer=str(answer),
        solution=solution,
        level=level[1] if level else None,
        subject=row.get("subject") or row.get("type"),
    )


def _answered(files: Sequence[Rows]) -> Rows:
    """The rows that have an answer: some of the training file have none."""
    return [row for file in files for row in file if "answer" not in row or row["answer"]]


_DATA = DataSet(
    task="math",
    splits={
        "test": Part(
            5_000,
            (
                DataFile(
                    "math/test.jsonl",
                    4_101_364,
                    "3371949f33dd702d04b43fddd7d53a028de0aaca0e76abb1b875a050297b3aa4",
                ),
            ),
            "a731b90f804cfc5c",
            tuple(
                HubFile("EleutherAI/hendrycks_math", f"{subject}/test/0000.parquet")
                for subject in _SUBJECTS
            ),
        ),
        "train": Part(
            7_470,
            (
                DataFile(
                    "math/train_answers.jsonl",
                    2_213_998,
                    "5eafb308ae6dfafc07d62c0cba8d0e7118d31c301f77ac594a7d809d7c177544",
                ),
            ),
            "6f9bc38026c5468f",
        ),
    },
    problem=_problem,
    columns=("problem", "solution", "level", "type"),
    join=_answered,
)
_DATA_500 = DataSet(
    task="math500",
    splits={
        "test": Part(
            500,
            (
                DataFile(
                    "math/math500.jsonl",
                    446_564,
                    "35dc41080a3680858b27fa7e0533d2d547825316fc5dafe5d316f4ccc5a06132",
                ),
            ),
            "8e6d62dfb62ad12e",
            (HubFile("HuggingFaceH4/MATH-500", "test.jsonl", "main"),),
        ),
    },
    problem=_problem,
    columns=("problem", "answer", "solution", "level", "subject"),
)
_PROGRAMS = {
    **{key: prompt for key, prompt in COMPETITION.items() if key.startswith("program")},
    "program.llemma": theirs.LLEMMA_MATH_PROGRAM,
    "program.tora": theirs.TORA_MATH_PAL,
    "program.mammoth": theirs.MAMMOTH["program.mammoth"],
    "tool.tora": theirs.TORA_MATH_TOOL,
}

MATH = Task(
    name="math",
    description="Competition mathematics of seven subjects and five levels; answers in LaTeX.",
    data=_DATA,
    prompts={
        **COMPETITION,
        "cot.llemma": theirs.LLEMMA_MATH,
        "cot.minerva": theirs.MINERVA_MATH,
        "cot.tora": theirs.TORA_MATH,
        "cot.mammoth": theirs.MAMMOTH["cot.mammoth"],
        **_PROGRAMS,
    },
    answer_kind="expression",
    source="hendrycks/math, as in ZubinGou/math-evaluation-harness db77bc6 (data/math); training"
    " answers without solutions (7,470 of 7,500) from agentica-project/deepscaler 95ef74f",
    licence="MIT",
)
MATH_500 = replace(
    MATH,
    name="math500",
    description="500 problems of the MATH test set, chosen for PRM800K.",
    data=_DATA_500,
    source="ZubinGou/math-evaluation-harness db77bc6, data/math_oai (PRM800K's test split)",
)
MATH_PYTHON = replace(
    MATH,
    name="math-python",
    description="MATH solved by programs alone, as in Llemma's MATH+Python.",
    data=replace(_DATA, task="math-python"),
    prompts=_PROGRAMS,
)
