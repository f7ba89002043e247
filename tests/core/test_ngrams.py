"""N-grams against naive search, and the published overlap counts."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.ngrams import (
    EXACT,
    FOLDED,
    PROBLEM,
    Index,
    Match,
    WordRule,
    blocks,
    hash_ngrams,
    hash_words,
)

RULES = {"exact": EXACT, "folded": FOLDED, "problem": PROBLEM}
ALPHABET = "abAB ~\n\t\\,;:!$^+-12é\u00a0\u2003\x1cßİ’'qud"


def naive(
    items: list[str], texts: list[str], n: int, rule: WordRule, least: int
) -> set[tuple[int, Match]]:
    found = set()
    for t, text in enumerate(texts):
        words = rule.words(text)
        for i, item in enumerate(items):
            wanted = rule.words(item)
            length = min(n, len(wanted))
            if length < least:
                continue
            for a in range(len(wanted) - length + 1):
                places = range(len(words) - length + 1)
                here = [b for b in places if wanted[a : a + length] == words[b : b + length]]
                found |= {(t, Match(i, a, b, length)) for b in here[:1]}
    return found


texts_of = st.lists(st.text(alphabet="ab +\nA", max_size=30), max_size=5)


@settings(max_examples=150, deadline=None)
@given(items=texts_of, texts=texts_of, n=st.integers(1, 4), rule=st.sampled_from(list(RULES)))
def test_search_finds_what_comparing_every_pair_finds(items, texts, n, rule):
    index = Index(items, n, RULES[rule], min_words=1)
    found = [
        (number, match) for number, matches in enumerate(index.search(texts)) for match in matches
    ]
    assert len(found) == len(set(found))
    assert set(found) == naive(items, texts, n, RULES[rule], 1)


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet=ALPHABET, max_size=40))
def test_tables_and_pattern_see_the_same_words(text):
    for rule in RULES.values():
        words = rule.words(text)
        block = hash_words([rule.encode(text)], rule)
        assert len(block.words) == len(words) == len(rule.spans(text))
        by_hash: dict[int, str] = {}
        for value, word in zip(block.words.tolist(), words, strict=True):
            assert by_hash.setdefault(value, word) == word
        assert len(set(words)) == len(set(block.words.tolist()))


@given(text=st.text(max_size=60))
def test_exact_words_are_those_of_split(text):
    assert EXACT.words(text) == text.split()


@given(text=st.text(alphabet=ALPHABET, max_size=40))
def test_spans_point_at_the_words_in_the_unfolded_text(text):
    for (start, end), word in zip(FOLDED.spans(text), FOLDED.words(text), strict=True):
        assert text[start:end].translate(str.maketrans("’", "'")).casefold() == word


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (r"Let $x~=\,2$", r"let $X =\quad 2$", True),
        (r"a\qquad b", "a b", True),
        (r"a\ b \! c \; d \: e", "a b c d e", True),
        (r"a\quadratic b", "a b", False),
        (r"a \\, b", "a , b", False),
        ("a, b", "a b", False),
    ],
)
def test_folded_spacing(left, right, same):
    assert (FOLDED.words(left) == FOLDED.words(right)) is same


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("What is $3+4$?", "what is 3 + 4", True),
        ("What is 3 + 4?", "what is 3 - 4", False),
        ("Sarah’s 5 apples — all", "sarah's 5 apples - all", True),
        (r"\frac{3}{4}\,x", "frac 3 4 x", True),
    ],
)
def test_problem_words(left, right, same):
    assert (PROBLEM.words(left) == PROBLEM.words(right)) is same


def test_long_texts_are_hashed_alike_wherever_they_stand_in_a_block():
    text = "the quick brown fox jumps over the lazy dog " * 8_000
    (alone,) = [block.words for _, _, block in blocks([text], FOLDED)]
    padded = [b"x " * 70_000, FOLDED.encode(text)]
    block = hash_words(padded, FOLDED)
    assert np.array_equal(alone, block.words[block.offsets[1] :])
    hashes, first = hash_ngrams(block, 9)
    assert len(set(hashes[first >= block.offsets[1]].tolist())) == 9


def test_ngrams_never_cross_texts():
    index = Index(["one two three four"], 4, EXACT)
    assert list(index.search(["one two", "three four", "", "one two three four"]))[:3] == [[]] * 3


def test_items_below_n_words_are_not_hit_by_default():
    assert list(Index(["one two"], 3, EXACT).search(["one two three"])) == [[]]


def test_a_collision_of_hashes_is_no_hit(monkeypatch):
    monkeypatch.setattr("mathlm.core.ngrams.mix", lambda values: values * np.uint64(0))
    index = Index(["one two three"], 3, EXACT)
    assert list(index.search(["four five six", "one two three"])) == [[], [Match(0, 0, 0, 3)]]


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("mathstack_MATH_input_hits_30", "input"),
        ("mathstack_MATH_output_hits_30", "output"),
        ("owm_MATH_output_hits_30", "output"),
        ("owm_gsm8k_input_hits_30", "input"),
    ],
)
def test_published_counts_at_thirty_words(data_dir, name, field):
    folder = data_dir / "contamination"
    expected = json.loads((folder / "expected.json").read_text())[f"{name}.jsonl"]
    rows = rows_of(folder / f"{name}.jsonl")
    test = "gsm8k" if "gsm8k" in name else "math"
    source = rows_of(data_dir / "benchmarks" / test / "test.jsonl")
    key = {"gsm8k": "question", "math": "problem" if field == "input" else "solution"}[test]
    items = sorted({row[key] for row in source})
    index = Index(items, 30, EXACT)
    found = [{match.item for match in hits} for hits in index.search(row["text"] for row in rows)]
    assert sum(bool(hits) for hits in found) == expected["documents"]
    assert len(set().union(*found)) == expected["tests_all_hits"]
    for row, hits in zip(rows, found, strict=True):
        published = {hit["ngram"] for hit in row["hits"]} - {"[PLACEHOLDER]"}
        ours = {" ".join(items[item].split()) for item in hits}
        assert all(any(re.sub(r"\s+", " ", ngram) in item for item in ours) for ngram in published)
