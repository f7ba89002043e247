"""Formulas that a page shows as images: from the address, or from the text that stands for it.

Not here: images that are all of an element of class `math` (formulas.py).
"""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_plus

from mathlm.corpus.html import htmlmath
from mathlm.corpus.html.latex_text import IN_WORDS, LATEX_LIKE, clean, is_wrapped
from mathlm.corpus.html.nodes import Math, words

# Renderers of TeX as images: the query is the formula itself, or one of its fields.
_RAW_QUERY = re.compile(
    r"(?:codecogs\.com/[^?#]*|(?:mimetex|mathtex|tex)\.(?:cgi|exe)|math\.now\.sh/?|latex\.csdn\.net/eq|quicklatex\.com/[^?#]*)"
    r"\?(?:from=|inline=|latex=)?([^#]*)|(?:tex\.s2cms\.ru|i\.upmath\.me)/(?:svg|png)/(.*)",
    re.IGNORECASE | re.DOTALL,
)
_QUERIED = ("?", "/svg/", "/png/")
"""Of these, one stands in every address that is a query."""
_FIELD_QUERY = re.compile(
    r"(?:latex\.php|/equation|/chart|/math|tex\.z-dn\.net/)\?(?:[^#]*?&)?(?:latex|tex|chl|math|f|formula)=([^&]*)",
    re.IGNORECASE,
)
_IMAGE_CLASSES = words(
    """
    tex latex math mathtex latexImg mwe-math-fallback-image-inline mwe-math-fallback-image-display
    ee_img tr_noresize texrender mimetex formula equation math-image
    formulaInl formulaDsp latexcenter equation_image
    """
)
_ALT_SOURCE = re.compile(
    r"latex\.php|/images/math/|/math/render/|codecogs|quicklatex|/latex|texrendr|l\.wordpress\.com|s\d*\.wp\.com/latex",
    re.IGNORECASE,
)
_RENDERER_STYLE = re.compile(
    r"\\(?:dpi|bg|fn|color)(?:_?\{?[a-z0-9]+\}?)(?=[\\\s{&]|$)|\\(?:dpi|bg|fn)\{\w+\}|\\(?:inline|large|Large|LARGE|huge|small|tiny|normalsize)(?![A-Za-z])|\\,(?=\s*$)"
)
_SPOKEN = "LaTeX: "
"""Before the formula in Canvas's alternative texts."""
_BLOCK = re.compile(r"\\begin\{(?:align|equation|gather|multline|eqnarray|displaymath)")
_OUTER = re.compile(r"\\begin\{(displaymath|math)\}(.*)\\end\{\1\}", re.DOTALL)
# Commands by which an alternative text is TeX, whatever else the page says of the image.
_COMMANDS = re.compile(
    r"\\(?:displaystyle|begin(?=\{)|[dt]?frac|sqrt|sum|int|lim|left|right|math[a-z]+|text|times|cdot|pm"
    r"|[lg]eq?|neq?|infty|partial|over|bar|hat|vec|sin|cos|tan|log|ln|alpha|beta|gamma|delta|theta"
    r"|lambda|mu|pi|sigma|phi|omega|to|rightarrow|Rightarrow|in|cup|cap|forall|exists|angle|circ)(?![A-Za-z])"
)
# An alternative text in which two-dimensional layout was flattened.
_DRAWN = re.compile(r"--|\s{2,}|√|\|\||−−|∘")
_WORD = re.compile(r"[A-Za-z]{3,}")


def read(attrs: dict[str, str]) -> Math | None:
    """An image's formula: from its address, or from the text that stands for it."""
    source = attrs.get("data-src") or attrs.get("src") or attrs.get("data-lazy-src") or ""
    if source.startswith("data:"):
        source = ""  # the image itself
    if "data-equation-content" in attrs and (latex := clean(attrs["data-equation-content"])):
        return Math(latex, None)
    alt = clean((attrs.get("alt") or "").removeprefix(_SPOKEN))
    if any(map(source.__contains__, _QUERIED)):
        if match := _RAW_QUERY.search(source):
            return _queried(unquote(match[1] or match[2]), alt)
        if match := _FIELD_QUERY.search(source):
            math = _queried(unquote_plus(match[1]), alt)
            return Math(math.latex, True) if "block" in (attrs.get("class") or "") else math
    css = attrs.get("class") or ""
    if attrs.get("data-eeimg") or "data-formula" in attrs:
        latex = clean(attrs.get("data-formula") or "") or alt
        return Math(latex, "\\begin" in latex or None) if latex else None
    if "x-ck12" in css and alt:
        return Math(clean(unquote(attrs["alt"])), "block" in css or None)
    if not alt:
        return None
    wrapped = is_wrapped(attrs["alt"])
    named = not _IMAGE_CLASSES.isdisjoint(css.split()) or _ALT_SOURCE.search(source)
    looks = LATEX_LIKE.search(alt) or (
        "$" not in alt if wrapped is not None else len(alt) < 40 and not _WORD.search(alt)
    )
    latex = alt if "\\" in alt else of_alt(alt)
    if not latex or not (looks or not alt.isascii()):
        return None
    if not (named or wrapped is not None or _is_tex(alt)):
        return None
    display = wrapped or _kind(latex, css)
    if outer := _OUTER.fullmatch(latex):
        latex = clean(outer[2])
    return Math(latex, display)


def _is_tex(alt: str) -> bool:
    """Whether commands of TeX stand there and no words beside them."""
    if alt[1:3] == ":\\":  # a path of Windows
        return False
    return bool(_COMMANDS.search(alt)) and not _WORD.search(IN_WORDS.sub(" ", alt))


def _kind(latex: str, css: str) -> bool | None:
    if "display" in css or "latexcenter" in css or _BLOCK.match(latex):
        return True
    return False if "formulaInl" in css else None


def of_alt(alt: str) -> str:
    """The formula of an alternative text; nothing where a drawing in characters was flattened."""
    if "\\" in alt:
        return clean(alt)
    if "\n" in alt.strip() or _DRAWN.search(alt.strip()):
        return ""
    return clean(alt) if alt.isascii() else htmlmath.spelled(alt)


def _queried(query: str, alt: str) -> Math:
    """The formula of a renderer's query, without the renderer's own commands."""
    text = query.replace("&space;", " ").replace("&plus;", "+").replace("&hash;", "#")
    latex = clean(_RENDERER_STYLE.sub("", text))
    while latex.startswith(("\\ ", "\\,", "\\!")):
        latex = latex[2:].lstrip()
    if LATEX_LIKE.search(alt) and len(alt) > len(latex) + 3:
        latex = alt
    return Math(latex, False if "\\inline" in text else None)
