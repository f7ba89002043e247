"""Formulas in running text: delimiters found, matched and judged; money and shell `$` left alone.

Not here: the page's settings (delimiters.py). A formula must close within its block of text, as
MathJax and KaTeX have it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

from mathlm.corpus.html import asciimath
from mathlm.corpus.html.delimiters import DOUBTFUL, Delimiters
from mathlm.corpus.html.inline import CLOSE, FORMULA
from mathlm.corpus.html.latex_text import IN_WORDS, clean, is_wrapped
from mathlm.corpus.html.nodes import Math

_ENVIRONMENTS = (
    "equation|align|alignat|flalign|gather|multline|eqnarray|displaymath|math|aligned|alignedat|gathered|split|cases|dcases|array|subarray|"
    "matrix|pmatrix|bmatrix|Bmatrix|vmatrix|Vmatrix|smallmatrix|dmath|CD|tikzcd|prooftree|IEEEeqnarray"
)
_MAX_FORMULA = 20_000
_LATEX = re.compile(r"\\[A-Za-z]+|[\^_{}=<>+*/|≤≥∈→±×√∑∫]")
_WORDS = re.compile(r"[A-Za-z]{3,}")
_SENTENCE = re.compile(r"(?:(?<![\\A-Za-z{])[A-Za-z]{2,}[ ,.;]+){4,}")
_SIMPLE = re.compile(r"[-+(\[]*[\dA-Za-zα-ωΑ-Ω][\s\dA-Za-zα-ωΑ-Ω,.;:'!()\[\]-]{0,60}")
_ALGEBRA = re.compile(r"[A-Za-z]\s*[=<>^_]")
_ESCAPE = re.compile(r"\\[%$#&_{},;:!|]")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_SHELL = re.compile(r"[A-Z_]{3,}|\{[A-Za-z_]+\}|\(\w+ |\w+\[")
# A dollar at the end of a string of a program, as regular expressions have it.
_QUOTED = re.compile(r"""["'`]\s?[),;\]]|[|)]["'`]""")
_CURRENCY = re.compile(r"^\d.*\s(?:US|HK|AU|NZ|CA|NT)$", re.DOTALL)
_PHRASE = re.compile(r"[a-z]{2,},? [a-z]{3,}")
_MAX_BACKSLASHES = 50
_MAX_DOLLAR = 3000
_MAX_BRACES = 50
"""Braces open at once: no formula has more, and many would be read again and again."""
_ASCII_MATHS = re.compile(
    r"\^|sqrt|frac|sum_|int_|\+-|root|<=|>=|!=|\boo\b|\bxx\b|[A-Za-z0-9)]\s*/\s*[A-Za-z0-9(]|[A-Za-z]\s*[=<>]|\b[A-Za-z]_\S|vec|->|pi|theta|alpha|beta"
)
_CODE = re.compile(
    r"[;\"']|::|[A-Za-z]{2,}_[A-Za-z]{2,}|\(\)|==|\+\+|--|&&|->[a-z]|=>|\$|\bdef\b|\breturn\b|[A-Za-z]{2,}\.[A-Za-z]{2,}"
)

Emit = Callable[[Math], str]


class Marks(NamedTuple):
    """A page's delimiters as its text is searched for them."""

    opening: re.Pattern[str]
    """Whatever may begin a formula."""
    begins: frozenset[str]
    """The characters of which one begins every formula: a text without is prose."""
    pairs: dict[str, tuple[tuple[str, bool], ...]]
    """What closes each opening delimiter, and whether the formula is a display."""
    ascii: dict[str, str]
    trusted: frozenset[str]
    ascii_declared: bool


@functools.lru_cache(maxsize=256)
def marks(delimiters: Delimiters) -> Marks:
    """What is looked for on a page of these delimiters."""
    pairs: dict[str, tuple[tuple[str, bool], ...]] = {}
    for found, display in ((delimiters.display, True), (delimiters.inline, False)):
        for left, right in found:
            pairs[left] = (*pairs.get(left, ()), (right, display))
    ascii_pairs = dict(reversed(delimiters.ascii))
    choices = "|".join(
        re.escape(mark)
        for mark in sorted({*pairs, *ascii_pairs}, key=lambda mark: (-len(mark), mark))
    )
    return Marks(
        re.compile(rf"\\\$|\\documentclass|\\begin ?\{{(?:{_ENVIRONMENTS})\*?\}}|{choices}"),
        frozenset(("\\", *(left[:1] for left in (*pairs, *ascii_pairs)))),
        pairs,
        ascii_pairs,
        delimiters.trusted,
        delimiters.ascii_declared,
    )


def formulas(text: str, marks: Marks, emit: Emit) -> str:
    """The text with every formula replaced by what `emit` returns for it."""
    opening = marks.opening
    out: list[str] = []
    place = 0
    while match := opening.search(text, place):
        found = _match(text, match, marks)
        if found is None:
            out.append(text[place : match.end()])
            place = match.end()
            while match[0].startswith("$$") and text.startswith("$", place):
                out.append("$")
                place += 1
            continue
        math, end = found
        out.append(text[place : match.start()])
        out.append(emit(math) if math.latex else " ")
        place = end
    out.append(text[place:])
    return "".join(out)


def _match(text: str, opening: re.Match[str], marks: Marks) -> tuple[Math, int] | None:
    """The formula that starts here and where it ends; None when it is no formula."""
    mark = opening[0]
    if (mark == "\\$" and mark not in marks.ascii) or _is_escaped(text, opening.start()):
        return None
    if mark == "\\documentclass":
        return _document(text, opening.end())
    if mark.startswith("\\begin"):
        return _environment(text, opening)
    for right, display in marks.pairs.get(mark, ()):
        found = _delimited(text, opening.end(), right, display=display, marks=marks)
        if found:
            return found
    if mark in marks.ascii:
        return _ascii(text, opening.end(), marks.ascii[mark], marks)
    return None


def _is_escaped(text: str, start: int) -> bool:
    backslashes = 0
    while backslashes < min(start, _MAX_BACKSLASHES) and text[start - backslashes - 1] == "\\":
        backslashes += 1
    return backslashes % 2 == 1


def _document(text: str, start: int) -> tuple[Math, int] | None:
    """The formula of a whole document: so publishers keep the TeX of a single one."""
    begin = text.find("\\begin{document}", start, start + _MAX_FORMULA)
    end = text.find("\\end{document}", begin, begin + _MAX_FORMULA) if begin >= 0 else -1
    if end < 0:
        return None
    source = text[begin + len("\\begin{document}") : end]
    if is_wrapped(source) is None or not (latex := clean(source)):
        return None
    return Math(latex, None), end + len("\\end{document}")


def _environment(text: str, opening: re.Match[str]) -> tuple[Math, int] | None:
    name = opening[0][6:].strip(" {}")
    limit = opening.start() + _MAX_FORMULA
    gap = " " if opening[0][6] == " " else ""
    if text.find(f"\\end{gap}{{{name}}}", opening.end(), limit) < 0:
        return None
    depth = 0
    for match in re.finditer(
        rf"\\(begin|end) ?\{{{re.escape(name)}\}}",
        text[opening.start() : limit],
    ):
        depth += 1 if match[1] == "begin" else -1
        if depth == 0:
            end = opening.start() + match.end()
            latex = clean(text[opening.start() : end])
            if name in ("displaymath", "math"):
                latex = clean(latex[latex.index("}") + 1 : latex.rindex("\\end")])
            return Math(latex, name != "math"), end
    return None


def _delimited(
    text: str, start: int, right: str, *, display: bool, marks: Marks
) -> tuple[Math, int] | None:
    end = _closing(text, start, right)
    if end is None:
        return None
    content = text[start:end]
    if right in DOUBTFUL and not _is_formula(text, start, end, right, marks=marks):
        return None
    if right == "$" and content.startswith("latex "):
        content = content[6:]
    elif right == "$" and content[0] == content[-1] == "`":
        content = content.strip("`")
    latex = clean(content)
    if not latex or (right.startswith("$$") and not _is_plausible(latex)):
        return None
    return Math(latex, display), end + len(right)


def _closing(text: str, start: int, right: str) -> int | None:
    """Where the delimiter closes, outside of braces and not escaped."""
    limit = min(len(text), start + _MAX_FORMULA)
    end = text.find(right, start, limit)
    if end < 0:
        return None
    depth = 0
    for token in _tokens(right).finditer(text, start, limit):
        mark = token[0]
        if mark == right and depth <= 0:
            return token.start() if token.start() > start else None
        depth += (mark == "{") - (mark == "}")
        if depth > _MAX_BRACES:
            break
    return end if end > start and right != "$" else None


@functools.lru_cache(maxsize=256)
def _tokens(right: str) -> re.Pattern[str]:
    """What matters on the way to a closing delimiter."""
    return re.compile(rf"{re.escape(right)}|\\.|[{{}}]", re.DOTALL)


def _is_plausible(latex: str) -> bool:
    """Whether `$$…$$` holds a formula and not prose between two prices or marks of prices."""
    if re.search(r"\\[A-Za-z]{2,}", latex):
        return True
    return not _SENTENCE.search(latex) and bool(_LATEX.search(latex) or not _PHRASE.search(latex))


def _is_formula(text: str, start: int, end: int, right: str, *, marks: Marks) -> bool:
    """Whether a formula stands between two delimiters that are doubtful."""
    if right == "$":
        return _is_dollar_formula(text, start, end, declared="$" in marks.trusted)
    if right in marks.trusted:
        return True
    content = text[start:end]
    if content.startswith(right[0]) or _SENTENCE.search(IN_WORDS.sub(" ", content)):
        return False
    spaced = content[0].isspace() or content[-1].isspace()
    if right == "$$$":  # Codeforces; no price is written so
        return not spaced or bool(_LATEX.search(content))
    if spaced or _is_within_word(text, start, end, len(right)):  # C pastes tokens by `a##b`
        return False
    return bool(_LATEX.search(content)) or len(content) == 1


def _is_dollar_formula(text: str, start: int, end: int, *, declared: bool) -> bool:
    """Whether a formula stands between two single dollars, and not money, a shell or prose.

    A page that declares `$` is trusted with words and loose spaces, never with prices.
    """
    content = text[start:end]
    stripped = content.strip()
    if not stripped or len(content) > _MAX_DOLLAR or "\n\n" in content:
        return False
    if _QUOTED.match(content):
        return False
    prose = IN_WORDS.sub(" ", stripped)
    if _SENTENCE.search(prose):
        return False
    if _COMMAND.search(stripped):
        return True
    if content[0].isspace() or content[-1].isspace():
        loose = content[0].isspace() and content[-1].isspace() and _ALGEBRA.search(stripped)
        return bool(declared or loose) and bool(
            _LATEX.search(stripped) and not _WORDS.search(prose)
        )
    if text[end + 1 : end + 2].isdigit() or _CURRENCY.search(content):
        return False
    if _is_within_word(text, start, end):
        return False
    if stripped[0] == FORMULA and stripped[-1] == CLOSE:
        return True
    if stripped[0].isdigit() and stripped.count("(") != stripped.count(")"):
        return False
    if _WORDS.search(stripped):
        return (declared and (stripped.isalpha() or bool(_LATEX.search(stripped)))) or bool(
            re.search(r"[_^]\{?\w", stripped) and not _SHELL.match(stripped)
        )
    return declared or any(
        (_LATEX.search(stripped), _SIMPLE.fullmatch(stripped), _ESCAPE.search(stripped))
    )


def _is_within_word(text: str, start: int, end: int, width: int = 1) -> bool:
    """Whether both delimiters stand within words, as in cells of spreadsheets (`A$1:B$2`)."""
    around = text[max(start - width - 1, 0) : start - width] + text[end + width : end + width + 1]
    return len(around) == 2 and around.isascii() and around.isalnum()


def _ascii(text: str, start: int, right: str, marks: Marks) -> tuple[Math, int] | None:
    end = text.find(right, start, start + 2000)
    if end <= start:
        return None
    content = text[start:end].strip()
    if not content or "\n\n" in content:
        return None
    if not marks.ascii_declared and (
        not _ASCII_MATHS.search(content) or _CODE.search(content) or _SENTENCE.search(content)
    ):
        return None
    return Math(clean(asciimath.to_latex(content)), False), end + len(right)
