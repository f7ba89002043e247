"""Memorisation: hits matched with problems, figures by level, on data and on made cases."""

import json
from pathlib import Path

import pytest

from mathlm.core.errors import UserError
from mathlm.reporting.config import ReportConfig
from mathlm.reporting.inputs import Evaluation, ProblemInfo
from mathlm.reporting.memorisation import ALL, memorisation
from mathlm.reporting.overlap import Overlap, SearchHit, read_overlap, search_overlap
from mathlm.reporting.stage import run
from mathlm.reporting.verdicts import Mark

LLEMMA = {  # level: (hit right, hit, other right, other); reference/evaluation.md, section 8
    "Level 1": (8, 11, 262, 426),
    "Level 2": (10, 28, 348, 866),
    "Level 3": (17, 56, 289, 1075),
    "Level 4": (14, 94, 186, 1120),
    "Level 5": (11, 181, 73, 1143),
}


def evaluation(strata, samples=1):
    """One evaluation whose problems are hit or not as the table says, and what is hit."""
    problems, infos, overlap = {}, {}, Overlap(n=30)
    for level, (hit_right, hit, other_right, other) in strata.items():
        for side, right, number in (("hit", hit_right, hit), ("other", other_right, other)):
            for i in range(number):
                name = f"{level}-{side}-{i}"
                status = "correct" if i < right else "incorrect"
                problems[name] = [Mark(s, status, 0) for s in range(samples)]
                infos["math", name] = ProblemInfo("algebra", level)
                if side == "hit":
                    overlap.items["math", name] = {"doc"}
    marks = {"default": {"cot": {"math": problems}}}
    return Evaluation("llemma", {}, marks, infos, Path(), Path(), "default"), overlap


def test_the_published_table_and_the_intervals_that_it_lacks():
    """Llemma-34B, hit / non-hit: the gap of level 1 at 11 items is noise, and none is shown."""
    found, overlap = evaluation(LLEMMA)
    rows = memorisation([found], overlap, 0.95)
    by_level = {row["level"]: row for row in rows}
    shown = {level: (round(100 * row["hit"], 2), row["hit_n"]) for level, row in by_level.items()}
    assert shown["Level 1"] == (72.73, 11)
    assert shown["Level 2"] == (35.71, 28)
    assert shown["Level 3"] == (30.36, 56)
    assert shown["Level 4"] == (14.89, 94)
    assert shown["Level 5"] == (6.08, 181)
    others = {level: round(100 * row["other"], 1) for level, row in by_level.items()}
    assert (others["Level 1"], others["Level 5"]) == (61.5, 6.4)
    first = by_level["Level 1"]
    assert first["low"] < 0 < first["high"]
    assert first["high"] - first["low"] > 0.4
    assert all(row["p_value"] > 0.05 for row in rows)
    assert by_level[ALL]["test"] == "mantel_haenszel"
    assert by_level[ALL]["hit"] < by_level[ALL]["other"], "thrown together the hits look worse"
    assert abs(by_level[ALL]["difference"]) < 0.02


def test_a_model_that_memorised_is_found():
    strata = {level: (hit, hit, right, other) for level, (_, hit, right, other) in LLEMMA.items()}
    found, overlap = evaluation(strata)
    rows = memorisation([found], overlap, 0.95)
    assert rows[-1]["p_value"] < 1e-6
    assert rows[-1]["low"] > 0.5


def test_repeated_samples_are_compared_by_problem():
    found, overlap = evaluation({"Level 1": (3, 5, 10, 40)}, samples=8)
    found.by_policy["default"]["cot"]["math"]["Level 1-hit-0"][0] = Mark(0, "incorrect", 1)
    rows = memorisation([found], overlap, 0.95)
    assert rows[0]["test"] == "welch"
    assert (rows[0]["hit_n"], rows[0]["other_n"]) == (5, 40)
    assert rows[0]["hit"] == pytest.approx((3 - 1 / 8) / 5)


def test_levels_without_hits_say_nothing():
    found, overlap = evaluation({"Level 1": (1, 2, 3, 4), "Level 2": (0, 0, 2, 4)})
    rows = {row["level"]: row for row in memorisation([found], overlap, 0.95)}
    assert rows["Level 2"]["hit"] is None
    assert rows["Level 2"]["difference"] is None
    assert rows[ALL]["other_n"] == 8


def test_hits_of_the_overlap_command(tmp_path):
    hit = {"document": "d1", "ngram": "a b", "n": 2, "offset": 0}
    lines = [
        {"benchmark": "benchmarks/math/test.jsonl", "item": 3, **hit},
        {"benchmark": "benchmarks/math/test.jsonl", "item": "3", **hit, "document": "d2"},
        {"benchmark": "gsm8k.jsonl", "item": 99, **hit},
        {"summary": {"items": 4}, "mib_per_s": 1.0},
    ]
    path = tmp_path / "hits.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read_overlap([str(path)], [("math", "3"), ("svamp", "3"), ("math", "4")], {})
    assert found.items == {("math", "3"): {"d1", "d2"}}
    assert (found.n, found.unmatched) == (2, 1)
    path.write_text('{"id": 1}\n')
    with pytest.raises(UserError, match="line 1 is no line of `mathlm overlap --json`"):
        read_overlap([str(path)], [], {})


@pytest.mark.parametrize(
    ("name", "field", "task"),
    [
        ("mathstack_MATH_input_hits_30", "problem", "math"),
        ("owm_MATH_output_hits_30", "problem", "math"),
        ("owm_gsm8k_input_hits_30", "question", "gsm8k"),
    ],
)
def test_published_hits_are_matched_by_text(data_dir, name, field, task):
    """The counts of expected.json (last hit of each document), items known by their text."""
    folder = data_dir / "contamination"
    expected = json.loads((folder / "expected.json").read_text())[f"{name}.jsonl"]
    texts = {}
    lines = (data_dir / "benchmarks" / task / "test.jsonl").read_text().splitlines()
    for number, line in enumerate(lines):
        texts[" ".join(json.loads(line)[field].split())] = (task, str(number))
    found = read_overlap([str(folder / f"{name}.jsonl")], list(texts.values()), texts)
    assert len(found.items) + found.unmatched >= expected["tests_last_hit_per_document"]
    assert len(found.items) == expected["tests_last_hit_per_document"]
    assert found.documents == expected["documents"]
    assert found.n == 30


def test_problems_and_generations_are_looked_for():
    def search(texts, files, n):
        assert (list(files), n) == (["corpus"], 3)
        return [SearchHit(1, "d1", "a b c"), SearchHit(3, "d2", "x"), SearchHit(3, "d3", "x")]

    problems = [(("t", "p0"), ["question"]), (("t", "p1"), ["one", "two"])]
    generations = iter([("base", "text"), ("next", "other")])
    found = search_overlap(problems, generations, ["corpus"], n=3, search=search)
    assert found.items == {("t", "p1"): {"d1"}}
    assert found.generations == {
        "base": {"generations": 1, "hit": 1, "documents": 2},
        "next": {"generations": 1, "hit": 0, "documents": 0},
    }


def test_in_the_report(tmp_path, synthetic):
    """Hits of a file and of a search in a corpus; page, tables and report.json have them."""
    from mathlm.stages import _search

    root = synthetic.make_run(tmp_path)
    lines = [
        {"benchmark": "sums.jsonl", "item": f"p{n}", "document": "d", "n": 30} for n in range(9)
    ]
    (tmp_path / "hits.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    documents = [{"id": "page", "text": "so: It is 54. What is $39 + 39$? said he"}]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(d) + "\n" for d in documents))
    context = synthetic.context(root, corpus=True)
    config = ReportConfig(
        overlap=str(tmp_path / "hits.jsonl"),
        overlap_corpus=str(tmp_path / "corpus.jsonl"),
        overlap_n=3,
    )
    run(context, config, search=_search)
    report = json.loads((root / "report" / "report.json").read_text())
    (task,) = report["overlap"]["tasks"]
    assert (task["items"], task["hit"], task["documents"]) == (40, 10, 2)
    generations = {row["model"]: row["hit"] for row in report["overlap"]["generations"]}
    assert generations == {"base": 0, "continued": 6}
    levels = [row for row in report["memorisation"] if row["solver"] == "cot"]
    assert levels[0]["level"] == "Level 1"
    assert levels[0]["hit_n"] == 9
    page = (root / "report" / "report.html").read_text()
    assert "Accuracy on items that stand in the corpus" in page
    assert (root / "report" / "tables" / "memorisation.csv").is_file()
