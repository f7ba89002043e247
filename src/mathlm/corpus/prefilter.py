"""What a web page's raw bytes say: whether it may hold mathematics at all.

Most of the web has none (OpenWebMath: 99.6 %), and parsing costs several times more than looking
for marks. The rules come as `paper` (OpenWebMath's ten patterns, arXiv 2310.06786 section 3.1 and
`extract_from_cc/extract_from_warc.py`) and `default`, whose marks cover all forms that extraction
reads. A page with a LaTeX command and no mark is parsed in both: by default the filters on its text
decide, in paper mode `refuse_text`. All marks are one expression, searched by RE2: one pass, in
time linear in the page.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

from mathlm.corpus.html.nodes import words

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
"""OpenWebMath skips pages with more links (elements `a`)."""
PAPER_COMMANDS = tuple(
    f"\\{name}"
    for name in sorted(
        words(
            """
            end begin ref frac label bf right left rm alpha mu def it pi sigma sum lambda beta nu
            partial int delta rho phi gamma omega over nonumber bar sqrt theta tau em rangle hat
            tilde cal hline item psi vec langle epsilon eta cdot in xi infty quad mathcal times
            emph mathbf prime be mathrm ee vspace pm chi ell text qquad noindent to varphi hspace
            leq cos eqref overline sin kappa hbox rightarrow varepsilon textit dagger big otimes
            equiv zeta dot ln
            """
        )
    )
)
"""The 84 commands of which the text of a page without a mark must contain one …"""
PAPER_SCORE, PAPER_CHARACTERS = 0.8, 500
"""… or a higher MathScore than this, and more characters."""

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
def _expression(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(pattern.encode("latin-1"), options)


def mark(page: bytes, mode: Mode = "default") -> str | None:
    """The page's first mark of mathematics as it stands there, or None."""
    found = _expression(PATTERNS[mode]).search(page)
    return found.group(0).decode("utf-8", "replace")[:60] if found else None


def refuse(page: bytes, mode: Mode = "default") -> str | None:
    """The reason not to parse the page, or None."""
    if not _expression(PATTERNS[mode]).search(page):
        return "no mark of mathematics"
    return None


def needs_text(page: bytes, mode: Mode = "default") -> bool:
    """Whether a page that is not refused has no mark, so that its text decides (paper mode)."""
    return mode == "paper" and not _expression("|".join(PAPER_MARKS)).search(page)


def refuse_text(text: str, score: Callable[[str], float] | None) -> str | None:
    """The reason to drop a page of which `needs_text` is true, by the text of its main content."""
    if any(command in text for command in PAPER_COMMANDS):
        return None
    if score is not None and len(text) > PAPER_CHARACTERS and score(text) > PAPER_SCORE:
        return None
    return "no mathematics in the text"
