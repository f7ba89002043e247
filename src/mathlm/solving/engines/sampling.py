"""From logits to tokens, for many rows at once, each row by its own settings.

The draw is by the inverse of the cumulative distribution with one uniform number a row (see
`randomness`), so that a row's token depends on its logits and its number alone. Order of the
filters as in transformers: repetition penalty, temperature, top-k, top-p, min-p.

Shapes: R rows (a multiple of 32, so that vectorised kernels treat rows alike), V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mathlm.solving.engines.protocol import Sampling

_FIRST_GUESS = 32
"""How many of the most likely tokens are tried first for top-p before a full sort."""

_BLOCK = 64
"""Tokens that are summed together before a draw looks at them one by one."""


@dataclass(frozen=True)
class Choice:
    """The chosen token of each row, with log-probabilities in nats."""

    tokens: list[int]
    logprobs: list[float]
    """Under the model itself."""
    processed: list[float]
    """Under the distribution that the token was drawn from; 0 for greedy rows."""
    tops: list[tuple[tuple[int, float], ...]]
    """The most likely tokens of each row, as many as were asked for at most."""


def likeliest(logprobs_RV: Any, number: int) -> list[tuple[tuple[int, float], ...]]:
    """The `number` most likely tokens of each row with their log-probabilities."""
    if not number:
        return [()] * len(logprobs_RV)
    best = torch.topk(logprobs_RV, min(number, logprobs_RV.shape[1]), dim=-1)
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [tuple(zip(ids, values, strict=True)) for ids, values in pairs]


def penalise(logits_RV: Any, seen_RV: Any, penalty_R: Any) -> Any:
    """Logits with the repetition penalty of each row applied to the tokens it has seen."""
    penalty = penalty_R[:, None]
    changed = torch.where(logits_RV > 0, logits_RV / penalty, logits_RV * penalty)
    return torch.where(seen_RV, changed, logits_RV)


def _keep_top_k(logits_RV: Any, top_k: Sequence[int]) -> Any:
    """Logits with everything below each row's k-th largest masked (0 = keep all)."""
    vocabulary = logits_RV.shape[1]
    wanted = [min(k, vocabulary) or vocabulary for k in top_k]
    if min(wanted) == vocabulary:
        return logits_RV
    rows = [row for row, k in enumerate(wanted) if k < vocabulary]
    largest = torch.topk(logits_RV[rows], max(wanted[row] for row in rows), dim=-1).values
    place = torch.tensor([wanted[row] - 1 for row in rows], device=logits_RV.device)
    bound = logits_RV.new_full((len(logits_RV), 1), -torch.inf)
    bound[rows] = largest.gather(1, place[:, None])
    return logits_RV.masked_fill(logits_RV < bound, -torch.inf)


def _nucleus_bounds(probs_RV: Any, top_p_R: Any, guess: int) -> tuple[Any, Any]:
    """The smallest probability kept in each row, and whether `guess` tokens were enough."""
    largest = torch.topk(probs_RV, guess, dim=-1).values
    mass_before = largest.cumsum(-1) - largest
    inside = mass_before < top_p_R[:, None]
    last = inside.sum(-1, keepdim=True).sub_(1).clamp_(min=0)
    enough = ~inside[:, -1] if guess < probs_RV.shape[1] else torch.ones_like(inside[:, -1])
    return largest.gather(1, last), enough


def _keep_nucleus(probs_RV: Any, top_p: Sequence[float]) -> Any:
    """Probabilities outside each row's nucleus set to 0."""
    rows = [row for row, p in enumerate(top_p) if p < 1]
    if not rows:
        return probs_RV
    vocabulary = probs_RV.shape[1]
    limits = torch.tensor([top_p[row] for row in rows], device=probs_RV.device)
    chosen = probs_RV[rows]
    bounds, enough = _nucleus_bounds(chosen, limits, min(_FIRST_GUESS, vocabulary))
    if not bool(enough.all()):
        wide = ~enough
        bounds[wide] = _nucleus_bounds(chosen[wide], limits[wide], vocabulary)[0]
    full = probs_RV.new_zeros((len(probs_RV), 1))
    full[rows] = bounds
    return probs_RV.masked_fill(probs_RV < full, 0.0)


def distribution(logits_RV: Any, settings: Sequence[Sampling]) -> Any:
    """Unnormalised float32 probabilities from which each row draws.

    Rows at temperature 0 have some too (those of temperature 1), which nobody uses.
    """
    device = logits_RV.device
    heat = torch.tensor([s.temperature or 1.0 for s in settings], device=device)
    logits = logits_RV / heat[:, None]
    if any(s.top_k for s in settings):
        logits = _keep_top_k(logits, [s.top_k for s in settings])
    probs = torch.softmax(logits, dim=-1)
    if any(s.top_p < 1 for s in settings):
        probs = _keep_nucleus(probs, [s.top_p for s in settings])
    if any(s.min_p for s in settings):
        floor = torch.tensor([s.min_p for s in settings], device=device)[:, None]
        floor = floor * probs.amax(-1, keepdim=True)
        probs = probs.masked_fill(probs < floor, 0.0)
    return probs


def _first_above(cumulative_RN: Any, target_R1: Any, mass_RN: Any) -> Any:
    """The first place [R, 1] at which the cumulative mass passes the target and mass lies.

    Where rounding leaves the target beyond all mass, it is the last place that has any.
    """
    place = torch.searchsorted(cumulative_RN, target_R1, right=True)
    number = mass_RN.shape[1]
    last = (mass_RN > 0).to(torch.int8).flip(-1).argmax(-1, keepdim=True)
    return torch.minimum(place, number - 1 - last)


def draw(probs_RV: Any, uniform_R: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    """The token of each row at which the cumulative distribution passes its uniform number.

    In two levels, blocks of tokens and tokens of a block: most of a long running sum is saved.
    """
    blocks = torch.nn.functional.pad(probs_RV, (0, -probs_RV.shape[1] % _BLOCK))
    blocks = blocks.unflatten(1, (-1, _BLOCK))
    mass = blocks.sum(-1)
    cumulative = mass.cumsum(-1, dtype=torch.float64)
    target = torch.from_numpy(uniform_R).to(probs_RV.device)[:, None] * cumulative[:, -1:]
    block = _first_above(cumulative, target, mass)
    within = blocks.gather(1, block[..., None].expand(-1, 1, _BLOCK))[:, 0]
    rest = target - (cumulative - mass).gather(1, block)
    inside = within.cumsum(-1, dtype=torch.float64)
    return (block * _BLOCK + _first_above(inside, rest, within))[:, 0]


def choose(
    logits_RV: Any,
    settings: Sequence[Sampling],
    uniform_R: Any,
    *,
    seen_RV: Any = None,
    top: int = 0,
) -> Choice:
    """Each row's next token by its settings; `seen_RV` marks tokens for repetition penalties.

    `top` of the most likely tokens come with each row's choice.
    """
    logits = logits_RV.float()
    scores = logits
    if seen_RV is not None:
        penalty = torch.tensor([s.repetition_penalty for s in settings], device=logits.device)
        scores = penalise(logits, seen_RV, penalty)
    cold = [row for row, s in enumerate(settings) if s.temperature == 0]
    processed = logits.new_zeros(len(settings))
    if len(cold) == len(settings):
        tokens = scores.argmax(-1)
    else:
        probs = distribution(scores, settings)
        tokens = draw(probs, uniform_R)
        mass = probs.gather(1, tokens[:, None])[:, 0] / probs.sum(-1)
        processed = mass.log()
        if cold:
            tokens[cold] = scores[cold].argmax(-1)
            processed[cold] = 0.0
    logprobs = torch.log_softmax(logits, dim=-1)
    chosen = logprobs.gather(1, tokens[:, None])[:, 0]
    return Choice(tokens.tolist(), chosen.tolist(), processed.tolist(), likeliest(logprobs, top))
