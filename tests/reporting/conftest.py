"""A synthetic run with known figures, plain or with hostile text everywhere."""

import json
from types import SimpleNamespace

import pytest

from mathlm.core.records import Completion, CompletionSegment, Problem, TypedValue, Verdict
from mathlm.core.stage import StageContext, StageInput
from mathlm.core.storage import write_json, write_jsonl, write_text
from mathlm.reporting.config import ReportConfig
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
        level=f"Level {1 + n // 10}",
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


@pytest.fixture(scope="session")
def synthetic():
    """The builders of this file."""
    return SimpleNamespace(
        HOSTILE=HOSTILE, SOLVERS=SOLVERS, PROBLEMS=PROBLEMS, RIGHT=RIGHT, solutions=solutions,
        make_run=make_run, context=context, jsonl=jsonl, write_evaluation=write_evaluation,
    )  # fmt: skip


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """A run whose report is made."""
    root = make_run(tmp_path_factory.mktemp("plain"))
    run(context(root), ReportConfig())
    return root


@pytest.fixture(scope="session")
def report(plain):
    """Its figures."""
    return json.loads((plain / "report" / "report.json").read_text())
