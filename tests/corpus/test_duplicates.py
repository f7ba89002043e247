"""Duplicates: which go, whatever the order of inputs and the number of partitions."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.corpus.config import NearDuplicates
from mathlm.corpus.duplicates import (
    Fingerprints,
    exact_duplicates,
    exact_key,
    fingerprint,
    near_duplicates,
)
from mathlm.corpus.partition import Partitions

SETTINGS = NearDuplicates()


def prints_of(documents: list[tuple[str, str]]) -> Fingerprints:
    arrays = fingerprint([text for _, text in documents], SETTINGS)
    ids = [identifier for identifier, _ in documents]
    columns = (arrays.lengths, arrays.exact, arrays.values, arrays.keys, arrays.any_words)
    return Fingerprints(ids, ["s"] * len(ids), *columns)


def dropped(documents, scratch, partitions=4) -> tuple[dict[str, str], dict[str, str]]:
    prints = prints_of(documents)
    exact = exact_duplicates(prints, scratch / "keys", partitions)
    settings = SETTINGS.model_copy(update={"partitions": partitions})
    near = near_duplicates(prints, exact, settings, scratch / "keys")
    names = prints.ids
    return tuple({names[k]: names[v] for k, v in links.items()} for links in (exact, near))


def prose(seed: int, words: int = 300) -> list[str]:
    rng = random.Random(seed)
    return [f"w{rng.randrange(5000)}" for _ in range(words)]


def edited(words: list[str], number: int, seed: int) -> list[str]:
    rng, words = random.Random(seed), list(words)
    for place in rng.sample(range(len(words)), number):
        words[place] = f"changed{seed}x{place}"
    return words


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("a b", " a\n\tb ", True),
        ("é", "e\u0301", True),
        ("a b", "a  B", False),
        ("ab", "a b", False),
        ("", " \n", True),
    ],
)
def test_exact_key(left, right, same):
    assert (exact_key(left) == exact_key(right)) is same


def test_longest_stays_then_the_first_id(tmp_path):
    text = " ".join(prose(0))
    exact, near = dropped([("b", text), ("a", text), ("c", text + "  "), ("d", "other")], tmp_path)
    assert exact == {"a": "c", "b": "c"}
    assert near == {}


def test_near_duplicates_are_found_and_mere_template_neighbours_are_not(tmp_path):
    documents = []
    for seed in range(60):
        words = prose(seed)
        documents.append((f"{seed:02d}a", " ".join(words)))
        documents.append((f"{seed:02d}b", " ".join([*edited(words, 4, seed), "more"])))  # s ≈ 0.88
        documents.append((f"{seed:02d}c", " ".join(edited(words, 45, seed + 999))))  # s ≈ 0.3
    exact, near = dropped(documents, tmp_path)
    assert exact == {}
    assert set(near) <= {f"{seed:02d}a" for seed in range(60)}
    assert len(near) >= 57
    assert all(near[name] == name[:2] + "b" for name in near)


def test_a_crowded_bucket_holds_several_sets(tmp_path):
    opening = prose(1, 200)  # shared by all: one band is likely to agree, similarity stays low
    documents = []
    for seed in range(20):
        words = opening + prose(100 + seed, 500)
        documents += [(f"{seed}a", " ".join(words)), (f"{seed}b", " ".join([*words, "end"]))]
    _, near = dropped(documents, tmp_path)
    assert near == {f"{seed}a": f"{seed}b" for seed in range(20)}


@settings(deadline=None, max_examples=25)
@given(st.randoms(use_true_random=False), st.integers(1, 9))
def test_order_and_partitions_change_nothing(tmp_path_factory, rng, partitions):
    scratch = tmp_path_factory.mktemp("scratch")
    base = [prose(seed, 60) for seed in range(6)]
    documents = [(f"{number}", " ".join(words)) for number, words in enumerate(base)]
    documents += [(f"{n}e", " ".join(edited(words, 1, n))) for n, words in enumerate(base)]
    documents += [(f"{n}x", " ".join(words) + "\n") for n, words in enumerate(base[:3])]
    documents += [("blank", " "), ("blank2", "")]
    expected = dropped(documents, scratch, 4)
    assert expected[0] and expected[1]
    rng.shuffle(documents)
    assert dropped(documents, scratch, partitions) == expected


def test_partitions_group_equal_keys_and_leave_nothing_behind(tmp_path):
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 2**64, 500, dtype=np.uint64)[rng.integers(0, 500, 2000)]
    expected = {tuple(np.flatnonzero(keys == key).tolist()) for key in set(keys.tolist())}
    for number in (1, 7, 300):
        files = Partitions(tmp_path / "keys", number)
        files.add(keys[:1200], np.arange(1200))
        files.add(keys[1200:], np.arange(1200, 2000))
        found = {tuple(group.tolist()) for group in files.groups()}
        assert found == {group for group in expected if len(group) > 1}
        assert not (tmp_path / "keys").exists()


def test_half_of_the_exact_key_is_not_enough(tmp_path):
    prints = prints_of([("a", "one"), ("b", "two"), ("c", "two ")])
    prints.exact.flags.writeable or prints.exact.setflags(write=False)
    halves = prints.exact.copy()
    halves[:, 0] = 7
    assert exact_duplicates(prints._replace(exact=halves), tmp_path / "k", 2) == {1: 2}
