"""Duplicates: which go, whatever the order of inputs and the number of files and partitions."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.core.executor import Local
from mathlm.core.records import Document, Provenance
from mathlm.corpus import duplicates, fingerprints, partition
from mathlm.corpus.clusters import Sets
from mathlm.corpus.duplicate_config import Duplicates
from mathlm.corpus.duplicates import find_duplicates
from mathlm.corpus.fingerprints import exact_key, one_space, runs_of, seconds_of, write_fingerprints
from mathlm.corpus.tables import table_of


def document(identifier, text, **provenance) -> Document:
    return Document(id=identifier, text=text, source="s", provenance=Provenance(**provenance))


def found(groups, scratch, *, earlier=(), executor=None, **near):
    """{kind: {id that goes: id that stays}} of documents in groups, each with its fingerprints."""
    config = Duplicates.model_validate({"near": near})
    folders, ids, standing = [], [], []
    for number, group in enumerate([*earlier, *groups]):
        folder = scratch / f"group{number}"
        folder.mkdir(parents=True)
        quality = pa.array([q for _, q in group], pa.float64())
        table = table_of([d for d, _ in group]).append_column("quality", quality)
        parts = [table.slice(begin, 7) for begin in range(0, table.num_rows, 7)]
        write_fingerprints(parts, config, folder)
        folders.append(folder)
        ids += [d.id for d, _ in group]
        standing += [0 if number < len(earlier) else 2] * len(group)
    do = (executor or Local(1)).map
    links = find_duplicates(
        runs_of(folders, config), config, np.array(standing, np.int8), (scratch, do)
    )
    return {
        kind: {
            ids[gone]: ids[stays]
            for gone, stays in zip(link.documents.tolist(), link.stays.tolist(), strict=True)
            if standing[gone] == 2
        }
        for kind, link in links.items()
    }


def plain(pairs):
    return [(document(identifier, text), None) for identifier, text in pairs]


def prose(seed: int, words: int = 300) -> list[str]:
    rng = random.Random(seed)
    return [f"w{rng.randrange(5000)}" for _ in range(words)]


def edited(words: list[str], number: int, seed: int) -> list[str]:
    rng, words = random.Random(seed), list(words)
    for place in rng.sample(range(len(words)), number):
        words[place] = f"changed{seed}x{place}"
    return words


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return set(zip(*(words[start:] for start in range(5)), strict=False))


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("a b", " a\n\tb ", True),
        ("é", "e\u0301", True),
        ("a b", "a  B", False),
        ("ab", "a b", False),
        ("", " \n", True),
        ("\ud800", "\ud800 ", True),
    ],
)
def test_exact_key(left, right, same):
    assert (exact_key(left) == exact_key(right)) is same


SPACES = [chr(code) for code in range(0x110000) if chr(code).isspace()]


@given(st.text(st.sampled_from(["a", "é", "\ud800", *SPACES]), max_size=30))
def test_one_space_between_words(text):
    assert one_space(text) == " ".join(text.split())


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("1970-01-02", 86400),
        ("1970-01-01T00:00:10Z", 10),
        ("1970-01-01T01:00:00+01:00", 0),
        ("19700101000100", 60),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 120),
        ("yesterday", None),
        ("99999999999999", None),
        ("", None),
        (None, None),
    ],
)
def test_dates_in_the_forms_of_crawls(date, seconds):
    assert seconds_of(date) == seconds


def test_longest_stays_then_the_first_id(tmp_path):
    text = " ".join(prose(0))
    pairs = [("b", text), ("a", text), ("c", text + "  "), ("d", "other")]
    links = found([plain(pairs)], tmp_path)
    assert links == {"url": {}, "exact": {"a": "c", "b": "c"}, "near": {}}


def test_the_stated_order(tmp_path):
    text = " ".join(prose(0))
    order = [
        (document("e", text), 0.9),
        (document("d", text + "   ", date="2020-01-02"), 0.5),
        (document("c", text + " ", date="2020-01-01"), 0.5),
        (document("b", text + " ", date="2020-01-03"), 0.5),
        (document("0", text + " "), 0.5),
        (document("a", text), 0.5),
        (document("f", text), 0.5),
        (document("00", text + " " * 9), None),
    ]
    for number in range(len(order) - 1):
        rest = order[number:]
        random.Random(number).shuffle(rest)
        links = found([rest[:3], rest[3:]], tmp_path / str(number))["exact"]
        assert set(links.values()) == {order[number][0].id}


def test_one_url_one_document(tmp_path):
    urls = [
        "http://a.org/x/",
        "https://A.org:443/x?utm_source=q#top",
        "https://a.org/y",
        None,
        None,
    ]
    group = [
        (document(f"{n}", " ".join(prose(n, 40 + 9 * n)), url=url), None)
        for n, url in enumerate(urls)
    ]
    assert found([group], tmp_path)["url"] == {"0": "1"}


def test_near_duplicates_are_found_and_mere_template_neighbours_are_not(tmp_path):
    pairs = []
    for seed in range(60):
        words = prose(seed)
        pairs.append((f"{seed:02d}a", " ".join(words)))
        pairs.append((f"{seed:02d}b", " ".join([*edited(words, 4, seed), "more"])))  # s ≈ 0.88
        pairs.append((f"{seed:02d}c", " ".join(edited(words, 45, seed + 999))))  # s ≈ 0.3
    links = found([plain(pairs)], tmp_path)
    assert links["exact"] == {}
    assert links["near"] == {f"{seed:02d}a": f"{seed:02d}b" for seed in range(60)}


def test_a_crowded_bucket_holds_several_sets(tmp_path):
    opening = prose(1, 200)  # shared by all: one band is likely to agree, similarity stays low
    pairs = []
    for seed in range(20):
        words = opening + prose(100 + seed, 500)
        pairs += [(f"{seed}a", " ".join(words)), (f"{seed}b", " ".join([*words, "end"]))]
    assert found([plain(pairs)], tmp_path)["near"] == {f"{n}a": f"{n}b" for n in range(20)}


def test_a_bucket_of_strangers_takes_bounded_time(monkeypatch):
    compared = 0
    real = duplicates._agreement

    def counted(values, left, right):
        nonlocal compared
        compared += len(left)
        return real(values, left, right)

    monkeypatch.setattr(duplicates, "_agreement", counted)
    monkeypatch.setattr(duplicates, "_COMPARISONS", 1 << 16)
    values = np.random.default_rng(0).integers(0, 1 << 16, (8192, 16)).astype(np.uint16)
    monkeypatch.setattr(duplicates, "gather", lambda runs, documents, name: values[documents])
    task = duplicates.Range((), "near", 0, 1, "", 0, 0.7)
    bucket = partition.Buckets(np.zeros(8192, np.int64), np.arange(8192))
    left, right = duplicates._alike(bucket, task)
    assert len(left) == len(right) == 0
    assert compared <= 8 * 8192


@settings(deadline=None, max_examples=20)
@given(st.randoms(use_true_random=False), st.integers(1, 9), st.integers(1, 40))
def test_order_files_and_partitions_change_nothing(tmp_path_factory, rng, partitions, run):
    base = [prose(seed, 60) for seed in range(6)]
    pairs = [(f"{number}", " ".join(words)) for number, words in enumerate(base)]
    pairs += [(f"{n}e", " ".join(edited(words, 1, n))) for n, words in enumerate(base)]
    pairs += [(f"{n}x", " ".join(words) + "\n") for n, words in enumerate(base[:3])]
    pairs += [("blank", " "), ("blank2", "")]
    items = plain(pairs)
    expected = found([items], tmp_path_factory.mktemp("one"))
    assert expected["exact"] and expected["near"]
    rng.shuffle(items)
    cut = rng.randrange(len(items))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprints, "RUN_DOCUMENTS", run)
        groups = [items[:cut], items[cut:]]
        other = found(groups, tmp_path_factory.mktemp("two"), partitions=partitions)
    assert other == expected


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=14), st.integers(0, 99))
def test_sets_are_those_of_exact_jaccard_over_all_pairs(tmp_path_factory, edits, seed):
    """Texts whose similarities lie far from the threshold: LSH must give the true components."""
    base = prose(seed, 400)
    rng = random.Random(seed)
    texts = []
    for number, edit in enumerate(edits):
        words = prose(1000 + number, 400) if edit > 4 else edited(base, edit, rng.randrange(3))
        texts.append(" ".join(words))
    pairs = [(f"{number:02d}", text) for number, text in enumerate(texts)]
    sets = [shingles(text) for text in texts]
    expected = list(range(len(texts)))
    for (i, left), (j, right) in itertools.combinations(enumerate(sets), 2):
        similarity = len(left & right) / len(left | right)
        assert similarity < 0.3 or similarity > 0.8
        if similarity > 0.8:
            old, new = expected[j], expected[i]
            expected = [new if root == old else root for root in expected]
    links = found([plain(pairs)], tmp_path_factory.mktemp("s"))
    together = {**links["exact"], **links["near"]}
    for i, j in itertools.combinations(range(len(texts)), 2):
        assert (_root(together, f"{i:02d}") == _root(together, f"{j:02d}")) == (
            expected[i] == expected[j]
        )


def _root(links, name):
    while name in links:
        name = links[name]
    return name


@settings(deadline=None, max_examples=20)
@given(st.randoms(use_true_random=False))
def test_a_new_crawl_loses_what_one_run_over_both_would_drop_of_it(tmp_path_factory, rng):
    items = []
    for number in range(8):
        base = prose(number, 200)
        chain = [base]
        for step in range(rng.randrange(4)):  # each like the one before, the ends less so
            chain.append(edited(chain[-1], 3, 100 * number + step))
        items += [(f"{number}.{place}", " ".join(words)) for place, words in enumerate(chain)]
        if rng.random() < 0.5:
            items.append((f"{number}.copy", " ".join(base) + " "))
    items = plain(items)
    rng.shuffle(items)
    cut = rng.randrange(1, len(items))
    old, new = items[:cut], items[cut:]
    scratch = tmp_path_factory.mktemp("both")
    first = found([old], scratch / "first")
    second = found([new], scratch / "second", earlier=[old])
    # one run over both, in which the earlier documents are of a higher quality
    ranked = [[(d, 1.0) for d, _ in old], [(d, 0.0) for d, _ in new]]
    whole = found(ranked, scratch / "whole")
    dropped = {name for links in whole.values() for name in links}
    new_ids = {d.id for d, _ in new}
    assert {name for links in second.values() for name in links} == dropped & new_ids
    first_dropped = {name for links in first.values() for name in links}
    assert first_dropped <= dropped  # and maybe one that only a new document connects to another


def test_processes_find_the_same(tmp_path):
    pairs = [(f"{n}", " ".join(prose(n // 2, 100) + ["x"] * (n % 2))) for n in range(40)]
    alone = found([plain(pairs)], tmp_path / "a")
    assert len(alone["near"]) == 20
    with Local(2) as executor:
        assert found([plain(pairs)], tmp_path / "b", executor=executor, partitions=5) == alone


def test_shared_keys_are_those_of_a_dictionary(tmp_path):
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 2**64, 500, dtype=np.uint64)[rng.integers(0, 500, 2000)]
    runs = []
    for number, (begin, end) in enumerate([(0, 1200), (1200, 1200), (1200, 2000)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        order = np.argsort(keys[begin:end])
        np.save(folder / "near-keys.npy", keys[begin:end][order])
        np.save(folder / "near-rows.npy", order.astype(np.uint16))
        runs.append(fingerprints.Run(str(folder), begin, end - begin))
    expected = {tuple(np.flatnonzero(keys == key).tolist()) for key in set(keys.tolist())}
    expected = {group for group in expected if len(group) > 1}
    for parts in (1, 7, 300):
        groups = set()
        for part in range(parts):
            buckets = partition.shared_keys(runs, "near", part, parts)
            for bucket in set(buckets.bucket.tolist()):
                members = buckets.documents[buckets.bucket == bucket]
                groups.add(tuple(sorted(members.tolist())))
        assert groups == expected


@pytest.mark.parametrize(
    ("keys", "ranges"),
    [(0, 1), (1 << 18, 1), ((1 << 18) + 2, 2), (1 << 28, 1024), (1 << 31, 1024), (1 << 34, 4096)],
)
def test_ranges_grow_before_there_are_more_than_a_thousand(monkeypatch, keys, ranges):
    monkeypatch.setattr(fingerprints.Run, "load", lambda self, name: range(keys // 2))
    runs = [fingerprints.Run("", 0, 1)] * 2
    assert partition.number_of_ranges(runs, "near") == ranges


def test_half_of_the_exact_key_is_not_enough(tmp_path):
    digests = b"".join(n.to_bytes(8, "little") for pair in ((7, 1), (7, 2), (7, 2)) for n in pair)
    fingerprints._save_wide(tmp_path, "exact", digests, np.arange(3))
    buckets = partition.shared_keys([fingerprints.Run(str(tmp_path), 0, 3)], "exact", 0, 1)
    assert buckets.documents.tolist() == [1, 2]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60))
def test_sets_are_the_components_of_the_pairs(pairs):
    sets = Sets.alone(31)
    for begin in range(0, len(pairs), 7):
        some = np.array(pairs[begin : begin + 7], np.int64).reshape(-1, 2)
        sets.join(some[:, 0], some[:, 1])
    label = list(range(31))
    for left, right in pairs:
        old, new = label[right], label[left]
        label = [new if one == old else one for one in label]
    roots = sets.find(np.arange(31))
    assert all(
        (roots[i] == roots[j]) == (label[i] == label[j])
        for i, j in itertools.combinations(range(31), 2)
    )
    members, heads = sets.sets()
    assert sorted(members.tolist()) == [i for i in range(31) if label.count(label[i]) > 1]
    assert (roots[members] == heads).all()


def test_signatures_of_another_shape_are_refused(tmp_path):
    (tmp_path / "g").mkdir()
    write_fingerprints([table_of([document("a", "b c")])], Duplicates(), tmp_path / "g")
    other = Duplicates.model_validate({"near": {"bands": 20}})
    with pytest.raises(UserError, match="bands 14 → 20"):
        runs_of([tmp_path / "g"], other)


@pytest.mark.parametrize(
    "text", ["", " ", "a", "。。。", "定理 A は正しい", "$x$", "\x00" * 50, "x" * 2_000_000]
)
def test_hostile_and_tiny_texts_have_twins(tmp_path, text):
    pairs = [("a", text), ("b", text + " "), ("c", " ".join(prose(0)))]
    assert found([plain(pairs)], tmp_path)["exact"] == {"a": "b"}
