"""What a web page's raw bytes say: whether it may hold mathematics at all.

Most of the web has none (OpenWebMath: 99.6 %), and parsing costs several times more than looking
for marks. The rules come as `paper` (OpenWebMath's ten patterns and its count of links, arXiv
2310.06786 section 3.1 and `extract_from_cc/extract_from_warc.py`) and `default`, whose marks cover
all forms that extraction reads. A page with a LaTeX command and no mark passes in both: the
filters on its text decide (the published code decides there on the text as well). All marks are
one expression, searched by RE2: one pass, in time linear in the page.
"""

from __future__ import annotations

import functools
from typing import Any, Literal

Mode = Literal["default", "paper"]

PAPER_MARKS = (
    "MathJax",
    "mathjax",
    "<math",
    "math-container",
    "katex.min.css",
    "latex.php",
    "codecogs",
    "tex.cgi",
    'class="tex"',
    "class='tex'",
)
"""The published patterns; they are regular expressions, so that a dot stands for any character."""
PAPER_COMMAND = r"\\[a-z][a-z]"
MAX_LINKS_PAPER = 3000
"""OpenWebMath skips pages with more links."""

_DEFAULT_MARKS = (
    r"[Mm]ath[Jj]ax|<math|:math|math/|math-container|mwe-math|[Mm]athtex|[Mm]imetex|mtable",
    r"[Kk]a[Tt]e[Xx]|LaTeX|[Ll]atex(?:\.php|[\"'_=/-])|codecogs|tex\.cgi|s[Cc][Ii][Ii][Mm]ath",
    r"data-(?:tex|expr|math|latex)|\[/?(?:itex|tex|texx|math|latex)\]",
    r"\$\$|\\[(\[]|&(?:int|sum|radic|part|infin|forall|exist|nabla);|&#87[0-9]{2};",
    r"""class=["']?(?:[^"'<>]* )?(?:tex|math|maths|equation|formula|ltx_[A-Za-z]+)["' >_-]""",
    r"\\(?:frac|sum|int|sqrt|alpha|beta|gamma|delta|theta|lambda|sigma|pi|infty|partial|mathbb"
    r"|mathcal|mathrm|mathbf|cdot|times|leq?|geq?|neq|lim|ldots|cdots|begin|operatorname|vec)"
    r"[^A-Za-z]",
    r"<[Ss][Uu][BbPp][\s>]",
    # UTF-8 of ∀–⋿ (mathematical operators) without the minus sign, and of letters such as 𝑥.
    r"\xe2(?:\x88[\x80-\x91\x93-\xbf]|[\x89-\x8b][\x80-\xbf])|\xf0\x9d[\x90-\x9f][\x80-\xbf]",
)
PATTERNS: dict[Mode, str] = {
    "default": "|".join(_DEFAULT_MARKS),
    "paper": "|".join((*PAPER_MARKS, PAPER_COMMAND)),
}


@functools.cache
def _compiled(mode: Mode) -> Any:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(PATTERNS[mode].encode("latin-1"), options)


def mark(page: bytes, mode: Mode = "default") -> str | None:
    """The page's first mark of mathematics as it stands there, or None."""
    found = _compiled(mode).search(page)
    return found.group(0).decode("utf-8", "replace")[:60] if found else None


def refuse(page: bytes, mode: Mode = "default") -> str | None:
    """The reason not to parse the page, or None."""
    if not _compiled(mode).search(page):
        return "no mark of mathematics"
    if mode == "paper" and page.count(b"<a ") > MAX_LINKS_PAPER:
        return f"more than {MAX_LINKS_PAPER} links"
    return None
