"""An answer's text as a list of tokens: numbers, names, words, commands, signs.

Not here: what the tokens mean together (`parser`). Word lists below are our own: function names,
units and connectives that occur in mathematical answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mathlm.grading.terms import TooLarge, Unreadable

MAX_TOKENS = 800
Kind = Literal["number", "symbol", "text", "command", "sign", "end"]


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `spaced` says whether white space stood before it."""

    kind: Kind
    value: str
    spaced: bool = False


def words_of(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


FUNCTIONS = words_of(
    """sin cos tan cot sec csc arcsin arccos arctan arccot sinh cosh tanh coth asin acos atan
    asinh acosh atanh log ln lg exp sqrt abs floor ceil cbrt max min gcd lcm det arg Re Im sgn"""
)
GREEK = words_of(
    """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi
    rho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi
    Omega hbar ell"""
)
SEPARATORS = frozenset({"and", "or", "And", "Or", "AND", "OR"})
PERCENT = frozenset({"percent", "pct", "percentage", "percents"})
DEGREES = frozenset({"degree", "degrees", "deg"})
INFINITIES = frozenset({"inf", "infty", "infinity", "Infinity", "oo"})
SHORT_UNITS = words_of(
    """km cm mm nm ft kg mg lb lbs oz mph kph ml mL hr hrs min sec ms am pm Hz eV kJ kW mol cal
    ways cups cats dogs days day week weeks year years men hours inch inches in mi yd rad USD EUR
    GBP INR CNY JPY usd eur"""
)
NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
}
SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
TEXT_COMMANDS = words_of(
    r"\text \mbox \textbf \textit \textnormal \textrm \textsf \texttt \mathrm \operatorname"
    r" \mathbf \mathit \rm \hbox \emph \textup \mathsf \mathcal"
)
_NUMBER = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?"
_GROUPED = r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?"
_SIGN = r"(?P<sign><=|>=|!=|==|:=|->|\*\*|\.\.\.|.)"
_REST = rf"|(?P<command>\\[A-Za-z]+\*?|\\.)|(?P<word>[A-Za-z]+)|{_SIGN}"
_PLAIN = re.compile(rf"(?P<space>\s*)(?:(?P<number>{_NUMBER}){_REST})", re.DOTALL)
_THOUSANDS = re.compile(rf"(?P<space>\s*)(?:(?P<number>{_GROUPED}|{_NUMBER}){_REST})", re.DOTALL)
_ENVIRONMENT = re.compile(r"\s*\{([A-Za-z]+\*?)\}")
_CHOICE = re.compile(r"\(?([A-Za-z])\)?")
_CHOICES = re.compile(r"\(?[A-J]\)?(?:(?:\s*,\s*|,?\s+(?:and|or)\s+)\(?[A-J]\)?)+")
_COUNTED = re.compile(r"-?\d[\d.,/]*\s+[A-Za-z ]+")
_LOWER_WORD = 4
"""A run of at least so many letters is a word; a shorter one is a product of variables."""


def braced(text: str, start: int) -> tuple[str, int]:
    """The content of the braces that open at or after `start`, and the place after them."""
    opening = start
    while opening < len(text) and text[opening].isspace():
        opening += 1
    if opening >= len(text) or text[opening] != "{":
        return "", start
    depth = 0
    for place in range(opening, len(text)):
        if text[place] == "{":
            depth += 1
        elif text[place] == "}":
            depth -= 1
            if depth == 0:
                return text[opening + 1 : place], place + 1
    return text[opening + 1 :], len(text)


def _word_tokens(word: str, spaced: bool, before: Token | None) -> list[Token]:
    """A run of letters as a function, a separator, a unit, a word or single variables."""
    after_value = before is not None and (before.kind == "number" or before.value in ")]}")
    if word in SEPARATORS:
        return [Token("sign", ",", True)]
    if word.lower() in NUMBER_WORDS:
        return [Token("number", NUMBER_WORDS[word.lower()], spaced)]
    if word in SCALES and before is not None and before.kind == "number":
        power = Token("number", str(10 ** SCALES[word]))
        return [Token("sign", "*"), power]
    if word in PERCENT:
        return [Token("sign", "%", spaced)]
    if word in DEGREES and before is not None:
        return [Token("command", "\\degree", spaced)]
    if word in FUNCTIONS or word in GREEK or word == "pi":
        return [Token("command", "\\" + word, spaced)]
    if word in INFINITIES:
        return [Token("command", "\\infty", spaced)]
    if word == "U" and before is not None and before.value in ")]}":
        return [Token("command", "\\cup", spaced)]
    for separator in ("or", "and"):
        if after_value and word.startswith(separator) and len(word) == len(separator) + 1:
            return [Token("sign", ",", True), Token("symbol", word[-1])]
    if word == "x" and spaced and before is not None and before.kind == "number":
        return [Token("symbol", "x", True)]
    if (word in SHORT_UNITS and after_value) or (len(word) >= _LOWER_WORD and not word.isupper()):
        return [Token("text", word, spaced)]
    return [Token("symbol", letter, spaced and i == 0) for i, letter in enumerate(word)]


def _text_tokens(content: str, spaced: bool, before: Token | None) -> list[Token]:
    r"""The content of `\text{…}`: a separator, a percent sign, an inline value, or words."""
    words = content.strip()
    if words.strip(" ,;") in SEPARATORS:
        return [Token("sign", ",", True)]
    bare = words.strip(" .").lower()
    if bare in SCALES and before is not None and before.kind == "number":
        return _word_tokens(bare, spaced, before)
    if bare in PERCENT:
        return [Token("sign", "%", spaced)]
    if bare in DEGREES:
        return [Token("command", "\\degree", spaced)]
    if re.fullmatch(r"-?[\d.,]+", words):
        return tokens(words)[:-1]
    if _CHOICES.fullmatch(words) or _COUNTED.fullmatch(words):
        return tokens(words)[:-1]
    letter = _CHOICE.fullmatch(words)
    if letter and (before is None or before.kind != "number"):
        return [Token("symbol", letter[1], spaced)]
    return [Token("text", words, spaced)] if words else []


def _command(text: str, match: re.Match[str], found: list[Token]) -> int:
    """Append the token(s) of the command that `match` found; returns the place after them."""
    name, spaced, end = match["command"], bool(match["space"]), match.end()
    if name in TEXT_COMMANDS:
        content, after = braced(text, end)
        if after > end:
            if name == "\\operatorname" or (name == "\\mathrm" and content in FUNCTIONS):
                found.append(Token("command", "\\" + content.strip(), spaced))
            else:
                found.extend(_text_tokens(content, spaced, found[-1] if found else None))
        return after
    if name in ("\\begin", "\\end"):
        environment = _ENVIRONMENT.match(text, end)
        if environment is None:
            raise Unreadable(f"{name} without a name")
        found.append(Token("command", f"{name}{{{environment[1]}}}", spaced))
        return environment.end()
    if name.startswith("\\quad") and len(name) > 5:  # a lost space: \quadx
        found.append(Token("symbol", name[5:].removeprefix("quad")[:1] or "x", True))
        return end
    found.append(Token("command", name, spaced))
    return end


def tokens(text: str, *, thousands: bool = True) -> list[Token]:
    """The tokens of a cleaned text, ended by an `end` token.

    With `thousands`, `1,234` outside of brackets is one number. Raises TooLarge, Unreadable.
    """
    found: list[Token] = []
    place = depth = 0
    text = text.rstrip()
    while place < len(text):
        match = (_THOUSANDS if thousands and depth <= 0 else _PLAIN).match(text, place)
        if match is None:
            raise Unreadable(f"at {place}")
        place = match.end()
        if len(found) > MAX_TOKENS:
            raise TooLarge(f"over {MAX_TOKENS} tokens")
        spaced = bool(match["space"])
        if (number := match["number"]) is not None:
            found.append(Token("number", number, spaced))
        elif match["command"] is not None:
            depth += {"\\{": 1, "\\}": -1, "\\langle": 1, "\\rangle": -1}.get(match["command"], 0)
            place = _command(text, match, found)
        elif match["word"] is not None:
            found.extend(_word_tokens(match["word"], spaced, found[-1] if found else None))
        else:
            sign = match["sign"]
            depth += 1 if sign in "([" else -1 if sign in ")]" else 0
            found.append(Token("sign", sign, spaced))
    found.append(Token("end", ""))
    return found
