"""What tests of the corpus share: web sources (`reading.py`, `mutation.py`), labelled texts."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path

import pytest

from mathlm.corpus.quality.learning import Labelled

FOLDER = Path(__file__).parent


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shared():
    """The module `reading.py` beside this file; workers find the folder on their path."""
    sys.path.append(str(FOLDER))
    yield load("reading")
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="session")
def mutation():
    """The module `mutation.py` beside this file."""
    return load("mutation")


MATHS = [
    "theorem",
    "proof",
    "integral",
    "converges",
    "matrix",
    "polynomial",
    "ring",
    "topology",
    "equation",
    "lemma",
]
OTHER = [
    "recipe",
    "football",
    "guitar",
    "holiday",
    "kitchen",
    "weather",
    "election",
    "garden",
    "cinema",
    "price",
]
SHARED = [
    "the",
    "of",
    "a",
    "we",
    "is",
    "in",
    "that",
    "and",
    "for",
    "with",
    "this",
    "are",
    "be",
    "on",
]


def texts(number, seed=0, noise=0.1):
    rng = random.Random(seed)
    for place in range(number):
        good = rng.random() < 0.3
        own = MATHS if good else OTHER
        words = [rng.choice(SHARED if rng.random() < 0.7 else own) for _ in range(60)]
        text = " ".join(words)
        label = good if rng.random() > noise else not good
        yield Labelled(f"{seed}-{place}", text + (" $x^2$" if label else ""), float(label))


@pytest.fixture(scope="session")
def labelled_texts():
    """`texts(number, seed=0, noise=0.1)`: labelled texts of two subjects."""
    return texts
