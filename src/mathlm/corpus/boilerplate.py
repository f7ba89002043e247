"""Lines of boilerplate by the user's list of phrases (`boilerplate_words`).

OpenWebMath's rule (`text_extract/line_processing.py`): the words of the phrases in a line, each
phrase as often as it stands there, are too large a share of the line's words, or too many. A line
with a formula or code is never one. Within the last lines of a page such a line takes all that
follows with it, but for formulas and code. `paper` counts a phrase anywhere ("ad" in "shadow") and
cuts whatever it finds; by default a phrase counts between the bounds of words alone, and no more
than a small share of the text goes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from mathlm.core.errors import UserError
from mathlm.corpus.lists import read_list
from mathlm.corpus.quality.prose import count_formulas

SETTING = "boilerplate_words"
MAX_SHARE = 0.2
"""By default at most this share of a text goes: the published rule, which cuts off all that follows
such a line, reduced pages of ordinary prose to a line (section 4.3 of the notes)."""
_BLANKS = re.compile(r"\n{3,}")
Mode = Literal["default", "paper"]
Count = Callable[[str], int]
"""How often a phrase stands in a line of small letters."""


class Rule(NamedTuple):
    """When a line is boilerplate: the published values are 0.18, 10 and 15."""

    ratio: float
    """More words of phrases than this share of the line's words."""
    words: int
    """Or more of them than so many."""
    end_lines: int
    """Within fewer than so many lines of the end, all that follows goes too."""


class Phrase(NamedTuple):
    """A phrase of the list."""

    text: str
    words: int


@functools.lru_cache(maxsize=4)
def read_phrases(path: str, sha256: str | None = None) -> tuple[Phrase, ...]:
    """The phrases of a file, one a line, spaces at the ends being part of them.

    Raises `UserError` where there are none.
    """
    lines = dict.fromkeys(read_list(path, sha256, SETTING).split("\n"))
    phrases = tuple(Phrase(line, len(line.split())) for line in lines if line.strip())
    if not phrases:
        raise UserError(f"{SETTING}: {path} holds no phrase")
    return phrases


def without_boilerplate(text: str, phrases: Sequence[Phrase], rule: Rule, mode: Mode) -> str:
    """The text without the lines that the rule takes."""
    lines = text.split("\n")
    lowered = text.lower()
    counts = [(count, p.words) for p in phrases if (count := _counter(p.text, mode, lowered))]
    if not counts:
        return text
    exempt = _Exempt(lines)
    marked = [i for i, line in enumerate(lines) if _is_over(line, counts, rule) and not exempt[i]]
    if not marked:
        return text
    if mode == "paper":
        return _tidied(_left(exempt, marked, rule.end_lines))
    for end_lines in (rule.end_lines, 0):
        kept = _left(exempt, marked, end_lines)
        if _size(kept) >= (1 - MAX_SHARE) * _size(lines):
            return _tidied(kept)
    return text


def _counter(phrase: str, mode: Mode, text: str) -> Count | None:
    """What counts the phrase in a line, or None where the text does not hold it at all."""
    if mode == "paper":
        return (lambda line: line.count(phrase)) if phrase in text else None
    phrase = phrase.strip().lower()
    if phrase not in text:
        return None
    begin = r"(?<!\w)" if re.match(r"\w", phrase) else ""
    end = r"(?!\w)" if re.search(r"\w\Z", phrase) else ""
    pattern = re.compile(begin + re.escape(phrase) + end)
    return lambda line: len(pattern.findall(line))


def _is_over(line: str, counts: Iterable[tuple[Count, int]], rule: Rule) -> bool:
    lowered = line.lower()
    found = sum(count(lowered) * words for count, words in counts)
    # The published rule keeps the quotient of an empty line from being undefined in this way.
    return found > rule.words or found / (len(lowered.split()) + 0.001) > rule.ratio


class _Exempt:
    """Which lines hold a formula or code; blocks are found at once, the rest when asked."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self._blocks = set(_within(lines, "```")) | set(_within(lines, "$$"))

    def __getitem__(self, number: int) -> bool:
        line = self.lines[number]
        return number in self._blocks or line.count("`") > 1 or count_formulas(line) > 0


def _within(lines: Sequence[str], mark: str) -> Iterable[int]:
    """The lines of blocks that begin and end with a line of an odd number of marks."""
    inside = False
    for number, line in enumerate(lines):
        turns = line.count(mark) % 2 == 1
        if inside or turns:
            yield number
        inside ^= turns


def _left(exempt: _Exempt, marked: Sequence[int], end_lines: int) -> list[str]:
    """The lines that stay."""
    lines = exempt.lines
    end = next((i for i in marked if len(lines) - i < end_lines), len(lines))
    gone = set(marked)
    kept = [line for i, line in enumerate(lines[:end]) if i not in gone]
    return kept + [lines[i] for i in range(end, len(lines)) if exempt[i]]


def _tidied(lines: Sequence[str]) -> str:
    return _BLANKS.sub("\n\n", "\n".join(lines)).strip()


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.strip()) for line in lines)
