"""Source code of installed Python packages, found without importing them.

Not here: whether a file is mathematical (`mathlm.corpus.code`).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from mathlm.core.errors import UserError
from mathlm.core.progress import Progress
from mathlm.core.records import Provenance
from mathlm.corpus.sources.files import file_item, walk
from mathlm.corpus.sources.items import Item


@lru_cache(maxsize=1)
def _distributions() -> dict[str, list[str]]:
    return {k: sorted(set(v)) for k, v in importlib.metadata.packages_distributions().items()}


def licence_of(metadata: importlib.metadata.PackageMetadata) -> str | None:
    """The distribution's licence: the SPDX expression, else the classifier, else a short field."""
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    for line in metadata.get_all("Classifier") or []:
        if line.startswith("License :: ") and line.count("::") >= 2:
            return str(line.rpartition("::")[2].strip())
    field = next(iter(metadata.get_all("License") or []), "")
    return field if field and "\n" not in field and len(field) < 80 else None


def provenance_of(package: str) -> Provenance:
    """Distribution, version and licence of an importable top-level package."""
    for name in _distributions().get(package, []):
        found = importlib.metadata.distribution(name)
        return Provenance(
            repository=f"pypi:{name}=={found.version}",
            licence=licence_of(found.metadata),
            language="python",
        )
    return Provenance(language="python")


def locate(package: str) -> Path | None:
    """The folder (or single file) of an importable top-level package, without importing it."""
    try:
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(sorted(spec.submodule_search_locations)[0])
    return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None


def package_items(packages: tuple[str, ...], progress: Progress) -> Iterator[Item]:
    """The `.py` files of packages; one that is not installed is skipped with a warning.

    Raises `UserError` when packages are named but none is installed.
    """
    found = {name: place for name in packages if (place := locate(name)) is not None}
    missing = [name for name in packages if name not in found]
    if missing and not found:
        names = " ".join(missing)
        raise UserError(f"none of the packages is installed: {names} (pip install {names})")
    if missing:
        progress.say(f"  warning: not installed, left out: {', '.join(missing)}")
    for name, place in sorted(found.items()):
        provenance = provenance_of(name)
        for path in walk(place, (".py",)) if place.is_dir() else [place]:
            relative = path.relative_to(place.parent).as_posix()
            yield file_item(path, relative, provenance)
