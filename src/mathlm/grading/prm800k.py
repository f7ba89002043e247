"""The rules of PRM800K's grader (openai/prm800k, `grading/grader.py`), without its `eval`.

Strings normalised as Hendrycks' MATH does, then a second normalisation, tuples part by part,
unreduced fractions and non-integers against integer golds wrong, at most two letters, no long
exponents. Deviations: LaTeX is turned into plain text by rules of our own instead of pylatexenc
(`latex_text`), and SymPy's `parse_expr` (which evaluates) is replaced by our grammar and comparison
at places. `benchmarks/grading_policies.py` measures the agreement.
"""

from __future__ import annotations

import re

from mathlm.grading.clean import unify
from mathlm.grading.extraction import Extraction, extract
from mathlm.grading.grader import Judgement
from mathlm.grading.latex_text import latex_to_text
from mathlm.grading.minerva import gold_answer
from mathlm.grading.parser import parse
from mathlm.grading.scalars import expressions, is_scalar
from mathlm.grading.terms import E, I, Symbol, TooLarge, Unreadable, replaced

_BRACKETS = "()[]"
_UNITS = (
    "degree", "cm", "centimeter", "meter", "mile", "second", "minute", "hour", "day", "week",
    "month", "year", "foot", "feet", "inch", "yard",
)  # fmt: skip
_TEXT = re.compile(r"\\text\{(.+?)\}")
_COMMAS = re.compile(r"(\d)(,)(\d\d\d)($|\D)")
_FRACTION = re.compile(r"-?[0-9]+.?/0*[1-9][0-9]*.?")
_LONG_POWER = re.compile(r"\^[0-9]+\^|\^[0-9][0-9]+")
_UNPARSED = re.compile(r"[:|]|[^\x00-\x7fα-ωϕϵ]")
"""What the original's Python parser refuses."""
_NAME = re.compile(r"[a-z]{2,}(?=\d)")
"""Names before a digit, which the original splits into letters: `ln8` is l·n·8."""
_WORDS = {"√": "sqrt", "π": "pi", "∞": "inf", "∪": "U", "·": "*", "×": "*"}
_PLAIN_NAMES = {E: Symbol("e."), I: Symbol("i.")}
_MAX = 1000


def strip_string(text: str) -> str:
    """Hendrycks' normalisation of a MATH answer (`math_normalize.py`), as PRM800K calls it."""
    text = text.strip()
    whole = _TEXT.fullmatch(text)
    text = whole[1].strip() if whole else text
    stripped = text
    for before, after in (
        ("\n", ""), ("\\!", ""), ("\\\\", "\\"), ("tfrac", "frac"), ("dfrac", "frac"),
        ("\\left", ""), ("\\right", ""), ("^{\\circ}", ""), ("^\\circ", ""), ("\\$", ""),
    ):  # fmt: skip
        stripped = stripped.replace(before, after)
    if stripped.count("\\text{ ") > 1:
        return text  # the original fails here and keeps the answer as it was
    stripped = stripped.split("\\text{ ", maxsplit=1)[0]
    for before, after in (("\\%", ""), (" .", " 0."), ("{.", "{0.")):
        stripped = stripped.replace(before, after)
    if stripped.startswith("."):
        stripped = "0" + stripped
    sides = stripped.split("=")
    if len(sides) == 2 and len(sides[0]) <= 2:
        stripped = sides[1]
    stripped = re.sub(r"\\sqrt([^{])", r"\\sqrt{\1}", stripped).replace(" ", "")
    stripped = re.sub(r"\\frac([^{])([^{])", r"\\frac{\1}{\2}", stripped)
    stripped = re.sub(r"\\frac([^{])\{", r"\\frac{\1}{", stripped)
    if stripped == "0.5":
        return "\\frac{1}{2}"
    plain = re.fullmatch(r"(-?[1-9]\d*|0)/(-?[1-9]\d*|0)", stripped)
    return f"\\frac{{{plain[1]}}}{{{plain[2]}}}" if plain else stripped


def _is_whole(text: str) -> bool:
    try:
        value = float(_without_commas(text))
    except ValueError:
        return False
    return abs(value) < 1e300 and abs(value - round(value)) <= 1e-7


def _without_commas(text: str) -> str:
    before = None
    while before != text:
        before, text = text, _COMMAS.sub(r"\1\3\4", text)
    return text


def _plain(text: str) -> str:
    """LaTeX as plain text, with the names that the original gives to its signs."""
    try:
        text = latex_to_text(re.sub(r"\\[td]?frac(?![a-z])", r" \\frac", text))
    except RecursionError:
        return text
    for sign, plain in _WORDS.items():
        text = text.replace(sign, plain)
    return text.strip()


def normalise(text: str) -> str:
    """PRM800K's own normalisation."""
    whole = _TEXT.fullmatch(text)
    text = whole[1] if whole else text
    text = text.replace("\\%", "%").replace("\\$", "$").replace("$", "").replace("%", "")
    text = text.replace(" or ", " , ").replace(" and ", " , ")
    for word, power in (("million", 6), ("billion", 9), ("trillion", 12)):
        text = text.replace(word, f"*10^{power}")
    for unit in _UNITS:
        text = re.sub(rf"{unit}(es)?(s)? *(\^[0-9]+)?", "", text)
    text = re.sub(r"\^ *\\circ", "", text)
    if text[:1] == "{" and text[-1:] == "}":
        text = text[1:-1]
    text = re.sub(r",\\! *", "", text)
    if _is_whole(text) and "," not in text:
        text = str(round(float(text)))
    if "\\" in text:
        text = _plain(text)
    text = re.sub(r"- *", "-", text)
    text = re.sub(r"([0-9]) +([0-9])", r"\1+\2", text)
    text = text.replace(" ", "").replace("{", "").replace("}", "").lower()
    return str(int(float(_without_commas(text)))) if _is_whole(text) else text


def _parts(text: str) -> list[str]:
    text = _without_commas(text)
    inner = text[1:-1]
    bracketed = len(text) > 2 and text[0] in _BRACKETS and text[-1] in _BRACKETS
    if bracketed and not any(sign in inner for sign in _BRACKETS):
        return [part.strip() for part in inner.split(",")]
    return [text] if text else []


def _equal_terms(first: str, second: str) -> bool:
    joined = f"({first})-({second})"
    letters = {ch for ch in joined.replace("sqrt", "").replace("frac", "") if ch.isalpha()}
    if len(letters) > 2 or "^{" in joined or "^(" in joined or _LONG_POWER.search(joined):
        return False
    if _UNPARSED.search(first) or _UNPARSED.search(second):
        return False
    try:
        a, b = (parse(_split(text), thousands=False) for text in (first, second))
    except (Unreadable, TooLarge):
        return False
    if not (is_scalar(a) and is_scalar(b)):
        return False
    a, b = replaced(a, _PLAIN_NAMES), replaced(b, _PLAIN_NAMES)
    return expressions(a, b, exactly=True)[0] is True


def _split(text: str) -> str:
    """The text with names split as the original splits them, and Greek letters by name."""
    return unify(_NAME.sub(lambda m: m[0] if m[0] == "pi" else "*".join(m[0]) + "*", text))


def equal(gold: str, answer: str) -> tuple[bool, str]:
    """Whether the original accepts, and the step that decided."""
    if strip_string(gold) == strip_string(answer):
        return True, "string"
    first, second = normalise(gold), normalise(answer)
    if first == second:
        return True, "normal_string"
    parts, others = _parts(first), _parts(second)
    if not second or len(parts) != len(others):
        return False, "tuple"
    if len(parts) > 1 and (first[0] != second[0] or first[-1] != second[-1]):
        return False, "brackets"
    return all(_part(a, b) for a, b in zip(parts, others, strict=True)), "symbolic"


def _part(gold: str, answer: str) -> bool:
    if _FRACTION.fullmatch(gold) and _FRACTION.fullmatch(answer):
        return gold == answer
    if _is_whole(gold) != _is_whole(answer):
        return False
    return _equal_terms(gold, answer)


def grade(gold: str, answer: str) -> tuple[Extraction, Extraction, Judgement]:
    """Extractions as under `default` (the original is handed answers), the original's equality."""
    target, found = gold_answer(gold)[:_MAX], extract(answer)
    gold_found = Extraction(target, "boxed")
    if found.answer is None:
        return gold_found, found, Judgement("no_answer", found.rule, target)
    text = found.answer[:_MAX].strip().strip("$").strip()
    same, rule = equal(target.strip("$"), text)
    forms = normalise(target), normalise(text)
    return gold_found, found, Judgement("correct" if same else "incorrect", rule, *forms)
