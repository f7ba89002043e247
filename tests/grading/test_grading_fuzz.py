"""A hundred thousand random and mutated answers: no crash, no hang, no wrong number accepted."""

import json
import random
import re
from fractions import Fraction

import pytest

from mathlm.grading import extract, grade_all

_SIGNS = "0123456789.-/,\\frac{}sqrt()[]^_xyπ% $|=<>+*!"
WRONG = {}
"""Whether a dressed number differs from its gold, also as a percentage of it."""
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def _mutated(text, source):
    letters = list(text)
    for _ in range(source.randint(1, 3)):
        place, choice = source.randrange(len(letters) + 1), source.random()
        if choice < 0.4 and place < len(letters):
            letters[place] = source.choice(_SIGNS)
        elif choice < 0.7:
            letters.insert(place, source.choice(_SIGNS))
        elif place < len(letters):
            del letters[place]
    return "".join(letters)


DRESSES = [
    "\\boxed{%s}", "The answer is %s.", "so $x = %s$.", "**%s**", "#### %s", "\\(%s\\)",
    "Final Answer: The final answer is $%s$. I hope it is correct.", "\\$%s", "%s\\text{ cm}",
    "<think>%s or so</think> It is %s", "答案：%s", "\\left(%s\\right)", "%s%%", "≈ %s",
]  # fmt: skip


def _dressed(gold, source):
    """A gold number with a digit changed, as a model would write it."""
    places = [place for place, letter in enumerate(gold) if letter.isdigit()]
    place = source.choice(places)
    changed = gold[:place] + source.choice("0123456789") + gold[place + 1 :]
    dress = source.choice(DRESSES)
    return changed, dress.replace("%s", changed).replace("%%", "\\%")


def _pairs(golds, number, seed):
    source = random.Random(seed)
    for index in range(number):
        gold = source.choice(golds)
        if index % 4 == 1 and _NUMBER.fullmatch(gold):
            changed, answer = _dressed(gold, source)
            WRONG[gold, answer] = Fraction(changed) not in (Fraction(gold), Fraction(gold) * 100)
            yield gold, answer
        elif index % 4 == 0:
            letters = source.choices(_SIGNS + "\n\ud800abcde", k=source.randint(0, 60))
            yield gold, "".join(letters)
        else:
            yield gold, _mutated(gold, source)


def _fuzz(data_dir, number):
    lines = (data_dir / "benchmarks/math/test.jsonl").read_text().splitlines()
    golds = [extract(json.loads(line)["solution"]).answer for line in lines]
    pairs = list(_pairs(golds, number, seed=1))
    for (gold, answer), verdict in zip(pairs, grade_all(pairs), strict=True):
        assert verdict.seconds < 10, (gold, answer)
        if WRONG.get((gold, answer)):
            assert verdict.status == "incorrect", (gold, answer, verdict)
        plain = _NUMBER.fullmatch(gold) and _NUMBER.fullmatch(answer)
        if plain and Fraction(gold) != Fraction(answer):
            assert verdict.status == "incorrect", (gold, answer, verdict)


def test_a_few_thousand(data_dir):
    _fuzz(data_dir, 3_000)


@pytest.mark.slow
def test_a_hundred_thousand(data_dir):
    _fuzz(data_dir, 100_000)
