"""MathML's tokens (`mi`, `mn`, `mo`, `mtext`, `ms`, `mspace`) to LaTeX.

Not here: what tokens do together (rows, scripts).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from mathlm.corpus.html.nodes import Node, plain_text
from mathlm.corpus.html.symbols import FUNCTIONS, VARIANTS, symbol

_SPACES = re.compile(r"[ \t\n\r\f\v]+")
_WORD = re.compile(r"[A-Za-zÀ-ÿ]{2,}$")
_TEXT_ESCAPES = {
    "\\": "\\textbackslash ",
    "{": "\\{",
    "}": "\\}",
    "$": "\\$",
    "%": "\\%",
    "#": "\\#",
    "&": "\\&",
    "_": "\\_",
    "^": "\\^{}",
    "~": "\\~{}",
    "\u00a0": " ",
}
_BLANK = frozenset("\u2061\u2062\u2063\u2064\u200b\ufe00\ufe01\ufe0e\ufe0f")
_TEXT_STYLES = {
    "bold": "textbf",
    "italic": "textit",
    "bold-italic": "textbf",
    "monospace": "texttt",
    "sans-serif": "textsf",
}
_SPOKEN = {"lim sup": "\\limsup", "lim inf": "\\liminf", "arg max": "\\operatorname{arg\\,max}"}
_SPOKEN["arg min"] = "\\operatorname{arg\\,min}"
_THIN = str.maketrans({"\u2006": " ", "\u2009": " ", "\u00a0": " "})
_COMMAND_END = re.compile(r"\\[A-Za-z]+$")


def text_of(node: Node) -> str:
    """The token's characters, runs of white space as one space, none at the ends."""
    return _SPACES.sub(" ", plain_text(node)).strip(" ")


def join(pieces: list[str]) -> str:
    """Pieces of LaTeX in a row; a space where a command would run into a letter."""
    out: list[str] = []
    last = ""
    for piece in pieces:
        if not piece:
            continue
        if (
            last
            and (piece[0].isalpha() or piece[0].isdigit())
            and _COMMAND_END.search(last[-40:])
            and (piece[0].isalpha())
        ):
            out.append(" ")
        out.append(piece)
        last = piece
    return "".join(out)


def braced(latex: str) -> str:
    """The LaTeX as one argument: itself when it is one token already."""
    if len(latex) == 1 or re.fullmatch(r"\\[A-Za-z]+|\\[^A-Za-z]", latex):
        return latex
    return f"{{{latex}}}"


def spell(text: str) -> str:
    """Characters as LaTeX, one after the other."""
    return join([symbol(character) for character in text])


def escape_text(text: str) -> str:
    r"""Characters as they are written inside `\text{…}`."""
    return "".join(_TEXT_ESCAPES.get(character, character) for character in text)


def styled(latex: str, node: Node, text: str) -> str:
    """The LaTeX in the alphabet that `mathvariant` (or the older font attributes) asks for."""
    variant = _variant(node)
    if variant is None or not latex:
        return latex
    if variant == "italic" and len(text) == 1:
        return latex
    if variant == "normal" and not (len(text) == 1 and text.isascii() and text.isalpha()):
        return latex
    command = VARIANTS.get(variant)
    if command is None:
        return latex
    if command in ("mathbf", "mathrm") and latex.startswith("\\"):
        command = "boldsymbol"
    return f"\\{command}{{{latex}}}"


def _variant(node: Node) -> str | None:
    variant = node.attrs.get("mathvariant")
    if variant is not None:
        return variant.strip().lower()
    bold = node.attrs.get("fontweight", "").strip() == "bold"
    italic = node.attrs.get("fontstyle", "").strip() == "italic"
    if bold:
        return "bold-italic" if italic else "bold"
    return None


def identifier(node: Node) -> str:
    """`mi`: a letter, a function's name, or a word."""
    text = "".join(c for c in text_of(node) if c not in _BLANK)
    if text in FUNCTIONS:
        return f"\\{text}"
    if _WORD.match(text):
        variant = _variant(node)
        if variant in (None, "normal"):
            return f"\\mathrm{{{text}}}"
        return styled(text, node, text)
    if (spoken := _SPOKEN.get(text.translate(_THIN))) is not None:
        return spoken
    if " " in text:
        return f"\\text{{{escape_text(text)}}}"
    return styled(spell(text), node, text)


def number(node: Node) -> str:
    """`mn`: the digits as they stand."""
    text = text_of(node).replace("\u00a0", " ")
    return styled(spell(text.replace(" ", "\u2009")), node, text)


def operator(node: Node) -> str:
    """`mo`: a symbol, or a word as an operator's name."""
    text = text_of(node)
    if not text.isascii():
        text = "".join(character for character in text if character not in _BLANK)
        text = unicodedata.normalize("NFC", text) if "\u0338" in text else text
    if text in FUNCTIONS:
        return f"\\{text}"
    if text == "⊥":
        return "\\perp"
    if text == "|" and node.attrs.get("lspace", "").startswith("0.2"):
        return "\\mid "
    if text == "mod":
        return "\\bmod "
    if _WORD.match(text):
        return f"\\operatorname{{{text}}}"
    if (spoken := _SPOKEN.get(text.translate(_THIN))) is not None:
        return spoken
    return spell(text)


def words(node: Node) -> str:
    """`mtext`: text with its outer spaces, which matter between words and formulas."""
    text = _SPACES.sub(" ", plain_text(node)).replace("\u00a0", " ")
    text = "".join(character for character in text if character not in _BLANK)
    if not text:
        return ""
    if not text.strip(" \u2009\u200a\u2003\u2002"):
        return "\\ " if text.strip("\u2009\u200a\u2003\u2002") else spell(text)
    return f"\\{_TEXT_STYLES.get(_variant(node) or '', 'text')}{{{escape_text(text)}}}"


def string(node: Node) -> str:
    """`ms`: a string with its quotes."""
    opening, closing = node.attrs.get("lquote", "“"), node.attrs.get("rquote", "”")
    return f"\\text{{{escape_text(opening + text_of(node) + closing)}}}"


_NAMED_WIDTHS = {
    "veryverythinmathspace": 1,
    "verythinmathspace": 2,
    "thinmathspace": 3,
    "mediummathspace": 4,
    "thickmathspace": 5,
    "verythickmathspace": 6,
    "veryverythickmathspace": 7,
    "negativethinmathspace": -3,
    "negativeverythinmathspace": -2,
    "negativemediummathspace": -4,
}
_UNITS = {
    "em": 18.0,
    "ex": 8.0,
    "px": 1.1,
    "pt": 1.5,
    "cm": 42.0,
    "mm": 4.2,
    "in": 108.0,
    "pc": 18.0,
    "mu": 1.0,
}
_LENGTH = re.compile(r"\s*([+-]?[\d.]+)\s*([a-z]{2})")
_STEPS = (
    (30.0, "\\qquad"),
    (15.0, "\\quad"),
    (5.0, "\\;"),
    (4.0, "\\:"),
    (2.0, "\\,"),
    (-1.0, ""),
    (-100.0, "\\!"),
)


def space(node: Node) -> str:
    """`mspace`: the LaTeX space nearest in width; a line break is a space too."""
    if node.attrs.get("linebreak", "") == "newline":
        return " "
    width = node.attrs.get("width", "0em")
    mu = float(_NAMED_WIDTHS.get(width.strip(), 0))
    if (match := _LENGTH.match(width)) and match[2] in _UNITS:
        mu = _number(match[1]) * _UNITS[match[2]]
    return next((latex for least, latex in _STEPS if mu >= least), "\\!")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def glyph(node: Node) -> str:
    """`mglyph`: its alternative text."""
    alt = node.attrs.get("alt", "")
    return f"\\text{{{escape_text(alt)}}}" if alt else ""


TOKENS: dict[str, Callable[[Node], str]] = {
    "mi": identifier,
    "mn": number,
    "mo": operator,
    "mtext": words,
    "ms": string,
    "mspace": space,
    "mglyph": glyph,
}
