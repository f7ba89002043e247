"""Published models' own outputs, graded again under several policies, in one report.

    MATHLM_DATA=../shared/data python examples/regrade_outputs.py --out runs/regraded

An example of bringing one's own completions: each file of `outputs/` becomes a folder with
`problems.jsonl` and `completions.jsonl`, which is all that `mathlm stage grade` and
`mathlm stage report` need. The labels that the files carry are added as a policy of their own,
`label`, so that the report shows where a grader differs from them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mathlm.cli import main as mathlm
from mathlm.core.records import Completion, CompletionSegment, Problem, Verdict
from mathlm.core.storage import read_jsonl, write_json, write_jsonl

Segments = list[CompletionSegment]
POLICIES = ("default", "llemma", "minerva", "prm800k")
LEVEL = re.compile(r"MATH (?P<subject>.+) Level (?P<level>\d)")
BLOCK = re.compile(r"```(python|output)\n(.*?)```", re.DOTALL)
TASKS = {"MATH": "math", "GSM8k": "gsm8k", "OpenCourseWare": "ocw", "SAT": "sat"}


class Answered(NamedTuple):
    """One answer of a published file, and whether the file itself calls it right."""

    model: str
    problem: Problem
    segments: Segments
    label: bool
    kind: str = "cot"


def wrote(text: str) -> CompletionSegment:
    return CompletionSegment(source="model", text=text)


def printed(text: str) -> CompletionSegment:
    failed = "Error" in text or text.strip() in ("", "None")
    return CompletionSegment(source="tool", text=text, status="error" if failed else "ok")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if not {"demonstration", "prompt"} & row.keys():  # the prompts among the PoT outputs
            yield row


class Items:
    """Problems of several files: the same question is the same problem."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], Problem] = {}

    def of(self, task: str, question: str, answer: str, **more: Any) -> Problem:
        """The problem of that question, the one already known or a new one."""
        key = task, " ".join(question.split())
        if key not in self.known:
            number = sum(name == task for name, _ in self.known)
            name = f"{task}-{number}"
            self.known[key] = Problem(id=name, task=task, prompt=question, answer=answer, **more)
        return self.known[key]


def gpt3(folder: Path, items: Items) -> Iterator[Answered]:
    names = {
        "6b_finetuning": "GPT-3 6B",
        "6b_verification": "GPT-3 6B + verifier",
        "175b_finetuning": "GPT-3 175B",
        "175b_verification": "GPT-3 175B + verifier",
    }
    for row in rows(folder / "gpt3_gsm8k.jsonl"):
        solution, _, gold = row["ground_truth"].rpartition("\nA:")
        problem = items.of("gsm8k", row["question"], gold.strip(), solution=solution)
        for key, name in names.items():
            text = row[key]["solution"].replace("\nA: ", "\nThe answer is ") + "."
            yield Answered(name, problem, [wrote(text)], row[key]["is_correct"])


def llemma(folder: Path, items: Items) -> Iterator[Answered]:
    for row in rows(folder / "llemma_34b_demo.jsonl"):
        source = row["problem_source"]
        task = TASKS.get(source.split()[0], "mmlu-stem")
        more: dict[str, Any] = {}
        if match := LEVEL.fullmatch(source):
            more = {"subject": match["subject"], "level": f"Level {match['level']}"}
        elif task == "mmlu-stem":
            more = {"subject": source.removeprefix("MMLU ")}
        gold = row["reference_answer"]
        if task == "math":
            more["solution"], gold = gold, last_box(gold)
        problem = items.of(task, row["question"], gold, **more)
        # the file holds answers without the last words of the prompt's format
        text = row["model_answer"]
        if task != "gsm8k" and not text.endswith("I hope it is correct."):
            text += " I hope it is correct."
        yield Answered("Llemma 34B, voted", problem, [wrote(text)], row["result"] == "Correct")


def last_box(solution: str) -> str:
    r"""The last `\boxed{…}` of a reference solution, braces balanced."""
    start = solution.rfind("\\boxed")
    depth = 0
    for place in range(start, len(solution)):
        depth += {"{": 1, "}": -1}.get(solution[place], 0)
        if depth == 0 and solution[place] == "}":
            return f"${solution[start : place + 1]}$"
    return solution


def tora(folder: Path, items: Items) -> Iterator[Answered]:
    for row in rows(folder / "tora_70b_gsm8k.jsonl"):
        problem = items.of("gsm8k", row["question"], row["gt"])
        text, last, segments = row["code"][0], 0, Segments()
        for match in BLOCK.finditer(text):
            before = text[last : match.start()].strip()
            segments += [wrote(before)] if before else []
            segments.append(wrote(match[2]) if match[1] == "python" else printed(match[2]))
            last = match.end()
        if text[last:].strip():
            segments.append(wrote(text[last:].strip()))
        label = same_number(row["pred"][0], row["gt"])
        yield Answered("ToRA 70B", problem, segments, label, "program")


def mathcoder(folder: Path, items: Items) -> Iterator[Answered]:
    for name, label in (("right", True), ("wrong", False)):
        for row in rows(folder / f"mathcoder_l7b_gsm8k_{name}.jsonl"):
            turns = row["debug_result"]
            question = next(turn["content"] for turn in turns if turn["role"] == "user")
            problem = items.of("gsm8k", question, row["ground_truth"]["answer"])
            made = {"code": wrote, "text": wrote, "execution": printed}
            said = [turn for turn in turns if turn["role"] in made]
            if said and said[-1]["content"] == row["completion"]:
                said[-1] = {"role": "text", "content": f"The answer is {row['completion']}."}
            segments = [made[turn["role"]](turn["content"]) for turn in said]
            yield Answered("MathCoder-L 7B", problem, segments, label, "program")


def codex(folder: Path, items: Items) -> Iterator[Answered]:
    model = "Codex, programs"
    for row in rows(folder / "pot_codex_gsm8k.jsonl"):
        problem = items.of("gsm8k", row["question"], str(row["answer"]))
        segments = [wrote(row["generated"][0]), printed(str(row["executed"]))]
        yield Answered(
            model, problem, segments, same_number(row["executed"], row["answer"]), "program"
        )
    for row in rows(folder / "pot_codex_svamp.jsonl"):
        question = f"{row['passage'].rstrip('. ')}. {row['question']}"
        problem = items.of("svamp", question, str(row["answer"]))
        segments = [wrote(row["generated"][0]), printed(str(row["executed"]))]
        yield Answered(
            model, problem, segments, same_number(row["executed"], row["answer"]), "program"
        )
    for row in rows(folder / "pot_codex_aqua.jsonl"):
        choices = tuple(option.partition(")")[2] for option in row["options"])
        problem = items.of("aqua", row["question"], row["answer"], choices=choices)
        segments = [wrote(row["generated"]), printed(str(row["generated_prediction"]))]
        segments.append(wrote(f"The answer is ({row['prediction']})."))
        yield Answered(model, problem, segments, row["prediction"] == row["answer"], "program")


def same_number(answer: Any, gold: Any) -> bool:
    """The published comparison: relative tolerance 1e-3."""
    try:
        first, second = (float(str(value).replace(",", "")) for value in (answer, gold))
    except ValueError:
        return False
    return abs(first - second) <= 1e-3 * max(abs(first), abs(second))


def write_run(out: Path, answers: list[Answered]) -> list[str]:
    """A solve folder for each model; returns the folders' names."""
    names = []
    for model in dict.fromkeys(answer.model for answer in answers):
        own = [answer for answer in answers if answer.model == model]
        solver = "program" if own[0].kind == "program" else "cot"
        folder = out / ("solve-" + re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-"))
        # where a question stands in a file twice, the first answer counts
        first = {answer.problem.id: answer for answer in reversed(own)}
        own = [answer for answer in own if first[answer.problem.id] is answer]
        write_jsonl(folder / "problems.jsonl", [answer.problem for answer in own])
        completions = [
            Completion(
                problem_id=answer.problem.id, task=answer.problem.task, solver=solver,
                sample_index=0, segments=tuple(answer.segments), finish_reason="stop",
            )
            for answer in own
        ]  # fmt: skip
        write_jsonl(folder / "completions.jsonl", completions)
        solvers = {solver: {"kind": solver, "samples": 1}}
        write_json(folder / "meta.json", {"model": model, "solvers": solvers})
        labels = {answer.problem.id: answer.label for answer in own}
        write_json(folder / "labels.json", labels)
        names.append(folder.name)
    return names


def add_labels(solve: Path, grade: Path) -> None:
    """The file's own labels as verdicts of a policy `label`, after those of the graders."""
    labels = json.loads((solve / "labels.json").read_text())
    verdicts = [v for v in read_jsonl(grade / "verdicts.jsonl", Verdict) if v.policy != "label"]
    first = [verdict for verdict in verdicts if verdict.policy == POLICIES[0]]
    for verdict in first:
        status = "correct" if labels[verdict.problem_id] else "incorrect"
        changes = {"policy": "label", "status": status, "rule": "label", "reason": ""}
        verdicts.append(verdict.model_copy(update=changes))
    write_jsonl(grade / "verdicts.jsonl", verdicts)


def run(*words: str) -> None:
    if code := mathlm(words):
        sys.exit(code)


def main() -> None:
    data = Path(os.environ.get("MATHLM_DATA", "../shared/data"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outputs", type=Path, default=data / "outputs")
    parser.add_argument("--out", type=Path, default=Path("runs/regraded"))
    args = parser.parse_args()
    if not args.outputs.is_dir():
        sys.exit(f"no folder {args.outputs}: set MATHLM_DATA or give --outputs")
    items = Items()
    readers = (gpt3, llemma, tora, mathcoder, codex)
    answers = [answer for reader in readers for answer in reader(args.outputs, items)]
    solves = write_run(args.out, answers)
    inputs: list[str] = []
    start = time.perf_counter()
    for name in solves:
        solve, grade = args.out / name, args.out / name.replace("solve", "grade", 1)
        policies = json.dumps(POLICIES)
        run("stage", "grade", f"policies={policies}", "--quiet", "--input", f"completions={solve}",
            "--out", str(grade))  # fmt: skip
        add_labels(solve, grade)
        inputs += ["--input", f"solve={solve}", "--input", f"grade={grade}"]
    graded, used = time.perf_counter(), time.process_time()
    run("stage", "report", "title=Published outputs, graded again", "--quiet", *inputs,
        "--out", str(args.out / "report"))  # fmt: skip
    ended = time.perf_counter()
    print(
        f"{len(answers)} answers of {len(solves)} models, {len(POLICIES)} policies and the labels"
    )
    spent = f"{ended - graded:.1f} s ({time.process_time() - used:.1f} s of one core)"
    print(f"graded in {graded - start:.1f} s, reported in {spent}")
    print(f"report: {args.out / 'report' / 'report.html'}")


if __name__ == "__main__":
    main()
