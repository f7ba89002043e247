"""Decontamination: what counts as an overlap with test problems."""

from __future__ import annotations

import json
import re

import pytest

from mathlm.core.records import Problem
from mathlm.corpus.config import Decontamination
from mathlm.corpus.decontaminate import Decontaminator
from mathlm.tasks import TASKS
from mathlm.tasks.arithmetic import training_texts

GARDEN = (
    "A garden is 27 metres long and 13 metres wide. Jane builds a fence around it but for a gate"
    " of 7 metres. How long is the fence?"
)


def overlap(text, *items, evidence="any", solution=None, **settings):
    problems = [
        Problem(id=str(number), task="t", prompt=item, solution=solution)
        for number, item in enumerate(items)
    ]
    (found,) = Decontaminator(problems, Decontamination(**settings)).overlaps([text], evidence)
    return found


def plus_one(text, count=0):
    return re.sub(r"\d+", lambda match: str(int(match[0]) + 1), text, count=count)


@pytest.mark.parametrize(
    ("text", "any_hit", "numbers_hit"),
    [
        (f"Before. {GARDEN} After.", True, True),
        (GARDEN.upper().replace(".", " .").replace(" ", "\n"), True, True),
        (plus_one(GARDEN), True, False),  # the template with other numbers
        (plus_one(GARDEN, 1), True, False),
        (GARDEN[: len(GARDEN) // 2], True, False),  # 13 words, but not all numbers
        ("A garden is long and Jane builds a fence.", False, False),
        ("", False, False),
    ],
)
def test_evidence(text, any_hit, numbers_hit):
    assert (overlap(text, GARDEN) is not None) is any_hit
    assert (overlap(text, GARDEN, evidence="numbers") is not None) is numbers_hit


@pytest.mark.parametrize(
    ("item", "text", "hit"),
    [
        (r"Evaluate $\sin 60^\circ$.", r"First, evaluate \(\sin 60^\circ\), then rest.", True),
        (r"Evaluate $\sin 60^\circ$.", r"First, evaluate \(\sin 61^\circ\), then rest.", False),
        ("Find x.", "Find x. Find x.", False),  # under three words
        ("1 + 2 = 3", "so 1 + 2 = 3 holds", False),  # nothing but numbers and signs
        ("What is 3 + 4?", "What is 3 - 4?", False),
        ("What is 3 + 4?", "what is $3+4$", True),
    ],
)
def test_short_items_count_when_whole(item, text, hit):
    assert (overlap(text, item) is not None) is hit


@pytest.mark.parametrize(
    "run",
    ["- " * 20, "= + * / " * 6, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15", "x x x x y y y y " * 3],
)
def test_signs_numbers_and_repeated_letters_decide_nothing(run):
    """MegaMath's trap: an n-gram of punctuation alone must not decide about a document."""
    assert overlap(f"A table: {run} and more text.", f"Given {run} find the answer now.") is None


def test_punctuation_in_front_of_a_copy_does_not_hide_it():
    item = "- - - - - - - - - - - - - - " + GARDEN
    assert overlap(f"- - - - - - - - - - - - - - - {GARDEN}", item) is not None


def test_long_solutions_count_and_short_ones_do_not():
    worked = "Half of the fence is 27 + 13 metres so the whole of it has 80 metres less the gate"
    assert overlap(f"x {worked} y", "Unrelated question here", solution=worked).part == "solution"
    short = "sum = 3 + 4 = 7. The answer is 7."
    assert overlap(f"x {short} y", "Unrelated question here", solution=short) is None


def test_the_overlap_names_item_part_and_words():
    found = overlap(GARDEN, "Something else entirely different.", GARDEN, words=5)
    assert (found.task, found.problem, found.part) == ("t", "1", "prompt")
    assert found.ngram == "a garden is 27 metres"


def test_generated_training_texts_are_clean_and_planted_copies_are_found():
    ours = [task for task in TASKS.values() if task.generate is not None]
    problems = [problem for task in ours for problem in task.load("test", 300, 0)]
    index = Decontaminator(problems, Decontamination())
    texts = [text for _, text in training_texts(400, 5)]
    assert not any(index.overlaps(texts, "numbers"))
    assert sum(map(bool, index.overlaps(texts, "any"))) > 100  # the templates are shared
    planted = [f"{texts[number % 400]}\n{p.prompt}\n" for number, p in enumerate(problems)]
    assert all(index.overlaps(planted, "numbers"))


@pytest.mark.data
def test_real_benchmarks_are_found_in_pages_that_hold_them(data_dir):
    rows = [
        json.loads(line)
        for name in ("gsm8k", "svamp", "asdiv")
        for line in (data_dir / "decontamination" / f"{name}.jsonl").read_text().splitlines()[:150]
    ]
    keys = (("body", "question"), ("Body", "Question"), ("question",))
    texts = []
    for row in rows:
        fields = next(names for names in keys if all(isinstance(row.get(n), str) for n in names))
        texts.append(" ".join(row[name] for name in fields))
    problems = [Problem(id=str(n), task="real", prompt=text) for n, text in enumerate(texts)]
    index = Decontaminator(problems, Decontamination())
    pages = [f"Solve this: {text.replace('.', ' .')} Good luck!" for text in texts]
    for evidence in ("any", "numbers"):
        assert all(index.overlaps(pages, evidence))
