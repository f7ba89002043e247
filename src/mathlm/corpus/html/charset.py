"""Bytes of a page to clean characters: the right character set and nothing a parser chokes on.

Not here: repair of text that was already wrong when the page was made (mojibake). The order follows
the WHATWG's (byte order mark, header, `meta`), except that bytes which are valid UTF-8 beyond ASCII
are read as UTF-8 whatever the page says, since other sets almost never look like that by chance.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

_META = re.compile(
    rb"""<meta[^>]{0,500}?charset\s*=\s*["']?\s*([\w.:-]{1,40})|<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{1,40})""",
    re.IGNORECASE,
)
_HEADER = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
_META_WINDOW = 8192
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Names that the web uses for a larger set than their own (WHATWG Encoding, section 4.2).
_LARGER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "utf-16": "utf-16-le",
}
# Controls but tab, line feed and return; lone surrogates; the noncharacters that mark places within
# the extractor; the byte order mark.
_UNCLEAN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]"
)

_PLAIN = bytes(code for code in range(256) if (code >= 32 and code != 127) or code in (9, 10))
_C1_BYTES = re.compile(rb"\xc2[\x80-\x9f]")
_RARE_BYTES = (b"\xef\xb7", b"\xef\xbb\xbf", b"\xef\xbf\xbe", b"\xef\xbf\xbf")


class Decoded(NamedTuple):
    """Characters, the set they were read by (Python's name) and the one declared (as declared)."""

    text: str
    used: str
    declared: str | None


def decode(data: bytes, content_type: str | None = None) -> Decoded:
    """Read a page's bytes as characters; never fails, bad sequences become U+FFFD."""
    declared = _declared(data, content_type)
    for mark, name in _BOMS:
        if data.startswith(mark):
            return Decoded(clean(data[len(mark) :].decode(name, "replace")), name, declared)
    if used := _wide(data):
        return Decoded(clean(data.decode(used, "replace")), used, declared)
    try:
        text = data.decode("utf-8")
        return Decoded(text if _is_clean(data) else clean(text), "utf-8", declared)
    except UnicodeDecodeError as error:
        used = _python_name(declared)
        if used in (None, "utf-8"):
            used = "utf-8" if _mostly_utf8(data, error) else "cp1252"
    return Decoded(clean(_decode_lossy(data, used or "cp1252")), used or "cp1252", declared)


def clean(text: str) -> str:
    r"""The text without control characters, surrogates and noncharacters; line ends are `\n`."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _UNCLEAN.search(text) is None:
        return text
    return _UNCLEAN.sub(
        lambda match: "\ufffd" if match[0] >= "\ud800" and match[0] < "\ue000" else "", text
    )


def _is_clean(data: bytes) -> bool:
    """Whether UTF-8 bytes hold nothing that `clean` changes; far faster than looking at text."""
    if data.translate(None, _PLAIN):
        return False
    if data.isascii():
        return True
    if b"\xef" in data and any(rare in data for rare in _RARE_BYTES):
        return False
    return _C1_BYTES.search(data) is None


def _declared(data: bytes, content_type: str | None) -> str | None:
    if content_type and (match := _HEADER.search(content_type)):
        return match[1]
    if found := _META.search(data, 0, _META_WINDOW):
        return (found[1] or found[2]).decode("ascii", "replace")
    return None


def _python_name(declared: str | None) -> str | None:
    if declared is None:
        return None
    try:
        info = codecs.lookup(declared)
    except (LookupError, ValueError):
        return None
    if (
        not info._is_text_encoding
        or info.name in ("utf-7", "idna", "punycode", "undefined")
        or info.name.startswith(("unicode", "raw"))
    ):
        return None
    return _LARGER.get(info.name, info.name)


def _wide(data: bytes) -> str | None:
    """UTF-16 without a byte order mark shows as zeros at every other byte of the first tags."""
    head = data[:512]
    if len(head) < 8 or head.count(0) < len(head) // 4:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > 4 * even:
        return "utf-16-le"
    return "utf-16-be" if even > 4 * odd else None


def _mostly_utf8(data: bytes, error: UnicodeDecodeError) -> bool:
    """Whether a page that is not quite UTF-8 is a broken UTF-8 page (cut off, one bad byte)."""
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    sample = text[:100_000]
    good = len(sample) - len(sample.encode("ascii", "ignore")) - bad
    cut_off = error.start >= len(data) - 3
    return good > (0 if cut_off else 2 * bad)


def _decode_lossy(data: bytes, name: str) -> str:
    try:
        return data.decode(name, "replace")
    except (LookupError, ValueError):
        return data.decode("cp1252", "replace")
