"""Superscripts and subscripts of plain HTML as formulas (`x<sup>2</sup>`), ordinals and notes not.

The text comes with marks around scripts. A run of letters, digits and operators with a script in it
becomes one formula; a script on a word (`km<sup>2</sup>`) stays with its word.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mathlm.corpus.html.nodes import Math, Node, elements, plain_text
from mathlm.corpus.html.symbols import symbol

SUP, SUB, END = "\ufdd4", "\ufdd5", "\ufdd6"
# Braces around a script within a script, told apart from braces of the text.
_OPEN, _SHUT = "\ufdd7", "\ufdd8"
_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|e|ème|o|a|TM|SM|®|™|©)$")
_SCRIPT = re.compile(f"([{SUP}{SUB}])([^{SUP}{SUB}{END}]*){END}")
_ATOM = rf"(?:[A-Za-zα-ωΑ-Ω]|\d+(?:\.\d+)?|[(){{}}\[\]|])(?:[{SUP}{SUB}][^{END}]{{0,200}}{END})*'*"
_TERM = rf"[-−+]?(?:{_ATOM}){{1,60}}"
_OPERATOR = r"\s*(?:[-+=<>≤≥≠≈·×*/−±,]|\s[-+=<>≤≥≠≈·×*/−±]\s)\s*"
_EXPRESSION = re.compile(
    rf"(?<![A-Za-zα-ωΑ-Ω\d.,:]){_TERM}(?:{_OPERATOR}{_TERM}){{0,60}}(?![A-Za-z\d])"
)
_WORD = re.compile(r"(?<![A-Za-z])[A-Za-z]{2,}(?![A-Za-z])")
_MARK = re.compile(f"([{SUP}{SUB}{END}])")
_MARKS = re.compile(f"[{SUP}{SUB}{END}{_OPEN}{_SHUT}]")
_BRACES = str.maketrans({"{": "\\{", "}": "\\}", _OPEN: "{", _SHUT: "}"})


def footnote(node: Node) -> str | None:
    """`[^n]` for a superscript that links to a note, nothing for one that links elsewhere."""
    links = [child for child in elements(node) if child.tag == "a"]
    if node.tag != "sup" or not links:
        return None
    text = " ".join(plain_text(node).split()).strip("[]() ")
    target = links[0].attrs.get("href") or ""
    if "#" not in target or len(text) > 8:
        return None
    return f"[^{text}]" if re.fullmatch(r"[\w*†‡§.,]{1,8}", text) else ""


_NOTE = re.compile(
    r"(?:fn|footnote|endnote|note|cite_note)[-:_.]?(?:.*?[-:_.])?(\d{1,3})$", re.IGNORECASE
)
_BACK = frozenset(("↩", "↩︎", "↩\ufe0e", "↑", "^", "⏎", "↵"))


def note_marker(item: Node) -> str | None:
    """`[^n]: ` for a list item that is the note to which a superscript links."""
    match = _NOTE.match(item.attrs.get("id") or "")
    return f"[^{match[1]}]: " if match else None


def link_of_note(node: Node) -> str | None:
    """`[^n]` for a link that is a superscript, nothing for one back to the text, else None."""
    target = node.attrs.get("href") or ""
    if "#" not in target:
        return None
    inside = elements(node)
    if len(inside) == 1 and inside[0].tag == "sup":
        text = " ".join(plain_text(node).split()).strip("[]() ")
        return f"[^{text}]" if re.fullmatch(r"[\w*†‡§]{1,8}", text) else None
    return "" if target.startswith("#") and plain_text(node).strip() in _BACK else None


def formulas(text: str, emit: Callable[[Math], str]) -> str:
    """The text with its marked scripts written as LaTeX, as formulas where they are mathematics."""
    text = _flat(re.sub(f"[{SUP}{SUB}]\\s*{END}", "", text))
    text = _EXPRESSION.sub(lambda match: _expression(match, emit), text)
    text = _SCRIPT.sub(_on_word, text)
    return _MARKS.sub("", text)


def _flat(text: str) -> str:
    """The text with marks around the outermost scripts only; those inside are written out."""
    out: list[str] = []
    depth = 0
    for piece in _MARK.split(text):
        if piece == END:
            out.append(_SHUT if depth > 1 else END)
            depth = max(depth - 1, 0)
        elif piece in (SUP, SUB):
            out.append(piece if depth == 0 else ("^" if piece == SUP else "_") + _OPEN)
            depth += 1
        else:
            out.append(piece)
    return "".join(out)


def _expression(match: re.Match[str], emit: Callable[[Math], str]) -> str:
    source = match[0]
    if SUP not in source and SUB not in source:
        return source
    bare = _SCRIPT.sub("", source)
    scripts = [found[2].strip() for found in _SCRIPT.finditer(source)]
    if (
        _WORD.search(bare)
        or any(_ORDINAL.match(script) for script in scripts)
        or any(mark in "".join(scripts) for mark in "\ufdd0\ufdd1")
    ):
        return source
    if any(source.count(left) != source.count(right) for left, right in ("()", "[]", "{}")):
        return source
    latex = _SCRIPT.sub(
        lambda found: ("^" if found[1] == SUP else "_") + f"{_OPEN}{found[2].strip()}{_SHUT}",
        source,
    )
    return emit(Math(_spelled(latex.translate(_BRACES)), False))


def _spelled(latex: str) -> str:
    """Characters beyond ASCII as commands, a space kept before a following letter."""
    out = ""
    for character in " ".join(latex.split()):
        spelled = symbol(character) if character > "\x7f" else character
        if character.isalpha() and re.search(r"\\[A-Za-z]+$", out):
            out += " "
        out += spelled
    return out


def _on_word(match: re.Match[str]) -> str:
    script = match[2].strip()
    if not script:
        return ""
    if _ORDINAL.match(script) or len(script) > 20 or " " in script:
        return script if _ORDINAL.match(script) or match[1] == SUB else f" {script}"
    if "\ufdd0" in script or "\ufdd1" in script:
        return script
    script = script.replace(_OPEN, "{").replace(_SHUT, "}")
    return ("^" if match[1] == SUP else "_") + (script if len(script) == 1 else f"{{{script}}}")
