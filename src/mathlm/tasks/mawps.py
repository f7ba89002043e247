"""MAWPS's parts SingleOp, SingleEq, AddSub and MultiArith (Koncel-Kedziorski et al., 2016)."""

from __future__ import annotations

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.dataset import DataFile, DataSet, Part, number_text
from mathlm.tasks.rows import Row
from mathlm.tasks.task import Task
from mathlm.tasks.word_problems import WORD_PROBLEMS


def _problem(row: Row, number: str) -> Problem:
    return Problem(id=number, task="", prompt=row["input"], answer=number_text(row["target"]))


def _part(name: str, description: str, part: Part) -> Task:
    task = f"mawps-{name}"
    return Task(
        name=task,
        description=description,
        data=DataSet(task, {"test": part}, problem=_problem, columns=("input", "target")),
        prompts={**WORD_PROBLEMS, **theirs.MAMMOTH},
        answer_kind="number",
        source=f"MAWPS, as in ZubinGou/math-evaluation-harness db77bc6 (data/mawps/{name})",
        licence="MIT",
    )


SINGLEOP = _part(
    "singleop",
    "Word problems of one operation.",
    Part(
        562,
        (
            DataFile(
                "mawps/singleop.jsonl",
                75_278,
                "feb012e7ed5503cdb96fd127d539692b033000e9134655acaf4f4e0091328e94",
            ),
        ),
        "4b500cd5f588e754",
    ),
)
SINGLEEQ = _part(
    "singleeq",
    "Word problems of one equation.",
    Part(
        508,
        (
            DataFile(
                "mawps/singleeq.jsonl",
                86_536,
                "07bec92bae226dd5231a966e907a0f097ba3170a1557c73ceeb135caad8d09f8",
            ),
        ),
        "503b7d76babbc345",
    ),
)
ADDSUB = _part(
    "addsub",
    "Word problems of additions and subtractions.",
    Part(
        395,
        (
            DataFile(
                "mawps/addsub.jsonl",
                70_911,
                "2fae2c92530cdf1ac0487db9a90e68d6af84049d755c07c4486411c1d7f43e75",
            ),
        ),
        "51e80fa3995394f9",
    ),
)
MULTIARITH = _part(
    "multiarith",
    "Word problems of several operations.",
    Part(
        600,
        (
            DataFile(
                "mawps/multiarith.jsonl",
                109_522,
                "12e8295088364af21fb6591dbdbd1dda452aade57227f63d725677471ded2951",
            ),
        ),
        "b616278a389b380d",
    ),
)
