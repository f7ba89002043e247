"""What an address says: ours by whole parts, theirs anywhere."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.corpus.addresses import bad_address, listed, off_topic_libretexts, read_list

CASES = [  # address, whether ours drops it, whether theirs does
    ("https://math.example.org/topics/rings.html", False, False),
    ("https://example.org/search?q=rings", True, True),
    ("https://example.org/searching-a-sorted-list", False, True),
    ("https://example.org/index.php?q=rings", True, False),
    ("https://forum.example.org/viewtopic.php?t=12&search=ring", False, False),
    ("https://math.stackexchange.com/questions/12/users-of-rings", False, False),
    ("https://math.stackexchange.com/users/12/somebody", True, True),
    ("https://mathoverflow.net/users/12", True, True),
    ("https://dissnet.org/rings", False, True),
    ("https://example.org/proceedings/rings.html", False, True),
    ("https://www.arxiv-vanity.com/papers/1/", True, True),
    ("https://www.scribd.com/document/1", True, False),
    ("https://notscribd.com/document/1", False, False),
    ("https://blog.example.org/rings?replytocom=3", True, False),
    ("https://example.org/author/euler/", True, False),
    ("https://example.org/author/euler/page/2", True, False),
    ("https://example.org/login", True, False),
    ("https://example.org/wiki/Search", False, False),
    ("https://example.org/users", True, False),
    ("https://example.org/catalog/bibtex/1", True, True),
    ("not an address", False, False),
    ("http://[broken", False, False),
]


@pytest.mark.parametrize(("url", "ours", "theirs"), CASES)
def test_rules(url, ours, theirs):
    assert (bad_address(url) is not None) == ours
    assert (bad_address(url, "paper") is not None) == theirs


@pytest.mark.parametrize(
    ("url", "formulas", "dropped"),
    [
        ("https://math.libretexts.org/a", 0, False),
        ("https://bio.libretexts.org/a", 0, True),
        ("https://bio.libretexts.org/a", 1, False),
        ("https://example.org/a", 0, False),
    ],
)
def test_libretexts(url, formulas, dropped):
    assert off_topic_libretexts(url, formulas) == dropped


def test_a_list_of_ones_own(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("# bad ones\nexample.com\n\n/print/\n")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert read_list(str(file), digest) == ("example.com", "/print/")
    assert listed("https://a.org/print/1", str(file)) == "/print/"
    assert listed("https://a.org/1", str(file)) is None
    with pytest.raises(UserError, match="not the file"):
        read_list(str(file), "0" * 64)
    with pytest.raises(UserError, match="cannot read"):
        read_list(str(tmp_path / "absent"))


def test_a_published_list_is_parsed_and_never_run(tmp_path):
    file = tmp_path / "filter_dataset.py"
    file.write_text("import nothing\nBAD_URLS = ['a.org', '/b/'\n '/c/']\nraise SystemExit\n")
    assert read_list(str(file), mode="paper") == ("a.org", "/b//c/"), "the comma stays missing"
    assert read_list(str(file)) == ("a.org", "/b/", "/c/")
    file.with_name("other.py").write_text("BAD_URLS = [open('x')]")
    with pytest.raises(UserError, match="no list BAD_URLS"):
        read_list(str(file.with_name("other.py")))


@given(st.text(max_size=100))
def test_any_address(url):
    for mode in ("default", "paper"):
        bad_address(url, mode)
        bad_address(f"https://{url}", mode)
