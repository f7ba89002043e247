"""mathlm builds and measures mathematical language models.

The public functions are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "extract": "mathlm.corpus.html",
    "grade": "mathlm.grading",
    "sandbox": "mathlm.solving.sandbox",
    "solve": "mathlm.solving.solve",
}


def __getattr__(name: str) -> Any:
    """Load a public function from its package on first use (PEP 562)."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'mathlm' has no attribute {name!r}")
