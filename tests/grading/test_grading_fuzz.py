"""A hundred thousand random and mutated answers: no crash, no hang, no wrong number accepted."""

import json
import random
import re
from fractions import Fraction

import pytest

from mathlm.grading import extract, grade_all

_SIGNS = "0123456789.-/,\\frac{}sqrt()[]^_xyπ% $|=<>+*!"
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


def _pairs(golds, number, seed):
    source = random.Random(seed)
    for index in range(number):
        gold = source.choice(golds)
        if index % 4 == 0:
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
        plain = _NUMBER.fullmatch(gold) and _NUMBER.fullmatch(answer)
        if plain and Fraction(gold) != Fraction(answer):
            assert verdict.status == "incorrect", (gold, answer, verdict)


def test_a_few_thousand(data_dir):
    _fuzz(data_dir, 3_000)


@pytest.mark.slow
def test_a_hundred_thousand(data_dir):
    _fuzz(data_dir, 100_000)
