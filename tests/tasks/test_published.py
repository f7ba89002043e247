"""Published figures: the reference's tables, cell by cell where they matter, and how one asks."""

from __future__ import annotations

import pytest

from mathlm.tasks.published import FIGURES, published


def of(model: str, task: str, metric: str) -> float:
    (value,) = (f.value for f in published(task, metric) if f.model == model)
    return value


@pytest.mark.parametrize(
    ("model", "task", "metric", "value"),
    [
        ("Llemma 7B", "math", "accuracy", 18.0),
        ("Llemma 34B", "sat", "accuracy", 71.9),
        ("Code Llama 7B", "sat", "accuracy", 9.4),
        ("Minerva 540B", "math", "maj@256", 50.3),
        ("Llemma 34B", "mmlu-stem", "maj@16", 59.7),
        ("Llemma 7B", "gsm8k-python", "accuracy", 40.1),
        ("MAmmoTH-Coder-7B", "deepmind+python", "accuracy", 53.9),
        ("MAmmoTH-Coder-7B", "deepmind", "accuracy", 8.2),
        ("MAmmoTH-Coder-7B", "deepmind+hybrid", "accuracy", 55.4),
        ("MAmmoTH-70B", "mmlu-math+hybrid", "accuracy", 56.7),
    ],
)
def test_a_cell_of_a_table(model: str, task: str, metric: str, value: float) -> None:
    assert of(model, task, metric) == value


def test_cells_without_a_figure_are_left_out() -> None:
    assert not [f for f in published("sat", "accuracy") if f.model.startswith("Minerva")]
    assert published("sat", "maj@32") == []
    assert len(FIGURES) == 37 + 22 + 8 + 56 + 27


def test_programs_of_a_report_find_the_tool_task() -> None:
    assert published("gsm8k+python", "accuracy") == published("gsm8k-python", "accuracy")
    assert published("math-python+python [sampled]", "accuracy")[0].value == 17.2


def test_recalled_figures_say_so() -> None:
    theirs = [f for f in published("math-python", "accuracy") if "lemma" in f.model.lower()]
    assert {f.mark for f in theirs} == {"unverified"}
    assert {f.mark for f in published("ocw", "accuracy")} == {"reported"}
