"""What is taken away from a page's text: lines of LaTeX definitions and of boilerplate.

An edit is a text in, a text out; they are made before the filters look at the text, but for those
that `filter_config.WebFilters.final` puts behind the duplicates. Not here: lines that a domain
repeats (`repeated_lines.py`), elements of the page (`html/build.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Literal

from mathlm.corpus.boilerplate import MAX_SHARE, Rule, read_phrases, without_boilerplate
from mathlm.corpus.filter_config import WebFilters
from mathlm.corpus.quality import figures

Mode = Literal["default", "paper"]
Edit = Callable[[str], str]


def without_definitions(text: str) -> str:
    """The text without lines of more than one `newcommand` (OpenWebMath's `filter_dataset.py`)."""
    if "newcommand" not in text:
        return text
    return "\n".join(line for line in text.split("\n") if line.count("newcommand") < 2)


def without_notices(text: str) -> str:
    """The text without lines that begin with words of boilerplate, if these are a small share."""
    if not figures.has_boilerplate(text):
        return text
    lines = text.split("\n")
    kept = [line for line in lines if not figures.is_boilerplate(line)]
    size = sum(map(len, kept)), sum(map(len, lines))
    little = len(kept) < len(lines) and size[0] >= (1 - MAX_SHARE) * size[1]
    return "\n".join(kept) if little else text


def edits(settings: WebFilters, mode: Mode = "default") -> dict[str, Edit]:
    """The edits that the settings ask for, by `EditName`, in order."""
    made: dict[str, Edit] = {"definitions": without_definitions}
    if mode == "default":
        made["notices"] = without_notices
    if settings.boilerplate_words is not None:
        phrases = read_phrases(settings.boilerplate_words, settings.boilerplate_words_sha256)
        rule = Rule(
            settings.max_boilerplate_ratio,
            settings.max_boilerplate_words,
            settings.boilerplate_end_lines,
        )
        made["phrases"] = lambda text: without_boilerplate(text, phrases, rule, mode)
    return made


def tidy(text: str, edits: Mapping[str, Edit]) -> str:
    """The text after all of the edits."""
    return functools.reduce(lambda text, edit: edit(text), edits.values(), text)
