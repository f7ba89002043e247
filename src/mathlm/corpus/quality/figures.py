"""Figures of a text that need no model: accents, repetition, boilerplate, words.

All but the accents look at words with each formula as one word and without code, so that neither
a matrix of zeros nor a page of identities counts as repetition. Sources: OpenWebMath's
`filter_dataset.py` (accents), Gopher (Rae et al., arXiv 2112.11446, table A1: repetition). Each
takes time linear in the text, of which all but the accents look at `MAX_CHARACTERS` at most.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from mathlm.corpus.quality.prose import is_formula, words_and_formulas

MAX_CHARACTERS = 200_000
_MIN_WORDS = 50
"""Shares of so few words say nothing: below, figures of repetition are 0."""
_ACCENTED = "üïöêäâîûôèéà"
_LOWER_AND_UPPER = _ACCENTED + _ACCENTED.upper()

Hashes = npt.NDArray[np.uint64]

_BOILERPLATE = (
    r"(?:skip to (?:main )?(?:content|navigation)|(?:we|this (?:web)?site) uses? cookies|accept all"
    r"|(?:accept|manage|reject)(?: all)? cookies|cookie (?:policy|settings|preferences)"
    r"|privacy policy|terms (?:of (?:use|service)|and conditions)|all rights reserved"
    r"|(?:log|sign) ?(?:in|up|out)\b|create (?:an )?account|forgot (?:your )?password"
    r"|subscribe (?:to|now)|newsletter|share (?:this|on)\b|follow us|tweet this|like this:"
    r"|loading\.{2,3}|click here to|enable javascript|javascript is (?:disabled|required)"
    r"|add to (?:cart|wishlist|favou?rites)|leave a (?:reply|comment)|powered by"
    r"|(?:previous|next) (?:post|page|article)|back to top|print this page|report abuse"
    r"|advertisement\b|sponsored\b|copyright (?:©|\(c\))|© ?[0-9]{4})"
)
_BOILERPLATE_LINE = re.compile(_BOILERPLATE, re.IGNORECASE)
_BEFORE = " \t#*->|•·[]"
"""Marks that may stand before the words of a line."""
_MAX_BOILERPLATE_LINE = 200


def accents(text: str) -> float:
    """The share of OpenWebMath's twelve accented letters, of either case, among the characters."""
    if not text or text.isascii():
        return 0.0
    return sum(map(text.count, _LOWER_AND_UPPER)) / len(text)


def repeated_lines(text: str) -> float:
    """The share of characters in lines that stood before, of lines with a word in them.

    Lines of a formula alone, rows of tables and fences are left out.
    """
    seen: set[str] = set()
    total = repeated = 0
    for raw in text[:MAX_CHARACTERS].split("\n"):
        line = raw.strip()
        if len(line) < 20 or line.startswith(("|", "```", "$", "\\")):
            continue
        total += len(line)
        repeated += len(line) if line in seen else 0
        seen.add(line)
    return repeated / total if total >= 5 * _MIN_WORDS else 0.0


@functools.lru_cache(maxsize=1)
def _all_words(text: str) -> list[str]:
    """Words as they stand; several figures look at one document's after one another."""
    return words_and_formulas(text[:MAX_CHARACTERS])


@functools.lru_cache(maxsize=1)
def _words(text: str) -> list[str]:
    """Words with a letter, and formulas, in lower case."""
    lower = (word.lower() for word in _all_words(text))
    return [word for word in lower if word.islower() or not word.isascii()]


def _hashes(words: Sequence[str]) -> Hashes:
    return np.array([crc32(word.encode("utf-8", "replace")) for word in words], np.uint64)


def _ngrams(hashes: Hashes, n: int) -> Hashes:
    size = len(hashes) - n + 1
    grams = np.zeros(max(0, size), np.uint64)
    for place in range(n):
        grams = grams * np.uint64(0x9E3779B97F4A7C15) + hashes[place : place + max(0, size)]
    return grams


def frequent_ngram(text: str) -> float:
    """The highest share of words that the occurrences of one 2-, 3- or 4-gram make up.

    Those with a formula do not count: "for all $x$ in" may begin each line of a list.
    """
    words = _words(text)
    if len(words) < _MIN_WORDS:
        return 0.0
    hashes, plain = _hashes(words), np.array([not is_formula(word) for word in words])
    highest = 0.0
    for n in (2, 3, 4):
        whole = np.logical_and.reduce([plain[at : len(words) - n + 1 + at] for at in range(n)])
        if not whole.any():
            break
        _, counts = np.unique(_ngrams(hashes, n)[whole], return_counts=True)
        most = int(counts.max())
        highest = max(highest, n * most / len(hashes) if most > 2 else 0.0)
    return min(1.0, highest)


def repeated_words(text: str, n: int = 10) -> float:
    """The share of words inside n-grams that stood before."""
    hashes = _hashes(_words(text))
    if len(hashes) < max(_MIN_WORDS, n):
        return 0.0
    grams = _ngrams(hashes, n)
    again = np.ones(len(grams), bool)
    again[np.unique(grams, return_index=True)[1]] = False
    starts = np.flatnonzero(again)
    edges = np.zeros(len(hashes) + 1, np.int64)
    np.add.at(edges, starts, 1)
    np.add.at(edges, starts + n, -1)
    return float((np.cumsum(edges[:-1]) > 0).mean())


@functools.cache
def _somewhere() -> Any:
    import re2

    return re2.compile(f"(?im)^[{re.escape(_BEFORE)}]*{_BOILERPLATE}".encode())


def has_boilerplate(text: str) -> bool:
    """Whether any line may be one of boilerplate, found in a pass over the whole text."""
    return _somewhere().search(text.encode("utf-8", "replace")) is not None


def is_boilerplate(line: str) -> bool:
    """Whether a line is a short one that begins with words of boilerplate."""
    plain = line.strip(_BEFORE)
    return len(plain) <= _MAX_BOILERPLATE_LINE and bool(_BOILERPLATE_LINE.match(plain))


def boilerplate(text: str) -> float:
    """The share of characters in lines of boilerplate."""
    text = text[:MAX_CHARACTERS]
    if not has_boilerplate(text):
        return 0.0
    lines = text.split("\n")
    total = sum(map(len, lines))
    return sum(len(line) for line in lines if is_boilerplate(line)) / total if total else 0.0


def _has_letter(word: str) -> bool:
    return is_formula(word) or any(map(str.isalpha, word))


def alphabetic(text: str) -> float:
    """The share of words that have a letter or are a formula; 1 for a text without words."""
    kept = [word for word in _all_words(text) if word.strip("|-:*#")]
    lettered = sum(1 for word in kept if word.isalpha() or _has_letter(word))
    return lettered / len(kept) if kept else 1.0
