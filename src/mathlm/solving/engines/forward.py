"""One forward pass of a transformers model over flat tokens and a plan of what they look at.

Reads prefixes (prefill) in batches of equal padded length and answers what the engine needs to
know of the model: its sizes, its context and what a token's keys and values take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from mathlm.core.errors import UserError
from mathlm.solving.engines.attention import (
    ATTENTION_NAME,
    PAGE_TOKENS,
    PLAN,
    ROW_TILE,
    CausalSegment,
    Plan,
    Segment,
    WideSegment,
    round_up,
)
from mathlm.solving.engines.prefixes import Node
from mathlm.solving.engines.protocol import Likelihood
from mathlm.solving.engines.sampling import likeliest

CHUNK_TOKENS = 512
"""Long prefixes are read in chunks of this many tokens: attention scores stay small."""
READ_TOKENS = 2048
"""Short prompts are read together up to this many padded tokens."""
Wanted = Literal["last", "all", "hidden"]
"""What is wanted of a pass over several texts."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a model that the engine needs."""

    layers: int
    kv_heads: int
    query_heads: int
    head_dim: int
    vocabulary: int
    hidden_size: int
    context_tokens: int

    @staticmethod
    def of(model: Any) -> Shape:
        """The shape of a transformers model; one that the engine cannot serve is refused."""
        config = model.config.get_text_config(decoder=True)
        if not getattr(model, "_supports_attention_backend", False):
            raise UserError(
                f"{type(model).__name__} does not use transformers' attention interface; the local "
                "engine serves models that do (Llama, Mistral, Qwen, GPT-NeoX, …)"
            )
        heads = config.num_attention_heads
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
        window = getattr(config, "sliding_window", None)
        if window is not None and not getattr(config, "use_sliding_window", True):
            window = None
        context = min(config.max_position_embeddings, window or config.max_position_embeddings)
        return Shape(
            layers=config.num_hidden_layers,
            kv_heads=getattr(config, "num_key_value_heads", None) or heads,
            query_heads=heads,
            head_dim=head_dim,
            vocabulary=config.vocab_size,
            hidden_size=config.hidden_size,
            context_tokens=context,
        )


class Forward:
    """A model as the engine calls it; the model's own settings are left as they were.

    `fixed_rows`: every step has exactly so many rows and every prompt is read by itself, so that
    the shapes of all products are the request's own. Kernels of CUDA are chosen by shape.
    """

    def __init__(self, model: Any, *, fixed_rows: int | None = None) -> None:
        self.model = model.eval()
        self.fixed_rows = fixed_rows
        self.row_tile = fixed_rows or ROW_TILE
        self.shape = Shape.of(model)
        self.device = model.device
        self.dtype = model.dtype
        self.bytes_per_token = (
            2 * self.shape.layers * self.shape.kv_heads * self.shape.head_dim * self.dtype.itemsize
        )

    def keys(self, *sizes: int) -> Any:
        """Zeros of the model's kind: what is masked must still be finite."""
        return torch.zeros(*sizes, dtype=self.dtype, device=self.device)

    def tensor(self, values: Sequence[int] | Sequence[Sequence[int]]) -> Any:
        """Integers on the model's device."""
        return torch.tensor(values, dtype=torch.long, device=self.device)

    def run(self, ids_N: Any, positions_N: Any, plan: Plan, keep: Any = 0) -> Any:
        """Logits [n, V] of the tokens named by `keep` (0 = all of them)."""
        return self._call(self.model, ids_N, positions_N, plan, logits_to_keep=keep).logits[0]

    def _call(self, model: Any, ids_N: Any, positions_N: Any, plan: Plan, **options: Any) -> Any:
        """What the model (or its part below the head) gives, with attention by the plan."""
        config = self.model.config
        before = config._attn_implementation
        token = PLAN.set(plan)
        config._attn_implementation = ATTENTION_NAME
        try:
            return model(
                input_ids=ids_N[None], position_ids=positions_N[None], use_cache=False, **options
            )
        finally:
            config._attn_implementation = before
            PLAN.reset(token)

    def _ancestors(self, parent: Node | None) -> list[Segment]:
        return [WideSegment(node.k, node.v) for node in (parent.chain() if parent else [])]

    def read_long(self, node: Node) -> None:
        """Fill one node of any length, chunk by chunk; a pass that fails leaves it empty."""
        shape, length = self.shape, len(node.token_ids)
        start = node.end - length
        k = self.keys(shape.layers, shape.kv_heads, length, shape.head_dim)
        v, logits = torch.zeros_like(k), None
        above = self._ancestors(node.parent)
        for done in range(0, length, CHUNK_TOKENS):
            ids = node.token_ids[done : done + CHUNK_TOKENS]
            upto = done + len(ids)
            here = (k[:, None, :, done:upto], v[:, None, :, done:upto])
            earlier = [WideSegment(k[:, :, :done], v[:, :, :done])] if done else []
            plan = Plan((*above, *earlier, CausalSegment(1, keep=here)))
            positions = torch.arange(start + done, start + upto, device=self.device)
            logits = self.run(self.tensor(ids), positions, plan, keep=1)[0].float()
        node.k, node.v, node.logits = k, v, logits

    def read_short(self, nodes: Sequence[Node]) -> None:
        """Fill nodes that have one parent and fall into one padded length, in one pass."""
        k, v, logits = self._together(nodes[0].parent, [node.token_ids for node in nodes])
        for place, node in enumerate(nodes):
            length = len(node.token_ids)
            node.k, node.v = k[:, place, :, :length].clone(), v[:, place, :, :length].clone()
            node.logits = logits[place].float()

    def _together(
        self, parent: Node | None, texts: Sequence[tuple[int, ...]], *, want: Wanted = "last"
    ) -> tuple[Any, Any, Any]:
        """Keys and values [layers, B, H, Q, D] of B texts below `parent`, and what is wanted.

        `last`: logits [B, V] after each text; `all`: logits [B, Q, V] everywhere; `hidden`: the
        last layer's states [B, Q, hidden size], as the model's head gets them.
        """
        shape, number = self.shape, len(texts)
        padded = round_up(max(map(len, texts)), PAGE_TOKENS)
        k = self.keys(shape.layers, number, shape.kv_heads, padded, shape.head_dim)
        v = torch.zeros_like(k)
        rows = [[*text, *([0] * (padded - len(text)))] for text in texts]
        start = parent.end if parent else 0
        positions = torch.arange(start, start + padded, device=self.device).repeat(number)
        positions.clamp_(max=shape.context_tokens - 1)
        ends = [place * padded + len(text) - 1 for place, text in enumerate(texts)]
        last = self.tensor([*ends, *([0] * (-len(ends) % self.row_tile))])
        plan = Plan((*self._ancestors(parent), CausalSegment(number, keep=(k, v))))
        ids = self.tensor(rows).flatten()
        if want == "last":
            return k, v, self.run(ids, positions, plan, keep=last)
        if want == "all":
            out = self.run(ids, positions, plan)
        else:
            out = self._call(self.model.base_model, ids, positions, plan).last_hidden_state[0]
        return k, v, out.unflatten(0, (number, padded))

    def judge(
        self, prefix: Node, texts: Sequence[tuple[int, ...]], *, top: int = 0
    ) -> list[Likelihood]:
        """How likely each text is below `prefix`, with the `top` likeliest tokens at each place.

        The texts must fall into one padded length.
        """
        inputs = [text[:-1] or text for text in texts]
        _, _, logits = self._together(prefix, inputs, want="all")
        result = []
        for place, text in enumerate(texts):
            rows = torch.cat([prefix.logits[None], logits[place, : len(text) - 1].float()])
            ids = self.tensor(text)
            logprobs = torch.log_softmax(rows, -1)
            chosen = logprobs.gather(1, ids[:, None])[:, 0].tolist()
            greedy = bool((rows.argmax(-1) == ids).all())
            tops = tuple(likeliest(logprobs, top)) if top else ()
            result.append(Likelihood(text, tuple(chosen), greedy, tops))
        return result

    def hidden(self, prefix: Node, texts: Sequence[tuple[int, ...]]) -> list[Any]:
        """The last layer's states [L, hidden size] at each text's tokens below `prefix`, float32.

        The texts must fall into one padded length.
        """
        _, _, states = self._together(prefix, texts, want="hidden")
        return [states[place, : len(text)].float() for place, text in enumerate(texts)]
