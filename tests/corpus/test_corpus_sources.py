"""Sources: what is listed, in which order, with which provenance, and where caps cut."""

from __future__ import annotations

import sys

import pytest

from mathlm.core.errors import UserError
from mathlm.core.progress import Progress
from mathlm.corpus.source_config import (
    HtmlSource,
    ProblemsSource,
    PythonSource,
    TextSource,
)
from mathlm.corpus.sources import list_items, load_problems
from mathlm.corpus.sources.files import decode, load_files
from mathlm.corpus.sources.packages import locate, provenance_of
from mathlm.corpus.sources.shards import shards_of

QUIET = Progress(quiet=True)


def load(source: PythonSource):
    return list(load_files(list_items(source, QUIET)[: source.max_documents], "s"))


def test_packages_are_found_without_being_imported():
    loaded = set(sys.modules)
    items = list_items(PythonSource(packages=("networkx", "no_such_package_1")), QUIET)
    assert {name for name in set(sys.modules) - loaded if name.startswith("networkx")} == set()
    ids = [item.id for item in items]
    assert "networkx/classes/graph.py" in ids
    assert len(set(ids)) == len(ids)
    assert ids != sorted(ids)  # an even sample: any first part comes from all over the package
    provenance = items[0].provenance
    assert provenance.repository.startswith("pypi:networkx==")
    assert provenance.licence
    assert provenance.file == items[0].id


def test_missing_packages():
    with pytest.raises(UserError, match="no_such_package_1 no_such_package_2"):
        list_items(PythonSource(packages=("no_such_package_1", "no_such_package_2")), QUIET)
    assert list_items(PythonSource(packages=()), QUIET) == []
    assert locate("not an identifier") is None
    assert locate("os.path") is None
    assert provenance_of("no_such_package_1").licence is None


def test_a_smaller_cap_takes_a_part_of_what_a_larger_one_takes():
    few = load(PythonSource(packages=("mpmath",), max_documents=3))
    more = load(PythonSource(packages=("mpmath",), max_documents=9))
    assert [document.id for document in few] == [document.id for document in more[:3]]


def test_general_text_lists_no_mathematical_package():
    ids = [item.id for item in list_items(TextSource(), QUIET)]
    assert "python/argparse.py" in ids
    assert any(name.startswith("python/help/") for name in ids)
    assert "pip/pydantic/DESCRIPTION" in ids
    assert not [name for name in ids if name.startswith(("pip/numpy/", "pip/sympy/"))]
    assert not [name for name in ids if name.startswith("python/") and "/test/" in name]


def test_folders(tmp_path):
    for name in (
        "one/x/a.html",
        "two/x/a.html",
        "one/x/.hidden/b.html",
        "one/x/B.HTM",
        "one/x/c.js",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "one/x/loop").symlink_to(tmp_path / "one")
    folders = (str(tmp_path / "one/x"), str(tmp_path / "two/x"), str(tmp_path / "absent"))
    shards, total = shards_of(HtmlSource(folders=folders), QUIET)
    items = [item for shard in shards for item in shard.items]
    assert [item[0] for item in items] == ["x/B.HTM", "x/a.html", "x-2/a.html"]
    assert total == 3


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"a\xc3\xa9", "aé"), (b"\xef\xbb\xbfa", "a"), (b"\xff", None), (b"", ""), (b"a\0b", "a\0b")],
)
def test_decoding(data, text):
    assert decode(data) == text


def test_problems_are_the_same_for_a_seed():
    first, again, other = (
        list(load_problems(ProblemsSource(count=5, seed=n), "s")) for n in (3, 3, 4)
    )
    assert first == again
    assert [d.text for d in first] != [d.text for d in other]
    assert len({document.id for document in first}) == 5
