"""A linear model over hashed words and word pairs: the score of a text in tens of microseconds.

The same kind of model as fastText's supervised one (Joulin et al., arXiv 1607.01759) with the
embedding left out: for two labels a weight a bucket does the same work. A text's score is
`bias + Σ weights[buckets] / √n` over its n features, mapped to a probability by a calibration
that was fitted on held-out texts. Files: `weights.npy` (float32) and `classifier.json`; no pickle.
Not here: learning (`learning.py`), what is scored (prose without formulas, `prose.py`).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
from pydantic import Field

from mathlm.core.errors import UserError
from mathlm.core.records import Record
from mathlm.core.storage import write_json

Buckets = npt.NDArray[np.uint32]
Weights = npt.NDArray[np.float32]

MAX_CHARACTERS = 20_000
"""A text is judged by its beginning: more says nothing new and a page may be of any length."""
_MAX_CACHED = 1 << 20
# Lower-case ASCII; digits become one sign, all other ASCII separates; other bytes are letters.
_PLAIN = bytes(
    byte if byte >= 128 or chr(byte).islower()
    else byte + 32 if chr(byte).isupper()
    else 48 if chr(byte).isdigit()
    else 32
    for byte in range(256)
)  # fmt: skip


class _Hashes(dict[bytes, int]):
    """crc32 of words, kept for the frequent ones."""

    def __missing__(self, word: bytes) -> int:
        value = crc32(word)
        if len(self) < _MAX_CACHED:
            self[word] = value
        return value


_HASHES = _Hashes()


def features(text: str, bits: int) -> Buckets:
    """Buckets (below 2^bits) of the text's words and of its pairs of neighbouring words."""
    plain = text[:MAX_CHARACTERS].encode("utf-8", "replace").translate(_PLAIN)
    words = plain.split()
    hashes = np.fromiter(map(_HASHES.__getitem__, words), np.uint32, len(words))
    pairs = hashes[:-1] * np.uint32(0x85EBCA6B) + hashes[1:]
    both = np.concatenate((hashes, pairs)) * np.uint32(0x9E3779B1)
    return both >> np.uint32(32 - bits)


class Summary(Record):
    """What `classifier.json` says of a model."""

    format: Literal["mathlm linear classifier 1"] = "mathlm linear classifier 1"
    label: str
    """What the probability is one of (`mathematical`, `quality`)."""
    bits: int
    bias: float
    slope: float
    offset: float
    """Platt's calibration: the probability is the logistic of slope · score + offset."""
    scale: float = 1.0
    """What a probability of one stands for: 5 for marks from 0 to 5."""
    threshold: float
    """The scaled probability at which F1 is highest on the calibration texts."""
    trained_on: dict[str, int] = Field(default_factory=dict)
    figures: dict[str, float] = Field(default_factory=dict)
    """Measured on texts that took no part in learning or calibration."""


class Linear(NamedTuple):
    """A model in memory."""

    summary: Summary
    weights: Weights

    def raw(self, text: str) -> float:
        """The score before calibration."""
        found = features(text, self.summary.bits)
        return raw_score(found, self.weights, self.summary.bias)

    def score(self, text: str) -> float:
        """The calibrated probability, times the scale."""
        summary = self.summary
        return summary.scale * logistic(summary.slope * self.raw(text) + summary.offset)


def raw_score(found: Buckets, weights: Weights, bias: float) -> float:
    """`bias + Σ weights / √n`."""
    total = float(weights[found].sum(dtype=np.float64))
    return bias + total / math.sqrt(len(found) or 1)


def logistic(x: float) -> float:
    """1 / (1 + e^-x), without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def save(model: Linear, directory: Path) -> None:
    """Write `weights.npy` and `classifier.json`."""
    np.save(directory / "weights.npy", model.weights)
    write_json(directory / "classifier.json", model.summary.model_dump())


def load(directory: Path) -> Linear:
    """The model of a directory; `UserError` where there is none."""
    try:
        text = (directory / "classifier.json").read_text(encoding="utf-8")
        summary = Summary.model_validate_json(text)
        weights = np.load(directory / "weights.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{directory} holds no classifier: {str(error).splitlines()[0]}") from None
    if weights.shape != (1 << summary.bits,) or weights.dtype != np.float32:
        raise UserError(f"{directory}/weights.npy has not 2^{summary.bits} float32 numbers")
    return Linear(summary, weights)
