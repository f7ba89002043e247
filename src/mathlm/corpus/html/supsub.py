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
_PLAIN_SCRIPT = re.compile(r"[-−]?\w+")
_CITATION = re.compile(r"\[[\w ,–-]+\]$")
_ORDINAL = re.compile(
    rf"(?:{SUP}\s*(?=(?:st|nd|rd|th|TM|SM|®|™|©)\s*{END})|(?<=\d){SUP}\s*(?=(?:er|e|ème|o|a)\s*{END}))"
    rf"(\w+|[®™©])\s*{END}"
)
_SCRIPT = re.compile(f"([{SUP}{SUB}])([^{SUP}{SUB}{END}]*){END}")
_SCRIPTED = rf"(?:[{SUP}{SUB}][^{END}]{{0,200}}{END})"
_FUNCTION = rf"(?:sinh?|cosh?|tanh?|cot|sec|csc|log|ln|exp|(?:lim|max|min|sup|inf)(?={SUB}))"
_FUNCTION_ATOM = rf"(?<![A-Za-z]){_FUNCTION}(?:{_SCRIPTED}+(?: (?!a\s))?|(?=\())"
# Letters side by side are a word, which ends an expression, but for the products that are no words.
_LETTERS = (
    rf"(?<![A-Za-z])(?:[A-Za-z]|[abcd][xz]|d[ty]|[ac]y|ab|ac|bc|xy|yz|xz|mc(?={SUP}))(?![A-Za-z])"
)
_ATOM = (
    rf"(?:{_FUNCTION_ATOM}|[∑∏∫∮]{_SCRIPTED}* ?|{_LETTERS}|[α-ωΑ-Ω∞∂…]|\.{{3}}"
    rf"|\d{{1,3}}(?:,\d{{3}})+|\d+(?:\.\d+)?|[(){{}}\[\]|]){_SCRIPTED}*'*"
)
_TERM = rf"[-−+]?(?:{_ATOM}){{1,60}}"
_SIGN = "-+=<>≤≥≠≈≡·×*/−±→∈"
# The hyphen before a word is none of subtraction (`L<sup>p</sup>-norm`).
_OPERATOR = rf"\s*(?:(?!-[A-Za-z]{{2}})[{_SIGN},]|\s[{_SIGN}]\s)\s*"
_EXPRESSION = re.compile(
    rf"(?<![A-Za-zα-ωΑ-Ω\d.,:])(?!(?<=[$€£])\d){_TERM}(?:{_OPERATOR}{_TERM}){{0,60}}(?![A-Za-z\d])"
)
_CHEMISTRY = re.compile(r"[A-Z][A-Za-z]")
_NAME = re.compile(rf"(?<![A-Za-z\\])({_FUNCTION.replace(SUB, '_')})(?![A-Za-z])")
_BRACKETS = re.compile(r"[][(){}]|,(?!\d{3})")
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"))
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
_BACK = frozenset(("↩", "↩︎", "↩\ufe0e", "↑", "^", "⏎", "↵", "¶", "#", "§", "🔗", "\u200b"))
"""What links back to the text say, and links of a heading to itself."""


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


def in_code(node: Node) -> str:
    """The text of code, scripts in it with their signs: `10<sup>5</sup>` is no number 105."""
    pieces: list[str] = []
    for child in node.children:
        if not isinstance(child, Node):
            pieces.append(child if isinstance(child, str) else child.latex)
            continue
        text = in_code(child)
        if child.tag in ("sup", "sub") and text.strip() and not _has_link(child):
            sign = "^" if child.tag == "sup" else "_"
            text = f"{sign}{text}" if _PLAIN_SCRIPT.fullmatch(text) else f"{sign}({text})"
        pieces.append(text)
    return "".join(pieces)


def _has_link(node: Node) -> bool:
    return any(child.tag == "a" for child in elements(node))


def formulas(text: str, emit: Callable[[Math], str]) -> str:
    """The text with its marked scripts written as LaTeX, as formulas where they are mathematics."""
    text = re.sub(f"[{SUP}{SUB}]\\s*{END}", "", text)
    text = _flat(_ORDINAL.sub(r"\1", text))
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
    if SUP not in match[0] and SUB not in match[0]:
        return match[0]
    before, source, after = _trimmed(match[0])
    bare = _SCRIPT.sub("", source)
    scripts = [found[2].strip() for found in _SCRIPT.finditer(source)]
    if (
        _CHEMISTRY.search(bare)
        or not _is_balanced(bare)
        or any(map(_CITATION.match, scripts))
        or any(mark in "".join(scripts) for mark in "\ufdd0\ufdd1")
    ):
        return match[0]
    latex = _SCRIPT.sub(
        lambda found: ("^" if found[1] == SUP else "_") + f"{_OPEN}{found[2].strip()}{_SHUT}",
        source,
    )
    latex = _NAME.sub(r"\\\1", _spelled(latex.translate(_BRACES)))
    return before + emit(Math(latex, False)) + after


def _trimmed(source: str) -> tuple[str, str, str]:
    """What stands before, in and after the first and the last part with a script.

    Parts are what commas outside of brackets set apart: of `x<sub>1</sub>, a` the `a` is a word.
    Brackets at the ends whose others are missing belong to the sentence.
    """
    plain = _SCRIPT.sub(lambda found: "x" * len(found[0]), source)
    start, end = 0, len(plain)
    for left, right in _PAIRS:
        surplus = plain.count(left) - plain.count(right)
        while surplus > 0 and plain[start] == left:
            start, surplus = start + 1, surplus - 1
        while surplus < 0 and plain[end - 1] == right:
            end, surplus = end - 1, surplus + 1
    places = _parts(plain, start, end)
    scripted = [
        place for place in places if SUP in source[slice(*place)] or SUB in source[slice(*place)]
    ]
    if scripted:
        start, end = scripted[0][0], scripted[-1][1]
    inner = source[start:end]
    start += len(inner) - len(inner.lstrip())
    end -= len(inner) - len(inner.rstrip())
    return source[:start], source[start:end], source[end:]


def _parts(plain: str, start: int, end: int) -> list[tuple[int, int]]:
    """Where the parts between commas outside of brackets begin and end."""
    depth, parts = 0, []
    for mark in _BRACKETS.finditer(plain, start, end):
        if mark[0] != ",":
            depth += 1 if mark[0] in "([{" else -1
        elif depth == 0:
            parts.append((start, mark.start()))
            start = mark.end()
    return [*parts, (start, end)]


def _is_balanced(bare: str) -> bool:
    for left, right in _PAIRS:
        depth = 0
        for character in bare:
            depth += (character == left) - (character == right)
            if depth < 0:
                return False
        if depth:
            return False
    return True


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
    if len(script) > 20 or " " in script:
        return script if match[1] == SUB else f" {script}"
    if "\ufdd0" in script or "\ufdd1" in script:
        return script
    script = script.replace(_OPEN, "{").replace(_SHUT, "}")
    return ("^" if match[1] == SUP else "_") + (script if len(script) == 1 else f"{{{script}}}")
