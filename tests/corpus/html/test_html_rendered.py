"""One document of ours as 32 settings of tools render it: what comes back, against its source.

`rendered.jsonl.gz` holds the pages (a line each: form, tool, version, html), `rendered_truth.json`
what the document says. The document was written for this test; each tool rendered it from its own
language (Markdown, LaTeX, reStructuredText, AsciiDoc, Texinfo, Org, Doxygen, or HTML with what the
tool makes of each formula). Of the pages only style sheets, long scripts, comments and the outlines
of glyphs were taken out.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mathlm.corpus.html import Extraction, extract

HERE = Path(__file__).parent
TRUTH: dict[str, Any] = json.loads((HERE / "rendered_truth.json").read_text(encoding="utf-8"))
PAGES = [
    json.loads(line)
    for line in gzip.decompress((HERE / "rendered.jsonl.gz").read_bytes()).decode().splitlines()
]
# What a tool did not keep, or what came back in other words for the same: formulas missed, others.
LOST = {
    "pandoc plain": (2, 2),
    "latexml": (1, 1),
    "make4ht mathml": (1, 1),
    "make4ht mathjax": (1, 1),
    "plastex": (2, 2),
    "asciidoctor": (1, 1),
    "doxygen images": (2, 1),
    "kramdown": (1, 1),
    "sphinx imgmath": (0, 1),
    "temml": (1, 1),
    "mathjax3 svg bare": (1, 1),
}
FRAME = {"headings": 2, "items": 5, "rows": 3, "code": 1, "theorems": 2, "money": 1, "notes": 1}
# Doxygen knows no formulas in headings, AsciiDoc nests lists that follow each other and ends a note
# at a bracket, LaTeX's converters put notes into the text or on a page of their own.
WITHOUT = {
    "asciidoctor": ("items", "notes"),
    "doxygen images": ("headings", "rows", "notes"),
    **dict.fromkeys(("latexml", "make4ht mathml", "make4ht mathjax"), ("notes",)),
}
_WRAPPER = re.compile(r"\\(?:begin|end)\{(?:equation|displaymath)\*?\}")


def normal(latex: str, scoring: ModuleType) -> str:
    latex = _WRAPPER.sub("", latex).replace("\\colon ", ":").replace("\\bmod", "mod")
    return str(scoring.normal_form(latex))


def structure(result: Extraction) -> dict[str, int]:
    """How much of the document's frame is there."""
    text = result.text
    headings = [
        " ".join(re.sub(r"\$[^$]*\$", "", h).split()) for h in re.findall(r"(?m)^#+ (.*)$", text)
    ]
    return {
        "headings": sum(any(h in found for found in headings) for h in TRUTH["headings"]),
        "items": len(re.findall(r"(?m)^(?:- |\d+\. )", text)),
        "rows": len(re.findall(r"(?m)^\| (?!---)", text)),
        "code": sum("".join(code.split()) in "".join(text.split()) for _, code in TRUTH["codes"]),
        "notes": len(re.findall(r"\[\^?\w+\](?!:)", text)),
        "theorems": sum(kind in text for kind in TRUTH["theorems"]),
        "money": sum(price in text.replace("\\$", "$") for price in TRUTH["money"]),
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page["form"])
def test_rendered(
    page: dict[str, str], scoring: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    result = extract(page["html"].encode())
    expected = Counter((normal(latex, scoring), display) for latex, display in TRUTH["formulas"])
    found = Counter((normal(f.latex, scoring), f.display) for f in result.formulas)
    right = sum((expected & found).values())
    words = scoring.words(TRUTH["prose"])
    kept = sum((words & scoring.words(result.text)).values()) / sum(words.values())
    frame = structure(result)
    with capsys.disabled():
        print(
            f"\n{page['form']:26s} {right}/{sum(expected.values())} formulas, "
            f"{sum(found.values()) - right} others, {kept:.3f} of the words, {frame}"
        )
    missed, others = LOST.get(page["form"], (0, 0))
    assert sum(expected.values()) - right <= missed
    assert sum(found.values()) - right <= others
    assert kept >= (0.94 if page["form"] in ("doxygen images", "asciidoctor") else 0.99)
    for part, least in FRAME.items():
        assert frame[part] >= least or part in WITHOUT.get(page["form"], ()), part


def test_every_page_says_what_made_it() -> None:
    assert len(PAGES) == 32
    assert all(page["tool"] and re.search(r"\d", page["version"]) for page in PAGES)
