from pathlib import Path

import pytest

from mathlm.reporting import scores
from mathlm.reporting.inputs import Evaluation, Inputs, ProblemInfo
from mathlm.reporting.measures import interval_of, majority_curve, measure
from mathlm.reporting.verdicts import Mark


def marks(*statuses):
    classes = {"correct": 0, "incorrect": 1}
    return [Mark(i, status, classes.get(status)) for i, status in enumerate(statuses)]


def evaluation(solvers, verdicts, model="m"):
    problems = {("t", name): ProblemInfo("s", f"L{name}") for name in ("a", "b", "c")}
    return Evaluation(
        model=model,
        solvers=solvers,
        by_policy={"default": {solver: {"t": found} for solver, found in verdicts.items()}},
        problems=problems,
        solve=Path(),
        grade=Path(),
        policy="default",
    )


ONE = {"a": marks("correct"), "b": marks("incorrect"), "c": marks("no_answer")}
FOUR = {
    "a": marks("correct", "correct", "incorrect", "no_answer"),
    "b": marks("incorrect", "incorrect", "incorrect", "correct"),
    "c": marks("no_answer", "no_answer", "no_answer", "no_answer"),
}


def labels(found):
    return [(item.task, item.metric) for item in found]


def test_a_single_sample_gives_accuracy_and_several_give_the_vote():
    solvers = {"vote": {"kind": "cot", "samples": 4}, "greedy": {"kind": "cot", "samples": 1}}
    found = list(scores.scored(evaluation(solvers, {"vote": FOUR, "greedy": ONE})))
    assert labels(found) == [("t", "accuracy"), ("t", "maj@4")]
    assert found[0].values == {"a": 1.0, "b": 0.0, "c": 0.0}
    assert found[1].values == {"a": 1.0, "b": 0.0, "c": 0.0}


def test_without_a_single_sample_the_mean_over_samples_counts():
    found = list(scores.scored(evaluation({"vote": {"kind": "cot", "samples": 4}}, {"vote": FOUR})))
    assert labels(found) == [("t", "accuracy"), ("t", "maj@4")]
    assert found[0].values == {"a": 0.5, "b": 0.25, "c": 0.0}


def test_programs_and_further_solvers_have_names_of_their_own():
    solvers = {
        "one": {"kind": "cot", "samples": 1},
        "two": {"kind": "cot", "samples": 1},
        "code": {"kind": "program", "samples": 1},
    }
    found = list(scores.scored(evaluation(solvers, dict.fromkeys(solvers, ONE))))
    assert labels(found) == [
        ("t", "accuracy"),
        ("t [two]", "accuracy"),
        ("t+python", "accuracy"),
    ]


def test_unstated_samples_are_counted():
    assert scores.samples_of(evaluation({}, {"vote": FOUR}), "vote") == 4


def test_the_majority_curve_starts_at_the_mean():
    assert majority_curve(FOUR["a"])[0] == pytest.approx(0.5)
    assert majority_curve(FOUR["c"]).tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("metric", "value"),
    [("accuracy", 0.5), ("maj@1", 0.5), ("maj@4", 1.0), ("pass@1", 0.5), ("pass@3", 1.0)],
)
def test_measures_of_one_problem(metric, value):
    assert measure(FOUR["a"], metric) == pytest.approx(value)


@pytest.mark.parametrize(
    ("values", "value", "low", "high"),
    [
        ([1.0, 0.0], 0.5, 0.0945, 0.9055),
        ([0.0] * 20, 0.0, 0.0, 0.1611),
        ([0.25, 0.75], 0.5, 0.25, 0.75),
        ([0.5] * 20, 0.5, 0.2993, 0.7007),
    ],
)
def test_intervals(values, value, low, high):
    interval = interval_of(values, 0.95)
    found = (interval.value, interval.low, interval.high)
    assert found == pytest.approx((value, low, high), abs=1e-3)


def test_only_problems_that_both_did_are_compared():
    first = evaluation({}, {"s": ONE}, "first")
    second = evaluation({}, {"s": {"a": marks("incorrect"), "b": marks("correct")}}, "second")
    inputs = Inputs(evaluations=[first, second])
    found = [item for e in inputs.evaluations for item in scores.scored(e)]
    (row,) = scores.comparisons(inputs, found, baseline="first", confidence=0.95)
    assert (row["n"], row["difference"], row["p_value"]) == (2, 0.0, 1.0)


def test_statuses_add_up():
    inputs = Inputs(evaluations=[evaluation({}, {"vote": FOUR})])
    (row,) = scores.statuses(inputs)
    assert row["n"] == 12
    assert (row["correct"], row["incorrect"], row["no_answer"]) == (3, 4, 5)


def test_several_tasks_are_a_family():
    first, second = ({"t": {f"p{i}": marks(s) for i in range(9)}} for s in ("incorrect", "correct"))
    other = {"u": first["t"]}
    pair = [
        Evaluation(name, {}, {"default": {"s": {**found, **other}}}, {}, Path(), Path(), "default")
        for name, found in (("first", first), ("second", second))
    ]
    inputs = Inputs(evaluations=pair)
    found = [item for e in pair for item in scores.scored(e)]
    rows = scores.comparisons(inputs, found, baseline="first", confidence=0.95)
    by_task = {row["task"]: row for row in rows}
    assert by_task["t"]["p_holm"] == pytest.approx(2 * by_task["t"]["p_value"])
    assert by_task["u"]["p_holm"] == 1.0


def test_curves_have_intervals_and_end_at_the_fewest_samples():
    inputs = Inputs(evaluations=[evaluation({}, {"vote": {**FOUR, "d": marks(*["correct"] * 3)}})])
    (row,) = scores.passing_curves(inputs, 0.95)
    assert len(row["values"]) == 3
    assert [point["k"] for point in row["points"]] == [1, 2, 3]
    assert all(p["low"] <= p["value"] <= p["high"] for p in row["points"])
    (votes,) = scores.majority_curves(inputs, 0.95)
    assert votes["values"][0] == pytest.approx(row["values"][0])


def test_groups_and_published_figures():
    solved = evaluation({}, {"s": ONE})
    inputs = Inputs(evaluations=[solved])
    found = list(scores.scored(solved))
    levels = scores.by_group(inputs, found, "level", 0.95)
    assert [(row["level"], row["value"]) for row in levels] == [("La", 1), ("Lb", 0), ("Lc", 0)]
    rows = scores.published_figures([{"task": "gsm8k", "metric": "maj@100"}])
    values = {row["model"]: row["value"] for row in rows}
    assert values["Llemma 7B"] == pytest.approx(0.54)
    assert scores.published_figures([{"task": "t", "metric": "accuracy"}]) == []
