"""Word n-grams of many texts at once: hashing, an index of items, search of documents.

Used by `mathlm overlap`, by decontamination and by near-duplicate search. Not here: what a hit
means (their business). Texts are hashed in blocks with numpy: a word's hash is the sum of its
bytes' random values times powers of an odd base (mod 2^64), an n-gram's the same over its words'
hashes, so that the cost does not grow with n. Every hit is then checked word by word, so that a
collision of hashes can add work but never a wrong hit.

Three rules of words, as tables over bytes:
- `EXACT`   pieces between white space (wellecks/overlap, the rule of the published counts);
- `FOLDED`  the same without case, LaTeX spacing being white space (design §8);
- `PROBLEM` runs of letters and digits without case, each mathematical sign a word of its own,
            punctuation left out (decontamination: a comma or a dollar sign hides no copy).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

_BYTE_BASE = 0x9E3779B97F4A7C15
_WORD_BASE = 0xD6E8FEB86659FD93
_BLOCK_BYTES = 1 << 17
"""Texts are joined to blocks of this size: the tables of powers then stay in the cache."""
_FILTER_BITS = 22
_SPACE = b" \t\n\r\f\v\x1c\x1d\x1e\x1f"
"""White space below 128, as `str.split` has it."""
_SIGNS = b"+-*/=<>^%|&"
# The look-behind stands second: a pattern that begins with a literal is 10 times faster.
_LATEX_SPACE = re.compile(r"\\(?<!\\\\)(?:[,:;! ]|q?quad(?![A-Za-z]))")
_UNICODE_SPACE = "\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""White space above 127, as `str.split` has it."""
_TYPOGRAPHIC = dict(zip("‘’“”‐‑–—−×·…", "''\"\"-----**.", strict=True))
"""Quotes, dashes and signs that pages write in one of several ways; one character for one."""


def mix(values: Hashes) -> Hashes:
    """Splitmix64's finaliser on an array: every input bit reaches every output bit."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@dataclass(frozen=True)
class WordRule:
    """How a text falls into words; one of the three constants below."""

    classes: bytes
    """For each byte of UTF-8: 0 separates, 1 is part of a word, 2 is a word of its own."""
    values: Hashes
    """For each byte: its random value; 0 where it separates."""
    pattern: re.Pattern[str]
    """The same words, as a pattern over blanked text."""
    folds: bool
    """Whether case, LaTeX spacing and typographic variants are folded."""

    def blank(self, text: str) -> str:
        """`text` with other white space and, where folded, LaTeX spacing as blanks; same length."""
        if self.folds and "\\" in text:
            text = _LATEX_SPACE.sub(lambda match: " " * len(match[0]), text)
        if text.isascii():
            return text
        for space in _UNICODE_SPACE:  # each pass is a search for one character: 10 times faster
            text = text.replace(space, " ")  # than a pattern or `str.translate`
        if self.folds:
            for variant, plain in _TYPOGRAPHIC.items():
                text = text.replace(variant, plain)
        return text

    def encode(self, text: str) -> bytes:
        """The bytes whose words, by the tables, are the words of `text`."""
        text = self.blank(text)
        if self.folds and not text.isascii():  # the tables fold the case of ASCII themselves
            text = text.casefold()
        return text.encode("utf-8", "surrogatepass")

    def words(self, text: str) -> list[str]:
        """The folded words of a text."""
        blanked = self.blank(text)
        if not self.folds:
            return blanked.split()
        if self is FOLDED:
            return blanked.replace("~", " ").casefold().split()
        return [word.casefold() for word in self.pattern.findall(blanked)]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where in `text` each word begins and ends, in characters."""
        return [match.span() for match in self.pattern.finditer(self.blank(text))]


def _rule(separators: bytes, signs: bytes, *, folds: bool) -> WordRule:
    classes = np.ones(256, np.uint8)
    classes[list(separators)] = 0
    classes[list(signs)] = 2
    values = mix(np.arange(256, dtype=np.uint64))
    if folds:
        values[ord("A") : ord("Z") + 1] = values[ord("a") : ord("z") + 1]
    values[classes == 0] = 0
    one, apart = re.escape(signs.decode()), re.escape(separators.decode())
    pattern = re.compile(f"[{one}]|[^{one}{apart}]+" if signs else f"[^{apart}]+")
    return WordRule(classes.tobytes(), values, pattern, folds)


_PUNCTUATION = bytes(byte for byte in range(128) if not chr(byte).isalnum() and byte not in _SIGNS)
EXACT = _rule(_SPACE, b"", folds=False)
FOLDED = _rule(_SPACE + b"~", b"", folds=True)
PROBLEM = _rule(_PUNCTUATION, _SIGNS, folds=True)


@functools.lru_cache(maxsize=8)
def _powers(base: int, size: int) -> Hashes:
    powers = np.full(size, base % (1 << 64), np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


def _power_pair(base: int, needed: int) -> tuple[Hashes, Hashes]:
    """Powers of `base` and of its inverse mod 2^64; at least `needed`, in sizes of powers of 2."""
    size = max(_BLOCK_BYTES, 1 << (needed - 1).bit_length()) * 2
    return _powers(base, size), _powers(pow(base, -1, 1 << 64), size)


class Block(NamedTuple):
    """The words of several texts as hashes: text i has `words[offsets[i]:offsets[i + 1]]`."""

    words: Hashes
    offsets: Positions


def hash_words(texts: Sequence[bytes], rule: WordRule) -> Block:
    """The hashes of all words of `texts` (made by `rule.encode`), in order."""
    whole = b"\n".join(texts) + b"\n"
    data = np.frombuffer(whole, np.uint8)
    classes = np.frombuffer(whole.translate(rule.classes), np.uint8)
    is_start = classes != 0
    is_start[1:] &= (classes[1:] == 2) | (classes[:-1] != 1)
    starts = np.flatnonzero(is_start)
    lengths = np.fromiter((len(text) + 1 for text in texts), np.int64, len(texts))
    ends = np.cumsum(lengths)
    offsets = np.searchsorted(starts, np.concatenate(([0], ends)))
    if not len(starts):
        return Block(np.empty(0, np.uint64), offsets)
    powers, inverses = _power_pair(_BYTE_BASE, len(data))
    values = rule.values.take(data)  # three times faster than by an index
    values *= powers[: len(data)]
    sums = np.add.reduceat(values, starts)
    return Block(mix(sums * inverses[starts]), offsets)


def hash_ngrams(block: Block, n: int) -> tuple[Hashes, Positions]:
    """The hashes of all n-grams that lie within one text, and the index of their first word."""
    words, offsets = block
    if len(words) < n:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    powers, inverses = _power_pair(_WORD_BASE, len(words))
    sums = np.zeros(len(words) + 1, np.uint64)
    np.cumsum(words * powers[: len(words)], out=sums[1:])
    number = len(words) - n + 1
    hashes = mix((sums[n:] - sums[:number]) * inverses[:number])
    inside = np.ones(number, bool)
    for end in offsets[1:-1]:  # n-grams that begin in one text and end in the next
        inside[max(0, end - n + 1) : end] = False
    first = np.flatnonzero(inside)
    return hashes[first], first


def blocks(texts: Iterable[str], rule: WordRule) -> Iterator[tuple[int, list[str], Block]]:
    """Texts in blocks of about 128 KiB: index of the first, the texts themselves, their words."""
    first, held, encoded, size = 0, list[str](), list[bytes](), 0
    for text in texts:
        held.append(text)
        encoded.append(rule.encode(text))
        size += len(encoded[-1])
        if size >= _BLOCK_BYTES:
            yield first, held, hash_words(encoded, rule)
            first, held, encoded, size = first + len(held), [], [], 0
    if held:
        yield first, held, hash_words(encoded, rule)


class Match(NamedTuple):
    """A run of `length` words that item and text share, by the index of its first word in each."""

    item: int
    item_word: int
    text_word: int
    length: int


class _Table:
    """The n-grams of one length: sorted hashes with their places, and a filter in front."""

    def __init__(self, hashes: Hashes, items: Positions, words: Positions) -> None:
        order = np.lexsort((words, items, hashes))
        self.hashes, self.items, self.words = hashes[order], items[order], words[order]
        self._filter = np.zeros(1 << _FILTER_BITS, bool)
        self._filter[self._slot(hashes)] = True

    @staticmethod
    def _slot(hashes: Hashes) -> npt.NDArray[np.intp]:
        return (hashes >> np.uint64(64 - _FILTER_BITS)).astype(np.intp)

    def likely(self, hashes: Hashes) -> npt.NDArray[np.intp]:
        """Indices of the hashes that may be in the table: all that are, and few others."""
        return np.flatnonzero(self._filter[self._slot(hashes)])

    def find(self, hashes: Hashes) -> tuple[Positions, Positions]:
        """All pairs (index into `hashes`, index into the table) that agree."""
        left = np.searchsorted(self.hashes, hashes, "left")
        count = np.searchsorted(self.hashes, hashes, "right") - left
        begin = np.repeat(left - np.concatenate(([0], np.cumsum(count)[:-1])), count)
        return np.repeat(np.arange(len(hashes)), count), np.arange(len(begin)) + begin


class Index:
    """An index of items' n-grams, to be looked for in documents.

    An item with fewer than n words, but at least `min_words`, is found whole; with
    `min_words = n` (the default) such items can never be hit, as in the published analysis.
    """

    def __init__(
        self, items: Sequence[str], n: int, rule: WordRule, *, min_words: int | None = None
    ) -> None:
        self.n, self.rule = n, rule
        self._words = [rule.words(item) for item in items]
        parts: dict[int, list[tuple[Hashes, Positions, Positions]]] = {}
        for begin, _, block in blocks(items, rule):
            counts = np.diff(block.offsets)
            used = np.minimum(counts, n)
            least = max(1, n if min_words is None else min_words)
            for length in np.unique(used[used >= least]).tolist():
                hashes, first = hash_ngrams(block, length)
                owner = np.searchsorted(block.offsets, first, "right") - 1
                mine = used[owner] == length
                hashes, first, owner = hashes[mine], first[mine], owner[mine]
                place = first - block.offsets[owner]
                parts.setdefault(length, []).append((hashes, owner + begin, place))
        self._tables = {
            length: _Table(*(np.concatenate(column) for column in zip(*rows, strict=True)))
            for length, rows in sorted(parts.items(), reverse=True)
        }

    def words(self, item: int) -> list[str]:
        """The folded words of an item."""
        return self._words[item]

    @property
    def num_ngrams(self) -> int:
        """How many n-grams (with repeats) the index holds."""
        return sum(len(table.hashes) for table in self._tables.values())

    def search(self, texts: Iterable[str]) -> Iterator[list[Match]]:
        """For each text in order, all its matches, by place in the text, then by item.

        An n-gram that a text repeats is matched at its first place there, so that no text has
        more matches than the index has n-grams.
        """
        for _, held, block in blocks(texts, self.rule):
            found: list[list[Match]] = [[] for _ in held]
            for length, table in self._tables.items():
                for number, match in self._matches(table, length, block):
                    found[number].append(match)
            for text, matches in zip(held, found, strict=True):
                yield self._checked(text, matches) if matches else []

    @staticmethod
    def _matches(table: _Table, length: int, block: Block) -> Iterator[tuple[int, Match]]:
        hashes, first = hash_ngrams(block, length)
        likely = table.likely(hashes)
        hashes, first = hashes[likely], first[likely]
        texts = np.searchsorted(block.offsets, first, "right") - 1
        order = np.lexsort((first, hashes, texts))
        hashes, first, texts = hashes[order], first[order], texts[order]
        new = np.ones(len(first), bool)
        new[1:] = (hashes[1:] != hashes[:-1]) | (texts[1:] != texts[:-1])
        where, entry = table.find(hashes[new])
        texts, places = texts[new][where], first[new][where]
        places -= block.offsets[texts]
        columns = (texts, table.items[entry], table.words[entry], places)
        for text, item, item_word, text_word in zip(*(c.tolist() for c in columns), strict=True):
            yield text, Match(item, item_word, text_word, length)

    def _checked(self, text: str, matches: list[Match]) -> list[Match]:
        words = self.rule.words(text)
        return sorted(
            (
                match
                for match in matches
                if words[match.text_word : match.text_word + match.length]
                == self._words[match.item][match.item_word : match.item_word + match.length]
            ),
            key=lambda match: (match.text_word, match.item, match.item_word),
        )
