"""Learning a linear model from labelled texts: AdaGrad, calibration, and what it is worth.

Texts are parted by a hash of their ids: 80 % to learn from, 10 % to calibrate on, 10 % to measure
with. The outcome depends on the texts, their order and the seed alone: it is one thread's work.
Logistic loss on labels between 0 and 1, both classes weighted alike. Probabilities are those of a
set with as many positive as negative texts, whatever the training set's shares: these say nothing
of a crawl, and published thresholds (MathScore's) are for such a set. Marks keep their mean.
Sources: Duchi et al. 2011 (AdaGrad), Platt 1999 (calibration, with his smoothed targets).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mathlm.core.errors import UserError
from mathlm.corpus.quality.linear import (
    Linear,
    Summary,
    Weights,
    features,
    logistic,
)
from mathlm.corpus.quality.prose import prose

Floats = npt.NDArray[np.float64]


class Labelled(NamedTuple):
    """A text and how far it is what the model looks for, from 0 to 1."""

    id: str
    text: str
    label: float


@dataclass(frozen=True)
class Learning:
    """How a model is learnt."""

    bits: int = 20
    epochs: int = 3
    learning_rate: float = 0.1
    min_count: int = 2
    """Features of fewer texts are left out."""
    seed: int = 0


class _Sparse(NamedTuple):
    """A text's distinct buckets, their counts over √n, and all of its buckets."""

    buckets: npt.NDArray[np.uint32]
    values: npt.NDArray[np.float32]


def _sparse(text: str, bits: int) -> _Sparse:
    found = features(prose(text), bits)
    buckets, counts = np.unique(found, return_counts=True)
    return _Sparse(buckets, (counts / math.sqrt(len(found) or 1)).astype(np.float32))


def part_of(identifier: str) -> str:
    """Whether a text is one to `learn` from, to `calibrate` or to `measure` with, by its id."""
    digest = hashlib.sha256(b"classifier\0" + identifier.encode("utf-8", "replace")).digest()
    return ("measure", "calibrate", *["learn"] * 8)[digest[0] % 10]


def learn(texts: Iterable[Labelled], label: str, settings: Learning, scale: float = 1.0) -> Linear:
    """A calibrated model with its figures; `UserError` where a class is missing."""
    parts: dict[str, list[tuple[_Sparse, float]]] = {"learn": [], "calibrate": [], "measure": []}
    for item in texts:
        example = (_sparse(item.text, settings.bits), item.label)
        parts[part_of(item.id)].append(example)
    for name, examples in parts.items():
        high = sum(1 for _, y in examples if y >= 0.5)
        if not 0 < high < len(examples):
            raise UserError(
                f"{high} of {len(examples)} texts to {name} with are labelled {label}: both kinds"
                " are needed (some 20 of each at least, better thousands)"
            )
    weights, bias = _fit(parts["learn"], settings)
    held = [_scores(parts[name], weights, bias) for name in ("calibrate", "measure")]
    labels = [np.array([y for _, y in parts[name]]) for name in ("calibrate", "measure")]
    slope, offset = platt(held[0], labels[0])
    error = calibration_error(held[1], labels[1], slope, offset)
    if all(np.isin(part, (0, 1)).all() for part in labels):
        share = float(labels[0].mean())
        offset -= math.log(share / (1 - share))
    chances = [np.array([logistic(slope * s + offset) for s in scores]) for scores in held]
    threshold = best_threshold(chances[0], labels[0] >= 0.5)
    summary = Summary(
        label=label,
        bits=settings.bits,
        bias=bias,
        slope=slope,
        offset=offset,
        scale=scale,
        threshold=scale * threshold,
        trained_on=_counts(parts),
        figures={**figures(chances[1], labels[1], threshold), "calibration_error": error},
    )
    return Linear(summary, weights)


def _counts(parts: dict[str, list[tuple[_Sparse, float]]]) -> dict[str, int]:
    counts = {f"texts to {name}": len(examples) for name, examples in parts.items()}
    labels = [y for examples in parts.values() for _, y in examples]
    return {**counts, "labelled 0.5 or more": sum(1 for y in labels if y >= 0.5)}


def _scores(
    examples: Sequence[tuple[_Sparse, float]], weights: Weights, bias: float
) -> list[float]:
    return [bias + float(weights[x.buckets] @ x.values) for x, _ in examples]


def _fit(examples: list[tuple[_Sparse, float]], settings: Learning) -> tuple[Weights, float]:
    size = 1 << settings.bits
    texts_with = np.zeros(size, np.int32)
    for x, _ in examples:
        texts_with[x.buckets] += 1
    frequent = texts_with >= settings.min_count
    kept = [_Sparse(x.buckets[m], x.values[m]) for x, _ in examples for m in [frequent[x.buckets]]]
    share = sum(y for _, y in examples) / len(examples)
    weights, squares = np.zeros(size, np.float32), np.full(size, 1e-3, np.float32)
    bias, rng = 0.0, np.random.default_rng(settings.seed)
    for _ in range(settings.epochs):
        for place in rng.permutation(len(examples)).tolist():
            x, y = kept[place], examples[place][1]
            chance = logistic(bias + float(weights[x.buckets] @ x.values))
            balance = 0.5 / share if y >= 0.5 else 0.5 / (1 - share)
            step = np.float32((chance - y) * balance) * x.values
            squares[x.buckets] += step * step
            rate = np.float32(settings.learning_rate) / np.sqrt(squares[x.buckets])
            weights[x.buckets] -= rate * step
            bias -= 0.5 * settings.learning_rate * (chance - y) * balance
    return weights, bias


def platt(scores: Sequence[float], labels: Floats) -> tuple[float, float]:
    """Slope and offset of the logistic that fits labels to scores best, by Newton's method."""
    s = np.array(scores)
    high = float(labels.sum())
    low = len(labels) - high
    # Platt's targets: never exactly 0 or 1, so that separable scores have a finite best slope.
    targets = labels * (high + 1) / (high + 2) + (1 - labels) / (low + 2)
    slope, offset = 1.0, 0.0
    x = np.stack([s, np.ones_like(s)])
    for _ in range(50):
        chances = np.array([logistic(value) for value in slope * s + offset])
        gradient = x @ (chances - targets)
        curvature = (x * (chances * (1 - chances) + 1e-9)) @ x.T + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 5 / max(1e-12, float(np.abs(step).max())))
        slope, offset = slope - float(step[0]), offset - float(step[1])
        if np.abs(step).max() < 1e-8:
            break
    return slope, offset


def calibration_error(
    scores: Sequence[float], labels: Floats, slope: float, offset: float
) -> float:
    """The mean gap between probability and share over ten bins, at the set's own shares."""
    from mathlm.stats.calibration import ece

    chances = [logistic(slope * score + offset) for score in scores]
    return round(ece(chances, (labels >= 0.5).tolist(), bins=10).error, 6)


def best_threshold(chances: Floats, labels: npt.NDArray[np.bool_]) -> float:
    """The threshold of the highest F1; of equal ones the highest."""
    order = np.argsort(-chances, kind="stable")
    hits = np.cumsum(labels[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + labels.sum())
    ends = np.append(chances[order][1:] < chances[order][:-1], True)
    best = int(np.argmax(np.where(ends, f1, -1)))
    return float(chances[order][best])


def figures(chances: Floats, labels: Floats, threshold: float) -> dict[str, float]:
    """Area under the curve with its interval, precision and recall."""
    from mathlm.stats.calibration import auc

    positive, chosen = labels >= 0.5, chances >= threshold
    area = auc(chances.tolist(), positive.tolist())
    hits = float((positive & chosen).sum())
    made = {
        "auc": area.value,
        "auc_low": area.low,
        "auc_high": area.high,
        "precision": hits / max(1.0, float(chosen.sum())),
        "recall": hits / float(positive.sum()),
    }
    if not np.isin(labels, (0, 1)).all():
        made["mean_absolute_error"] = float(np.abs(chances - labels).mean())
    return {name: round(value, 6) for name, value in made.items()}


__all__ = ["Labelled", "Learning", "best_threshold", "learn", "part_of", "platt"]
