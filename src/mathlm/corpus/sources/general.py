"""General text and code: Python's own modules, packages' descriptions and licences, folders.

It keeps a model's other abilities in the mixture (Llemma: 5 % of general text and code), so it
must not be mathematical; the filters see to that, and descriptions of mathematical packages are
not even listed.
"""

from __future__ import annotations

import importlib.metadata
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from mathlm.core.progress import Progress
from mathlm.core.records import Provenance
from mathlm.corpus.code.imports import MATHEMATICS
from mathlm.corpus.source_config import TextSource
from mathlm.corpus.sources.files import file_item, folder_items, walk
from mathlm.corpus.sources.items import Item
from mathlm.corpus.sources.packages import licence_of, package_items

TEXT_SUFFIXES = (".txt", ".md", ".rst", ".py")
_LEFT_OUT = frozenset({"test", "tests", "idle_test", "pydoc_data"})
"""Test suites, and the file of the help topics, which are documents of their own."""
_LICENCES = ("licen", "copying", "notice", "authors")


def standard_library_items() -> Iterator[Item]:
    """The modules of the running Python."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    version = f"python=={sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    provenance = Provenance(repository=version, licence="PSF-2.0", language="python")
    for path in walk(folder, (".py",)):
        relative = path.relative_to(folder)
        if _LEFT_OUT.isdisjoint(relative.parts):
            yield file_item(path, f"python/{relative.as_posix()}", provenance)


def _is_mathematical(distribution: importlib.metadata.Distribution) -> bool:
    tops = {str(path).partition("/")[0] for path in distribution.files or []}
    return bool(tops & {*MATHEMATICS})


def description_items() -> Iterator[Item]:
    """Descriptions and licences of installed packages, and Python's help topics."""
    seen: set[str] = set()
    for found in importlib.metadata.distributions():
        name = str(found.metadata["Name"]).lower()
        if name in seen or _is_mathematical(found):
            continue
        seen.add(name)
        provenance = Provenance(
            repository=f"pypi:{name}=={found.version}",
            licence=licence_of(found.metadata),
            language="en",
        )
        body = found.metadata.get_payload()  # type: ignore[attr-defined]
        if isinstance(body, str) and body.strip():
            yield Item(f"pip/{name}/DESCRIPTION", text=body, provenance=provenance)
        for path in found.files or []:
            top, _, inside = path.as_posix().partition("/")
            if top.endswith(".dist-info") and path.name.lower().startswith(_LICENCES):
                yield file_item(Path(str(path.locate())), f"pip/{name}/{inside}", provenance)


def topic_items() -> Iterator[Item]:
    """The language reference's topics that Python's `help()` shows."""
    from pydoc_data import topics

    provenance = Provenance(repository="python", licence="PSF-2.0", language="en")
    for name, text in sorted(topics.topics.items()):
        yield Item(f"python/help/{name}", text=text, provenance=provenance)


def general_items(source: TextSource, progress: Progress) -> Iterator[Item]:
    """All items of a source of general text."""
    if source.standard_library:
        yield from standard_library_items()
    if source.descriptions:
        yield from description_items()
        yield from topic_items()
    if source.packages:
        yield from package_items(source.packages, progress)
    yield from folder_items(source.folders, TEXT_SUFFIXES, progress)
