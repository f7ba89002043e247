"""One spelling for many: Unicode, spacing, fonts and delimiters of an answer's text.

Not here: finding the answer in a longer text (`extraction`) and reading it (`parser`). Cleaning
never changes a value: `clean(clean(x)) == clean(x)`.
"""

from __future__ import annotations

import html
import re

from mathlm.grading.spelled import with_digits
from mathlm.grading.terms import TooLarge

MAX_CHARACTERS = 4000
"""Longer answers are refused: no answer of the benchmarks has over 400 characters."""

_CHARACTERS = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "﹣": "-", "－": "-",
        "×": r"\times ", "⋅": r"\cdot ", "·": r"\cdot ", "∙": r"\cdot ", "•": r"\cdot ", "∗": "*",
        "÷": r"\div ", "⁄": "/", "∕": "/", "／": "/", "＋": "+", "＝": "=",
        "±": r"\pm ", "∓": r"\mp ",
        "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ",
        "＜": "<", "＞": ">", "∈": r"\in ", "∪": r"\cup ", "∩": r"\cap ", "∖": r"\setminus ",
        "∅": r"\emptyset ", "∞": r"\infty ", "π": r"\pi ", "θ": r"\theta ", "α": r"\alpha ",
        "β": r"\beta ", "γ": r"\gamma ", "λ": r"\lambda ", "μ": r"\mu ", "ω": r"\omega ",
        "φ": r"\phi ", "σ": r"\sigma ", "ρ": r"\rho ", "τ": r"\tau ", "δ": r"\delta ",
        "ε": r"\epsilon ",
        "ℝ": r"\mathbb{R}", "°": r"^\circ ", "º": r"^\circ ", "′": "'", "’": "'",
        "‘": "'", "“": '"', "”": '"',
        "²": "^{2}", "³": "^{3}", "¹": "^{1}", "⁴": "^{4}", "⁵": "^{5}", "⁶": "^{6}", "⁷": "^{7}",
        "⁸": "^{8}", "⁹": "^{9}", "⁰": "^{0}", "ⁿ": "^{n}",
        "₀": "_{0}", "₁": "_{1}", "₂": "_{2}", "₃": "_{3}", "₄": "_{4}", "₅": "_{5}", "₆": "_{6}",
        "₇": "_{7}", "₈": "_{8}", "₉": "_{9}",
        "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}",
        "¾": r"\frac{3}{4}", "⅕": r"\frac{1}{5}", "⅖": r"\frac{2}{5}", "⅗": r"\frac{3}{5}",
        "⅘": r"\frac{4}{5}", "⅙": r"\frac{1}{6}", "⅚": r"\frac{5}{6}", "⅛": r"\frac{1}{8}",
        "⅜": r"\frac{3}{8}", "⅝": r"\frac{5}{8}", "⅞": r"\frac{7}{8}",
        "（": "(", "）": ")", "［": "[", "］": "]", "｛": "{", "｝": "}", "，": ",", "；": ";",
        "：": ":",
        "。": ".", "％": "%", "⟨": r"\langle ", "⟩": r"\rangle ", "〈": r"\langle ",
        "〉": r"\rangle ",
        "∣": "|", "√": r"\sqrt ", "∛": r"\sqrt[3] ", "€": "", "£": "", "¥": "", "₹": "",
        "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u2003": " ", "\u2002": " ", "\u200a": " ",
        "\u2063": "", "\u200b": "", "\u200c": "", "\u200d": "", "\ufeff": "", "\u2061": "",
        "\u2062": "", "\u2060": "",
    }
)  # fmt: skip
_SURROGATES = re.compile("[\ud800-\udfff]")
_SIZES = re.compile(
    r"\\(?:left|right|middle|bigl|bigr|Bigl|Bigr|biggl|biggr|big|Big|bigg|Bigg|displaystyle"
    r"|textstyle|scriptstyle|limits|nolimits|hfill|newline|noindent|centering)(?![a-zA-Z])\.?"
)
_THIN = re.compile(r"(?<!\\)\\[!]|\\(?:hspace|vspace|phantom|label|tag)\*?\{[^{}]*\}")
_SPACES = re.compile(r"(?<!\\)\\[,;: >]|\\(?:quad|qquad|enspace|thinspace|space)|~|\\$")
_THOUSANDS = re.compile(r"(?<=\d)\s*(?:\{\s*,\s*\}|\\,|,\s*\\!)\s*(?=\d{3}(?!\d))")
_FRACTIONS = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_DOUBLED = re.compile(r"\\\\(?=[a-zA-Z(){}\[\]!,;:%$])")
_NEWLINES = re.compile(r"\\n(?=[^a-zA-Z]|$)")
_LETTERS = re.compile(r"\\(?:mathrm|rm|mathbf|mathit|boldsymbol|bm|mathsf|mathcal|vec|hat|bar)\s*"
                      r"\{\s*([A-Za-z])\s*\}")  # fmt: skip
_BRACED_UNIT = re.compile(r"(?<=\d)\s*\{\s*([A-Za-z]{2,})\s*\}")
_COUNTED = re.compile(r"^\s*(-?[\d.,/]+)\s*\(([A-Za-z][A-Za-z. ]*)\)\s*$")
"""A number with what is counted in brackets, as ASDiv writes its answers."""
_MAX_PASSES = 20
"""Passes after which cleaning stops even where a hostile text would still change."""
_ROW_GAP = re.compile(r"\\\\\s*\[-?[\d.]+\s*(?:pt|em|ex|mm|cm|in)\]")
_DEGREE_NAME = re.compile(r"\\deg(?:rees?)?(?![A-Za-z])")
_LEADING = re.compile(
    r"^(?:\.{3}|\\l?dots)?\s*(?:(?:=>|=|[⇒→∴]|\\(?:approx|therefore|Rightarrow|implies)(?![a-z]))\s*)+(?=\S)"
)
_TWICE = re.compile(r"(?<=\d)\s*\((?:zero|one|two|three|four|five|six|seven|eight|nine|ten)\)$")
_MEASURE = re.compile(r"\bm\s*(?=\\angle(?![a-z]))")
_BOLD = re.compile(r"(?<![\w)\]}*])\*\*(?![\s*])([^*]+?)(?<!\s)\*\*(?![\w(\[{*])")
"""Markdown's bold, told apart from Python's power by what stands beside it."""
_TO = re.compile(r"(?<=\d)\s+to\s+(?=\d)")
_DEGREE_LETTER = re.compile(r"(?<=\d)\s*\^\s*(?:\{o\}|o)(?![A-Za-z])")
_CURRENCY = re.compile(r"\b(?:US|CA|AU|NZ|HK)\s*(?=\\?\$)|\bRs\.?\s*(?=\d)")
_FENCES = (("\\lbrace", "\\{"), ("\\rbrace", "\\}"), ("\\lbrack", "["), ("\\rbrack", "]"))
_ENTITY = re.compile(r"&(?:dollar|lt|gt|amp|nbsp|times|divide|minus|pi|radic|deg|frac12|le|ge);")
GLUED = re.compile(r"(?<=[\d)\]}])(or|and)(?=[A-Z(\d\[{])")
"""Connectives without spaces, as in `(11,7)or(7,11)`."""
_BLANKS = re.compile(r"\s+")
_EDGES = re.compile(r"^[\s.,;:*`\"]+(?=[^\d\s.])|[\s,;:*`\"]+$|(?<=[^.])\.\s*$")


def unify(text: str) -> str:
    """The text with one spelling for characters and LaTeX spacing; lone surrogates are dropped."""
    if len(text) > MAX_CHARACTERS:
        raise TooLarge(f"{len(text)} characters")
    if "&" in text and ";" in text:
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    if not text.isascii():
        text = _SURROGATES.sub("", text).translate(_CHARACTERS)
    if "^" in text:
        text = _DEGREE_LETTER.sub(r"^\\circ ", text)
    text = _BRACED_UNIT.sub(r" \1", text)
    text = _THOUSANDS.sub("", GLUED.sub(r" \1 ", text))
    if "\\" not in text:
        return text
    text = _ROW_GAP.sub(r"\\\\\\\\ ", text)
    if "\\\\begin" in text:
        text = text.replace("\\\\", "\\")
    if "\\begin" not in text:
        text = _DOUBLED.sub(r"\\", text)
        text = _NEWLINES.sub(" ", text)
    text = (
        text.replace(r"\$", "$")
        .replace(r"\%", "%")
        .replace(r"\&", "&")
        .replace('\\"', "")
        .replace(r"\#", "#")
    )
    text = _MEASURE.sub("", text)
    text = _DEGREE_NAME.sub(r"^\\circ ", text)
    for name, sign in _FENCES:
        text = text.replace(name, sign)
    text = _SIZES.sub("", _THIN.sub("", text))
    text = _SPACES.sub(" ", _FRACTIONS.sub(r"\\frac", text))
    return _LETTERS.sub(r" \1 ", text)


def clean(text: str) -> str:
    """One answer's text, unified and without delimiters, money signs and stray punctuation."""
    for _ in range(_MAX_PASSES):
        before, text = text, _pass(text)
        if text == before or ("\\" not in text and "&" not in text):
            break
    return text


def _pass(text: str) -> str:
    text = _BOLD.sub(r" \1 ", text) if "**" in text else text
    text = with_digits(_CURRENCY.sub("", unify(text))).replace("`", "").replace("$", " ")
    for delimiter in ("\\(", "\\)", "\\[", "\\]"):
        text = text.replace(delimiter, " ")
    text = text.replace("{,}", ",")
    text = _TO.sub(":", _LEADING.sub("", _BLANKS.sub(" ", text).strip()))
    text = _COUNTED.sub(r"\1 \2", _TWICE.sub("", text))
    before = None
    while before != text:
        before, text = text, _EDGES.sub("", text).strip()
    return text
