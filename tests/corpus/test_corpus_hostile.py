"""Hostile text: every step that reads a document takes time linear in it, and none fails."""

from __future__ import annotations

import json
import time

import pytest

from mathlm.core.ngrams import FOLDED, PROBLEM, Index
from mathlm.core.records import Document, Problem, Provenance
from mathlm.corpus.code.notebooks import to_markdown
from mathlm.corpus.code.rules import RULES, judge
from mathlm.corpus.config import Decontamination
from mathlm.corpus.decontaminate import Decontaminator
from mathlm.corpus.filters import mathematical
from mathlm.corpus.fingerprints import exact_key
from mathlm.corpus.minhash import signatures
from mathlm.corpus.urls import normalise_url

SIZE = 400_000
LIMIT_S = 6.0
"""Linear work takes well under a second; quadratic work takes minutes."""


def long(part: str) -> str:
    return part * (SIZE // len(part))


HOSTILE = {
    "spaces": " " * SIZE + "x",
    "one word": "a" * SIZE,
    "marks": "a" + long("\u0301\u0323"),
    "main": long(" main("),
    "import": long("import "),
    "import spaces": "import" + " " * SIZE,
    "from tabs": long("from\t"),
    "requirement": "Requirement" + "\n" * SIZE,
    "include": long("# include "),
    "sections": long("\\section"),
    "latex spaces": long("\\, \\quad~"),
    "backslashes": "\\" * SIZE,
    "pictures": long("!["),
    "pictures half": long("![a]("),
    "tags": long("<img "),
    "scripts": long("<script>"),
    "script ends": long("</script "),
    "backticks": "`" * SIZE,
    "nul": "\0" * SIZE,
    "surrogates": "\ud800" * 1000 + "theorem",
    "astral": long("𝟙 𝒜 "),
    "casefold grows": long("ß\u0390 "),
    "same 13 words": long(
        "one two three four five six seven eight nine ten eleven twelve thirteen "
    ),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_linear_time(name):
    text = HOSTILE[name]
    start = time.process_time()
    for rules in RULES.values():
        for language in rules:
            judge(_document(text, language), rules[language])
    mathematical(_document(text, "text"))
    to_markdown(json.dumps({"cells": [{"cell_type": "markdown", "source": text}]}))
    to_markdown(json.dumps({"cells": [{"cell_type": "code", "source": text}]}))
    exact_key(text)
    normalise_url(f"http://a.org/{text}")
    assert sum(len(part.values) for part in signatures([text, "x"])) == 2
    item = "one two three four five six seven eight nine ten eleven twelve thirteen"
    for rule in (FOLDED, PROBLEM):
        list(Index([item, text], 13, rule).search([text]))
    problem = Problem(id="p", task="t", prompt=f"{item} 7")
    list(Decontaminator([problem], Decontamination()).overlaps([text], "numbers"))
    assert time.process_time() - start < LIMIT_S


def _document(text: str, language: str) -> Document:
    provenance = Provenance(file="a", language=language)
    return Document.model_construct(id="a", text=text, source="s", provenance=provenance)
