"""The user's file of CSS selectors whose elements are no content (`banned_selectors`).

One selector a line, as in OpenWebMath's `banned_selectors.txt`. Not here: how the elements are
found and left out (`html/extraction.py`, `html/build.py`).
"""

from __future__ import annotations

import functools

from mathlm.core.errors import UserError
from mathlm.corpus.html.banned import is_selector
from mathlm.corpus.lists import read_list

SETTING = "banned_selectors"


@functools.lru_cache(maxsize=4)
def read_selectors(path: str, sha256: str | None = None) -> tuple[str, ...]:
    """The file's selectors; `UserError` with the line of the first that is none."""
    found = []
    for number, line in enumerate(read_list(path, sha256, SETTING).split("\n"), 1):
        selector = line.strip()
        if selector and not is_selector(selector):
            raise UserError(f"{SETTING}: {path}, line {number}: no CSS selector: {selector[:100]}")
        if selector:
            found.append(selector)
    if not found:
        raise UserError(f"{SETTING}: {path} holds no selector")
    return tuple(found)
