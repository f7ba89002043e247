"""Sample problems with every model's solution, programs, tool output and verdict.

Chosen, not drawn at will: for each task problems that the last model gained, that both have
right, that both have wrong and that it lost, in turn, each kind in a fixed pseudo-random order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mathlm.core.records import Completion, CompletionSegment, Problem, Verdict
from mathlm.reporting.formulas import with_formulas
from mathlm.reporting.inputs import Evaluation, read_completions, read_verdicts
from mathlm.reporting.markup import Html, escape, join, tag, visible
from mathlm.reporting.scores import is_right
from mathlm.tokens.order import key_of

_SEGMENTS = 30
"""Segments shown of one solution."""
_BUDGET = 8_000_000
"""Characters of markup after which no further problem is shown."""
KINDS = {
    (False, True): "gained",
    (True, True): "right before and after",
    (False, False): "wrong before and after",
    (True, False): "lost",
}
_STATUS = {
    "correct": "correct",
    "incorrect": "incorrect",
    "no_answer": "no answer",
    "timeout": "timeout",
    "error": "error",
}


@dataclass(frozen=True)
class Solution:
    """One model's first sample by one solver."""

    model: str
    solver: str
    kind: str
    completion: Completion | None
    verdict: Verdict | None


def _first_right(evaluation: Evaluation, task: str) -> dict[str, bool]:
    """Whether the first solver that did the task has a right first sample, by problem."""
    for solver in [*evaluation.solvers, *evaluation.marks]:
        problems = evaluation.marks.get(solver, {}).get(task)
        if problems:
            return {problem: is_right(marks[0]) for problem, marks in problems.items()}
    return {}


def choose(evaluations: Sequence[Evaluation], number: int) -> dict[tuple[str, str], str]:
    """Up to `number` problems of each task, with the kind that each is an example of."""
    if not evaluations:
        return {}
    first, last = evaluations[0], evaluations[-1]
    chosen: dict[tuple[str, str], str] = {}
    for task in dict.fromkeys(task for task, _ in last.problems):
        before, after = _first_right(first, task), _first_right(last, task)
        waiting: dict[str, list[str]] = {kind: [] for kind in KINDS.values()}
        both = sorted(before.keys() & after.keys(), key=lambda p: key_of("samples", task, p))
        for problem in both:
            waiting[KINDS[before[problem], after[problem]]].append(problem)
        for kind, problem in list(_in_turn(waiting))[:number]:
            chosen[task, problem] = kind
    return chosen


def _in_turn(waiting: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    longest = max(map(len, waiting.values()), default=0)
    for place in range(longest):
        for kind, problems in waiting.items():
            if place < len(problems):
                yield kind, problems[place]


def solutions(
    evaluations: Sequence[Evaluation], wanted: Mapping[tuple[str, str], str]
) -> dict[tuple[str, str], list[Solution]]:
    """Every model's and solver's first sample for the wanted problems."""
    found: dict[tuple[str, str], list[Solution]] = {key: [] for key in wanted}
    for evaluation in evaluations:
        completions = read_completions(evaluation, wanted)
        verdicts = read_verdicts(evaluation, wanted)
        solvers = list(dict.fromkeys([*evaluation.solvers, *evaluation.marks]))
        for task, problem in wanted:
            for solver in solvers:
                key = (task, problem, solver)
                if key in completions or key in verdicts:
                    solution = Solution(
                        evaluation.model,
                        solver,
                        evaluation.kind(solver),
                        completions.get(key),
                        verdicts.get(key),
                    )
                    found[task, problem].append(solution)
    return {key: sorted(own, key=lambda s: s.solver) for key, own in found.items()}


def section(evaluations: Sequence[Evaluation], number: int, max_chars: int) -> Html:
    """The sample problems of all tasks as HTML."""
    wanted = choose(evaluations, number)
    found = solutions(evaluations, wanted)
    problems = {key: p for evaluation in evaluations for key, p in evaluation.problems.items()}
    parts: list[Html] = []
    size = task_seen = 0
    last_task = None
    for task, identifier in wanted:
        if task != last_task:
            parts.append(tag("h3", task))
            last_task, task_seen = task, 0
        problem = problems.get((task, identifier))
        if problem is None:
            continue
        item = _problem(
            problem,
            kind=wanted[task, identifier],
            found=found[task, identifier],
            max_chars=max_chars,
            opened=task_seen == 0,
        )
        if size + len(item) > _BUDGET:
            parts.append(tag("p", "Further problems are left out: the page would grow too large."))
            break
        parts.append(item)
        size, task_seen = size + len(item), task_seen + 1
    return join(parts, "\n")


def _problem(
    problem: Problem, *, kind: str, found: Sequence[Solution], max_chars: int, opened: bool
) -> Html:
    question = problem.prompt or problem.statement or ""
    lines = [
        tag("div", with_formulas(_cut(question, max_chars)), class_="text question", dir="auto")
    ]
    lines += [
        tag("div", tag("div", with_formulas(choice), class_="text"), class_="choice")
        for choice in problem.choices
    ]
    if problem.answer is not None:
        gold = join([tag("span", "Answer ", class_="label"), with_formulas(problem.answer)])
        lines.append(tag("p", gold, class_="gold"))
    cards = join(_solution(solution, max_chars) for solution in found)
    summary = join(
        [
            tag("span", problem.id, class_="id"),
            tag("span", kind, class_="kind " + kind.split(maxsplit=1)[0]),
        ]
    )
    content = join([tag("summary", summary), *lines, tag("div", cards, class_="cards")])
    return tag("details", content, class_="problem", open="" if opened else None)


def _solution(solution: Solution, max_chars: int) -> Html:
    verdict, completion = solution.verdict, solution.completion
    status = verdict.status if verdict is not None else "not graded"
    head = [
        tag("span", f"{solution.model} · {solution.solver}", class_="who"),
        tag("span", _STATUS.get(status, status), class_=f"badge {status.replace(' ', '_')}"),
    ]
    body: list[Html] = [tag("header", join(head))]
    if completion is None:
        body.append(tag("p", "The completion is not in this run.", class_="note"))
    else:
        body += _segments(completion, max_chars, program=solution.kind == "program")
        tokens = completion.cost.model_tokens
        spent = f"{tokens} tokens written, " if tokens else ""
        body.append(tag("p", f"{spent}ended by {completion.finish_reason}", class_="note"))
    if verdict is not None:
        body.append(tag("p", _judged(verdict), class_="note"))
    return tag("article", join(body), class_=f"card {status.replace(' ', '_')}")


def _judged(verdict: Verdict) -> str:
    """How the verdict came about, in a line."""
    if verdict.answer is None:
        return _cut(verdict.reason or "no answer found", 300)
    answer = f"answer {_cut(verdict.answer, 200)}"
    rule = f", decided by the rule “{verdict.rule}”" if verdict.rule else ""
    reason = f": {_cut(verdict.reason, 300)}" if verdict.reason else ""
    return f"{answer}{rule}{reason}"


def _segments(completion: Completion, max_chars: int, *, program: bool) -> Iterator[Html]:
    for segment in completion.segments[:_SEGMENTS]:
        yield _segment(segment, max_chars, program=program)
    if (more := len(completion.segments) - _SEGMENTS) > 0:
        yield tag("p", f"{more} further segments are not shown.", class_="note")


def _segment(segment: CompletionSegment, max_chars: int, *, program: bool) -> Html:
    text = _cut(segment.text, max_chars)
    if segment.source == "tool":
        title = f"output of the program ({segment.status or 'no status'}"
        title += f", sandbox {segment.level})" if segment.level else ")"
        parts = [tag("span", title, class_="label"), tag("pre", text, dir="ltr")]
        if segment.variables:
            shown = ", ".join(
                f"{name} = {_cut(value.value, 200)}"
                for name, value in sorted(segment.variables.items())[:20]
            )
            parts.append(tag("pre", shown, class_="variables", dir="ltr"))
        return tag("div", join(parts), class_="tool")
    if segment.source == "forced":
        return tag("div", escape(text), class_="text forced", dir="auto")
    if program:
        return tag("pre", text, class_="program", dir="ltr")
    return tag("div", with_formulas(text), class_="text", dir="auto")


def _cut(text: str, max_chars: int) -> str:
    """The text's beginning, and how much is not shown."""
    if len(text) <= max_chars:
        return visible(text)
    return f"{visible(text[:max_chars])} … ({len(text) - max_chars} more characters)"
