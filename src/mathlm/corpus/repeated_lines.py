"""Lines that a domain repeats on many of its pages: menus, notices, licences, share bars.

A line counts where it says something in words: three words of letters or more outside formulas
and code. Lines of formulas alone, short headings ("Proof."), tables, code and displayed
mathematics are never counted, so they are never cut. Each line counts once a document; lines are
equal without regard to case and white space. It is cut from all documents of a domain when more of
them than a number and a share have it (`duplicate_config.RepeatedLines`). The domain is the URL's
host; pages without a URL belong to the folder that they come from. After CCNet (Wenzek et al.
2019), whose paragraphs are compared over all domains and with digits folded, which would take
formulas for equal that are not. Not here: the stage's steps (`line_steps.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mathlm.core.ngrams import Hashes
from mathlm.corpus.urls import host_of

_FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$]*\$|\\\(.*?\\\)|\\\[.*?\\\]|`[^`]*`")
_WORD = re.compile(r"[^\W\d_]{2,}")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_FENCE = re.compile(r"(?:> ?)*(```|~~~)")
_OPENS = re.compile(r"\\begin\{|\\\[")
_CLOSES = re.compile(r"\\end\{|\\\]")
_LEAST_WORDS = 3
_MAX_LINE = 2000
"""Characters; a longer line is text of its own."""
_BLANKS = re.compile(r"\n{3,}")


class Line(NamedTuple):
    """One line of a document; `key` is None where it is never cut."""

    text: str
    key: int | None


def domain_of(url: str | None, content_type: str | None, identifier: str) -> str | None:
    """The domain by which a document's lines are counted; None where it is no web page."""
    if url:
        return host_of(url) or None
    if "html" not in (content_type or ""):
        return None
    return identifier.partition("/")[0] if "/" in identifier else ""


def key_of(domain: str, text: str) -> int:
    """64 bits that stand for a domain or for one of its lines."""
    data = f"{domain}\n{text}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def lines_of(domain: str, text: str) -> Iterator[Line]:
    """The lines of a text; those inside code and displayed mathematics have no key."""
    fence, mathematics, depth = "", False, 0
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        inside = bool(fence) or mathematics or depth > 0
        if mark and fence in ("", mark[1]):
            fence, inside = ("" if fence else mark[1]), True
        elif not fence:
            odd = line.count("$$") % 2 == 1
            opened = len(_OPENS.findall(line)) - len(_CLOSES.findall(line))
            inside = inside or odd or opened != 0
            mathematics, depth = mathematics ^ odd, max(0, depth + opened)
        yield Line(line, None if inside else _key(domain, line))


def _key(domain: str, line: str) -> int | None:
    if len(line) > _MAX_LINE or line.startswith(("|", "    ", "\t")):
        return None
    words = _WORD.findall(_COMMAND.sub(" ", _FORMULA.sub(" ", line)))
    if len(words) < _LEAST_WORDS:
        return None
    return key_of(domain, " ".join(line.casefold().split()))


def keys_of(domain: str, text: str) -> set[int]:
    """The keys of a document's lines, each once."""
    return {line.key for line in lines_of(domain, text) if line.key is not None}


class Cut(NamedTuple):
    """A text without repeated lines, and how many lines and characters went."""

    text: str
    lines: int
    characters: int


def cut(domain: str, text: str, repeated: Hashes) -> Cut:
    """The text without the lines whose keys are among `repeated` (ascending)."""
    lines = list(lines_of(domain, text))
    keys = np.array([line.key or 0 for line in lines], np.uint64)
    at = np.minimum(np.searchsorted(repeated, keys), len(repeated) - 1)
    goes = repeated[at] == keys if len(repeated) else np.zeros(len(keys), bool)
    goes &= np.array([line.key is not None for line in lines], bool)
    if not goes.any():
        return Cut(text, 0, 0)
    gone = [line.text for line, away in zip(lines, goes.tolist(), strict=True) if away]
    left = [line.text for line, away in zip(lines, goes.tolist(), strict=True) if not away]
    plain = _BLANKS.sub("\n\n", "\n".join(left)).strip("\n")
    return Cut(plain, len(gone), sum(map(len, gone)))
