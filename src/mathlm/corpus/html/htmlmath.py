"""Formulas that a page writes in plain HTML within an element of its own, as LaTeX.

Pandoc without a renderer (`<span class="math inline"><em>x</em><sup>2</sup></span>`), Wikipedia's
`texhtml`. Not here: scripts in running text (supsub.py).
"""

from __future__ import annotations

from mathlm.corpus.html.mathml_tokens import join
from mathlm.corpus.html.nodes import Node, words
from mathlm.corpus.html.symbols import FUNCTIONS, symbol

_PLAIN = words("em i span var a small big nobr font u p bdi")
_STYLES = {"strong": "mathbf", "b": "mathbf", "code": "mathtt", "tt": "mathtt"}
_SCRIPTS = {"sup": "^", "sub": "_"}
_ESCAPED = frozenset("{}$%#&")
_THIN = {"\u2004": " ", "\u2005": " ", "\u00a0": " ", "\u200a": " ", "\u202f": " "}


def to_latex(node: Node) -> str | None:
    """The formula's LaTeX; None where the element holds more than letters and scripts."""
    return _joined(_pieces(node, upright=node.tag != "i"))


def inside(node: Node) -> str | None:
    """`to_latex` of what an element holds in which letters are variables, whatever its tag."""
    return _joined(_pieces(node, upright=False))


def _joined(pieces: list[str] | None) -> str | None:
    if pieces is None:
        return None
    latex = " ".join(join(pieces).split())
    return latex if latex.count("{") == latex.count("}") else None


def spelled(text: str) -> str:
    """Mathematics in Unicode characters as LaTeX."""
    return " ".join(join(_words(text, upright=False)).split())


def _pieces(node: Node, *, upright: bool) -> list[str] | None:
    out: list[str] = []
    for child in node.children:
        if isinstance(child, str):
            out += _words(child, upright=upright)
        elif not isinstance(child, Node):
            return None
        else:
            inner = _pieces(child, upright=upright and child.tag not in ("em", "i", "var"))
            if inner is None:
                return None
            latex = join(inner).strip()
            if child.tag in _SCRIPTS:
                out.append(f"{_SCRIPTS[child.tag]}{{{latex}}}" if latex else "")
            elif child.tag in _STYLES:
                out.append(f"\\{_STYLES[child.tag]}{{{latex}}}" if latex else "")
            elif child.tag in _PLAIN:
                out += inner
            elif child.tag != "br":
                return None
    return out


def _words(text: str, *, upright: bool) -> list[str]:
    """Characters as LaTeX; upright words as functions' names or as text."""
    out: list[str] = []
    word = ""
    for character in text + " ":
        if character.isascii() and character.isalpha():
            word += character
            continue
        if word:
            out += _word(word, upright=upright)
            word = ""
        if character in _ESCAPED:
            out.append(f"\\{character}")
        else:
            out.append(_THIN.get(character) or symbol(character))
    return out[:-1]


def _word(word: str, *, upright: bool) -> list[str]:
    if word in FUNCTIONS:
        return [f"\\{word}"]
    if upright and len(word) > 1:
        return [f"\\mathrm{{{word}}}"]
    return list(word)
