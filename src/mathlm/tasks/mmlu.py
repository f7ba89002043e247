"""MMLU's 18 STEM subjects and its mathematics part (Hendrycks et al., arXiv 2009.03300)."""

from __future__ import annotations

from mathlm.core.records import Problem
from mathlm.tasks import published_prompts as theirs
from mathlm.tasks.choice_prompts import CHOICE
from mathlm.tasks.dataset import DataFile, DataSet, HubFile, Part, letter
from mathlm.tasks.rows import STEM, Row
from mathlm.tasks.task import Task

SUBJECTS = (
    "abstract_algebra",
    "astronomy",
    "college_biology",
    "college_chemistry",
    "college_computer_science",
    "college_mathematics",
    "college_physics",
    "computer_security",
    "conceptual_physics",
    "electrical_engineering",
    "elementary_mathematics",
    "high_school_biology",
    "high_school_chemistry",
    "high_school_computer_science",
    "high_school_mathematics",
    "high_school_physics",
    "high_school_statistics",
    "machine_learning",
)
_MATHEMATICS = (
    "abstract_algebra", "college_mathematics", "elementary_mathematics", "formal_logic",
    "high_school_mathematics",
)  # fmt: skip
_HUB = "cais/mmlu"
_DEV_FILES = (
    DataFile(
        "mmlu_stem/dev/abstract_algebra.csv",
        719,
        "bd8c73f3c75bea9db82d281d9da6949cea687b987dba24a142c638e758046624",
    ),
    DataFile(
        "mmlu_stem/dev/astronomy.csv",
        1_943,
        "bb03eca519a3fbc04017dc4783635763ac928f0811ce6243dbcbf0d526dbe1e3",
    ),
    DataFile(
        "mmlu_stem/dev/college_biology.csv",
        1_403,
        "31f4ae0707ba3f742e0d5546ff970949be8a05e217921fe87b1814d6a0ab8184",
    ),
    DataFile(
        "mmlu_stem/dev/college_chemistry.csv",
        1_200,
        "9ba27ba571b8ad40d35a2a88a60acf434ca5f37962c2eba8f9d0aa89edb4c1c7",
    ),
    DataFile(
        "mmlu_stem/dev/college_computer_science.csv",
        2_638,
        "fc1a43187cd68390d663e0a1849688b13a4cd75ab17616558f4e584a4a8ae2bd",
    ),
    DataFile(
        "mmlu_stem/dev/college_mathematics.csv",
        1_366,
        "27731ee1402e720ee01ad6fa6a969a0d0978a0e9b4c385d328a61869a43f321f",
    ),
    DataFile(
        "mmlu_stem/dev/college_physics.csv",
        1_279,
        "6e043d6c566091c5ad1d8bc1d002900e1aa0bff114f98d5e3f2e4f645efce100",
    ),
    DataFile(
        "mmlu_stem/dev/computer_security.csv",
        974,
        "09e276300dbd2d07906dbe4ff82aabf45b9765f933eb7d0f35ea3ea97dee8020",
    ),
    DataFile(
        "mmlu_stem/dev/conceptual_physics.csv",
        799,
        "5e65be1f6fdd82f4887e3747af790a747191b1b732dd2bea76306388d5ee3719",
    ),
    DataFile(
        "mmlu_stem/dev/electrical_engineering.csv",
        851,
        "5aad11b1d1c8dc1a431c3e79a047cba56d691a60403ddffaf5fbd45e9c82bc0d",
    ),
    DataFile(
        "mmlu_stem/dev/elementary_mathematics.csv",
        1_315,
        "9aca9cd215b7c170020fd5f7db1c9c3d5cbf6df9ee7b970a4810649a87245011",
    ),
    DataFile(
        "mmlu_stem/dev/high_school_biology.csv",
        1_538,
        "6a200085c150794846d4bab43bb0e22ceec9f99576dfc25f5c5d8faa9595ae13",
    ),
    DataFile(
        "mmlu_stem/dev/high_school_chemistry.csv",
        1_091,
        "1ba44aeea98ca22342b6525a3a9ebb62003b2a8289fa42d7c844e2139557ec5b",
    ),
    DataFile(
        "mmlu_stem/dev/high_school_computer_science.csv",
        2_809,
        "5de3800dfbbfaa89050413a765deaf774fdb0611e370951383fb50fac774663e",
    ),
    DataFile(
        "mmlu_stem/dev/high_school_mathematics.csv",
        1_168,
        "d7401d5cbad5ae697bfa480e35d85de8ebf1232589a3c59b010782ee49cbe18c",
    ),
    DataFile(
        "mmlu_stem/dev/high_school_physics.csv",
        1_367,
        "5f008c3a44e7b14d86f6c1cbde28892fd0d97ae424e8af9901d75c4ee03972cc",
    ),
    DataFile(
        "mmlu_stem/dev/high_school_statistics.csv",
        2_422,
        "9441f8da50bfb93158d9b2645909cf1bc5837e8078c0eab923cf0fe761f7754e",
    ),
    DataFile(
        "mmlu_stem/dev/machine_learning.csv",
        2_197,
        "e4b1b09985dbdc499d51a2a2e83d93ae05bfe72ea7407c18e3aa3d2ab9ce7517",
    ),
)


def _problem(row: Row, number: str) -> Problem:
    """A row of the collected files, of the Hub (`choices`, an index) or of the original CSV."""
    if "A" in row:
        choices = [row[key] for key in "ABCD"]
    else:
        choices = row["options"] if "options" in row else row["choices"]
    if len(choices) != 4 or None in choices:
        raise ValueError(f"{len(choices)} choices, not 4")
    return Problem(
        id=str(row.get("id", number)),
        task="",
        prompt=row["question"],
        choices=tuple(map(str, choices)),
        answer=letter(row["answer"]),
        subject=row.get("topic") or row.get("subject") or row[STEM],
    )


def _hub(subjects: tuple[str, ...], split: str) -> tuple[HubFile, ...]:
    return tuple(HubFile(_HUB, f"{subject}/{split}/0000.parquet") for subject in subjects)


MMLU_STEM = Task(
    name="mmlu-stem",
    description="Multiple choice in 18 subjects of mathematics, science and engineering.",
    data=DataSet(
        task="mmlu-stem",
        splits={
            "test": Part(
                3_018,
                (
                    DataFile(
                        "mmlu_stem/test.jsonl",
                        1_098_743,
                        "1c918d1df6de635a0202c989705c34f19b0c4ad858cbdb27135cdfc7fd44f14a",
                    ),
                ),
                "7572c444bed84788",
                _hub(SUBJECTS, "test"),
            ),
            "dev": Part(90, _DEV_FILES, "7078d0991a959814", _hub(SUBJECTS, "dev")),
        },
        problem=_problem,
        columns=("question", "options", "answer", "topic"),
        header=("question", "A", "B", "C", "D", "answer"),
    ),
    prompts={**CHOICE, "cot.llemma": theirs.LLEMMA_MMLU, "cot.minerva": theirs.MINERVA_MMLU},
    answer_kind="choice",
    source="hendrycks/test, as in deepseek-ai/DeepSeek-Math b8b0f8c (test) and"
    " stanford-cs336/assignment5-alignment eb2c562 (dev)",
    licence="MIT",
)
MMLU_MATH = Task(
    name="mmlu-math",
    description="MMLU's five subjects of mathematics and logic, as MAmmoTH evaluates them.",
    data=DataSet(
        task="mmlu-math",
        splits={
            "test": Part(
                974,
                (
                    DataFile(
                        "mmlu_math/test.jsonl",
                        279_778,
                        "1b91f8184a4ef68d06e8588fd06ce142525d64edecff323d0e0436d57d7ae7ad",
                    ),
                ),
                "58f5cc8ba451593d",
                _hub(_MATHEMATICS, "test"),
            ),
        },
        problem=_problem,
        columns=("question", "choices", "answer", "subject"),
    ),
    prompts={**CHOICE, "cot.minerva": theirs.MINERVA_MMLU, **theirs.MAMMOTH_CHOICE},
    answer_kind="choice",
    source="hendrycks/test, as in TIGER-AI-Lab/MAmmoTH2 9c67cb1",
    licence="MIT",
)
