"""Character sets as pages declare them, wrongly or not at all."""

from __future__ import annotations

import pytest

from mathlm.corpus.html import extract
from mathlm.corpus.html.charset import clean, decode

CASES = [
    ("utf-8, declared", "<meta charset=utf-8>α".encode(), None, "α", "utf-8", "utf-8"),
    ("utf-8, undeclared", "<p>α…</p>".encode(), None, "α…", "utf-8", None),
    ("utf-8, declared as latin-1", "<meta charset=iso-8859-1>α".encode(), None, "α", "utf-8",
     "iso-8859-1"),
    ("utf-8 with a mark", b"\xef\xbb\xbf<p>\xce\xb1", None, "α", "utf-8", None),
    ("latin-1, declared", "<meta charset=latin1>é".encode("latin-1"), None, "é", "cp1252",
     "latin1"),
    ("windows quotes, undeclared", b"<p>\x93quoted\x94 text", None, "“quoted”", "cp1252", None),
    ("header", "é".encode("latin-1"), "text/html; charset=ISO-8859-1", "é", "cp1252",
     "ISO-8859-1"),
    ("gb2312", "<meta charset='gb2312'>数学".encode("gb18030"), None, "数学", "gb18030", "gb2312"),
    ("shift_jis", "<meta charset=Shift_JIS>数学".encode("cp932"), None, "数学", "cp932",
     "Shift_JIS"),
    ("koi8-r", "<meta charset=koi8-r>группа".encode("koi8-r"), None, "группа", "koi8-r", "koi8-r"),
    ("utf-16 with a mark", "\ufeff<p>α".encode("utf-16-le"), None, "α", "utf-16-le", None),
    ("utf-16 without", "<html><p>α and more</p>".encode("utf-16-be"), None, "α", "utf-16-be", None),
    ("unknown name", b"<meta charset=klingon>caf\xe9", None, "café", "cp1252", "klingon"),
    ("cut off", "<p>αβ".encode()[:-1], None, "α\ufffd", "utf-8", None),
    ("one bad byte", "<p>αβγδ".encode() + b"\xff" + "εζ".encode(), None, "αβγδ\ufffdεζ", "utf-8",
     None),
    ("not a character set", b"<meta charset=base64>caf\xe9", None, "café", "cp1252", "base64"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "header", "text", "used", "declared"), [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)  # fmt: skip
def test_decode(data: bytes, header: str | None, text: str, used: str, declared: str) -> None:
    decoded = decode(data, header)
    assert text in decoded.text
    assert (decoded.used, decoded.declared) == (used, declared)


def test_the_extraction_says_which_set_it_used() -> None:
    result = extract("<meta charset=latin1><p>Möbius wrote this</p>".encode("latin-1"))
    assert (result.text, result.charset, result.charset_declared) == (
        "Möbius wrote this", "cp1252", "latin1"
    )  # fmt: skip


def test_clean() -> None:
    assert clean("a\r\nb\rc\x00\x07\x1b\x85d\ud800e\ufdd0\ufefff") == "a\nb\ncd\ufffdef"
    assert clean(clean("a\x00b\udfff")) == clean("a\x00b\udfff")
