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

from mathlm.corpus.html import (
    asciimath,
    htmlmath,
    images,
    katex_output,
    mathjax_output,
    mathml,
    sites,
)
from mathlm.corpus.html.latex_text import LATEX_LIKE, clean, is_wrapped, with_rows
from mathlm.corpus.html.markup import attributes_of, html_tree, parse_math, plain_tree
from mathlm.corpus.html.nodes import DROP, Math, words

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

Attrs = dict[str, str]
_MATHJAX = words(
    """
    MathJax MathJax_Display MathJax_SVG MathJax_SVG_Display MathJax_CHTML MJXc-display mjx-chtml
    MJXc-processed MathJax_MathML MathJax_MathContainer
    """
)
_RAW = words(
    """
    math tex latex arithmatex wp-katex-eq math-inline math-display math-block mathjax-inline
    mathjax-block katex-inline katex-block inlinemath displaymath language-math js-render-math
    mathquill-embedded-latex
    """
)
_SURE = frozenset(("wp-katex-eq", "tex", "latex", "mathquill-embedded-latex"))
# Elements that hold nothing but a formula where such a class names them.
_RAW_TAGS = frozenset(("tt", "code", "pre", "em", "eq"))
_LANGUAGES = frozenset(("tex", "latex"))
"""Names of formulas that are names of languages too: a block of code is one then."""
_TEXT_STYLES = frozenset(("br", "em", "i", "p", "code"))
_WORD = re.compile(r"[A-Za-z]{3,}")
_INNER = re.compile(r"\{[^{}]*\}")
_CLASS_WORDS = frozenset(
    (
        *_MATHJAX,
        *_RAW,
        "katex",
        "katex-error",
        "katex-display",
        "MathJax_Preview",
        "MJX_Assistive_MathML",
        "mwe-math-element",
        "math-container",
        "texhtml",
        "tex-span",
        "ztext-math",
        *sites.BY_CLASS,
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
_TEX = re.compile(r"tex(?![a-z])", re.IGNORECASE)
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
    if "katex-error" in words:
        return _failed(lex)
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
    if not words.isdisjoint(sites.BY_CLASS):
        return next(read for word, read in sites.BY_CLASS.items() if word in words)(lex, attrs)
    if "texhtml" in words or "tex-span" in words:
        math = _plain_html(lex, False)
        return None if math is None or re.search(r"\\mathrm|\\\{", math.latex) else math
    if words & _RAW:
        return _raw(lex, attrs, words)
    return None


def _annotation(lex: LexborNode) -> str:
    """The TeX that MathML keeps beside itself, not what content markup in it may keep again."""
    for note in lex.css("annotation"):
        if _TEX.search(note.attributes.get("encoding") or "") and (text := note.text(deep=True)):
            parents = 0
            above = note.parent
            while above is not None and above.tag != "annotation-xml" and parents < 50:
                above, parents = above.parent, parents + 1
            if (above is None or above.tag != "annotation-xml") and not text.isspace():
                return text.strip()
    return ""


def _katex(lex: LexborNode, *, display: bool) -> Math | None:
    math = lex.css_first("math")
    display = display or (math is not None and _is_block(math))
    if latex := clean(_annotation(lex)):
        return Math(latex, display)
    if math is not None:
        return Math(mathml.to_latex(plain_tree(math)), display)
    source = lex.css_first(".katex-mathml")
    if source is not None:
        # Some sites strip the MathML tags: the TeX is the last of the lines that are left.
        lines = [line.strip() for line in source.text(deep=True).split("\n\n") if line.strip()]
        if lines and (latex := clean(lines[-1])):
            return Math(latex, display)
    drawn = lex.css_first(".katex-html")
    if drawn is not None and (tree := katex_output.tree(drawn)) is not None:
        latex = clean(mathml.to_latex(tree))
        return Math(latex, display) if latex else None
    return None


def _failed(lex: LexborNode) -> Math | None:
    """The TeX that KaTeX could not read and shows instead."""
    text = lex.text(deep=True)
    if text.startswith("ParseError"):
        return DROP
    return Math(clean(text), None) if LATEX_LIKE.search(text) and "$" not in text else None


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
    if (drawn := lex.css_first(".mjx-math[aria-label]")) is not None:  # LessWrong
        latex = clean(drawn.attributes.get("aria-label") or "")
        if LATEX_LIKE.search(latex) or not _WORD.search(latex):
            return Math(latex, display) if latex else None
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
    if not DATA_SET.isdisjoint(attrs):
        return None
    css = (attrs.get("class") or "").split()
    kind = _kind(lex, attrs, css)
    if lex.css_first("img") is not None:
        return _pictured(lex, attrs)
    if (
        kind is not None
        and "math" in words
        and lex.css_first("em, i, sup, sub, strong") is not None
    ):
        return _plain_html(lex, kind)
    if any(
        child.is_element_node and child.tag not in _TEXT_STYLES
        for child in lex.iter(include_text=False)
    ):
        return None
    if (wrapped := _wrapped_text(lex)) is not None:
        return wrapped
    text = lex.text(deep=True).strip()
    if not text.isascii() and kind is not None and "\\" not in text:
        return _plain_html(lex, kind)
    if not text or is_wrapped(text) is not None or "\\(" in text or "\\[" in text:
        return None
    named = kind is not None or (lex.tag in _RAW_TAGS and bool(words - _LANGUAGES))
    if "$" in text and (not named or "$" in _INNER.sub("", text.replace("\\$", ""))):
        return None
    short = len(text) < 40 and (words & _SURE or not _WORD.search(text))
    if not (named or short or LATEX_LIKE.search(text)):
        return None
    if kind is None and lex.tag in ("div", "p") and "\\begin{" in text:
        kind = True
    by_place = kind is None and (lex.tag == "div" or "\\begin{" in text)
    return Math(clean(text), None if by_place else bool(kind))


def _pictured(lex: LexborNode, attrs: Attrs) -> Math | None:
    """An image that is all of the element (Sphinx puts the class on what is around displays)."""
    pictures = lex.css("img")
    if len(pictures) != 1 or re.search(r"[^\W\d_]", lex.text(deep=True)):
        return None
    latex = images.of_alt(pictures[0].attributes.get("alt") or "")
    if not latex or (len(latex) > 2 and not LATEX_LIKE.search(latex)):
        return None
    return Math(with_rows(latex), lex.tag == "div" or None)


def _plain_html(lex: LexborNode, kind: bool) -> Math | None:
    latex = htmlmath.to_latex(html_tree(lex))
    return Math(latex, kind) if latex else None


def _kind(lex: LexborNode, attrs: Attrs, css: list[str]) -> bool | None:
    """Whether the element says that its formula is a display, or inline."""
    style = attrs.get("data-display") or attrs.get("data-math-style") or ""
    if lex.tag == "pre" or style in ("true", "display"):
        return True
    if any("display" in word or "block" in word for word in css):
        return True
    if any("inline" in word for word in css) or style == "inline":
        return False
    return None


def _preformatted(lex: LexborNode, attrs: Attrs) -> Math | None:
    """A block of code whose language is mathematics."""
    inside = lex.css_first("code")
    for node in (lex, inside) if inside is not None else (lex,):
        css = node.attributes.get("class") or ""
        if (found := class_words(css) & _RAW) - _LANGUAGES:
            math = _raw(node, attributes_of(node), found)
            if math is not None:
                return Math(math.latex, True)
    return None


def _gladtex(lex: LexborNode, attrs: Attrs) -> Math | None:
    """`<eq>`: TeX for GladTeX, which makes an image of it; others put KaTeX into it."""
    if any(child.is_element_node for child in lex.iter(include_text=False)):
        return None
    latex = clean(lex.text(deep=True))
    return Math(latex, attrs.get("env") == "displaymath") if latex else DROP


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
        if value and (LATEX_LIKE.search(value) or (sure and len(value) < 60)):
            css = attrs.get("class") or ""
            block = (
                attrs.get("data-display") in ("true", "block")
                or "display" in css
                or "\\begin{" in value
                or tag == "div"
                or is_wrapped(attrs[name])
            )
            return Math(value, bool(block) or None)
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
    display = _is_block(lex)
    if not display and not ("display" in attrs or "mode" in attrs):
        return Math(_mathml_text(lex), None)
    return Math(_mathml_text(lex), display)


def _mathjax3(lex: LexborNode, attrs: Attrs) -> Math | None:
    if _script_follows(lex):  # Typora keeps the TeX there
        return DROP
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
    if LATEX_LIKE.search(text) and lex.css_first("mjx-math") is None:
        return Math(clean(text), display)
    drawn = mathjax_output.tree(lex)
    latex = clean(mathml.to_latex(drawn)) if drawn is not None else ""
    return Math(latex, display) if latex else None


def _mathjax_tag(lex: LexborNode, attrs: Attrs) -> Math | None:
    """`<mathjax>`: AsciiMath between number signs."""
    text = lex.text(deep=True).strip()
    return Math(asciimath.to_latex(text.strip("#`")), False) if text else None


def _image(lex: LexborNode, attrs: Attrs) -> Math | None:
    return images.read(attrs) or DROP


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
    "pre": _preformatted,
    "eq": _gladtex,
    "var": sites.variable,
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
    if alt and (LATEX_LIKE.search(alt) or (len(alt) <= 2 and lex.tag == "math")):
        return alt
    return clean(mathml.to_latex(plain_tree(lex)))
