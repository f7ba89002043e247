"""The stage on synthetic runs whose figures are known, plain and hostile."""

import json
import re
from html.parser import HTMLParser

import pytest

from mathlm.core.errors import UserError
from mathlm.core.records import (
    Completion,
    CompletionSegment,
    Problem,
    TypedValue,
    Verdict,
)
from mathlm.core.stage import StageContext, StageInput
from mathlm.core.storage import write_json, write_jsonl, write_text
from mathlm.reporting import summary
from mathlm.reporting.config import ReportConfig, expect
from mathlm.reporting.stage import run

HOSTILE = (
    "</style></script><script>alert(1)</script><img src=x onerror=alert(2)> "
    "\u202eevil\u202c \x00\x1b[31m \ud800 $\\text{<script>alert(3)</script>}$ "
    '" onmouseover="alert(4)" ]]> <!-- | `x` **b** $\\href{javascript:alert(5)}{x}$'
)
SOLVERS = {
    "cot": {"kind": "cot", "samples": 1},
    "program": {"kind": "program", "samples": 1},
    "vote": {"kind": "cot", "samples": 4, "temperature": 0.6},
}
PROBLEMS = [
    Problem(
        id=f"p{n}",
        task="sums",
        prompt=f"What is ${n} + {n}$?",
        answer=str(2 * n),
        subject="even" if n % 2 == 0 else "odd",
    )
    for n in range(40)
]
RIGHT = {"base": 8, "continued": 28}
"""The first so many problems are right, whatever the solver."""


def solutions(model, text):
    for problem in PROBLEMS:
        for solver, settings in SOLVERS.items():
            for sample in range(settings["samples"]):
                right = int(problem.id[1:]) < RIGHT[model]
                answer = problem.answer if right else f"{sample}?"
                segments = [CompletionSegment(source="model", text=text or f"It is {answer}.")]
                if solver == "program":
                    tool = CompletionSegment(
                        source="tool",
                        text=text or answer,
                        status="ok",
                        variables={"answer": TypedValue(type="int", value=text or answer)},
                    )
                    segments.append(tool)
                head = {"problem_id": problem.id, "task": "sums", "solver": solver}
                head["sample_index"] = sample
                completion = Completion(**head, segments=tuple(segments), finish_reason="stop")
                status = "correct" if right else "incorrect"
                if not right and sample == 1:
                    status = "no_answer"
                verdict = Verdict(
                    **head,
                    status=status,
                    answer=text or answer,
                    rule="numeric",
                    reason=text,
                    equivalence_class=None if status == "no_answer" else (0 if right else sample),
                )
                yield completion, verdict


def jsonl(path, rows):
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def write_evaluation(root, model, text=""):
    both = list(solutions(model, text.replace("\ud800", "")))
    write_jsonl(root / f"solve_{model}" / "problems.jsonl", PROBLEMS)
    write_jsonl(root / f"solve_{model}" / "completions.jsonl", [c for c, _ in both])
    meta = {"model": model, "solvers": SOLVERS, "tasks": ["sums"], "sandbox_level": "landlock"}
    left = [{"solver": "search", "reason": text.replace("\ud800", "") or "no prover here"}]
    write_json(root / f"solve_{model}" / "meta.json", {**meta, "left_out": left})
    write_jsonl(root / f"grade_{model}" / "verdicts.jsonl", [v for _, v in both])
    write_json(root / f"grade_{model}" / "meta.json", {"model": model, "solvers": SOLVERS})


def write_training(root, model, parent, offset):
    lines = [{"step": 0, "tokens": 0, "bits_per_byte": {"general": 8.0, "web": 8.0}}]
    for step in range(1, 31):
        line = {"step": step, "tokens": step * 100, "loss": 5.0 - step * 0.1 - offset, "lr": 0.1}
        if step % 10 == 0:
            line["bits_per_byte"] = {"general": 3.0 - step * 0.01, "web": 4.0 - offset}
        lines.append({**line, "grad_norm": 1.0})
    jsonl(root / model / "metrics.jsonl", lines)
    source = {"sequences": 30, "tokens": 3000, "epochs": 1.5}
    sizes = {"parameters": 1_000_000, "steps": 30, "tokens": 3000, "flops": 1.8e10}
    write_json(
        root / model / "summary.json",
        {"model": model, "from": parent, **sizes, "sources": {"general": source}},
    )


def write_perplexity(root, model, shift):
    rows, documents = [], []
    for source in ("general", "web"):
        sign = 1 if source == "general" else -1
        bits = [1000 + 10 * n + sign * shift * (50 + n) for n in range(20)]
        head = {"model": model, "task": source, "metric": "bits_per_byte"}
        value = sum(bits) / (20 * 500)
        rows.append({**head, "value": value, "low": value - 0.1, "high": value + 0.1, "n": 20})
        for n, bit in enumerate(bits):
            documents.append({"task": source, "index": n, "bits": bit, "bytes": 500})
    write_json(root / f"perplexity_{model}" / "results.json", rows)
    jsonl(root / f"perplexity_{model}" / "documents.jsonl", documents)


def write_corpus(root, reason="too_short"):
    rows = []
    for source, documents in (("general", 100), ("web", 60)):
        number = documents
        for step, dropped in (("filter", 10), ("exact_duplicates", 5)):
            rows.append(
                {
                    "step": step,
                    "source": source,
                    "in": number,
                    "kept": number - dropped,
                    "dropped": {reason: dropped - 1},
                    "failed": {"timeout": 1},
                }
            )
            number -= dropped
        counts = {"train": {"documents": 80, "bytes": 90_000}}
        write_json(root / "corpus" / "documents" / source / "manifest.json", {"splits": counts})
        meta = {"source": source, "split": "train", "num_tokens": 30_000}
        meta |= {"num_documents": 80, "num_bytes": 90_000}
        write_json(root / "tokens" / "stores" / f"{source}.train" / "meta.json", meta)
    write_json(root / "corpus" / "funnel.json", rows)


def make_run(root, text=""):
    write_corpus(root, reason=text.replace("\ud800", "") or "too_short")
    write_training(root, "base", None, 0.0)
    write_training(root, "continued", "base", 0.5)
    for model, shift in (("base", 0), ("continued", 3)):
        write_perplexity(root, model, shift)
        write_evaluation(root, model, text)
    names = ("corpus", "base", "continued", "solve_base", "solve_continued")
    spent = [{"stage": name, "seconds": 61.5, "peak_memory_mib": 900.0} for name in names]
    jsonl(root / "logs" / "stages.jsonl", [*spent, {**spent[0], "peak_memory_mib": 1500.0}])
    write_json(root / "environment.json", {"mathlm": "0.1", "cores": 2, "packages": {"numpy": "2"}})
    write_text(root / "recipe.toml", f"# a recipe\ntitle = '''{text.replace(chr(0xD800), '')}'''\n")
    return root


def context(root, name="report", **without):
    needs = {
        "corpus": ("corpus",),
        "train": ("base", "continued"),
        "perplexity": ("perplexity_base", "perplexity_continued"),
        "solve": ("solve_base", "solve_continued"),
        "grade": ("grade_base", "grade_continued"),
    }
    inputs = {
        role: tuple(StageInput(stage, role, root / stage) for stage in stages)
        for role, stages in needs.items()
        if role not in without
    }
    (root / name).mkdir(exist_ok=True)
    return StageContext(name=name, directory=root / name, inputs=inputs)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    root = make_run(tmp_path_factory.mktemp("plain"))
    run(context(root), ReportConfig())
    return root


@pytest.fixture(scope="module")
def report(plain):
    return json.loads((plain / "report" / "report.json").read_text())


def value(report, model, task, metric):
    (row,) = [
        row
        for row in report["results"]
        if (row["model"], row["task"], row["metric"]) == (model, task, metric)
    ]
    return row


@pytest.mark.parametrize("model", ["base", "continued"])
def test_scores_are_the_shares_that_were_put_in(report, model):
    share = RIGHT[model] / len(PROBLEMS)
    for task, metric in (("sums", "accuracy"), ("sums+python", "accuracy"), ("sums", "maj@4")):
        row = value(report, model, task, metric)
        assert row["value"] == pytest.approx(share)
        assert row["low"] < share < row["high"]
        assert row["n"] == len(PROBLEMS)
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


def test_subjects_add_up_to_the_whole(report):
    rows = [
        row
        for row in report["by_subject"]
        if (row["model"], row["task"], row["metric"]) == ("base", "sums", "accuracy")
    ]
    assert [row["subject"] for row in rows] == ["even", "odd"]
    assert sum(row["value"] * row["n"] for row in rows) == pytest.approx(RIGHT["base"])


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


def test_the_page_is_whole_and_alone(plain):
    text = read_page(plain)
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.names)
    assert "default-src 'none'" in text
    for name, content in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "src"):
            assert content.startswith("#")
    assert not re.search(r"@import|url\((?!#)", text)
    ids = [content for name, content in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    anchors = [content[1:] for name, content in page.attributes if name == "href"]
    assert set(anchors) <= set(ids)
    assert page.names.count("math") >= 4
    for words in ("Before and after", "forgotten", "too_short", "solver search", "no prover here"):
        assert words in text


def test_hostile_text_stays_text(tmp_path):
    root = make_run(tmp_path, HOSTILE)
    config = ReportConfig(title=HOSTILE)
    run(context(root), config)
    text = read_page(root)
    page = Page(text)
    known = Page(read_page(make_and_run(tmp_path / "known")))
    assert set(page.names) <= {*known.names, "mtext", "mi", "mn", "mo", "mrow", "math"}
    assert {name for name, _ in page.attributes} <= {name for name, _ in known.attributes}
    assert text.count("<style>") == text.count("</style>") == 1
    assert "alert(1)" in "".join(page.text)
    for char in "\x00\x1b\u202e\u202c":
        assert char not in text
    markdown = (root / "report" / "tables.md").read_text()
    assert "<script" not in markdown.replace("\\<", "")


def make_and_run(root):
    root.mkdir()
    run(context(make_run(root)), ReportConfig())
    return root


def test_the_same_inputs_give_the_same_bytes(plain):
    run(context(plain, "again"), ReportConfig())
    for name in ("report.html", "report.json", "tables.md"):
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


def test_one_model_alone_is_reported_without_comparison(tmp_path):
    root = make_run(tmp_path)
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


def test_another_baseline_turns_the_differences_round(plain, report):
    run(context(plain, "turned"), ReportConfig(baseline="continued"))
    turned = json.loads((plain / "turned" / "report.json").read_text())
    before = {(r["task"], r["metric"]): r["difference"] for r in report["comparisons"]}
    after = {(r["task"], r["metric"]): r["difference"] for r in turned["comparisons"]}
    assert after == {key: pytest.approx(-difference) for key, difference in before.items()}


def test_a_large_evaluation_keeps_the_page_small(tmp_path):
    root = make_run(tmp_path, "x" * 200_000)
    run(context(root), ReportConfig(samples=50, sample_chars=100_000))
    assert (root / "report" / "report.html").stat().st_size < 20e6
    assert "would grow too large" in read_page(root)


@pytest.mark.parametrize(
    ("config", "spoil", "says"),
    [
        ({"baseline": "other"}, None, "baseline 'other' is no model"),
        ({"policy": "strict"}, None, "no policy 'strict'"),
        ({}, "solve", "needs the solve stage"),
        ({}, "documents", "different documents"),
    ],
)
def test_mistakes_are_named(tmp_path, config, spoil, says):
    root = make_run(tmp_path)
    if spoil == "documents":
        row = {"task": "web", "index": 0, "bits": 1.0, "bytes": 7}
        jsonl(root / "perplexity_base" / "documents.jsonl", [row])
    made = context(root, **({"solve": True} if spoil == "solve" else {}))
    with pytest.raises(UserError, match=says):
        run(made, ReportConfig(**config))


def test_problems_without_a_verdict_are_named(tmp_path):
    root = make_run(tmp_path)
    path = root / "grade_base" / "verdicts.jsonl"
    lines = [line for line in path.read_text().splitlines() if '"p3"' not in line]
    path.write_text("\n".join(lines))
    run(context(root), ReportConfig())
    report = json.loads((root / "report" / "report.json").read_text())
    assert "1 of 40 problems of sums (cot)" in [row["what"] for row in report["left_out"]]
    assert value(report, "base", "sums", "accuracy")["n"] == 39
    (row,) = [r for r in report["comparisons"] if (r["task"], r["metric"]) == ("sums", "accuracy")]
    assert row["n"] == 39


def test_expectations():
    assert "report.html" in expect(ReportConfig())
