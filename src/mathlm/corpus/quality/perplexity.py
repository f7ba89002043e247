"""Perplexity of a text under a KenLM model, with the text brought to cc_net's form first.

KenLM has no wheels: `pip install 'mathlm[kenlm]'` needs a C++ compiler. Normalisation after
cc_net (Wenzek et al., arXiv 1911.00359, section 3.3): lower case, accents off, digits to 0,
Unicode punctuation to ASCII. OpenWebMath: a model of Proof-Pile's text; pages over 30,000, later
over 15,000, are dropped.
"""

from __future__ import annotations

import functools
import unicodedata
from pathlib import Path
from typing import Any

from mathlm.core.errors import UserError

MAX_CHARACTERS = 50_000
_MARKS = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′´`", "'"),
        **dict.fromkeys("“”„‟«»″「」『』", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("…", "..."),
        **{chr(wide): chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)},
        **{"。": ".", "、": ",", "·": ".", "×": "x"},
        **dict.fromkeys("123456789", "0"),
    }
)


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


def normalise(line: str) -> str:
    """One line in cc_net's form."""
    line = line.lower()
    if not line.isascii():
        # Piecewise, since decomposing a long run of combining marks takes time quadratic in it.
        parts = (unicodedata.normalize("NFD", line[i : i + 64]) for i in range(0, len(line), 64))
        line = "".join(c for part in parts for c in part if unicodedata.category(c) != "Mn")
    return " ".join(line.translate(_MARKS).split())


def perplexity(text: str, path: str) -> float:
    """10 to the mean negative log10 probability of a word (and each line's end) under the model."""
    model = _load(path)
    total, words = 0.0, 0
    for line in text[:MAX_CHARACTERS].encode("utf-8", "replace").decode().split("\n"):
        plain = normalise(line).replace("\0", " ")
        if plain:
            total += model.score(plain)
            words += plain.count(" ") + 2
    return float(10 ** min(300.0, -total / words)) if words else float("inf")
