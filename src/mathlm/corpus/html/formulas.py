"""Formulas that a page keeps in its markup: which elements hold one, and its LaTeX.

Not here: formulas between delimiters in running text (scan.py). One element stands for each
formula, whatever copies of it the page carries (KaTeX, MathJax and Wikipedia carry two or three);
TeX kept by the page is preferred to MathML, MathML to anything else.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from mathlm.corpus.html import asciimath, mathml
from mathlm.corpus.html.latex_text import clean, is_wrapped
from mathlm.corpus.html.nodes import Math, Node, words

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

Attrs = dict[str, str]
DROP = Math("", False)
"""Stands for a copy of a formula that is read elsewhere: nothing is kept of the element."""

_MATHJAX = words(
    """
    MathJax MathJax_Display MathJax_SVG MathJax_SVG_Display MathJax_CHTML MJXc-display mjx-chtml
    MJXc-processed MathJax_MathML MathJax_MathContainer
    """
)
_RAW = words(
    """
    math tex latex arithmatex wp-katex-eq math-inline math-display math-block mathjax-inline
    mathjax-block katex-inline katex-block inlinemath
    """
)
_CLASS_WORDS = frozenset(
    (
        *_MATHJAX,
        *_RAW,
        "katex",
        "katex-display",
        "MathJax_Preview",
        "MJX_Assistive_MathML",
        "mwe-math-element",
        "math-container",
        "texhtml",
        "ztext-math",
    )
)
_DATA = (
    "data-tex",
    "data-latex",
    "data-expr",
    "data-math",
    "data-katex",
    "data-formula",
    "data-mathml",
    "data-asciimath",
    "data-equation",
)
DATA_SET = frozenset(_DATA)
_LATEX_LIKE = re.compile(r"\\[A-Za-z]+|[\^_]|[A-Za-z0-9)\]]\s*[=<>+]\s*[-A-Za-z0-9(\\]")
# Renderers of TeX as images: the query is the formula itself, or one of its fields.
_RAW_QUERY = re.compile(
    r"(?:codecogs\.com/[^?#]*|(?:mimetex|mathtex|tex)\.(?:cgi|exe)|math\.now\.sh/?|quicklatex\.com/[^?#]*)"
    r"\?(?:from=|inline=)?(.*)|(?:tex\.s2cms\.ru|i\.upmath\.me)/(?:svg|png)/(.*)",
    re.IGNORECASE | re.DOTALL,
)
_FIELD_QUERY = re.compile(
    r"(?:latex\.php|zhihu\.com/equation|/chart|render/math)\?(?:[^#]*?&)?(?:latex|tex|chl|math)=([^&]*)",
    re.IGNORECASE,
)
_IMAGE_CLASSES = words(
    """
    tex latex math mathtex latexImg mwe-math-fallback-image-inline mwe-math-fallback-image-display
    ee_img tr_noresize texrender mimetex formula equation math-image
    """
)
_ALT_SOURCE = re.compile(
    r"latex\.php|/images/math/|/math/render/|codecogs|quicklatex|/latex|texrendr|l\.wordpress\.com|s\d*\.wp\.com/latex",
    re.IGNORECASE,
)
_RENDERER_STYLE = re.compile(
    r"\\(?:dpi|bg|fn|color)(?:_?\{?[a-z0-9]+\}?)(?=[\\\s{&]|$)|\\(?:inline|large|Large|LARGE|huge|small|tiny|normalsize)(?![A-Za-z])|\\,(?=\s*$)"
)
_PREVIEW = "MathJax_Preview"


@functools.lru_cache(maxsize=8192)
def class_words(css: str) -> frozenset[str]:
    """The words of a class attribute that may mean mathematics."""
    return _CLASS_WORDS.intersection(css.split())


def read(lex: LexborNode, tag: str, attrs: Attrs) -> Math | None:
    """The formula that this element is; `DROP` for a superfluous copy, None for other elements."""
    if tag in TAGS:
        return TAGS[tag](lex, attrs)
    if (css := attrs.get("class")) and (words := class_words(css)):
        found = _by_class(lex, attrs, words)
        if found is not None:
            return found
    if attrs and not DATA_SET.isdisjoint(attrs):
        return _by_data(lex, tag, attrs)
    return None


def _by_class(lex: LexborNode, attrs: Attrs, words: frozenset[str]) -> Math | None:
    if ("katex" in words or "katex-display" in words) and words.isdisjoint(_RAW):
        return _katex(
            lex, display="katex-display" in words or "katex-display" in (attrs.get("class") or "")
        )
    if _PREVIEW in words:
        return DROP if _math_follows(lex) else None
    if words & _MATHJAX:
        return _mathjax(lex, attrs, words)
    if "MJX_Assistive_MathML" in words:
        return DROP
    if "mwe-math-element" in words:
        return _wikipedia(lex, attrs)
    if "math-container" in words:
        return _wrapped_text(lex)
    if words & _RAW:
        return _raw(lex, attrs, words)
    return None


def _annotation(lex: LexborNode) -> str:
    for selector in (
        'annotation[encoding="application/x-tex"]',
        'annotation[encoding="application/x-latex"]',
        'annotation[encoding="TeX"]',
        'annotation[encoding="LaTeX"]',
    ):
        found = lex.css_first(selector)
        if found is not None and (text := found.text(deep=True).strip()):
            return text
    return ""


def _katex(lex: LexborNode, *, display: bool) -> Math | None:
    if latex := clean(_annotation(lex)):
        return Math(latex, display)
    math = lex.css_first("math")
    if math is not None:
        return Math(mathml.to_latex(plain_tree(math)), display)
    source = lex.css_first(".katex-mathml")
    if source is not None:
        # Some sites strip the MathML tags: the TeX is the last of the lines that are left.
        lines = [line.strip() for line in source.text(deep=True).split("\n\n") if line.strip()]
        if lines and (latex := clean(lines[-1])):
            return Math(latex, display)
    return None


def _math_follows(lex: LexborNode) -> bool:
    """Whether the formula's own script or output stands right after this element."""
    follower = lex.next
    for _ in range(4):
        if follower is None:
            return False
        if follower.tag == "script" and (follower.attributes.get("type") or "").startswith("math/"):
            return True
        if follower.is_element_node:
            css = follower.attributes.get("class") or ""
            if not class_words(css) & _MATHJAX and follower.tag != "mjx-container":
                return False
            if (
                follower.css_first("[data-mathml], math") is not None
                or "data-mathml" in follower.attributes
            ):
                return True
        follower = follower.next
    return False


def _script_follows(lex: LexborNode) -> bool:
    follower = lex.next
    for _ in range(4):
        if follower is None:
            return False
        if follower.tag == "script":
            return (follower.attributes.get("type") or "").startswith("math/")
        if (
            follower.is_element_node
            and not class_words(follower.attributes.get("class") or "") & _MATHJAX
        ):
            return False
        follower = follower.next
    return False


def _mathjax(lex: LexborNode, attrs: Attrs, words: frozenset[str]) -> Math | None:
    """MathJax 2's output: dropped where its script follows, else its MathML."""
    if _script_follows(lex):
        return DROP
    display = any("isplay" in word for word in words)
    holder = lex if "data-mathml" in attrs else lex.css_first("[data-mathml]")
    if holder is not None:
        source = parse_math(holder.attributes.get("data-mathml") or "")
        if source is not None:
            return Math(_mathml_text(source), display or _is_block(source))
    math = lex.css_first("math")
    if math is not None:
        return Math(_mathml_text(math), display or _is_block(math))
    return None


def _wikipedia(lex: LexborNode, attrs: Attrs) -> Math | None:
    block = "block" in (attrs.get("class") or "")
    math = lex.css_first("math")
    if math is not None and (latex := _mathml_text(math)):
        return Math(latex, block or _is_block(math))
    image = lex.css_first("img")
    if image is not None and (latex := clean(image.attributes.get("alt") or "")):
        return Math(latex, block or "display" in (image.attributes.get("class") or ""))
    return None


def _wrapped_text(lex: LexborNode) -> Math | None:
    """An element whose whole text is one formula within its delimiters."""
    if any(
        child.is_element_node and child.tag not in ("br", "em", "i")
        for child in lex.iter(include_text=False)
    ):
        return None
    text = lex.text(deep=True)
    display = is_wrapped(text)
    if display is None:
        return None
    latex = clean(text)
    inner = text.strip().strip("$")
    return Math(latex, display) if latex and "$" not in inner.replace("\\$", "") else None


def _raw(lex: LexborNode, attrs: Attrs, words: frozenset[str]) -> Math | None:
    """TeX as the text of an element that is meant for a script (Pandoc, WordPress, Sphinx)."""
    for name in _DATA:
        if name in attrs:
            return None
    if any(
        child.is_element_node and child.tag not in ("br", "em", "i", "p")
        for child in lex.iter(include_text=False)
    ):
        return None
    if (wrapped := _wrapped_text(lex)) is not None:
        return wrapped
    text = lex.text(deep=True).strip()
    if not text or is_wrapped(text) is not None or "$" in text or "\\(" in text or "\\[" in text:
        return None
    css = (attrs.get("class") or "").split()
    exact = "inline" in css or "display" in css or words & {"wp-katex-eq", "tex", "latex"}
    if not (_LATEX_LIKE.search(text) or (exact and len(text) < 40)):
        return None
    display = (
        "display" in css
        or attrs.get("data-display") == "true"
        or any("display" in w or "block" in w for w in css)
        or "\\begin{" in text
    )
    return Math(clean(text), display or (None if lex.tag == "div" else False))


def _by_data(lex: LexborNode, tag: str, attrs: Attrs) -> Math | None:
    if "data-mathml" in attrs:
        source = parse_math(attrs["data-mathml"])
        if source is not None:
            return Math(_mathml_text(source), _is_block(source))
    for name in (
        "data-tex",
        "data-latex",
        "data-expr",
        "data-katex",
        "data-math",
        "data-formula",
        "data-equation",
    ):
        value = clean(attrs.get(name) or "")
        sure = name in ("data-tex", "data-latex", "data-expr", "data-katex")
        if value and (_LATEX_LIKE.search(value) or (sure and len(value) < 60)):
            css = attrs.get("class") or ""
            block = (
                attrs.get("data-display") in ("true", "block")
                or "display" in css
                or "\\begin{" in value
                or tag == "div"
                or is_wrapped(attrs[name])
            )
            return Math(value, bool(block))
    if value := attrs.get("data-asciimath") or "":
        return Math(asciimath.to_latex(value), False)
    return None


def _script(lex: LexborNode, attrs: Attrs) -> Math | None:
    kind = (attrs.get("type") or "").strip().lower()
    if not kind.startswith("math/"):
        return DROP
    text = lex.text(deep=True)
    display = "mode=display" in kind.replace(" ", "")
    if kind.startswith("math/asciimath"):
        return Math(asciimath.to_latex(text), display)
    if kind.startswith("math/mml"):
        source = parse_math(text)
        return (
            Math(_mathml_text(source), display or _is_block(source)) if source is not None else DROP
        )
    latex = clean(text)
    return Math(latex, display) if latex else DROP


def _math_tag(lex: LexborNode, attrs: Attrs) -> Math | None:
    return Math(_mathml_text(lex), _is_block(lex))


def _mathjax3(lex: LexborNode, attrs: Attrs) -> Math | None:
    display = attrs.get("display") in ("true", "block") or (
        "display" in attrs and attrs["display"] != "false"
    )
    holder = lex.css_first("[data-latex]")
    math = lex.css_first("mjx-assistive-mml math, math")
    if math is not None and (latex := _mathml_text(math)):
        return Math(latex, display or _is_block(math))
    if holder is not None and (latex := clean(holder.attributes.get("data-latex") or "")):
        return Math(latex, display)
    # Not yet typeset: the TeX is the element's text.
    text = lex.text(deep=True)
    if _LATEX_LIKE.search(text) and lex.css_first("mjx-math") is None:
        return Math(clean(text), display)
    return None


def _mathjax_tag(lex: LexborNode, attrs: Attrs) -> Math | None:
    """`<mathjax>`: AsciiMath between number signs."""
    text = lex.text(deep=True).strip()
    return Math(asciimath.to_latex(text.strip("#`")), False) if text else None


def _image(lex: LexborNode, attrs: Attrs) -> Math | None:
    """An image's formula: from its address, or from the text that stands for it."""
    source = attrs.get("data-src") or attrs.get("src") or attrs.get("data-lazy-src") or ""
    alt = clean(attrs.get("alt") or "")
    if match := _RAW_QUERY.search(source):
        return _queried(unquote(match[1] or match[2]), alt)
    if match := _FIELD_QUERY.search(source):
        return _queried(unquote_plus(match[1]), alt)
    css = attrs.get("class") or ""
    if attrs.get("data-eeimg") or "data-formula" in attrs:
        latex = clean(attrs.get("data-formula") or "") or alt
        return Math(latex, "\\begin" in latex or None) if latex else None
    if "x-ck12" in css and alt:
        return Math(clean(unquote(attrs["alt"])), "block" in css or None)
    wrapped = is_wrapped(attrs.get("alt") or "")
    named = not _IMAGE_CLASSES.isdisjoint(css.split()) or _ALT_SOURCE.search(source)
    looks = _LATEX_LIKE.search(alt) or (named and (wrapped is not None or len(alt) == 1))
    if alt and looks and (named or wrapped is not None):
        return Math(alt, wrapped or "display" in css or None)
    return DROP


def _queried(query: str, alt: str) -> Math:
    """The formula of a renderer's query, without the renderer's own commands."""
    text = query.replace("&space;", " ").replace("&plus;", "+").replace("&hash;", "#")
    latex = clean(_RENDERER_STYLE.sub("", text))
    while latex.startswith(("\\ ", "\\,", "\\!")):
        latex = latex[2:].lstrip()
    if _LATEX_LIKE.search(alt) and len(alt) > len(latex) + 3:
        latex = alt
    return Math(latex, False if "\\inline" in text else None)


def _copy(lex: LexborNode, attrs: Attrs) -> Math:
    return DROP


# Elements that are looked at whatever their attributes.
TAGS: dict[str, Callable[[LexborNode, Attrs], Math | None]] = {
    "script": _script,
    "math": _math_tag,
    "mjx-container": _mathjax3,
    "img": _image,
    "mathjax": _mathjax_tag,
    "mjx-assistive-mml": _copy,
}


def _is_block(lex: LexborNode) -> bool:
    attrs = lex.attributes
    return (attrs.get("display") or "").lower() == "block" or (
        attrs.get("mode") or ""
    ).lower() == "display"


def _mathml_text(lex: LexborNode) -> str:
    """A `<math>` element's TeX where it keeps one, else its conversion."""
    if latex := clean(_annotation(lex)):
        return latex
    alt = clean(lex.attributes.get("alttext") or "")
    if alt and (_LATEX_LIKE.search(alt) or (len(alt) <= 2 and lex.tag == "math")):
        return alt
    return clean(mathml.to_latex(plain_tree(lex)))


def parse_math(source: str) -> LexborNode | None:
    """The `<math>` element of a string of markup."""
    from selectolax.lexbor import LexborHTMLParser

    if "<" not in source and "&lt;" in source:
        import html

        source = html.unescape(source)
    return LexborHTMLParser(strip_prefixes(source)).css_first("math")


_PREFIX = re.compile(
    r"""xmlns:([A-Za-z][\w-]{0,20})\s*=\s*["']http://www\.w3\.org/1998/Math/MathML["']"""
)


def strip_prefixes(markup: str) -> str:
    """The markup with prefixed MathML (`<mml:mi>`) as plain MathML, which HTML parsers know."""
    if ":math" not in markup:
        return markup
    prefixes = {match[1] for match in _PREFIX.finditer(markup)}
    if "<mml:math" in markup:
        prefixes.add("mml")
    if "<m:math" in markup:
        prefixes.add("m")
    if not prefixes:
        return markup
    names = "|".join(sorted(map(re.escape, prefixes)))
    return re.sub(rf"<(/?)(?:{names}):(?=[a-z])", r"<\1", markup)


_MAX_MATH_DEPTH = 200


def plain_tree(lex: LexborNode) -> Node:
    """The element as light nodes, without comments; what is nested too deep is left out."""
    root = Node(lex.tag or "", _attributes(lex))
    stack = [(lex, root, 0)]
    while stack:
        source, target, depth = stack.pop()
        child = source.first_child
        while child is not None:
            if child.is_text_node:
                target.children.append(child.text_content or "")
            elif child.is_element_node and depth < _MAX_MATH_DEPTH:
                node = Node(child.tag or "", _attributes(child))
                target.children.append(node)
                stack.append((child, node, depth + 1))
            child = child.next
    return root


def _attributes(lex: LexborNode) -> Attrs:
    return {name: value or "" for name, value in lex.attributes.items()}
