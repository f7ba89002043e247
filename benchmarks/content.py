"""Main content of pages that say themselves what their content is, which is hidden from extraction.

    python benchmarks/content.py FOLDER [FOLDER …] [--pages 25] [--seed 0]

Each FOLDER holds HTML pages of one generator or site (a `*-doc` package of Debian, say). Of an even
sample the element that holds the content is found by the name its generator gives it (`main`,
`role="main"`, `mw-content-text`, Doxygen's `contents` …); then that element and all above it lose
their names, and the words that come out are compared with the words within. Pages of nothing but
links (indexes) are left out. One JSON line: mean F1 of the words of ours and, where they are
installed, of trafilatura and resiliparse, each at the best of its settings, by folder and over all.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import random
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser, LexborNode

from mathlm.corpus.html import extract

NAMED = (
    "#mw-content-text", "#main-content", "#content > main", "[role=main]", "article", "main",
    "div.contents", "div.body", "div.mainContent", "div.maincolumn", "#page-content", "#content",
    "div.refentry", "div.chapter", "div.section", "div.sect1",
)  # fmt: skip
_NAMES = ("id", "class", "role", "itemprop")
_WORD = re.compile(r"\w+")
_MIN_WORDS = 60
_MAX_BYTES = 400_000

Words = Counter[str]
Extract = Callable[[str], str]


def words(text: str) -> Words:
    return Counter(word.lower() for word in _WORD.findall(text))


def f1(found: Words, wanted: Words) -> float:
    both = (found & wanted).total()
    return 2 * both / (found.total() + wanted.total())


def content_of(tree: LexborHTMLParser) -> LexborNode | None:
    """The one element that a generator names as the content."""
    for selector in NAMED:
        found = tree.css(selector)
        if len(found) == 1 or (found and selector.startswith("div.")):
            return found[0]
    return None


def hidden(page: str) -> tuple[str, Words] | None:
    """The page without the names of its content, and the words of that; None if it has none."""
    tree = LexborHTMLParser(page)
    node = content_of(tree)
    if node is None:
        return None
    for part in node.css("script, style, noscript"):
        part.decompose()
    wanted = words(node.text(separator=" "))
    linked = sum((words(link.text(separator=" ")) for link in node.css("a")), Counter())
    if wanted.total() < _MIN_WORDS or linked.total() > wanted.total() / 2:
        return None
    while node is not None and node.tag not in ("body", "html"):
        for name in _NAMES:
            if name in node.attributes:
                del node.attrs[name]
        node = node.parent
    return tree.html or "", wanted


def sample(folder: Path, number: int, seed: int) -> Iterator[tuple[str, Words]]:
    paths = sorted(path for path in folder.rglob("*.html") if path.is_file())
    random.Random(f"{seed} {folder.name}").shuffle(paths)
    for path in paths:
        if number and path.stat().st_size <= _MAX_BYTES:
            found = hidden(path.read_text("utf-8", "replace"))
            if found is not None:
                number -= 1
                yield found


def extractors() -> dict[str, Extract]:
    """By name; several settings of one peer as `name, setting`."""
    known: dict[str, Extract] = {"mathlm": lambda page: extract(page).text}
    with contextlib.suppress(ImportError):
        import trafilatura

        for option in ("default", "favor_recall", "favor_precision"):
            given = {} if option == "default" else {option: True}
            known[f"trafilatura, {option}"] = lambda page, given=given: (  # type: ignore[misc]
                trafilatura.extract(page, **given) or ""
            )
    with contextlib.suppress(ImportError):
        from resiliparse.extract.html2text import extract_plain_text

        for formatting in (True, False):
            known[f"resiliparse, {formatting}"] = lambda page, form=formatting: (  # type: ignore[misc]
                extract_plain_text(page, main_content=True, preserve_formatting=form) or ""
            )
    return known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--pages", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    known = extractors()
    scores: dict[str, dict[str, float]] = {}
    for folder in args.folders:
        pages = list(sample(folder, args.pages, args.seed))
        if len(pages) < args.pages:
            print(f"{folder}: only {len(pages)} pages say what their content is")
        if pages:
            scores["/".join(folder.parts[-2:])] = {
                name: statistics.mean(f1(words(get(page)), wanted) for page, wanted in pages)
                for name, get in known.items()
            }
    overall = {name: statistics.mean(each[name] for each in scores.values()) for name in known}
    best = {name.partition(",")[0]: name for name in sorted(known, key=lambda name: overall[name])}
    result = {
        "benchmark": "content",
        "pages_of_each": args.pages,
        "f1": {short: round(overall[name], 3) for short, name in best.items()},
        "by_folder": {
            folder: {short: round(each[name], 3) for short, name in best.items()}
            for folder, each in scores.items()
        },
        "settings": [best[short] for short in best],
        "versions": {short: importlib.metadata.version(short) for short in best},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
