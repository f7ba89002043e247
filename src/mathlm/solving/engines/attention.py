"""Attention over shared prefixes beside each row's own keys, for any transformers causal model.

One forward pass takes N tokens laid out flat (batch of one); what each token may look at is a list
of segments: prefixes that many rows share (`WideSegment`, one matrix product for all of them),
short prompts that up to `TILE_ROWS` rows share (`TiledSegment`), a row's own tokens (`OwnSegment`)
and, when a prompt is read, the prompt itself (`CausalSegment`). Their softmaxes are joined under
one common maximum, which is the log-sum-exp merge of partial attentions (as in Hydragen, Juravsky
et al., arXiv 2402.05099, and FlashDecoding); no key or value is copied per row.

Every product has a shape that depends on the row alone, or is a multiple of `ROW_TILE` along the
rows, so that a row's numbers do not depend on its companions (tests/solving/engines).

Shapes: N tokens, H key-value heads, G query heads per key-value head, D head width, L keys,
P pages, R rows, T tiles.
"""

from __future__ import annotations

import math
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers import AttentionInterface

from mathlm.core.errors import UserError

ATTENTION_NAME = "mathlm_shared_prefix"
PAGE_TOKENS = 32
TILE_ROWS = 16
ROW_TILE = 32
"""Batches are padded to a multiple of this: vectorised kernels take up to 32 floats at a time and
treat a remainder by other instructions, whose last bits differ (rsqrt and silu, measured)."""
_MINUS = -math.inf


def round_up(number: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is not below `number`."""
    return -(-number // multiple) * multiple


class Segment(Protocol):
    """Keys that some of the tokens look at."""

    def store(self, layer: int, k_NHD: Any, v_NHD: Any) -> None:
        """Keep the tokens' own keys and values where this segment owns them."""

    def scores(self, layer: int, q_NHGD: Any) -> Any:
        """Scores in the segment's own layout, masked."""

    def peak(self, scores: Any) -> Any:
        """The largest score of each token and head, [N, H, G]."""

    def weigh(self, layer: int, scores: Any, peak_NHG: Any) -> tuple[Any, Any]:
        """Sum of exp(score - peak) [N, H, G], and of those times the values [N, H, G, D]."""


class WideSegment:
    """Keys of one prefix, looked at by the tokens `rows` (all of them where None)."""

    def __init__(self, k_lHLD: Any, v_lHLD: Any, rows: Any = None) -> None:
        self.k, self.v, self.rows = k_lHLD, v_lHLD, rows

    def store(self, layer: int, k_NHD: Any, v_NHD: Any) -> None:
        """Nothing: a prefix is read only."""

    def scores(self, layer: int, q_NHGD: Any) -> Any:
        """[H, n * G, L]."""
        self._tokens, heads, group, width = q_NHGD.shape
        self._group = group
        q = q_NHGD if self.rows is None else q_NHGD[self.rows]
        q = q.transpose(0, 1).reshape(heads, -1, width)
        return torch.bmm(q, self.k[layer].transpose(1, 2)).float()

    def _by_token(self, x: Any) -> Any:
        """[H, n * G, …] to [n, H, G, …]."""
        return x.unflatten(1, (-1, self._group)).transpose(0, 1)

    def _spread(self, x: Any, fill: float) -> Any:
        """[n, …] to [N, …]; tokens that do not look at this prefix get `fill`."""
        if self.rows is None:
            return x
        return x.new_full((self._tokens, *x.shape[1:]), fill).index_copy_(0, self.rows, x)

    def peak(self, scores: Any) -> Any:
        """[N, H, G]."""
        return self._spread(self._by_token(scores.amax(-1)), _MINUS)

    def weigh(self, layer: int, scores: Any, peak_NHG: Any) -> tuple[Any, Any]:
        """See `Segment.weigh`."""
        peak = peak_NHG if self.rows is None else peak_NHG[self.rows]
        peak = peak.transpose(0, 1).reshape(scores.shape[0], -1, 1)
        weights = scores.sub_(peak).exp_()
        out = torch.bmm(weights.to(self.v.dtype), self.v[layer])
        total = self._spread(self._by_token(weights.sum(-1)), 0.0)
        return total, self._spread(self._by_token(out).float(), 0.0)


class PagedSegment:
    """Keys in pages of a fixed size; entry e of page p holds keys for query group e.

    The pages' products are made one by one and added in order, so that pages that only other
    entries need (fully masked here) change nothing, not even the last bit.
    """

    def __init__(self, k_lPEHKD: Any, v_lPEHKD: Any, mask_PEK: Any, *, entries: int) -> None:
        self.k, self.v, self.mask, self.entries = k_lPEHKD, v_lPEHKD, mask_PEK, entries

    def _page_scores(self, layer: int, q_EHQD: Any) -> list[Any]:
        """A score tensor [E, H, Q, K] a page."""
        entries, heads, queries, width = q_EHQD.shape
        q = q_EHQD.reshape(entries * heads, queries, width)
        pages = []
        for page in range(len(self.mask)):
            k = self.k[layer, page, :entries].flatten(0, 1).transpose(1, 2)
            scores = torch.bmm(q, k).float().view(entries, heads, queries, PAGE_TOKENS)
            pages.append(scores.add_(self.mask[page, :entries, None, None]))
        return pages

    @staticmethod
    def _page_peak(pages: list[Any]) -> Any:
        """[E, H, Q]."""
        peak = pages[0].amax(-1)
        for page in pages[1:]:
            peak = torch.maximum(peak, page.amax(-1))
        return peak

    def _page_weigh(self, layer: int, pages: list[Any], peak_EHQ: Any) -> tuple[Any, Any]:
        """Sums [E, H, Q] and outputs [E, H, Q, D]."""
        total = out = None
        for number, scores in enumerate(pages):
            weights = scores.sub_(peak_EHQ[..., None]).exp_()
            v = self.v[layer, number, : len(weights)].flatten(0, 1)
            part = torch.bmm(weights.to(v.dtype).flatten(0, 1), v).float()
            part = part.view(*weights.shape[:-1], -1)
            total = weights.sum(-1) if total is None else total.add_(weights.sum(-1))
            out = part if out is None else out.add_(part)
        return total, out


class OwnSegment(PagedSegment):
    """Each row's own tokens: entry = row = token of the batch."""

    def __init__(self, k: Any, v: Any, mask_PEK: Any, *, entries: int, places: Any) -> None:
        super().__init__(k, v, mask_PEK, entries=entries)
        self.places = places
        """[R * H] places in a layer's [P * R * H * K, D] at which the new keys are kept."""

    def store(self, layer: int, k_NHD: Any, v_NHD: Any) -> None:
        """Keep the new keys and values."""
        width = k_NHD.shape[-1]
        self.k[layer].view(-1, width).index_copy_(0, self.places, k_NHD.reshape(-1, width))
        self.v[layer].view(-1, width).index_copy_(0, self.places, v_NHD.reshape(-1, width))

    def scores(self, layer: int, q_NHGD: Any) -> list[Any]:
        """A score tensor [R, H, G, K] a page."""
        return self._page_scores(layer, q_NHGD)

    def peak(self, scores: list[Any]) -> Any:
        """[N, H, G]."""
        return self._page_peak(scores)

    def weigh(self, layer: int, scores: list[Any], peak_NHG: Any) -> tuple[Any, Any]:
        """See `Segment.weigh`."""
        return self._page_weigh(layer, scores, peak_NHG)


class TiledSegment(PagedSegment):
    """Short prompts: entry = tile, which holds one prompt for up to `TILE_ROWS` rows."""

    def __init__(
        self, k: Any, v: Any, mask_PEK: Any, *, entries: int, members: tuple[Any, Any]
    ) -> None:
        super().__init__(k, v, mask_PEK, entries=entries)
        self.row_of_place, self.place_of_row = members
        """[tiles * TILE_ROWS] row of each place (0 where empty), and [N] place of each row."""

    def store(self, layer: int, k_NHD: Any, v_NHD: Any) -> None:
        """Nothing: a prompt is read only."""

    def _by_tile(self, x_NHG: Any) -> Any:
        """[N, H, G, …] to [T, H, rows * G, …]."""
        x = x_NHG[self.row_of_place].unflatten(0, (self.entries, TILE_ROWS))
        return x.transpose(1, 2).flatten(2, 3)

    def _by_row(self, x_THQ: Any) -> Any:
        """[T, H, rows * G, …] to [N, H, G, …]."""
        x = x_THQ.unflatten(2, (TILE_ROWS, -1)).transpose(1, 2).flatten(0, 1)
        return x[self.place_of_row]

    def scores(self, layer: int, q_NHGD: Any) -> list[Any]:
        """A score tensor [T, H, rows * G, K] a page."""
        return self._page_scores(layer, self._by_tile(q_NHGD))

    def peak(self, scores: list[Any]) -> Any:
        """[N, H, G]; rows without a tile stand at a place of their own that is masked."""
        return self._by_row(self._page_peak(scores))

    def weigh(self, layer: int, scores: list[Any], peak_NHG: Any) -> tuple[Any, Any]:
        """See `Segment.weigh`."""
        total, out = self._page_weigh(layer, scores, self._by_tile(peak_NHG))
        return self._by_row(total), self._by_row(out)


class CausalSegment:
    """B prompts of Q tokens each (N = B * Q), every token looking at itself and those before."""

    def __init__(self, prompts: int, *, keep: tuple[Any, Any]) -> None:
        self.prompts = prompts
        self.kept_k, self.kept_v = keep
        """[layers, B, H, Q, D] each: where the prompts' keys and values are kept."""

    def store(self, layer: int, k_NHD: Any, v_NHD: Any) -> None:
        """Keep the prompts' keys and values."""
        self.kept_k[layer] = k_NHD.unflatten(0, (self.prompts, -1)).transpose(1, 2)
        self.kept_v[layer] = v_NHD.unflatten(0, (self.prompts, -1)).transpose(1, 2)

    def scores(self, layer: int, q_NHGD: Any) -> Any:
        """[B * H, Q * G, Q]."""
        self._heads, self._group = q_NHGD.shape[1:3]
        q = q_NHGD.unflatten(0, (self.prompts, -1)).transpose(1, 2)
        length = q.shape[2]
        q = q.reshape(self.prompts * self._heads, length * self._group, -1)
        scores = torch.bmm(q, self.kept_k[layer].flatten(0, 1).transpose(1, 2)).float()
        future = torch.ones(length, length, dtype=torch.bool, device=q.device).triu_(1)
        return scores.masked_fill_(future.repeat_interleave(self._group, 0), _MINUS)

    def _by_token(self, x: Any) -> Any:
        """[B * H, Q * G, …] to [N, H, G, …]."""
        x = x.unflatten(0, (self.prompts, self._heads)).unflatten(2, (-1, self._group))
        return x.transpose(1, 2).flatten(0, 1)

    def peak(self, scores: Any) -> Any:
        """[N, H, G]."""
        return self._by_token(scores.amax(-1))

    def weigh(self, layer: int, scores: Any, peak_NHG: Any) -> tuple[Any, Any]:
        """See `Segment.weigh`."""
        peak = peak_NHG.unflatten(0, (self.prompts, -1)).transpose(1, 2)
        weights = scores.sub_(peak.reshape(len(scores), -1, 1)).exp_()
        v = self.kept_v[layer].flatten(0, 1)
        out = torch.bmm(weights.to(v.dtype), v).float()
        return self._by_token(weights.sum(-1)), self._by_token(out)


@dataclass(frozen=True)
class Plan:
    """What the tokens of one forward pass look at; the last segment keeps their keys."""

    segments: tuple[Segment, ...]


PLAN: ContextVar[Plan] = ContextVar("mathlm_attention_plan")


def attend(  # noqa: PLR0917  (the signature is that of transformers' interface)
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any = None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Any, None]:
    """The output [1, N, H * G, D] for a query [1, H * G, N, D].

    Has the signature of transformers' attention functions.
    """
    refused = [name for name in ("softcap", "s_aux") if options.get(name) is not None]
    if refused:
        raise UserError(f"the local engine has no attention with {', '.join(refused)}")
    layer, heads = module.layer_idx, key.shape[1]
    k, v = key[0].transpose(0, 1), value[0].transpose(0, 1)
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    q = (query[0].transpose(0, 1) * scale).unflatten(1, (heads, -1))
    segments = PLAN.get().segments
    for segment in segments:
        segment.store(layer, k, v)
    scores = [segment.scores(layer, q) for segment in segments]
    peak = segments[0].peak(scores[0])
    for segment, part in zip(segments[1:], scores[1:], strict=True):
        peak = torch.maximum(peak, segment.peak(part))
    total, out = segments[0].weigh(layer, scores[0], peak)
    for segment, part in zip(segments[1:], scores[1:], strict=True):
        more_total, more_out = segment.weigh(layer, part, peak)
        total, out = total + more_total, out + more_out
    out = (out / total[..., None]).to(query.dtype)
    return out.flatten(1, 2)[None], None


AttentionInterface.register(ATTENTION_NAME, attend)
