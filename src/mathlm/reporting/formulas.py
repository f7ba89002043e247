r"""Text with formulas to HTML: `$…$`, `$$…$$`, `\(…\)` and `\[…\]` become MathML.

Not a TeX. latex2mathml parses the formula; what it returns is not trusted (its own serialiser
undoes the escaping of `\text{<script>}`): tags and attributes pass a list, text is escaped here.
A formula that cannot be rendered is shown as it is written.
"""

from __future__ import annotations

import html
import re
import warnings
from typing import Any

from mathlm.reporting.markup import Html, escape, join

_MAX = 400
"""Characters of a formula; longer ones are shown as text (parsing time grows with them)."""
_FORMULA = re.compile(
    rf"\$\$(?P<dd>.{{1,{_MAX}}}?)\$\$"
    rf"|\\\[(?P<bracket>.{{1,{_MAX}}}?)\\\]"
    rf"|\\\((?P<paren>.{{1,{_MAX}}}?)\\\)"
    # as in pandoc: no space inside the dollars, no digit after them (sums of money)
    rf"|(?<![\\$])\$(?P<dollar>[^\s$](?:[^$\n]{{0,{_MAX}}}?[^\s$\\])?)\$(?!\d)",
    re.DOTALL,
)
_TAGS = re.compile(
    "math|mrow|mi|mn|mo|ms|mtext|mspace|msup|msub|msubsup|mfrac|msqrt|mroot|mover|munder"
    "|munderover|mtable|mtr|mtd|mstyle|mpadded|mphantom|menclose|mmultiscripts|mprescripts"
)
_WORDS = re.compile(
    "mathvariant|stretchy|fence|form|separator|columnalign|rowalign|accent|accentunder"
    "|movablelimits|displaystyle|scriptlevel|notation|symmetric|largeop|columnlines"
)
_LENGTHS = re.compile("lspace|rspace|width|minsize|maxsize|linethickness")
_WORD = re.compile(r"[a-z0-9 +-]{1,40}")
_LENGTH = re.compile(r"-?\d?(\.\d{1,3})?(em|ex|px)?|[0-3]")


class _Refused(Exception):
    """A formula that is shown as text."""


def with_formulas(text: str) -> Html:
    """The text as HTML, its formulas as MathML where that is possible."""
    parts: list[Html] = []
    last = 0
    for match in _FORMULA.finditer(text):
        kind = str(match.lastgroup)
        rendered = formula(match[kind], display=kind in ("dd", "bracket"))
        if rendered is not None:
            parts += [escape(text[last : match.start()]), rendered]
            last = match.end()
    return join([*parts, escape(text[last:])])


def formula(latex: str, *, display: bool = False) -> Html | None:
    """MathML of one formula, or None where it cannot be rendered."""
    if len(latex) > _MAX:
        return None
    from latex2mathml.converter import Converter

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind = "block" if display else "inline"
            root = Converter(display=kind).convert_to_element(latex)
        body = join(_element(child) for child in root)
    except Exception:  # noqa: BLE001 (an item's boundary: a model's formula may raise anything)
        return None
    return Html(f'<math display="{kind}">{body}</math>')


def _element(element: Any) -> Html:
    name = str(element.tag)
    if not _TAGS.fullmatch(name):
        raise _Refused(name)
    attributes = "".join(
        f' {key}="{value}"'
        for key, value in element.attrib.items()
        if (_WORDS.fullmatch(key) and _WORD.fullmatch(value))
        or (_LENGTHS.fullmatch(key) and _LENGTH.fullmatch(value))
    )
    text = escape(html.unescape(element.text or ""))
    children = join(_element(child) for child in element)
    return Html(f"<{name}{attributes}>{text}{children}</{name}>")
