"""The final answer in a text: a box, an announcement, a formula, or the last number.

Not here: what the answer means (`parser`, `equality`). The same rules find the gold answer and
the model's, so that either may be bare or stand in a solution. Every pattern runs in linear time
on text of bounded length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mathlm.grading.clean import GLUED
from mathlm.grading.spelled import concluded
from mathlm.grading.tokens import SHORT_UNITS, braced, words_of

MAX_TEXT = 200_000
"""Characters of a completion that are read, from its end."""
_WINDOW = 4000
"""Characters from the end in which an unannounced answer is looked for."""
_BARE = 300
"""A text up to this length may be an answer as it stands."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """An answer and the rule that found it; `answer` is None where there is none."""

    answer: str | None
    rule: str


_NEXT_PROBLEM = re.compile(r"\n[ \t]*(?:Problem|Question|Q|Human|User|### Instruction)[ \t]*:")
_TURN_ENDS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "</s>")
_BOX = re.compile(r"\\(?:begin)?(?:boxed|fbox|framebox)\s*(?=\{|\s\S|\d)")
_FINAL = re.compile(
    r"(?:final\s+(?:answer|result)(?:\s+is)?\s*[:=]?|\banswer\s*(?:is|:|=)|\b(?:r[ée]ponse|respuesta|antwort)\s*(?:est|es|ist)?\s*:?|答案\s*[是为]?\s*[:：]?|\*\*answer\*\*\s*:?)"
    r"[\s*]*(?:\bis\b)?\s*:?",
    re.IGNORECASE,
)
_MARKS = re.compile(r"####\s*(.+)|(?:^|\s)A\s*:\s*(.+)")
_MARKED = re.compile(r"[\\$#:<]")
_HOPE = re.compile(r"\.?\s{0,4}I hope", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[^.\s])\.(?=\s+[A-Z\\$(]|\s*$)|\n[ \t]*\n|\n(?=[A-Z])")
_FORMULA = re.compile(
    r"\$\$(.+?)\$\$|(?<!\\)\$((?:[^$\\]|\\.)+?)\$|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL
)
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_^\\{.])[-−]?\s?(?:[$€£¥]\s?)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?:[.,]\d+)?"
    r"(?:[eE][+-]?\d+)?(?<=\d)(?:\s?/\s?\d+(?![\d/]))?(?:\s?\\?%|\s(?:percent|pct)\b)?"
)
_BARE_LATEX = re.compile(
    r"-?(?:(?<!\d)\d{1,9}\s?)?\\(?:[dtc]?frac\s*\{[^{}]*\}\s*\{[^{}]*\}|sqrt\s*\{[^{}]*\})(?:\s*\\pi\b)?"
)
_WORD = re.compile(r"(?<![\\A-Za-z0-9])[A-Za-z]{2,}|[^\W\d_A-Za-z\u0370-\u03ff]+")
"""Words of two letters or more, and runs of letters of other scripts than Latin and Greek."""
_QUIET = re.compile(
    r"\\begin\{array\}\s*\{[^{}]*\}|\\(?:text|mbox|textbf|mathrm|operatorname|begin|end)\s*\{[^{}]*\}|\\[A-Za-z]+"
)
_BLANK = re.compile(r"\s")
_FOREIGN = re.compile(r"[^\W\d_A-Za-z\u0370-\u03ff]{2,}")
_OPERATOR = re.compile(r"[-+*/^=]")
_JOINED = re.compile(r"[,;&]|\b(?:and|or)\b")
_LETTER = re.compile(r"(?:^|[\s(*])\(?([A-J])\)?(?=[\s).,:;*]|[^\x00-\x7f]|$)")
_DRESS = re.compile(r"\\text|\\mathrm|\\textbf|[{}$]")
_LEADING_LETTER = re.compile(r"^\W{0,4}([A-J])\s*?(?:[).:\n]|[^\x00-\x7f])")
_CHOSEN = re.compile(r"\b(?:[Oo]ption|[Cc]hoice|[Ll]etter)\s+(?:is\s+)?\(?([A-J])\b")
_DENIED = re.compile(r"\b(?:not|isn't|never)\s+(?:option\s+)?\(?[A-J]\b\)?", re.IGNORECASE)
_PRONOUN = re.compile(r"(?<![(\w])(?:I(?=\s+[a-z])|A(?=\s+(?!is\b|because\b|since\b)[a-z]))")
_SMALL_LETTER = re.compile(r"\s*\(?([a-j])\)?[.:]?\s*")
_MATH_WORDS = words_of(
    """sin cos tan cot sec csc log ln sqrt pi arcsin arccos arctan exp and or inf infty frac le ge
    percent pct degrees"""
)

_LEAD = re.compile(
    r"^(?:so|thus|hence|therefore|then|finally|(?:we|i) (?:get|have|find|obtain)(?: that)?"
    r"|(?:it|this|that)(?: is| equals| will be| must be|'s))\b"
    r"[,:]?\s+(?=\S)",
    re.IGNORECASE,
)
_AFTERWARDS = re.compile(
    r"(?:^|[.\n]\s)([^\n]{1,120}?)\s+is\s+(?:the|our|my)\s+"
    r"(?:(?:final|correct|only|unique)\s+)*(?:answer|solution)\b"
)
_RATHER = re.compile(
    r",?\s+(?:and\s+)?(?:not|rather than|instead of)\s+[^.,\nA-Za-z]{1,30}[.!$\s]*$"
)
_STATED = re.compile(r"\b(?:is|be)\s+(?:an?\s+)?([A-Za-z]+)[.!\s]*$")
_CALLED = re.compile("answer|solution")
_LISTED = re.compile(
    r"\b(?:solutions|roots|zeros|answers|values|numbers|integers)\b[^.\n]{0,60}?\bare:?\s+"
    r"([^\n]{1,120}?)\.?$"
)
_RATIO = re.compile(r"\s*\d[\d,.]* to \d[\d,.]*\s*")
_ABOUT = re.compile(
    r",? ?\(?\b(?:or|which is|that is|i\.e\.,?)\s+(?:about|approximately|roughly|around)\s+"
    r"[^.\n]{1,30}(?:\.\d[^.\n]{0,20})?\)?[.$\s]*$"
)
_REASONED = re.compile(rf"\s*({_NUMBER.pattern}|\$[^$]+\$)\s*,?\s*(?:because|since|as|for)\b")


def _boxes(text: str) -> list[tuple[int, int, str]]:
    """Start, end and content of every box, nested ones left to the outer."""
    found: list[tuple[int, int, str]] = []
    for match in _BOX.finditer(text):
        if found and match.start() < found[-1][1]:
            continue
        content, end = braced(text, match.end())
        if end == match.end():  # \boxed 5
            word = text[end:].split("$", maxsplit=1)[0].split()
            content, end = (word[0] if word else ""), end + (len(word[0]) + 1 if word else 0)
        found.append((match.start(), end, content))
    return found


def boxed(text: str) -> str | None:
    """The content of the last box, or None."""
    found = _boxes(text[-MAX_TEXT:])
    return found[-1][2] if found else None


_SEQUENCE = words_of("then so thus hence therefore now next finally but wrong not")
"""Words between two boxes that make the second one replace the first."""


def _joined(gap: str) -> bool:
    """Whether two boxes belong together: little between them, and no sentence."""
    if len(gap) > 60 or "\n\n" in gap.strip() or re.search(r"\.\s+[A-Z]", gap):
        return False
    plain = re.sub(r"\\text\s*|\\[A-Za-z]+|[\\${}()\[\]]", " ", gap)
    words = re.findall(r"[A-Za-z]{2,}", plain)
    if any(word.lower() in _SEQUENCE for word in words):
        return False
    return not words or (len(words) <= 4 and bool(_JOINED.search(plain)))


def _last_boxes(text: str, found: list[tuple[int, int, str]]) -> tuple[int, str]:
    """The place and content of the last box, with those that stand beside it in a list."""
    group = [found[-1]]
    for box in reversed(found[:-1]):
        if not _joined(text[box[1] : group[0][0]]):
            break
        group.insert(0, box)
    contents = list(dict.fromkeys(content.strip() for _, _, content in group))
    return group[0][0], ", ".join(contents)


def _prose(text: str) -> int:
    """How many plain words the text holds outside of commands."""
    words = _WORD.findall(_QUIET.sub(" ", text))
    return sum(1 for word in words if not _is_mathematical(word))


def _is_mathematical(word: str) -> bool:
    return word.lower() in _MATH_WORDS or word.isupper() or word in SHORT_UNITS


def is_bare(text: str) -> bool:
    """Whether a text is an answer as it stands, with at most a unit's words after it."""
    if len(text) > _BARE:
        return False
    if _RATIO.fullmatch(text):
        return True
    if not text.isascii() and _FOREIGN.search(text) and any(ch.isdigit() for ch in text):
        return False
    whole = _FORMULA.fullmatch(text.strip())
    words = _WORD.findall(_QUIET.sub(" ", text))
    if (whole and len(words) <= 6) or not _BLANK.search(text.strip()):
        return True
    if "\n" in text.strip() and words and not any(c in text for c in "&\\"):
        return False
    loud = [word for word in words if word.lower() not in _MATH_WORDS and not word.isupper()]
    if not loud:
        return True
    if all(len(word) <= 2 for word in loud) and _OPERATOR.search(text):
        return True
    known = all(word in SHORT_UNITS for word in loud)
    if len(loud) > 4 and not known:
        return False
    if not any(ch.isdigit() for ch in text):
        return "$" not in text and "\\(" not in text and ":" not in text
    after = text[: text.find(loud[0])] if not known else text
    return (
        any(ch.isdigit() for ch in after) and not re.search(r"\d[^A-Za-z]*$", text.rstrip(" ."))
    ) or (known and not _FORMULA.search(text))


def _last_value(text: str) -> Extraction:
    """The last formula or number of a text."""
    window = _RATHER.sub(".", _ABOUT.sub("", text[-_WINDOW:]))
    best: tuple[int, str, str] | None = None
    covered = 0
    for match in _FORMULA.finditer(window):
        content = next(group for group in match.groups() if group is not None)
        if _prose(content) == 0 and any(ch.isalnum() for ch in content):
            best, covered = (match.start(), content, "formula"), match.end()
    for match in _BARE_LATEX.finditer(window, covered):
        best, covered = (match.start(), match.group(), "formula"), match.end()
    rest = window[covered:]
    numbers = [m for m in _NUMBER.finditer(rest) if m.group().strip()]
    if numbers:
        return Extraction(numbers[-1].group(), "last_number")
    return Extraction(best[1], best[2]) if best else Extraction(None, "none")


def _fragment(text: str, rule: str) -> Extraction:
    """The answer in what follows an announcement."""
    hope = _HOPE.search(text)
    text = text[: hope.start()] if hope else text
    text = text.strip().strip("*").strip()
    end = _SENTENCE.search(text)
    sentence = text[: end.start()] if end else text
    sentence = sentence.strip().strip('"“”').strip()
    if not sentence:
        return Extraction(None, rule)
    if is_bare(sentence):
        return Extraction(sentence, rule)
    reasoned = _REASONED.match(sentence)
    if reasoned:
        return Extraction(reasoned[1], rule)
    value = _last_value(sentence) if _prose(sentence) else Extraction(sentence, rule)
    if value.answer is None and _prose(sentence) > 6:
        return Extraction(None, rule)
    return Extraction(value.answer or sentence, rule)


def _may_announce(t: str) -> bool:
    """Whether any word of an announcement is there, without a regular expression."""
    if "nswer" in t or "esult" in t or "ponse" in t or "NSWER" in t or "espuesta" in t:
        return True
    return "ntwort" in t or (not t.isascii() and "答案" in t)


def _announced(text: str) -> tuple[int, Extraction] | None:
    """The last announcement of an answer, with its place."""
    if not _may_announce(text):
        return None
    last: tuple[int, Extraction] | None = None
    for match in list(_FINAL.finditer(text))[-4:]:
        found = _fragment(text[match.end() : match.end() + _WINDOW], "announced")
        if found.answer is not None:
            last = match.start(), found
    return last


def _after_thought(text: str) -> str:
    """What a reasoning model says after its `</think>`, or the text where that is nothing."""
    after = text.rpartition("</think>")[2] if "</think>" in text else text
    return after if after.strip() else text


def _own_turn(text: str) -> str:
    """The text before an invented next problem or turn."""
    ends = [text.find(mark) for mark in _TURN_ENDS if mark in text] if "<" in text else []
    if ":" in text and (cut := _NEXT_PROBLEM.search(text)) is not None:
        ends.append(cut.start())
    end = min(ends, default=len(text))
    return text[:end] if text[:end].strip() else text


def _listed(text: str) -> str | None:
    """The list in which a text ends, after `the solutions are` or its like."""
    found = _LISTED.search(text[-_WINDOW:].rstrip())
    return found[1] if found and is_bare(found[1]) else None


def _called_answer(text: str) -> Extraction | None:
    """What a text says to be the answer afterwards, as in `42 is the answer`."""
    said = _AFTERWARDS.findall(text[-_WINDOW:])
    if not said:
        return None
    sentence = _LEAD.sub("", said[-1].strip())
    found = sentence if is_bare(sentence) else _last_value(sentence).answer
    return Extraction(found, "announced") if found else None


def extract(text: str) -> Extraction:
    """The final answer of a text; the later of a box and an announcement, else the last value."""
    text = text[-MAX_TEXT:]
    if len(text) <= _BARE and "\n" not in text:
        text = GLUED.sub(r" \1 ", text)
    short = len(text) <= 40 and not _MARKED.search(text) and not _CALLED.search(text)
    if short and is_bare(text) and not _LEAD.match(text) and not _announced(text):
        stripped = text.strip()
        return Extraction(stripped or None, "bare" if stripped else "none")
    if "</answer>" in text:
        before = text[: text.rindex("</answer>")]
        return _fragment(before[before.rfind("<answer>") + 8 :][-_WINDOW:], "tagged")
    text = _own_turn(_after_thought(text))
    boxes = _boxes(text) if "boxed" in text or "fbox" in text else []
    announced = _announced(text)
    if boxes:
        place, content = _last_boxes(text, boxes)
        if announced is None or announced[0] <= place or "boxed" in text[announced[0] :]:
            return Extraction(content.strip() or None, "boxed")
    if announced is not None:
        return announced[1]
    marks = list(_MARKS.finditer(text))
    if marks:
        return _fragment(marks[-1][1] or marks[-1][2], "marked")
    return _unannounced(text)


def _unannounced(text: str) -> Extraction:
    """The answer of a text that announces none beforehand."""
    called = _called_answer(text) if "answer" in text or "solution" in text else None
    if called is not None:
        return called
    stripped = text.strip()
    led = _LEAD.sub("", stripped)
    if led != stripped and led and _prose(led) <= (" " not in led):
        return Extraction(led, "bare")
    if stripped and is_bare(stripped):
        return Extraction(stripped, "bare")
    listed = _listed(text)
    if listed is not None:
        return Extraction(listed, "list")
    found = _last_value(text)
    if found.answer is not None:
        return found
    spelled = concluded(text[-_WINDOW:])
    if spelled:
        return Extraction(spelled, "spelled")
    stated = _STATED.search(text[-_WINDOW:])
    return Extraction(stated[1], "stated") if stated else found


def _letters(text: str) -> list[str]:
    """Letters that may be a choice: not denied, not the pronoun, not the article."""
    plain = _DENIED.sub(" ", " " + _DRESS.sub("", text))
    return _LETTER.findall(_PRONOUN.sub(" ", plain))


def extract_choice(text: str) -> Extraction:
    """The letter of a multiple-choice answer, A to J.

    The first letter of what was boxed or announced, else the last one of the text.
    """
    found = extract(text)
    bare = _SMALL_LETTER.fullmatch(_DRESS.sub("", found.answer or ""))
    if bare:
        return Extraction(bare[1].upper(), found.rule)
    for match in reversed(list(_FINAL.finditer(text))[-4:]):
        letters = _letters(text[match.end() : match.end() + 80])
        if letters and found.rule != "boxed":
            return Extraction(letters[0], "announced")
    chosen = _CHOSEN.findall(_DRESS.sub("", text[-_WINDOW:]))
    if chosen and found.rule not in ("boxed", "announced", "marked"):
        return Extraction(chosen[-1], "announced")
    stated = found.rule in ("boxed", "announced", "marked", "bare")
    for candidate, place in ((found.answer or "", 0 if stated else -1), (text[-_WINDOW:], -1)):
        stripped = _DRESS.sub("", candidate).strip()
        leading = _LEADING_LETTER.match(stripped)
        if leading:
            return Extraction(leading[1], found.rule)
        letters = _letters(stripped)
        if letters:
            return Extraction(letters[place], found.rule if stated else "letter")
    return found
