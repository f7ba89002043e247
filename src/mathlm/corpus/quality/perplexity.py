"""Perplexity of a text under a KenLM model, with the text brought to cc_net's form first.

KenLM has no wheels: `pip install 'mathlm[kenlm]'` needs a C++ compiler. OpenWebMath: a model of
Proof-Pile's text; pages over 30,000, later over 15,000, are dropped.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from mathlm.core.errors import UserError
from mathlm.corpus.quality.normal_form import normalise

MAX_CHARACTERS = 50_000


@functools.lru_cache(maxsize=4)
def _load(path: str) -> Any:
    try:
        import kenlm
    except ImportError:
        raise UserError(
            f"{path} is a KenLM model: pip install 'mathlm[kenlm]' (needs a C++ compiler)"
        ) from None
    if not Path(path).is_file():
        raise UserError(f"no such KenLM model: {path}")
    try:
        return kenlm.Model(path)
    except (OSError, RuntimeError) as error:
        raise UserError(f"{path} is no KenLM model: {error}") from None


def perplexity(text: str, path: str) -> float:
    """10 to the mean negative log10 probability of a word (and each line's end) under the model."""
    model = _load(path)
    total, words = 0.0, 0
    for line in text[:MAX_CHARACTERS].split("\n"):
        plain = _plain(line)
        if plain:
            total += model.score(plain)
            words += plain.count(" ") + 2
    return _exponential(total, words)


def published_perplexity(text: str, path: str) -> float:
    """The same as OpenWebMath takes it: the whole text as one sentence, over its words alone."""
    plain = _plain(text)
    return _exponential(_load(path).score(plain) if plain else 0.0, len(plain.split()))


def _plain(text: str) -> str:
    return normalise(text.encode("utf-8", "replace").decode())


def _exponential(total: float, words: int) -> float:
    return float(10 ** min(300.0, -total / words)) if words else float("inf")
