"""The grade stage on a small solve stage: statuses, classes, bytes that do not depend on kills."""

import pytest

from mathlm.core.errors import UserError
from mathlm.core.records import Completion, CompletionSegment, Problem, TypedValue, Verdict
from mathlm.core.stage import StageContext, StageInput
from mathlm.core.storage import read_json, read_jsonl, write_json, write_jsonl
from mathlm.grading.config import GradeConfig
from mathlm.grading.stage import run


def _completion(problem, sample, *segments, solver="greedy", task="sums"):
    return Completion(
        problem_id=problem, task=task, solver=solver, sample_index=sample,
        segments=segments, finish_reason="stop",
    )  # fmt: skip


def _said(text):
    return CompletionSegment(source="model", text=text)


def _ran(stdout="", status="ok", **variables):
    values = {name: TypedValue(type=kind, value=value) for name, (kind, value) in variables.items()}
    return CompletionSegment(source="tool", text=stdout, status=status, variables=values)


COMPLETIONS = [
    _completion("p0", 0, _said("2 + 2 = 4. The answer is 4.")),
    _completion("p0", 1, _said("The answer is 5.")),
    _completion("p0", 2, _said("The answer is 8/2.")),
    _completion("p0", 3, _said("It is 5.0, the answer is $5.0$.")),
    _completion("p0", 4, _said("I do not know how to go on with this one, sorry.")),
    _completion("p0", 0, _said("code"), _ran(answer=("int", "4")), solver="tool"),
    _completion("p0", 1, _said("code"), _ran("intermediate 3\n4.0\n"), solver="tool"),
    _completion("p0", 2, _said("code"), _ran(status="timeout"), solver="tool"),
    _completion("p0", 3, _said("code"), _ran(status="error"), solver="tool"),
    _completion("p0", 4, _said("code"), _ran(), solver="tool"),
    _completion("p0", 5, _said("code"), _ran(answer=("Rational", "Rational(8, 2)")), solver="tool"),
    _completion("p1", 0, _said("\\boxed{\\frac{1}{2}} \ud800".encode("utf-8", "replace").decode())),
]
EXPECTED = [
    ("correct", 0), ("incorrect", 1), ("correct", 0), ("incorrect", 1), ("no_answer", None),
    ("correct", 0), ("correct", 0), ("timeout", None), ("error", None), ("no_answer", None),
    ("correct", 0), ("correct", 0),
]  # fmt: skip


@pytest.fixture
def context(tmp_path):
    solve = tmp_path / "solve"
    write_jsonl(
        solve / "problems.jsonl",
        [
            Problem(id="p0", task="sums", prompt="2+2?", answer="4"),
            Problem(id="p1", task="sums", prompt="half of 1?", answer="0.5"),
        ],
    )
    write_jsonl(solve / "completions.jsonl", COMPLETIONS)
    write_json(solve / "meta.json", {"model": "tiny", "solvers": {"greedy": {}}, "sandbox": "x"})
    inputs = {"completions": (StageInput("solve", "solve", solve),)}
    return StageContext("grade", tmp_path / "grade", inputs)


def test_statuses_and_classes(context):
    run(context, GradeConfig())
    verdicts = list(read_jsonl(context.directory / "verdicts.jsonl", Verdict))
    assert [(v.status, v.equivalence_class) for v in verdicts] == EXPECTED
    assert all(v.seconds == 0 for v in verdicts)
    assert read_json(context.directory / "meta.json") == {
        "model": "tiny", "solvers": {"greedy": {}}, "policies": ["default"],
        "ceilings": {"default": {"sums": [2, 2]}},
        "endings": {"sums": {"greedy": {"stop": 6}, "tool": {"stop": 6}}},
    }  # fmt: skip


def test_a_second_policy_adds_its_verdicts_after_the_first(context):
    run(context, GradeConfig())
    before = (context.directory / "verdicts.jsonl").read_bytes()
    run(context, GradeConfig(policies=("default", "llemma")))
    after = (context.directory / "verdicts.jsonl").read_bytes()
    assert after.startswith(before)
    assert len(after.splitlines()) == 2 * len(COMPLETIONS)


def test_a_repeated_run_ends_in_the_same_bytes(context):
    run(context, GradeConfig())
    names = ("verdicts.jsonl", "meta.json")
    before = [(context.directory / name).read_bytes() for name in names]
    (context.directory / "verdicts.jsonl").unlink()
    (context.directory / "verdicts.jsonl.part").write_bytes(b'{"torn')
    run(context, GradeConfig())
    assert [(context.directory / name).read_bytes() for name in names] == before


def test_a_problem_without_gold_is_the_users_mistake(context):
    solve = context.input("completions")
    write_jsonl(
        solve / "problems.jsonl", [Problem(id="p0", task="sums"), Problem(id="p1", task="sums")]
    )
    with pytest.raises(UserError, match="no gold answer"):
        run(context, GradeConfig())


def test_unknown_policies_are_refused():
    with pytest.raises(ValueError, match="unknown policies nobody"):
        GradeConfig(policies=("nobody",))


def test_a_running_stage_is_graded_as_far_as_it_has_come(context, capsys):
    """Journals as a solve stage keeps them: one a writer, the last line not yet whole."""
    from mathlm.cli import main

    solve = context.input("completions")
    (solve / "completions.jsonl").unlink()
    for writer, made in (("1-of-2", COMPLETIONS[11:]), ("2-of-2", COMPLETIONS[:2])):
        lines = [one.model_dump_json(exclude_defaults=True) for one in made]
        tree = made[0].model_copy(update={"parent": "root", "sample_index": 7})
        lines.insert(0, tree.model_dump_json(exclude_defaults=True))
        (solve / "journal").mkdir(exist_ok=True)
        torn = "".join(line + "\n" for line in lines) + lines[0][:40]
        (solve / "journal" / f"{writer}.jsonl").write_text(torn)
    run(context, GradeConfig())
    verdicts = list(read_jsonl(context.directory / "verdicts.jsonl", Verdict))
    assert [(v.problem_id, v.sample_index, v.status) for v in verdicts] == [
        ("p0", 0, "correct"), ("p0", 1, "incorrect"), ("p1", 0, "correct"),
    ]  # fmt: skip
    assert read_json(context.directory / "meta.json")["unfinished"] is True
    assert main(["grade", "--run", str(solve.parent), "--policy", "default"]) == 0
    assert "solve (still running)" in capsys.readouterr().out


def test_prompts_without_room_and_answers_cut_off_are_said():
    from mathlm.core.records import Cost
    from mathlm.grading.endings import endings, remarks

    fine = _completion("p0", 0, _said("4"))
    none = fine.model_copy(update={"finish_reason": "budget", "segments": (_said(""),)})
    spent = none.model_copy(update={"cost": Cost(model_tokens=9)})
    cut = fine.model_copy(update={"finish_reason": "length"})
    found = endings([fine, none, none, spent, cut])
    assert found == {"sums": {"greedy": {"budget": 1, "length": 1, "no_room": 2, "stop": 1}}}
    first, second = remarks(found)
    assert first.startswith("sums, greedy: 2 of 5 prompts do not fit into the model's context")
    assert second == "sums, greedy: 20 % of the answers were cut off by max_tokens"
    assert list(remarks(endings([fine] * 10 + [cut]))) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [("120.0", "C"), ("B", "B"), ("112.5", "B"), ("7", "7"), ("nonsense", "nonsense"), ("", "")],
)
def test_a_programs_value_is_the_choice_that_it_equals(value, expected):
    from mathlm.grading.completions import Answered, choice_of

    choices = ("100 km/h", "112.5 km/h", "120 km/h", "None of these")
    problem = Problem(id="p", task="t", prompt="?", choices=choices, answer="C")
    assert choice_of(problem, Answered(value, from_program=True)).text == expected
    assert choice_of(problem, Answered(value)).text == value
    open_ended = problem.model_copy(update={"choices": ()})
    assert choice_of(open_ended, Answered(value, from_program=True)).text == value
