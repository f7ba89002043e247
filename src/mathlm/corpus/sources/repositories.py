"""Source files in folders of repositories, each with its repository and its path in it.

Not here: whether a file is mathematical (`mathlm.corpus.code`); a repository's licence is what the
recipe says of the source. A file's repository is the folder that holds `.git`, or a folder named
`owner__name` (how collections of sources keep it); without either, rules see the path as given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mathlm.core.errors import UserError
from mathlm.core.progress import Progress
from mathlm.core.records import Provenance
from mathlm.corpus.code.languages import EXTENSIONS, language_of
from mathlm.corpus.code.rules import DEFAULT
from mathlm.corpus.sources.files import folder_items
from mathlm.corpus.sources.items import Item

_OWNER_AND_NAME = re.compile(r"([A-Za-z0-9][\w.-]*?)__([A-Za-z0-9][\w.-]*)")


class Origin(NamedTuple):
    """A file's repository, where it can be told, and its path in it."""

    repository: str | None
    path: str


def origin(path: Path) -> Origin:
    """The repository that a file belongs to, by `.git` or by a folder named `owner__name`."""
    for folder in path.parents:
        named = _OWNER_AND_NAME.fullmatch(folder.name)
        if named:
            return Origin(f"{named[1]}/{named[2]}", path.relative_to(folder).as_posix())
        if (folder / ".git").exists():
            return Origin(folder.resolve().name, path.relative_to(folder).as_posix())
    return Origin(None, path.as_posix())


def suffixes_of(languages: tuple[str, ...]) -> tuple[str, ...]:
    """The extensions of the languages' files (none named: all 17)."""
    unknown = sorted(set(languages) - set(DEFAULT))
    if unknown:
        raise UserError(f"no such language: {', '.join(unknown)}; one of {', '.join(DEFAULT)}")
    wanted = set(languages or DEFAULT)
    return tuple(suffix for suffix, language in EXTENSIONS.items() if language in wanted)


def code_items(
    folders: tuple[str, ...], languages: tuple[str, ...], progress: Progress
) -> Iterator[Item]:
    """Files of the languages (none named: all 17) below the folders."""
    for item in folder_items(folders, suffixes_of(languages), progress):
        place = origin(Path(item.path or ""))
        file = item.id if place.repository is None else place.path
        provenance = Provenance(
            file=file, repository=place.repository, language=language_of(item.path or "")
        )
        yield Item(item.id, item.path, None, provenance)
