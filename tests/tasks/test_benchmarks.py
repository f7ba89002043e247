"""Benchmarks on the real files: sizes, checksums, gold answers, levels, choices, prompts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from mathlm.core.errors import UserError
from mathlm.core.records import Problem
from mathlm.grading import grade_all
from mathlm.tasks import TASKS, Where
from mathlm.tasks.dataset import digest_of, letter, number_text
from mathlm.tasks.hendrycks_math import last_box

KNOWN = [
    (name, split)
    for name, task in TASKS.items()
    if task.data is not None
    for split, part in task.data.splits.items()
    if part.files
]
SIZES = {
    "gsm8k": 1319, "gsm-hard": 1319, "math": 5000, "math500": 500, "ocw": 272, "sat": 32,
    "sat-math": 220, "mmlu-stem": 3018, "mmlu-math": 974, "aqua": 254, "svamp": 1000,
    "asdiv": 2215, "asdiv-a": 1218, "mawps-singleop": 562, "mawps-singleeq": 508,
    "mawps-addsub": 395, "mawps-multiarith": 600, "numglue": 1042, "simuleq": 514,
    "deepmind": 1000, "gsm8k-python": 1319, "math-python": 5000,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _data(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    monkeypatch.setenv("MATHLM_DATA", str(data_dir))


def problems(name: str, split: str = "test") -> list[Problem]:
    return TASKS[name].load(split, None, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "split"), KNOWN)
def test_the_known_files_are_the_known_problems(name: str, split: str) -> None:
    data = TASKS[name].data
    assert data is not None
    found = data.find(split)  # type: ignore[arg-type]
    part = data.splits[split]  # type: ignore[index]
    assert found.state == "known"
    assert len(found.problems) == part.rows
    assert digest_of(found.problems) == part.digest
    assert split != "test" or part.rows == SIZES[name]
    assert {p.task for p in found.problems} == {name}
    if TASKS[name].answer_kind == "choice":
        assert all(p.answer in "ABCDE"[: len(p.choices)] for p in found.problems if p.answer)
        assert all(len(p.choices) >= 4 and all(p.choices) for p in found.problems)


@pytest.mark.parametrize("name", SIZES)
def test_every_gold_answer_is_right_against_itself(name: str) -> None:
    loaded = problems(name)
    verdicts = grade_all([(p.answer or "", p.answer or "") for p in loaded], task=name)
    assert [v.gold for v in verdicts if v.status != "correct"] == []


@pytest.mark.parametrize(
    ("name", "index", "answer"),
    [
        ("gsm8k", 0, "18"),
        ("gsm8k", 1214, None),
        ("svamp", 0, "145"),
        ("gsm-hard", 8, "17414074"),
        ("gsm-hard", 7, "3244047.0999999996"),
        ("mawps-addsub", 0, "43"),
        ("asdiv", 0, "9"),
        ("deepmind", 1, "3"),
        ("math500", 0, r"\left( 3, \frac{\pi}{2} \right)"),
        ("math", 0, "2"),
        ("sat", 0, "A"),
        ("mmlu-math", 0, "C"),
        ("aqua", 0, "A"),
    ],
)
def test_the_answer_of_one_problem(name: str, index: int, answer: str | None) -> None:
    given = problems(name)[index].answer
    assert given if answer is None else given == answer


def test_the_boxes_of_math_agree_with_the_collected_answers() -> None:
    """MATH-500 has its answers in a column of their own; they come from the same solutions."""
    boxed = {p.prompt: p.answer for p in problems("math")}
    both = [(p.answer, boxed[p.prompt]) for p in problems("math500") if p.prompt in boxed]
    assert len(both) > 450
    verdicts = list(grade_all([(a or "", b or "") for a, b in both]))
    assert sum(v.status == "correct" for v in verdicts) >= len(both) - 2


def test_levels_and_subjects_are_filled() -> None:
    math = problems("math")
    assert Counter(p.level for p in math)["5"] == 1324
    assert len({p.subject for p in math}) == 7
    assert {p.level for p in problems("math500")} == set("12345")
    assert len({p.subject for p in problems("mmlu-stem")}) == 18
    assert Counter(p.subject for p in problems("mmlu-stem", "dev")) == dict.fromkeys(
        {p.subject for p in problems("mmlu-stem")}, 5
    )
    assert len({p.subject for p in problems("mmlu-math")}) == 5
    assert set(Counter(p.subject for p in problems("numglue"))) == {
        f"Type_{n}" for n in (1, 2, 3, 4, 8)
    }


def test_the_choices_of_the_sat_are_taken_apart() -> None:
    for problem in problems("sat"):
        joined = problem.header or ""
        for at, choice in zip("ABCD", problem.choices, strict=True):
            assert f"{at}) {choice}" in joined or f"{at}. {choice}" in joined
    assert problems("sat")[2].choices == ("-10", "0", "10", "-10 and 10")


def test_a_limit_draws_evenly_and_a_larger_one_keeps_what_was_drawn() -> None:
    few, more = (TASKS["mmlu-stem"].load("test", n, 0) for n in (200, 400))
    assert len({p.subject for p in few}) >= 16
    assert {p.id for p in few} < {p.id for p in more}
    assert [int(p.id) for p in more] == sorted(int(p.id) for p in more)
    assert few == TASKS["mmlu-stem"].load("test", 200, 0)
    assert few != TASKS["mmlu-stem"].load("test", 200, 1)


def test_a_changed_file_is_refused_and_taken_when_asked(tmp_path: Path, data_dir: Path) -> None:
    lines = (data_dir / "benchmarks" / "svamp" / "test.jsonl").read_bytes().splitlines(True)
    cut, damaged = tmp_path / "cut.jsonl", tmp_path / "damaged.jsonl"
    cut.write_bytes(b"".join(lines[:998]))
    damaged.write_bytes(b"".join(lines[:20]) + lines[20][:30])
    with pytest.raises(UserError, match=r"998 problems, .*cut short; task 'svamp' has 1,000 prob"):
        TASKS["svamp"].load("test", None, 0, Where(data=str(cut)))
    with pytest.raises(UserError, match=r"line 21: .*has 1,000 problems, 280,029 bytes, sha256 d0"):
        TASKS["svamp"].load("test", None, 0, Where(data=str(damaged)))
    assert len(TASKS["svamp"].load("test", None, 0, Where(data=str(cut), check=False))) == 998
    data = TASKS["svamp"].data
    assert data is not None and data.find("test", Where(str(cut), check=False)).state == "unchecked"


def test_the_same_problems_in_another_form_are_known(tmp_path: Path, data_dir: Path) -> None:
    import gzip

    import pyarrow as pa
    from pyarrow import parquet

    source = data_dir / "benchmarks" / "aqua" / "test.jsonl"
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    parquet.write_table(pa.Table.from_pylist(rows[::-1]), tmp_path / "aqua.parquet")
    (tmp_path / "aqua.jsonl.gz").write_bytes(gzip.compress(source.read_bytes()))
    (tmp_path / "aqua.json").write_text(json.dumps(rows))
    data = TASKS["aqua"].data
    assert data is not None
    for name in ("aqua.parquet", "aqua.jsonl.gz", "aqua.json"):
        found = data.find("test", Where(data=str(tmp_path / name)))
        assert (found.state, len(found.problems)) == ("same problems", 254)
    assert data.find("test", Where(data=str(tmp_path))).state == "same problems"


def test_a_wrong_choice_of_file_names_the_columns(data_dir: Path) -> None:
    wrong = str(data_dir / "benchmarks" / "ocw" / "test.jsonl")
    with pytest.raises(UserError, match="no column 'Body'; task 'svamp' reads Body, Question"):
        TASKS["svamp"].load("test", None, 0, Where(data=wrong))
    with pytest.raises(UserError, match="no such file"):
        TASKS["svamp"].load("test", None, 0, Where(data="absent.jsonl"))
    with pytest.raises(UserError, match="has no split 'train' \\(it has test\\)"):
        TASKS["svamp"].load("train", None, 0)


def test_missing_data_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MATHLM_DATA")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"set MATHLM_DATA .*gsm_hard/test.jsonl; or give data"):
        TASKS["gsm-hard"].load("test", None, 0)
    with pytest.raises(UserError, match=r"or allow the download \(download=true, HuggingFaceH4"):
        TASKS["aime24"].load("test", None, 0)


def test_the_hubs_copy_is_read_from_its_cache(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layout of huggingface_hub's cache, with the Parquet branch of openai/gsm8k."""
    import huggingface_hub.constants
    import pyarrow as pa
    from pyarrow import parquet

    monkeypatch.delenv("MATHLM_DATA")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    source = data_dir / "benchmarks" / "gsm8k" / "test.jsonl"
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    place = tmp_path / "datasets--openai--gsm8k"
    snapshot = place / "snapshots" / ("0" * 40) / "main" / "test"
    snapshot.mkdir(parents=True)
    (place / "refs" / "refs" / "convert").mkdir(parents=True)
    (place / "refs" / "refs" / "convert" / "parquet").write_text("0" * 40)
    data = TASKS["gsm8k"].data
    assert data is not None
    parquet.write_table(pa.Table.from_pylist(rows), snapshot / "0000.parquet")
    assert data.find("test").state == "same problems"
    rows[0]["question"] += " "
    parquet.write_table(pa.Table.from_pylist(rows), snapshot / "0000.parquet")
    assert data.find("test").state == "hub"
    parquet.write_table(pa.Table.from_pylist(rows[:-1]), snapshot / "0000.parquet")
    with pytest.raises(UserError, match=r"1,318 problems, .*cut short"):
        data.find("test")


def test_a_contest_is_a_file_of_the_users(tmp_path: Path) -> None:
    path = tmp_path / "aime.jsonl"
    path.write_text('{"problem": "1+1?", "answer": "002"}\n{"problem": "2?", "answer": 73}\n')
    loaded = TASKS["contest"].load("test", None, 0, Where(data=str(path)))
    assert [p.answer for p in loaded] == ["2", "73"]
    with pytest.raises(UserError, match=r"2 problems, .*cut short; task 'aime24' has 30 problems"):
        TASKS["aime24"].load("test", None, 0, Where(data=str(path)))
    path.write_text('{"problem": "1/2?", "answer": "1/2"}\n')
    with pytest.raises(UserError, match="row 1: the answer '1/2' is not a whole number"):
        TASKS["contest"].load("test", None, 0, Where(data=str(path)))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        (r"first \boxed{1}, then $\boxed 7$ it is", "7"),
        (r"$\fbox{x^{2}}$", "x^{2}"),
    ],
)
def test_the_last_box(text: str, answer: str) -> None:
    assert last_box(text) == answer


@pytest.mark.parametrize("text", ["no box", r"\boxed{1"])
def test_a_solution_without_a_box(text: str) -> None:
    with pytest.raises(ValueError, match="box"):
        last_box(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(145.0, "145"), (39, "39"), ("4.17", "4.17"), ("7.0", "7"), (3244047.0999999996, None),
     ("August", "August"), (-0.5, "-0.5"), ("-19.0", "-19"), (1e300, "1e+300")],
)  # fmt: skip
def test_numbers_as_text(value: object, text: str | None) -> None:
    assert number_text(value) == (text or repr(value))


def test_letters_of_choices() -> None:
    assert [letter("(B)"), letter(2), letter("E ")] == ["B", "C", "E"]
    with pytest.raises(ValueError, match="no choice"):
        letter("AB")


def test_a_corpus_is_cleaned_of_a_benchmark(tmp_path: Path, data_dir: Path) -> None:
    """The corpus stage of a recipe, with GSM8K's test problems named for decontamination."""
    from mathlm.core.progress import Progress
    from mathlm.core.recipe import build_recipe
    from mathlm.core.runs import run_recipe
    from mathlm.core.storage import read_json
    from mathlm.stages import KINDS

    leak = problems("gsm8k")[7].prompt
    clean = " ".join(f"word{n} and its neighbour" for n in range(60))
    rows = [{"id": "clean", "text": clean}, {"id": "leak", "text": f"{clean[::-1]} {leak}"}]
    file = tmp_path / "records.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    stage = {
        "kind": "corpus",
        "sources": {"web": {"kind": "jsonl", "files": [str(file)]}},
        "decontaminate": {"tasks": ["gsm8k", "svamp"]},
    }
    recipe = build_recipe({"name": "clean", "stage": {"corpus": stage}}, KINDS)
    run_recipe(recipe, tmp_path / "run", KINDS, Progress(quiet=True))
    funnel = read_json(tmp_path / "run" / "corpus" / "funnel.json")
    (last,) = (row for row in funnel if row["step"] == "decontaminate")
    assert last["dropped"] == {"overlap with gsm8k": 1}


def test_missing_benchmarks_are_said_before_a_corpus_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    from mathlm.cli import main

    monkeypatch.delenv("MATHLM_DATA")
    words = ['decontaminate.tasks=["numglue"]', "sources.web.kind=jsonl"]
    words += [f'sources.web.files=["{tmp_path}/absent.jsonl"]', "--out", str(tmp_path / "out")]
    assert main(["stage", "corpus", *words, "--quiet"]) == 2
    assert not (tmp_path / "out" / "funnel.json").exists()


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize(("model", "right"), [("6b_finetuning", 286), ("175b_verification", 742)])
def test_the_gold_answers_reproduce_the_labels_of_published_solutions(
    data_dir: Path, model: str, right: int
) -> None:
    """GPT-3's solutions of GSM8K, graded against our gold answers instead of their own."""
    golds = {squeezed(p.prompt): p.answer or "" for p in problems("gsm8k")}
    file = data_dir / "outputs" / "gpt3_gsm8k.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    pairs = [(golds[squeezed(row["question"])], row[model]["solution"]) for row in rows]
    found = [v.status == "correct" for v in grade_all(pairs, task="gsm8k")]
    assert found == [row[model]["is_correct"] for row in rows]
    assert (len(found), sum(found)) == (1319, right)


def test_the_gold_answers_reproduce_llemmas_own_labels(data_dir: Path) -> None:
    """Llemma-34B on MATH, GSM8K and OCWCourses under its own rules, with the tasks' golds."""
    file = data_dir / "outputs" / "llemma_34b_demo.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    seen = 0
    for task in ("math", "gsm8k", "ocw"):
        golds = {squeezed(p.prompt): p.answer or "" for p in problems(task)}
        mine = [row for row in rows if squeezed(row["question"]) in golds]
        pairs = [(golds[squeezed(row["question"])], row["model_answer"]) for row in mine]
        verdicts = grade_all(pairs, policy="llemma", task=task)
        found = [verdict.status == "correct" for verdict in verdicts]
        assert found == [row["result"] == "Correct" for row in mine]
        seen += len(found)
    assert seen > 700
