"""Mutated pages and archives, with crashes, hangs and balloons among them: none is lost.

Every fifth record is whole and must come out as it is; what is injected must be counted as what it
is; the books of all records must balance (`read_web` checks that).
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from mathlm.core.processes import Pool
from mathlm.corpus import reading
from mathlm.corpus.source_config import WarcSource

RECORDS_IN_FILE = 250


def hostile_pool(**settings):
    return Pool("hostile_batches:read_batch", prepare="hostile_batches:prepare", **settings)


def real_pages(data_dir):
    origin = data_dir / "web" / "webkit_bench" / "origin"
    return [path.read_bytes() for path in sorted(origin.glob("*.html"))]


def fuzz(tmp_path, shared, mutation, *, pages, number, every):
    """Read `number` records of which one in `every` is injected; returns the funnel."""
    rng = random.Random(number)
    kinds = sorted(mutation.INJECTED)
    inject = {n: kinds[n // every % len(kinds)] for n in range(every // 2, number, every)}
    inject = {n: kind for n, kind in inject.items() if n % 5}
    for begin in range(0, number, RECORDS_IN_FILE):
        numbers = range(begin, min(begin + RECORDS_IN_FILE, number))
        path = tmp_path / f"{begin:06d}.warc.gz"
        path.write_bytes(mutation.archive(pages, numbers, rng, inject))
    source = WarcSource(files=(str(tmp_path / "*.warc.gz"),), timeout_s=15, max_page_mib=8)
    documents, funnel = shared.read_web(
        source, tmp_path / "o", shard_bytes=2 << 20, workers=2, pool=hostile_pool
    )
    titles = Counter(document["text"].partition("\n")[0] for document in documents)
    assert {titles[f"# Control {n}"] for n in range(0, number, 5)} == {1}
    failed = Counter(funnel["read"]["failed"])
    for status, injected in Counter(mutation.INJECTED[kind] for kind in inject.values()).items():
        slow = failed[status] - injected if status == "timeout" else 0  # on a busy machine
        assert injected <= failed[status] == injected + max(0, slow), failed
    assert number * 0.97 <= funnel["select"]["in"] <= number * 1.1
    return funnel


@pytest.mark.data
def test_three_hundred(tmp_path, shared, mutation, data_dir, monkeypatch):
    monkeypatch.setattr(reading, "_SLACK_S", 2.0)
    fuzz(tmp_path, shared, mutation, pages=real_pages(data_dir), number=300, every=73)


@pytest.mark.slow
@pytest.mark.data
def test_ten_thousand(tmp_path, shared, mutation, data_dir):
    pages = real_pages(data_dir)
    print(fuzz(tmp_path, shared, mutation, pages=pages, number=10_000, every=301))
