"""What of a document is words and what is mathematics: prose without formulas, formulas counted.

Language and subject are judged by the prose alone, as OpenWebMath's MathScore is: a formula says
nothing of the language, and a classifier that saw it would learn the markup and not the subject.
Input is the Markdown with LaTeX that extraction writes, or any other text. All of it takes time
linear in the text.
"""

from __future__ import annotations

import re

_INLINE_CODE = re.compile(r"`[^`\n]*`")
# Money is no formula: "$5 and $7" has a space before its second sign, "$5-$7" a digit behind it.
# Possessive repeats never go back, so that no text makes the search slow.
_INLINE = re.compile(r"\$(?![\s$])([^$\n]*+(?:\n[^$\n]++)*+)(?<![\s\\])\$(?!\d)")
_COMMAND = re.compile(r"\\(?:begin|end)\{[^{}\n]*\}|\\[A-Za-z]+\*?")
_LINK = re.compile(r"\]\([^()\n]*\)")
_ADDRESS = re.compile(r"http[^\s)>\]]*")
_MATHEMATICAL = re.compile(r"[\\^_=<>+*/|~≤≥≠±×÷∑∫√∞∈∂-]|\d|^\W*[A-Za-zα-ωΑ-Ω]\W*$")
_VARIABLE = re.compile(r"[A-Z_]{3,}\W?")
_BARE = re.compile(
    r"\\(?:begin\{(?:equation|align|gather|multline|eqnarray|[bpvV]?matrix|cases|array|split)"
    r"|(?:frac|sum|int|sqrt|lim|prod|partial|infty|mathbb|mathcal|mathrm)\b)"
)
_PUNCTUATION = ".,;:!?()[]{}\"'*#|«»“”‘’„、。，「」"


Segments = list[tuple[str, bool]]
"""Stretches of a text in order, and whether each is a formula."""


def _halves(text: str, opening: str, closing: str) -> Segments:
    """Stretches outside and inside pairs of marks; a mark without its mate is outside."""
    pieces = text.split(opening)
    if opening == closing:
        last = len(pieces) - 1
        return [(p, place % 2 == 1 and place < last) for place, p in enumerate(pieces)]
    segments = [(pieces[0], False)]
    for piece in pieces[1:]:
        inner, mate, after = piece.partition(closing)
        segments += [(inner, True), (after, False)] if mate else [(piece, False)]
    return segments


def _without_code(text: str) -> str:
    if "`" not in text:
        return text
    outside = (piece for piece, code in _halves(text, "```", "```") if not code)
    return _INLINE_CODE.sub(" ", " ".join(outside))


_FORMULA = "\ue000"
"""Begins a word that stands for a formula (a private character of Unicode)."""
_ESCAPED = "\ue001"
"""Stands for an escaped dollar sign."""


def _parted(text: str, *, keep: bool = False) -> tuple[str, list[str]]:
    """The text without code and formulas, and the formulas; `keep` leaves each as one word."""
    text = _without_code(text)
    formulas: list[str] = []
    for opening, closing in (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)")):
        if opening in text:
            segments = _halves(text, opening, closing)
            formulas += (piece for piece, formula in segments if formula)
            text = " ".join(
                piece if not formula else _word(piece) if keep else ""
                for piece, formula in segments
            )
    if "$" in text:
        text = text.replace("\\$", _ESCAPED)
        formulas += _INLINE.findall(text)
        text = (
            _INLINE.sub(lambda match: f" {_word(match[1])} ", text)
            if keep
            else (_INLINE.sub(" ", text))
        )
    return text, formulas


def _word(formula: str) -> str:
    return _FORMULA + "".join(formula.split())


def prose(text: str) -> str:
    """The text without its formulas, code, commands of LaTeX and addresses."""
    text, _ = _parted(text)
    if "\\" in text:
        text = _COMMAND.sub(" ", text)
    if "](" in text:
        text = _LINK.sub("]", text)
    return _ADDRESS.sub(" ", text) if "http" in text else text


def words_and_formulas(text: str) -> list[str]:
    """Words between white space, code left out, each formula as one word."""
    return _parted(text, keep=True)[0].split()


def is_formula(word: str) -> bool:
    """Whether a word of `words_and_formulas` stands for a formula."""
    return word.startswith(_FORMULA)


def count_formulas(text: str) -> int:
    """Formulas between delimiters or, without such, bare commands of LaTeX; code is no formula.

    What stands between the delimiters must look like mathematics, so that money and shell
    variables are none.
    """
    if "$" not in text and "\\" not in text:
        return 0
    rest, formulas = _parted(text)
    found = sum(1 for f in formulas if _MATHEMATICAL.search(f) and not _VARIABLE.fullmatch(f))
    return found or sum(1 for _ in _BARE.finditer(rest))


_NUMBERED = "\\PageIndex{"
_PUBLISHED = re.compile(r"\$\$[^$]*\$\$|\$[^$]*\$")


def published_formulas(text: str) -> int:
    r"""Formulas as OpenWebMath's `filter_dataset.py` counts them: pairs of dollar signs.

    LibreTexts numbers its sections by formulas of `\PageIndex`; these do not count.
    """
    for mark in ("$$", "$"):
        text = _without_numbers(text, mark)
    return sum(1 for _ in _PUBLISHED.finditer(text))


def _without_numbers(text: str, mark: str) -> str:
    r"""The text without `\PageIndex{…}` between two marks."""
    opening, pieces, place, closing = mark + _NUMBERED, list[str](), 0, -1
    begin = text.find(opening)
    while begin >= 0:
        inside = begin + len(opening)
        if closing < inside:
            closing = text.find("}", inside)
            if closing < 0:
                break
        if text.startswith(mark, closing + 1):
            pieces.append(text[place:begin])
            place = closing + 1 + len(mark)
            begin = text.find(opening, place)
        else:
            begin = text.find(opening, begin + 1)
    return "".join([*pieces, text[place:]])


def plain_words(text: str, max_characters: int) -> list[str]:
    """Words of the prose, of letters alone and without names in code, up to so many characters.

    What is left of `scipy.linalg.blas.dsyr2(alpha, x)` or `LeastSquares` says no language.
    """
    words: list[str] = []
    left = max_characters
    for piece in prose(text[: 10 * max_characters]).split():
        word = piece.strip(_PUNCTUATION)
        if word.isalpha() and (len(word) == 1 or not word.isascii() or word[1:].islower()):
            words.append(word)
            left -= len(word) + 1
            if left <= 0:
                break
    return words
