"""Web pages in files, to documents, through worker processes that may be killed.

A page is hostile: it may crash, hang or balloon the parser. Each is read in a worker of
`core.processes` with limits on time and memory; what dies there is one counted failure.
Not here: extraction itself (`mathlm.corpus.html`), filters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mathlm.core.processes import Outcome, Pool
from mathlm.core.records import Document
from mathlm.corpus.source_config import HtmlSource
from mathlm.corpus.sources.items import Failed, Item, Loaded

_MAX_PAGE_BYTES = 64 << 20
_PAGES_AT_ONCE = 4


def read_page(path: str) -> dict[str, Any]:
    """Runs in the worker: the page's text and what is known of it, as plain values."""
    from mathlm.corpus.html import extract

    if Path(path).stat().st_size > _MAX_PAGE_BYTES:
        return {"text": "", "reason": "too_large"}
    data = Path(path).read_bytes()
    page = extract(data)
    return {
        "text": page.text,
        "reason": page.reason,
        "charset": page.charset,
        "digest": hashlib.sha256(data).hexdigest(),
    }


def read_pages(paths: Iterable[str], source: HtmlSource, workers: int) -> Iterator[Outcome]:
    """`read_page` of each path, in order, in killable workers."""
    with Pool(
        f"{__name__}:read_page",
        workers=workers,
        timeout_s=source.timeout_s,
        memory_mib=source.memory_mib,
    ) as pool:
        yield from pool.map(paths, group=_PAGES_AT_ONCE)


def to_documents(
    items: Iterable[Item], outcomes: Iterable[Outcome], source: str
) -> Iterator[Loaded]:
    """A document or a counted failure for each item and the outcome of its page."""
    for item, outcome in zip(items, outcomes, strict=True):
        if not outcome.done:
            yield Failed(item.id, outcome.status, outcome.detail[:200], item.provenance)
            continue
        page = outcome.value
        provenance = item.provenance.model_copy(
            update={
                "content_type": "text/html",
                "charset_used": page.get("charset"),
                "digest": page.get("digest"),
            }
        )
        if page["reason"] is not None:
            yield Failed(item.id, page["reason"], provenance=provenance)
        else:
            yield Document(id=item.id, text=page["text"], source=source, provenance=provenance)
