"""Which delimiters mark mathematics in a page's text, as its own MathJax or KaTeX settings say.

Not here: reading the text (scan.py). The settings are JavaScript; only literal lists of pairs are
read from them, nothing is evaluated. Sources: documentation of MathJax 2, 3 and 4 (tex2jax,
asciimath2jax, `tex`, `asciimath`) and of KaTeX (auto-render).
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Delimiters(NamedTuple):
    """Pairs of delimiters, and which of the doubtful ones are trusted."""

    inline: tuple[tuple[str, str], ...]
    display: tuple[tuple[str, str], ...]
    ascii: tuple[tuple[str, str], ...]
    trusted: frozenset[str]
    """Doubtful ones that the page declares: ordinary words between two are mathematics then."""
    ascii_declared: bool


_INLINE = (
    ("\\(", "\\)"),
    ("[itex]", "[/itex]"),
    ("[math]", "[/math]"),
    ("[latex]", "[/latex]"),
    ("[MATH]", "[/MATH]"),
    ("[Tex]", "[/Tex]"),
    ("[LATEX]", "[/LATEX]"),
    ("[texx]", "[/texx]"),
    ("{eq}", "{/eq}"),
    ("[imath]", "[/imath]"),
    ("[mathjaxinline]", "[/mathjaxinline]"),
    ("[;", ";]"),
    ("##", "##"),
    ("$$$", "$$$"),
    ("$", "$"),
)
_DISPLAY = (
    ("$$$$$$", "$$$$$$"),
    ("$$", "$$"),
    ("\\[", "\\]"),
    ("[tex]", "[/tex]"),
    ("[TEX]", "[/TEX]"),
    ("[dmath]", "[/dmath]"),
    ("[mathjax]", "[/mathjax]"),
)
DOUBTFUL = frozenset(("$", "$$$", "##"))
"""Delimiters that stand for something else as well: money, shells, headings of Markdown."""
_ASCII = (("`", "`"),)
DEFAULT = Delimiters(_INLINE, _DISPLAY, _ASCII, trusted=frozenset(), ascii_declared=False)
_SETTING = {
    "inline": re.compile(
        r"""["']?(?:inlineMath|singleDollars)["']?\s*:\s*(\[\s*\[.{0,400}?\]\s*\]|\{\s*["']?\[?\+\]?["']?\s*:\s*\[\s*\[.{0,400}?\]\s*\])""",
        re.DOTALL,
    ),
    "display": re.compile(r"""["']?displayMath["']?\s*:\s*(\[\s*\[.{0,400}?\]\s*\])""", re.DOTALL),
    "ascii": re.compile(
        r"""(?:asciimath2jax|asciimath)["']?\s*:\s*\{.{0,200}?["']?delimiters["']?\s*:\s*(\[\s*\[.{0,400}?\]\s*\])""",
        re.DOTALL,
    ),
}
_PAIR = re.compile(
    r"""\[\s*(["'`])((?:\\.|(?!\1).){1,20})\1\s*,\s*(["'`])((?:\\.|(?!\3).){1,20})\3\s*\]"""
)
_KIND = r"""["']?display["']?\s*:\s*(true|false|!0|!1)"""
_KATEX = re.compile(
    rf"""left["']?\s*:\s*(["'`])((?:\\.|(?!\1).){{1,20}})\1\s*,\s*["']?right["']?\s*:\s*"""
    rf"""(["'`])((?:\\.|(?!\3).){{1,20}})\3(?:\s*,\s*{_KIND})?"""
)
_KIND_BEFORE = re.compile(rf"""{_KIND}\s*,\s*["']?$""")
_COMMENT = re.compile(r"""/\*[^*]{0,2000}\*/|(?<![:"'`\\])//[^\n]*""")
_ASCII_LOADED = (
    "am_htmlormml", "am_chtml", "am_svg", "asciimathml", "asciimathteximg",
    "asciimath2jax", "input/asciimath", "mathjax/am", "am-full", "asciimath:",
)  # fmt: skip
"""What a script that loads AsciiMath names, in lower case."""
_MAX_SCRIPT = 20_000


def declared(scripts: list[str]) -> Delimiters:
    """The delimiters that a page's scripts (their text and their addresses) declare."""
    inline: list[tuple[str, str]] = []
    display: list[tuple[str, str]] = []
    ascii_pairs: list[tuple[str, str]] = []
    ascii_loaded = False
    for script in scripts:
        text = script[:_MAX_SCRIPT]
        if "sciimath" in text:
            ascii_pairs += _pairs("ascii", text)
        lower = text.lower()
        ascii_loaded = ascii_loaded or any(name in lower for name in _ASCII_LOADED)
        if "inlineMath" in text or "singleDollars" in text:
            inline += _pairs("inline", text)
        if "displayMath" in text:
            display += _pairs("display", text)
        if "left" in text and "display" in text:
            for match in _KATEX.finditer(text):
                kind = match[5] or _kind_before(text, match.start())
                if kind:
                    pairs = display if kind in ("true", "!0") else inline
                    pairs.append(_unescaped(match[2], match[4]))
    trusted = DOUBTFUL.intersection(left for left, _ in (*inline, *display))
    inline = [pair for pair in dict.fromkeys(inline) if pair not in display and pair[0]]
    return Delimiters(
        tuple(dict.fromkeys((*inline, *(p for p in _INLINE if p not in display)))),
        tuple(dict.fromkeys((*display, *(p for p in _DISPLAY if p not in inline)))),
        tuple(dict.fromkeys((*ascii_pairs, *_ASCII))),
        trusted=trusted,
        ascii_declared=ascii_loaded or bool(ascii_pairs),
    )


def _kind_before(text: str, start: int) -> str | None:
    match = _KIND_BEFORE.search(text, max(start - 40, 0), start)
    return match[1] if match else None


def _pairs(kind: str, text: str) -> list[tuple[str, str]]:
    if "//" in text or "/*" in text:
        text = _COMMENT.sub("", text)
    return [
        _unescaped(pair[2], pair[4])
        for setting in _SETTING[kind].finditer(text)
        for pair in _PAIR.finditer(setting[1])
        if pair[2].strip() and pair[4].strip()
    ]


def _unescaped(left: str, right: str) -> tuple[str, str]:
    r"""Two JavaScript strings' characters (`\\(` stands for `\(`).

    Bare brackets are a slip: who forgets to double the backslash wants no formula in every bracket.
    """
    left, right = re.sub(r"\\(.)", r"\1", left), re.sub(r"\\(.)", r"\1", right)
    return (f"\\{left}", f"\\{right}") if left in ("(", "[") else (left, right)
