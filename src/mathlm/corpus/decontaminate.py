"""Which documents overlap test problems, and by what evidence.

A test item is its question (prompt, statement) and its solution, each on its own. A document is
hit when it has n words in a row that an item has (13 by default: GPT-3, Llama), words being runs of
letters and digits without case, signs apart, punctuation left out. An item of fewer than n words
is hit when all of it stands in the document (DeepSeekMath); solutions that short are not looked
for: "3 + 4 = 7" is arithmetic, not a leak. A shared run needs three distinct words with letters (a
whole item needs one), so that numbers or signs alone decide nothing.

`evidence` says which shared runs count:
- `any`      one run is enough: right for text from outside, where 13 equal words are no chance.
- `numbers`  the item's shared runs must together cover all its numbers. Right for generated
             problems: training and test problems are made from the same templates, so that 13
             equal words are the template's, and what makes a copy is that the numbers are the same.
             An item without numbers counts as under `any`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mathlm.core.ngrams import PROBLEM, Index, Match
from mathlm.core.records import Problem
from mathlm.corpus.config import Decontamination
from mathlm.corpus.source_config import Evidence


class Overlap(NamedTuple):
    """The first overlap that counts: which item, which part of it, and the shared words."""

    task: str
    problem: str
    part: str
    ngram: str


@dataclass(frozen=True)
class _Part:
    task: str
    problem: str
    part: str
    text: str


def _parts(problems: Iterable[Problem], settings: Decontamination) -> Iterator[_Part]:
    for problem in problems:
        for name in ("prompt", "statement", "solution"):
            text = getattr(problem, name)
            if not text:
                continue
            words = len(PROBLEM.words(text))
            if words >= (settings.words if name == "solution" else settings.min_words):
                yield _Part(problem.task, problem.id, name, text)


class Decontaminator:
    """Test problems' n-grams, to be looked for in documents."""

    def __init__(self, problems: Iterable[Problem], settings: Decontamination) -> None:
        distinct = {(part.part, part.text): part for part in _parts(problems, settings)}
        self._parts = list(distinct.values())
        self._words, self._letters = settings.words, settings.letters
        texts = [part.text for part in self._parts]
        self._index = Index(texts, settings.words, PROBLEM, min_words=settings.min_words)
        self._numbers = [
            frozenset(
                at for at, word in enumerate(self._index.words(item)) if any(map(str.isdigit, word))
            )
            for item in range(len(texts))
        ]

    def __len__(self) -> int:
        return len(self._parts)

    def overlaps(self, texts: Iterable[str], evidence: Evidence) -> Iterator[Overlap | None]:
        """For each text in order, its first overlap that counts, or None."""
        for matches in self._index.search(texts):
            yield self._first(matches, evidence)

    def _first(self, matches: list[Match], evidence: Evidence) -> Overlap | None:
        covered: dict[int, set[int]] = {}
        for match in matches:
            if not self._says_something(match):
                continue
            words = covered.setdefault(match.item, set())
            words.update(range(match.item_word, match.item_word + match.length))
            if evidence == "any" or self._numbers[match.item] <= words:
                part = self._parts[match.item]
                return Overlap(part.task, part.problem, part.part, " ".join(self._run(match)))
        return None

    def _run(self, match: Match) -> list[str]:
        return self._index.words(match.item)[match.item_word : match.item_word + match.length]

    def _says_something(self, match: Match) -> bool:
        lettered = {word for word in self._run(match) if any(map(str.isalpha, word))}
        whole = match.length < self._words
        return len(lettered) >= (1 if whole else self._letters)
