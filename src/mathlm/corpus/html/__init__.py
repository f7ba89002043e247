"""Pages to text: HTML as Markdown with LaTeX, whatever form its mathematics has.

Not a filter: what the corpus keeps is decided elsewhere. `extract` is the whole interface;
`extract_item` is the same for the process pool. The functions are loaded on first use: a process
that reads no pages does not pay for their tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mathlm.corpus.html.records import Extraction, Formula

if TYPE_CHECKING:
    from mathlm.corpus.html.extraction import extract, extract_file, extract_item

__all__ = ["Extraction", "Formula", "extract", "extract_file", "extract_item"]


def __getattr__(name: str) -> Any:
    """Load the functions on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mathlm.corpus.html import extraction

    return getattr(extraction, name)
