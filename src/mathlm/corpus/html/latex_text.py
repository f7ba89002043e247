"""A formula's TeX as pages keep it, cleaned: wrappers, comments and stray white space gone.

Not here: any change of what the formula says.
"""

from __future__ import annotations

import html
import re

LATEX_LIKE = re.compile(r"\\[A-Za-z]+|[\^_]|[A-Za-z0-9)\]]\s*[=<>+]\s*[-A-Za-z0-9(\\]")
"""What tells TeX from words."""
IN_WORDS = re.compile(
    r"\\(?:text|mbox|textrm|mathrm|hbox|operatorname|begin|end)\*?\s*\{[^{}]*\}|\\[A-Za-z]+"
)
"""Commands and the words that are text in a formula: what is left of a formula has none."""
_WRAPPED = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$"))
_CDATA = re.compile(r"%?\s*(?:<!\[CDATA\[|\]\]>)")
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%[^\n]*(?:\n|$)")
_SPACES = re.compile(r"[ \t\u00a0\u2009\u200b\u3000]+")
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|nbsp|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
_BREAK = re.compile(r"<br\s*/?>")
# Nothing but space: a trick of layout, not a formula.
_BLANK = re.compile(r"(?:\\[ ,;:!>]|\\q?quad|[~\s{}])*\\?")
# TeX4ht writes a space here. Sphinx puts a `split` around rows, those of an inner block too.
_SPACED_BLOCK = re.compile(r"\\(begin|end) (?=\{)")
_SPLIT = "\\begin{split}", "\\end{split}"
_BLOCK = re.compile(r"\\(begin|end)\{|\\\\|(?<!\\)&")
_DOLLARS = re.compile(r"(\\.|[{}$])", re.DOTALL)
_STYLE = re.compile(r"^\\(?:displaystyle|textstyle)(?![A-Za-z])\s*")


def clean(latex: str) -> str:
    """The formula on as few lines as it has rows of code; empty when nothing is in it."""
    if "&" in latex and _ENTITY.search(latex):
        latex = html.unescape(latex)
    if "<br" in latex:
        latex = _BREAK.sub("\n", latex)
    if "CDATA" in latex or "]]>" in latex:
        latex = _CDATA.sub("", latex)
    if "%" in latex:
        latex = _COMMENT.sub(r"\1\n", latex)
    if "\\begin" in latex:
        latex = _SPACED_BLOCK.sub(r"\\\1", latex).replace("{array}[]{", "{array}{")
        latex = latex.replace("\\hline\\cr ", "\\hline ")
    latex = _without_split(_without_style(unwrapped(latex.strip())))
    lines = (_SPACES.sub(" ", line).strip() for line in latex.split("\n"))
    latex = "\n".join(line for line in lines if line)
    while latex.endswith("\\\\") and not latex.endswith("\\\\\\"):
        latex = latex[:-2].rstrip()
    if _BLANK.fullmatch(latex):
        return ""
    return latex + " " if latex.endswith("\\") else latex


def unwrapped(latex: str) -> str:
    """The formula without delimiters of its own."""
    for left, right in _WRAPPED:
        if (
            latex.startswith(left)
            and latex.endswith(right)
            and len(latex) >= len(left) + len(right)
        ):
            inner = latex[len(left) : -len(right)]
            if left not in inner and not inner.endswith("\\"):
                return inner.strip()
    return latex


def is_wrapped(latex: str) -> bool | None:
    """True for display delimiters around the whole, False for inline ones, None for none."""
    latex = latex.strip()
    for (left, right), display in zip(_WRAPPED, (True, True, False, False), strict=True):
        if latex.startswith(left) and latex.endswith(right) and len(latex) > len(left) + len(right):
            return display
    return None


def with_dollars_escaped(latex: str) -> str:
    """The formula without a dollar of its own, which would end it; those in braces stay."""
    depth = 0
    out: list[str] = []
    for piece in _DOLLARS.split(latex):
        depth += (piece == "{") - (piece == "}")
        out.append("\\$" if piece == "$" and depth <= 0 else piece)
    return "".join(out)


def _without_style(latex: str) -> str:
    r"""Wikipedia wraps every formula in `{\displaystyle …}`."""
    if (
        latex.startswith(("{\\displaystyle", "{\\textstyle"))
        and latex.endswith("}")
        and _closes_at_end(latex)
    ):
        latex = latex[1:-1].strip()
    return _STYLE.sub("", latex)


def with_rows(latex: str) -> str:
    """The formula in the block that its rows need (Sphinx leaves it out of alternative texts)."""
    return f"\\begin{{split}}{latex}\\end{{split}}" if _has_rows(latex) else latex


def _without_split(latex: str) -> str:
    """What stands in a `split` that has no rows of its own."""
    start, end = _SPLIT
    if not (latex.startswith(start) and latex.endswith(end)):
        return latex
    inner = latex[len(start) : -len(end)]
    return latex if _has_rows(inner) else inner.strip()


def _has_rows(latex: str) -> bool:
    """Whether rows or columns stand outside of blocks, or blocks do not nest."""
    depth = 0
    for match in _BLOCK.finditer(latex):
        if match[1]:
            depth += 1 if match[1] == "begin" else -1
        if depth < 0 or (depth == 0 and not match[1]):
            return True
    return False


def _closes_at_end(latex: str) -> bool:
    depth = 0
    for position, character in enumerate(latex):
        if character in "{}" and (
            position == 0 or latex[position - 1] != "\\" or latex[position - 2 : position] == "\\\\"
        ):
            depth += 1 if character == "{" else -1
            if depth == 0:
                return position == len(latex) - 1
    return False
