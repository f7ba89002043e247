"""The one place that loads, creates, checks and saves models and tokenizers.

Not here: training and sampling. The functions are imported on first use, so that a module which
needs only `ModelSizes` (a stage's settings) imports neither torch nor transformers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mathlm.models.check import check_model
    from mathlm.models.create import create_llama
    from mathlm.models.load import load_model, load_tokenizer
    from mathlm.models.save import save_model
    from mathlm.models.sizes import ModelSizes

__all__ = [
    "ModelSizes",
    "check_model",
    "create_llama",
    "load_model",
    "load_tokenizer",
    "save_model",
]

_HOME = {
    "ModelSizes": "mathlm.models.sizes",
    "check_model": "mathlm.models.check",
    "create_llama": "mathlm.models.create",
    "load_model": "mathlm.models.load",
    "load_tokenizer": "mathlm.models.load",
    "save_model": "mathlm.models.save",
}


def __getattr__(name: str) -> Any:
    """Load a public function from its module on first use (PEP 562)."""
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'mathlm.models' has no attribute {name!r}")
