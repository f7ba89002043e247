"""Policies side by side, verifiers' scores, and which samples are chosen."""

from pathlib import Path

import numpy as np
import pytest

from mathlm.reporting import policies, verifiers
from mathlm.reporting.browser import is_code
from mathlm.reporting.completions import Key, Scan, ScoredAnswers
from mathlm.reporting.inputs import Evaluation, ProblemInfo
from mathlm.reporting.selection import choose
from mathlm.reporting.verdicts import Mark, read_marks


def evaluation(by_policy, model="m", solver="s"):
    """Statuses by policy and problem, as letters: `{"default": {"a": "ci"}}`."""
    status = {"c": "correct", "i": "incorrect", "n": "no_answer"}
    found = {
        policy: {
            solver: {
                "t": {
                    name: [Mark(n, status[x], int(x != "c"), f"rule-{x}") for n, x in enumerate(s)]
                    for name, s in problems.items()
                }
            }
        }
        for policy, problems in by_policy.items()
    }
    names = {name for problems in by_policy.values() for name in problems}
    infos = {("t", name): ProblemInfo() for name in sorted(names)}
    return Evaluation(model, {}, found, infos, Path(), Path(), next(iter(by_policy)))


BOTH = evaluation({"default": {"a": "cc", "b": "ci", "c": "in"}, "llemma": {"a": "ci", "b": "ii"}})


def test_scores_of_every_policy():
    rows = {row["policy"]: row for row in policies.policy_scores([BOTH], 0.95)}
    assert (rows["default"]["value"], rows["default"]["correct"]) == (0.5, 3)
    assert (rows["llemma"]["value"], rows["llemma"]["answers"]) == (0.25, 4)
    alone = evaluation({"default": {"a": "c"}})
    assert policies.policy_scores([alone], 0.95) == []


def test_who_differs_on_what():
    (row,) = policies.policy_pairs([BOTH])
    assert (row["answers"], row["only_policy"], row["only_other"]) == (4, 2, 0)
    (rule,) = row["rules"]
    assert rule == {
        "status": "correct", "rule": "rule-c", "other_status": "incorrect",
        "other_rule": "rule-i", "n": 2,
    }  # fmt: skip
    assert policies.disputed(BOTH) == {("s", "t", "a"): {1}, ("s", "t", "b"): {0}}


def test_a_good_score_is_told_from_noise():
    random = np.random.default_rng(0)
    right = random.random(400) < 0.5
    names = [f"p{i // 4}" for i in range(400)]
    scan = Scan(
        scored={
            ("t", "s", "good"): ScoredAnswers(
                np.where(right, 0.8, 0.2).tolist(), right.tolist(), names
            ),
            ("t", "s", "noise"): ScoredAnswers(random.random(400).tolist(), right.tolist(), names),
            ("t", "s", "logit"): ScoredAnswers((8.0 * right).tolist(), right.tolist(), names),
            ("t", "s", "one kind"): ScoredAnswers([0.5] * 3, [True] * 3, names[:3]),
        }
    )
    rows = {row["score"]: row for row in verifiers.calibration([BOTH], [scan], 0.95)}
    assert rows["good"]["auc"] == 1.0
    assert rows["good"]["ece"] == pytest.approx(0.2, abs=0.05)
    assert rows["noise"]["auc_low"] < 0.5 < rows["noise"]["auc_high"]
    assert rows["logit"]["ece"] is None
    assert rows["one kind"]["auc"] is None


def test_variance_is_split_where_samples_repeat():
    (row,) = verifiers.variances([BOTH])
    assert (row["n_problems"], row["n_samples"]) == (3, 6)
    assert list(verifiers.variances([evaluation({"default": {"a": "c", "b": "i"}})])) == []


def test_problems_keep_all_their_answers_and_disputed_ones_come_early():
    plain = {f"p{i}": "ii" for i in range(300)}
    odd = {f"q{i}": "ci" for i in range(5)}
    one = evaluation({"default": {**plain, **odd}, "llemma": {**plain, **dict.fromkeys(odd, "ii")}})
    two = evaluation({"default": plain}, "n")
    found = choose([one, two], 60)
    assert found.total == 305 * 2 + 300 * 2
    assert set(odd) <= {name for _, name in found.problems[:10]}
    assert sum(map(len, found.wanted)) <= 60
    for name in list(found.problems)[:-1]:
        if name[1] in plain:
            assert Key("s", "t", name[1], 0) in found.wanted[0]
            assert Key("s", "t", name[1], 1) in found.wanted[1]
    assert choose([one, two], 60) == found
    assert choose([one, two], 0).problems == []


def test_many_samples_leave_room_for_other_problems_and_keep_the_disputed():
    letters = "i" * 49 + "c"
    first = {f"p{i}": letters for i in range(4)}
    one = evaluation({"default": first, "llemma": dict.fromkeys(first, "i" * 50)})
    wanted = choose([one], 1000).wanted[0]
    assert len(wanted) == 4 * 8
    assert {key.problem for key in wanted if key.sample == 49} == set(first)


def test_verdicts_are_read_in_the_order_of_samples(tmp_path):
    path = tmp_path / "verdicts.jsonl"
    lines = [
        f'{{"problem_id":"p","task":"t","solver":"s","sample_index":{s},"status":"correct"}}'
        for s in (2, 0, 1)
    ]
    path.write_text("\n".join(lines) + "\n\n")
    marks = read_marks(path)["default"]["s"]["t"]["p"]
    assert [mark.sample for mark in marks] == [0, 1, 2]


def test_lines_without_sample_numbers_are_further_samples(tmp_path):
    path = tmp_path / "graded.jsonl"
    lines = [f'{{"id":"p","status":"{s}","answer":"1"}}' for s in ("correct", "incorrect")]
    path.write_text("\n".join(lines))
    marks = read_marks(path)["default"][""][""]["p"]
    assert [(mark.sample, mark.status) for mark in marks] == [(0, "correct"), (1, "incorrect")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x = 3\nans = x * 2", True),
        ("```python\nimport sympy\nprint(sympy.pi)\n```", True),
        ("def f(a):\n    return a +\n", True),
        ("total_cost\n", True),
        ("# half of it\nprint(1)", True),
        ("We add both numbers.\nThe answer is 3.", False),
        ("### Step 1: add\n\nThe sum \\(6 + 13\\) is needed.", False),
        ("Thus $x = 3$ holds, and the answer is $\\boxed{3}$.", False),
    ],
)
def test_programs_are_told_from_words(text, code):
    assert is_code(text) == code
