"""Which delimiters mark mathematics in a page's text, as its own MathJax or KaTeX settings say.

Not here: reading the text (scan.py). The settings are JavaScript; only literal lists of pairs are
read from them, nothing is evaluated. Sources: documentation of MathJax 2, 3 and 4 (tex2jax,
asciimath2jax, `tex`, `asciimath`) and of KaTeX (auto-render).
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Delimiters(NamedTuple):
    """Pairs of delimiters; `dollar` says how far a single `$` is trusted."""

    inline: tuple[tuple[str, str], ...]
    display: tuple[tuple[str, str], ...]
    ascii: tuple[tuple[str, str], ...]
    dollar_declared: bool
    """The page declares `$` to be a delimiter: ordinary words between two are mathematics then."""
    ascii_declared: bool


_INLINE = (
    ("\\(", "\\)"),
    ("[itex]", "[/itex]"),
    ("[math]", "[/math]"),
    ("[latex]", "[/latex]"),
    ("[texx]", "[/texx]"),
    ("[;", ";]"),
    ("$", "$"),
)
_DISPLAY = (("$$", "$$"), ("\\[", "\\]"), ("[tex]", "[/tex]"), ("[dmath]", "[/dmath]"))
_ASCII = (("`", "`"),)
DEFAULT = Delimiters(_INLINE, _DISPLAY, _ASCII, dollar_declared=False, ascii_declared=False)
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
    r"""\[\s*(["'])((?:\\.|(?!\1).){1,20})\1\s*,\s*(["'])((?:\\.|(?!\3).){1,20})\3\s*\]"""
)
_KATEX = re.compile(
    r"""left["']?\s*:\s*(["'])((?:\\.|(?!\1).){1,20})\1\s*,\s*["']?right["']?\s*:\s*(["'])((?:\\.|(?!\3).){1,20})\3\s*,\s*["']?display["']?\s*:\s*(true|false|!0|!1)"""
)
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
                pair = (_unescaped(match[2]), _unescaped(match[4]))
                (display if match[5] in ("true", "!0") else inline).append(pair)
    dollar = ("$", "$") in inline
    inline = [pair for pair in dict.fromkeys(inline) if pair not in display and pair[0]]
    return Delimiters(
        tuple(dict.fromkeys((*inline, *(p for p in _INLINE if p not in display)))),
        tuple(dict.fromkeys((*display, *(p for p in _DISPLAY if p not in inline)))),
        tuple(dict.fromkeys((*ascii_pairs, *_ASCII))),
        dollar_declared=dollar,
        ascii_declared=ascii_loaded or bool(ascii_pairs),
    )


def _pairs(kind: str, text: str) -> list[tuple[str, str]]:
    return [
        (_unescaped(pair[2]), _unescaped(pair[4]))
        for setting in _SETTING[kind].finditer(text)
        for pair in _PAIR.finditer(setting[1])
        if pair[2].strip() and pair[4].strip()
    ]


def _unescaped(text: str) -> str:
    r"""A JavaScript string's characters (`\\(` stands for `\(`)."""
    return re.sub(r"\\(.)", r"\1", text)
