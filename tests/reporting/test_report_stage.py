"""The stage on synthetic runs whose figures are known, plain and hostile."""

import base64
import csv
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser

import pytest

from mathlm.core.errors import UserError
from mathlm.core.stage import StageContext, StageInput
from mathlm.reporting import schema, summary
from mathlm.reporting.config import ReportConfig, expect
from mathlm.reporting.stage import run


def value(report, model, task, metric):
    (row,) = [
        row
        for row in report["results"]
        if (row["model"], row["task"], row["metric"]) == (model, task, metric)
    ]
    return row


@pytest.mark.parametrize("model", ["base", "continued"])
def test_scores_are_the_shares_that_were_put_in(report, model, synthetic):
    number = len(synthetic.PROBLEMS)
    share = synthetic.RIGHT[model] / number
    for task, metric in (("sums", "accuracy"), ("sums+python", "accuracy"), ("sums", "maj@4")):
        row = value(report, model, task, metric)
        assert row["value"] == pytest.approx(share)
        assert row["low"] < share < row["high"]
        assert row["n"] == number
    assert {row["metric"] for row in report["results"]} == {"accuracy", "maj@4", "bits_per_byte"}
    assert set(value(report, model, "sums", "accuracy")) == {
        "model", "task", "metric", "value", "low", "high", "n",
    }  # fmt: skip


def test_comparisons_are_paired_and_name_their_test(report):
    rows = {(row["task"], row["metric"]): row for row in report["comparisons"]}
    accuracy = rows["sums", "accuracy"]
    assert accuracy["difference"] == pytest.approx(20 / 40)
    assert accuracy["test"] == "mcnemar_exact"
    assert accuracy["p_value"] == pytest.approx(2 / 2**20)
    assert (accuracy["a"], accuracy["b"], accuracy["n"]) == ("base", "continued", 40)
    general, web = rows["general", "bits_per_byte"], rows["web", "bits_per_byte"]
    shift = sum(3 * (50 + n) for n in range(20)) / (20 * 500)
    assert general["difference"] == pytest.approx(shift)
    assert web["difference"] == pytest.approx(-shift)
    assert general["p_value"] < 0.001


@pytest.mark.parametrize(
    ("group", "names"),
    [("subject", ["even", "odd"]), ("level", [f"Level {n}" for n in range(1, 5)])],
)
def test_subjects_and_levels_add_up_to_the_whole(report, synthetic, group, names):
    rows = [
        row
        for row in report[f"by_{group}"]
        if (row["model"], row["task"], row["metric"]) == ("base", "sums", "accuracy")
    ]
    assert [row[group] for row in rows] == names
    right = sum(row["value"] * row["n"] for row in rows)
    assert right == pytest.approx(synthetic.RIGHT["base"])


def test_the_schema_describes_the_whole_report(report, root):
    found = schema.Report.model_validate(report)
    assert found.model_dump(mode="json") == report
    assert (root / "docs" / "report-schema.json").read_text() == schema.schema_text()


def test_the_rest_of_the_report(report):
    assert report["models"] == ["base", "continued"]
    assert report["seconds"]["corpus"] == 123.0
    assert report["seconds"]["total"] == pytest.approx(6 * 61.5)
    assert report["peak_memory_mib"] == 1500.0
    assert all(
        row["in"] == row["kept"] + sum(row["dropped"].values()) + sum(row["failed"].values())
        for row in report["funnel"]
    )
    assert [row["what"] for row in report["left_out"]] == ["solver search"] * 2
    assert report["sizes"]["web"]["train"]["tokens"] == 30_000
    status = report["statuses"][0]
    assert status["n"] == sum(status[s] for s in ("correct", "incorrect", "no_answer", "error"))


class Page(HTMLParser):
    """Collects elements and text, and checks that elements nest."""

    VOID = frozenset({"meta", "br", "img", "link", "input"})

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.names, self.attributes, self.text, self.stack = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read_page(root, name="report"):
    return (root / name / "report.html").read_text(encoding="utf-8")


def data_of(text):
    """The index and the chunks of a page's browser."""
    found = re.findall(r'<script type="application/octet-stream" id="data-(\w+)">([^<]*)<', text)
    return {name: json.loads(zlib.decompress(base64.b64decode(data))) for name, data in found}


def test_the_page_is_whole_and_alone(plain):
    text = read_page(plain)
    page = Page(text)
    assert not {"link", "img", "iframe", "object", "base"} & set(page.names)
    assert "default-src 'none'" in text
    for name, content in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "src"):
            assert content.startswith("#")
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"@import|url\((?!#)", markup)
    ids = [content for name, content in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    anchors = [content[1:] for name, content in page.attributes if name == "href"]
    assert set(anchors) <= set(ids)
    for words in ("Before and after", "forgotten", "too_short", "solver search", "no prover here"):
        assert words in text


def test_the_page_runs_its_own_script_and_no_other(plain):
    text = read_page(plain)
    (code,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in text
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|eval\(|new Function|fetch\(", code)


def test_the_browser_has_every_completion_with_its_verdict(plain, synthetic):
    data = data_of(read_page(plain))
    index = data["index"]
    per_model = len(synthetic.PROBLEMS) * sum(s["samples"] for s in synthetic.SOLVERS.values())
    assert len(index["items"]["p"]) == index["total"] == 2 * per_model
    right = index["items"]["v"][0].count("c")
    samples = per_model // len(synthetic.PROBLEMS)
    assert right == samples * sum(synthetic.RIGHT.values())
    changes = [index["changes"][change] for change in index["problems"]["x"]]
    assert changes.count("gained") == 20
    assert changes.count("lost") == 0
    for number, chunk in enumerate(index["items"]["c"]):
        item = data[str(chunk)]["i"][str(number)]
        assert item["s"] and item["v"][0]
        assert str(index["items"]["p"][number]) in data[str(chunk)]["p"]
    first = data["0"]
    assert next(tree[1][0] for tree in first["m"]) == "math"


def test_hostile_text_stays_text(tmp_path, synthetic):
    root = synthetic.make_run(tmp_path, synthetic.HOSTILE)
    config = ReportConfig(title=synthetic.HOSTILE)
    run(synthetic.context(root), config)
    text = read_page(root)
    page = Page(text)
    known = Page(read_page(make_and_run(tmp_path / "known", synthetic)))
    assert set(page.names) <= set(known.names)
    assert {name for name, _ in page.attributes} <= {name for name, _ in known.attributes}
    assert text.count("<style>") == text.count("</style>") == 1
    assert text.count("<script>") == 1
    assert "alert(1)" in "".join(page.text)
    everything = text + json.dumps(data_of(text), ensure_ascii=False)
    for char in "\x00\x1b\u202e\u202c":
        assert char not in everything
    markdown = (root / "report" / "tables.md").read_text()
    assert "<script" not in markdown.replace("\\<", "")
    for path in (root / "report" / "tables").glob("*.tex"):
        assert not re.search(r"(?<!\\)\$\\(text|href)|\\href\{", path.read_text())


def make_and_run(root, synthetic):
    root.mkdir()
    run(synthetic.context(synthetic.make_run(root)), ReportConfig())
    return root


def test_the_same_inputs_give_the_same_bytes(plain, synthetic):
    run(synthetic.context(plain, "again"), ReportConfig())
    names = [p.relative_to(plain / "report") for p in (plain / "report").rglob("*") if p.is_file()]
    assert len(names) > 20
    for name in names:
        assert (plain / "again" / name).read_bytes() == (plain / "report" / name).read_bytes()


def test_markdown_tables_have_all_rows(plain, report):
    text = (plain / "report" / "tables.md").read_text()
    assert text.count("| sums |") >= 2
    assert "**From raw documents to the corpus**" in text
    for block in text.split("\n\n"):
        widths = {
            len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines() if line[:1] == "|"
        }
        assert len(widths) <= 1


def test_tables_come_as_csv_markdown_and_latex(plain, report):
    folder = plain / "report" / "tables"
    with open(folder / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(report["results"])
    assert float(rows[0]["value"]) == report["results"][0]["value"]
    latex = (folder / "scores.tex").read_text()
    assert latex.count("\\toprule") == latex.count("\\bottomrule") == 1
    widths = {line.count(" & ") for line in latex.splitlines() if line.endswith(r"\\")}
    assert widths == {8}
    assert (folder / "scores.md").read_text() in (plain / "report" / "tables.md").read_text()
    assert {"curves.csv", "levels-sums-accuracy.md"} <= {path.name for path in folder.iterdir()}


def test_one_model_alone_is_reported_without_comparison(tmp_path, synthetic):
    root = synthetic.make_run(tmp_path)
    inputs = {
        "solve": (StageInput("solve_base", "solve", root / "solve_base"),),
        "grade": (StageInput("grade_base", "grade", root / "grade_base"),),
    }
    (root / "alone").mkdir()
    run(StageContext(name="alone", directory=root / "alone", inputs=inputs), ReportConfig())
    report = json.loads((root / "alone" / "report.json").read_text())
    assert report["comparisons"] == []
    assert "nothing to compare" in read_page(root, "alone")
    assert "sums" in shown(report)


def shown(report):
    from rich.console import Console

    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(summary(report))
    return console.export_text()


def test_the_summary_says_what_the_report_says(report):
    text = shown(report)
    assert "+50.0" in text
    assert "better" in text
    assert "70.0 %" in text
    assert "worse" in text
    assert "maj@4" in text


def test_another_baseline_turns_the_differences_round(plain, report, synthetic):
    run(synthetic.context(plain, "turned"), ReportConfig(baseline="continued"))
    turned = json.loads((plain / "turned" / "report.json").read_text())
    before = {(r["task"], r["metric"]): r["difference"] for r in report["comparisons"]}
    after = {(r["task"], r["metric"]): r["difference"] for r in turned["comparisons"]}
    assert after == {key: pytest.approx(-difference) for key, difference in before.items()}


@pytest.mark.parametrize(
    ("config", "spoil", "says"),
    [
        ({"baseline": "other"}, None, "baseline 'other' is no model"),
        ({"policy": "strict"}, None, "no policy 'strict'"),
        ({}, "solve", "needs the solve stage"),
        ({}, "documents", "different documents"),
    ],
)
def test_mistakes_are_named(tmp_path, config, spoil, says, synthetic):
    root = synthetic.make_run(tmp_path)
    if spoil == "documents":
        row = {"task": "web", "index": 0, "bits": 1.0, "bytes": 7}
        synthetic.jsonl(root / "perplexity_base" / "documents.jsonl", [row])
    made = synthetic.context(root, **({"solve": True} if spoil == "solve" else {}))
    with pytest.raises(UserError, match=says):
        run(made, ReportConfig(**config))


def test_problems_without_a_verdict_are_named(tmp_path, synthetic):
    root = synthetic.make_run(tmp_path)
    path = root / "grade_base" / "verdicts.jsonl"
    lines = [line for line in path.read_text().splitlines() if '"p3"' not in line]
    path.write_text("\n".join(lines))
    run(synthetic.context(root), ReportConfig())
    report = json.loads((root / "report" / "report.json").read_text())
    assert "1 of 40 problems of sums (cot)" in [row["what"] for row in report["left_out"]]
    assert value(report, "base", "sums", "accuracy")["n"] == 39
    (row,) = [r for r in report["comparisons"] if (r["task"], r["metric"]) == ("sums", "accuracy")]
    assert row["n"] == 39


def test_expectations():
    assert "report.html" in expect(ReportConfig())
