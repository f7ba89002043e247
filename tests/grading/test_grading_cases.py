"""Tables: our own cases by kind of answer, and the known answers in the data folder."""

import json
from pathlib import Path

import pytest

from mathlm.grading import grade, grade_all
from mathlm.grading.selfcheck import self_check

OWN = [
    json.loads(line) for line in Path(__file__).with_name("cases.jsonl").read_text().splitlines()
]
ONE_WAY = ("extraction", "choice", "membership")
"""Groups where gold and answer have different parts (docs/grading.md says why)."""
GROUPS = sorted({case["group"] for case in OWN})


def _rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("group", GROUPS)
def test_own_cases(group):
    wrong = [
        case
        for case in OWN
        if case["group"] == group
        and (grade(case["gold"], case["answer"]).status == "correct") != case["correct"]
    ]
    assert wrong == []


def test_verdicts_do_not_depend_on_which_of_two_bare_answers_is_gold():
    for case in OWN:
        if case["group"] not in ONE_WAY and case["answer"]:
            there = grade(case["gold"], case["answer"]).status == "correct"
            back = grade(case["answer"], case["gold"]).status == "correct"
            assert there == back, case


def test_cases_of_math_verify(data_dir):
    """At least 97 % of 255, and no more false accepts than the library itself (2)."""
    cases = _rows(data_dir / "graders/cases.jsonl")
    accepted = [grade(case["gold"], case["pred"]).status == "correct" for case in cases]
    wrong = [c["id"] for c, a in zip(cases, accepted, strict=True) if a != c["expected"]]
    false_accepts = [
        c["id"] for c, a in zip(cases, accepted, strict=True) if a and not c["expected"]
    ]
    assert len(cases) == 255
    assert len(wrong) <= 0.03 * 255, wrong
    assert len(false_accepts) <= 2, false_accepts


def test_llemma_reproduces_700_of_700_labels(data_dir):
    rows = [
        row
        for row in _rows(data_dir / "outputs/llemma_34b_demo.jsonl")
        if row["task"].startswith("minerva_math")
    ]
    assert len(rows) == 700
    differing = [
        row["question"][:60]
        for row in rows
        if (
            grade(
                row["reference_answer"], row["model_answer"], policy="llemma", task=row["task"]
            ).status
            == "correct"
        )
        != (row["result"] == "Correct")
    ]
    assert differing == []


GOLDS = {
    "math/test": "solution", "gsm8k/test": "answer", "ocw/test": "answer", "asdiv/test": "answer",
    "deepmind_mathematics/test": "answer", "gsm_hard/test": "target", "numglue/test": "answer",
    "simuleq/test": "answer", "svamp/test": "Answer", "aqua/test": "correct", "sat/test": "Answer",
    "mmlu_stem/test": "answer", "mawps/addsub": "target", "mawps/singleeq": "target",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(GOLDS))
def test_gold_answers_pass_their_self_check(data_dir, name):
    """Every gold equals itself, and 22 kinds of mutation are judged as they must be."""
    golds = [row[GOLDS[name]] for row in _rows(data_dir / f"benchmarks/{name}.jsonl")]
    step = len(golds) // 200 + 1
    assert list(self_check([str(gold) for gold in golds[::step]])) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(GOLDS))
def test_all_gold_answers_pass_their_self_check(data_dir, name):
    golds = [row[GOLDS[name]] for row in _rows(data_dir / f"benchmarks/{name}.jsonl")]
    assert list(self_check([str(gold) for gold in golds])) == []


EVERY_GOLD = {
    **GOLDS, "math/math500": "answer", "math/train_answers": "answer", "gsm8k/train": "answer",
    "aqua/dev": "correct", "mawps/multiarith": "target", "mawps/singleop": "target",
    "mmlu_math/test": "answer", "sat_math/test": "label",
}  # fmt: skip


def test_every_gold_answer_of_every_benchmark_equals_itself(data_dir, capsys):
    lines, total = [], 0
    for name, column in sorted(EVERY_GOLD.items()):
        golds = [row[column] for row in _rows(data_dir / f"benchmarks/{name}.jsonl")]
        texts = [str(gold) for gold in golds if gold != ""]  # two rows of train_answers are empty
        right = sum(v.status == "correct" for v in grade_all((text, text) for text in texts))
        lines.append(f"{name:28} {right:6} of {len(texts):6}")
        total += len(texts)
        assert right == len(texts), name
    with capsys.disabled():
        print("", *lines, f"{'all':28} {total:6}", sep="\n")
