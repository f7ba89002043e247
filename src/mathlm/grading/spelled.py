r"""Numbers and fractions that are spelled in English words, as digits.

`forty-two` becomes 42, `three hundred five` 305, `three fourths` `\frac{3}{4}`. Not here:
single words up to twenty, which the tokens know (`tokens`).
"""

from __future__ import annotations

import re

_NAMES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen"""
_TENS_NAMES = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: value for value, word in enumerate(_NAMES.split())}
_TENS = {word: 10 * value for value, word in enumerate(_TENS_NAMES.split(), start=2)}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {
    "half": 2, "halve": 2, "third": 3, "fourth": 4, "quarter": 4, "fifth": 5, "sixth": 6,
    "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "twelfth": 12,
}  # fmt: skip
_WORD = "|".join([*_SMALL, *_TENS, "hundred", *_SCALES])
_NUMBER = re.compile(rf"\b(?:{_WORD})\b(?:(?:[ -]+|\s+and\s+)(?:{_WORD})\b)*", re.IGNORECASE)
_CONCLUDED = re.compile(
    rf"\b(?:is|are|was|were|equals?|gives?|gets?|has|have|left with)\s+((?:{_WORD})\b"
    rf"(?:[ -]+(?:and\s+)?(?:{_WORD})\b)*)[^.!?\n]{{0,40}}[.!]?\s*$",
    re.IGNORECASE,
)
_FRACTION = re.compile(
    rf"\b(?:(a|{'|'.join(_SMALL)})[ -]+)?({'|'.join(_PARTS)})s?\b(?!\s+of\b)", re.IGNORECASE
)
_HINT = re.compile("ty|hundred|teen|hal|third|fourth|quarter|fifth|th\\b|ths\\b", re.IGNORECASE)
_ARTICLE = re.compile(r"\ba\s+(?=hundred|thousand|million|billion)", re.IGNORECASE)


def _value(words: list[str]) -> int | None:
    """The number that a run of words spells, or None where the words are no one number."""
    total = group = 0
    last = 10**15
    for word in words:
        if word in _SCALES:
            if not group or _SCALES[word] >= last:
                return None
            last = _SCALES[word]
            total, group = total + group * last, 0
        elif word == "hundred":
            if not 0 < group < 10:
                return None
            group *= 100
        else:
            value = _SMALL.get(word, _TENS.get(word, 0))
            fits = group == 0 or group % 100 == 0 or (group % 10 == 0 and group % 100 >= 20)
            if not fits or (group % 100 and not 0 < value < 10):
                return None
            group += value
    return total + group


def _number(match: re.Match[str]) -> str:
    words = [word.lower() for word in re.split(r"[\s-]+", match[0])]
    named = [word for word in words if word != "and"]
    value = _value(named)
    joined = "and" not in words or "hundred" in words or "thousand" in words
    return match[0] if value is None or not joined or len(named) == 0 else str(value)


def _fraction(match: re.Match[str]) -> str:
    top = _SMALL.get((match[1] or "").lower(), 1)
    if match[1] is None and match[2].lower() != "half":
        return match[0]  # an ordinal: "the third"
    return f"\\frac{{{top}}}{{{_PARTS[match[2].lower()]}}}"


def with_digits(text: str) -> str:
    """The text with spelled numbers and fractions as digits."""
    if _HINT.search(text) is None:
        return text
    return _NUMBER.sub(_number, _FRACTION.sub(_fraction, _ARTICLE.sub("one ", text)))


def concluded(text: str) -> str | None:
    """The number that the last sentence of a text states in words: `there are forty-two`."""
    found = _CONCLUDED.search(text)
    return with_digits(found[1]) if found else None
