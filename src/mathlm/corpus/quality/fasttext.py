"""Published fastText models (`.bin`, `.ftz`), read by the `fasttext-predict` package.

fastText's own wheels fail on Python 3.13, and their `predict` on numpy 2; this one only predicts,
in C++ without numpy. It is an extra (`pip install 'mathlm[fasttext]'`).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from mathlm.core.errors import UserError


@functools.lru_cache(maxsize=8)
def _load(path: str) -> Any:
    try:
        import fasttext
    except ImportError:
        raise UserError(f"{path} is a fastText model: pip install 'mathlm[fasttext]'") from None
    if not Path(path).is_file():
        raise UserError(f"no such fastText model: {path}")
    try:
        return fasttext.load_model(path)
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{path} is no fastText model: {error}") from None


def label_probability(text: str, path: str, label: str) -> float:
    """The probability that the model at `path` gives to `label`; `UserError` for an unknown one."""
    model = _load(path)
    found, chances = model.predict(_line(text), k=-1, threshold=0.0)
    by_label = dict(zip(found, chances, strict=True))
    if label not in by_label:
        raise UserError(f"{path} has no label {label}; it has {', '.join(sorted(found)[:8])}")
    return min(1.0, float(by_label[label]))


def _line(text: str) -> str:
    """FastText judges a line: what ends one becomes a space, lone surrogates and NUL go."""
    plain = text.encode("utf-8", "replace").decode().replace("\0", " ")
    return " ".join(plain.split("\n"))
