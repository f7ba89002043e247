"""Sets of documents that belong together, and which one of each set stays.

The order by which one stays is stated here once: documents of an earlier run, then the higher
quality, the longer text, the earlier date, the id that is first, the source that is first; last, a
hash of the text. Numbers of documents, files and partitions play no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mathlm.core.ngrams import Positions
from mathlm.corpus.fingerprints import NAMES, Run, gather_names

ORDER = "of an earlier run, higher quality, longer, earlier date, first id, first source"
_SORT = [
    ("set", "ascending"),
    ("standing", "ascending"),
    ("quality", "descending"),
    ("length", "descending"),
    ("date", "ascending"),
    ("id", "ascending"),
    ("source", "ascending"),
    ("text", "ascending"),
]
_AT_ONCE = 1 << 18


class Links(NamedTuple):
    """Documents that go (ascending), and the one that stays for each."""

    documents: Positions
    stays: Positions

    def within(self, first: int, end: int) -> Links:
        """The links of the documents from `first` to before `end`."""
        low, high = np.searchsorted(self.documents, [first, end])
        return Links(self.documents[low:high], self.stays[low:high])


@dataclass
class Sets:
    """Disjoint sets of documents: union-find over arrays, many pairs at a time.

    8 bytes a document. Roots are hooked to lesser ones and paths halved, as Shiloach and Vishkin
    (1982) do in parallel.
    """

    parent: Positions

    @classmethod
    def alone(cls, documents: int) -> Sets:
        """Each document in a set of its own."""
        return cls(np.arange(documents))

    def find(self, documents: Positions) -> Positions:
        """The root of each document's set."""
        while True:
            parent = self.parent[documents]
            above = self.parent[parent]
            if np.array_equal(parent, above):
                return parent
            self.parent[documents] = above
            documents = above

    def join(self, left: Positions, right: Positions) -> None:
        """Unite the sets of each pair."""
        while True:
            left, right = self.find(left), self.find(right)
            apart = left != right
            if not apart.any():
                return
            left, right = left[apart], right[apart]
            np.minimum.at(self.parent, np.maximum(left, right), np.minimum(left, right))

    def sets(self) -> tuple[Positions, Positions]:
        """The documents in sets of more than one, set by set, and the root of each."""
        joined = np.flatnonzero(self.parent != np.arange(len(self.parent)))
        roots = self.find(joined)
        heads = np.unique(roots)
        members, root = np.concatenate((joined, heads)), np.concatenate((roots, heads))
        order = np.lexsort((members, root))
        return members[order], root[order]


class Choosing(NamedTuple):
    """One task: whole sets, of each of which one document stays."""

    members: Positions
    roots: Positions
    runs: Sequence[Run]
    standing: npt.NDArray[np.int8]
    """Of each member."""


MapSets = Callable[[Callable[[Choosing], Links], Iterable[Choosing]], Iterable[Links]]


def choose(
    sets: Sets, runs: Sequence[Run], standing: npt.NDArray[np.int8], do: MapSets = map
) -> Links:
    """All but the first of each set by the stated order, linked to that first one.

    `standing` puts documents before others whatever their quality: 0 before 1 before 2. `do` does
    the tasks.
    """
    members, roots = sets.sets()
    tasks = (
        Choosing(members[begin:end], roots[begin:end], runs, standing[members[begin:end]])
        for begin, end in _chunks(roots)
    )
    dropped, stays = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for links in do(first_of_each, tasks):
        dropped.append(links.documents)
        stays.append(links.stays)
    gone, kept = np.concatenate(dropped), np.concatenate(stays)
    order = np.argsort(gone)
    return Links(gone[order], kept[order])


def first_of_each(task: Choosing) -> Links:
    """The documents of some sets that go, in no particular order."""
    order = _ordered(task)
    documents, root = task.members[order], task.roots[order]
    first = np.concatenate(([True], root[1:] != root[:-1]))
    leader = documents[first][np.cumsum(first) - 1]
    return Links(documents[~first], leader[~first])


def _chunks(roots: Positions) -> Iterator[tuple[int, int]]:
    """Ranges of about a quarter of a million members that part no set."""
    begin = 0
    while begin < len(roots):
        last = roots[min(begin + _AT_ONCE, len(roots)) - 1]
        end = int(np.searchsorted(roots, last, "right"))
        yield begin, end
        begin = end


def _ordered(task: Choosing) -> npt.NDArray[np.int64]:
    ascending = np.argsort(task.members)
    table = gather_names(task.runs, task.members[ascending], NAMES.names)
    extra = {"set": task.roots[ascending], "standing": task.standing[ascending]}
    for name, column in extra.items():
        table = table.append_column(name, pa.array(column))
    order = pc.sort_indices(table, sort_keys=_SORT).to_numpy()
    return ascending[order]  # type: ignore[no-any-return]
