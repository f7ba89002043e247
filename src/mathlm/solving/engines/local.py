"""The embedded engine: any transformers causal model, batching what many coroutines ask for.

The event loop runs the solvers; one thread steps the model (`batching`). A row's tokens are a
function of its request alone (see `attention` and `randomness`): companions, batch size and a
restart change nothing on CPU in float32. Not here: servers of other programs, and several devices
(one engine a device).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count, pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mathlm.solving.engines.batching import Batcher, Judging, Waiting
from mathlm.solving.engines.forward import Forward
from mathlm.solving.engines.load import EngineLoad
from mathlm.solving.engines.prefixes import SHORT_TOKENS, Node
from mathlm.solving.engines.prompts import Path, Prompts
from mathlm.solving.engines.protocol import (
    Generation,
    Likelihood,
    Piece,
    Prefix,
    Prompt,
    Request,
)
from mathlm.solving.engines.rows import Row
from mathlm.solving.engines.text import TokenText

Watch = Callable[[Row], None]
_JUDGED_TOKENS = 512
"""Most tokens of a prompt that are judged in one pass: their logits are held together."""
DETERMINISTIC_ROWS = 64
_CPU_MIB = 1024
_FREE_SHARE = 0.7
"""Of a device's free memory; the rest is for logits, scores and the allocator's waste."""


def end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens with which a model ends: those of its generation settings and its tokenizer."""
    named = getattr(model.generation_config, "eos_token_id", None)
    ids = [named] if isinstance(named, int) else list(named or [])
    return frozenset(id_ for id_ in [*ids, tokenizer.eos_token_id] if id_ is not None)


def _budget_bytes(device: Any, memory_mib: int | None) -> int:
    """Bytes for keys and values."""
    if memory_mib is not None:
        return memory_mib * 2**20
    if device.type != "cuda":
        return _CPU_MIB * 2**20
    free, _ = torch.cuda.mem_get_info(device)
    return int(_FREE_SHARE * free)


class LocalEngine:
    """`Engine` over a transformers causal model and its tokenizer, on the model's own device.

    `memory_mib` bounds keys and values: half for rows under way, half for prefixes; the batch is
    the largest number of rows up to `max_rows` that fits. None takes 1 GiB on a CPU, and most of
    what is free on another device. Where the device runs out of memory all the same, the batch is
    halved and its rows begin again. Use it inside one event loop at a time.

    `deterministic`: results do not depend on companions where they otherwise might (CUDA, whose
    kernels are chosen by shape; bfloat16), at the price of steps of exactly `DETERMINISTIC_ROWS`
    rows and of prompts read one by one. On a CPU in float32 they never do.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        max_rows: int = 256,
        memory_mib: int | None = None,
        deterministic: bool = False,
    ) -> None:
        forward = Forward(model, fixed_rows=DETERMINISTIC_ROWS if deterministic else None)
        self.context_tokens = forward.shape.context_tokens
        self.vocabulary = forward.shape.vocabulary
        self._hidden_size = forward.shape.hidden_size
        self._prompts = Prompts(tokenizer)
        self._batcher = Batcher(
            forward,
            TokenText(tokenizer),
            eos=end_ids(model, tokenizer),
            max_rows=min(max_rows, DETERMINISTIC_ROWS) if deterministic else max_rows,
            budget=_budget_bytes(model.device, memory_mib),
        )
        self._handles: dict[int, Node] = {}
        self._numbers = count(1)
        self._unanswered: set[asyncio.Future[Any]] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mathlm-engine")
        self._runner: asyncio.Task[None] | None = None

    @property
    def load(self) -> EngineLoad:
        """How well the engine was used so far."""
        return self._batcher.load

    async def generate(self, request: Request) -> Generation:
        """The generation that the request asks for."""
        return await self._generate(request, None)

    async def _generate(self, request: Request, watch: Watch | None) -> Generation:
        parent = self._node(request.parent)
        path = self._prompts.path(request)
        prompt_tokens = (parent.end if parent else 0) + sum(len(ids) for ids, _ in path)
        if prompt_tokens >= self.context_tokens:
            return Generation("", (), (), "budget", prompt_tokens)
        answer: asyncio.Future[Generation] = self._awaited()
        self._batcher.waiting.append(Waiting(request, parent, path, answer, watch))
        self._start()
        return await answer

    async def stream(self, request: Request) -> AsyncGenerator[Piece | Generation, None]:
        """The generation as it comes: pieces, then the whole; leaving early cancels it."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[Piece | None] = asyncio.Queue()

        def watch(row: Row) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, row.piece())

        whole = loop.create_task(self._generate(request, watch))
        whole.add_done_callback(lambda _: pieces.put_nowait(None))
        shown = 0
        try:
            while (piece := await pieces.get()) is not None:
                shown += len(piece.text)
                yield piece
            made = await whole
            if rest := made.text[shown:]:  # it might have become a stop string, or a character
                yield Piece(rest, (), ())
            yield made
        finally:
            whole.cancel()

    async def prompt_likelihood(self, ids: tuple[int, ...], *, top: int = 0) -> Likelihood:
        """Log-probabilities of all tokens of a prompt but the first, after those before them."""
        found = []
        for start in range(1, len(ids), _JUDGED_TOKENS):
            part = ids[start : start + _JUDGED_TOKENS]
            bounds = [0, *range(1, start, _JUDGED_TOKENS), start]
            path = tuple((ids[a:b], b - a >= SHORT_TOKENS) for a, b in pairwise(bounds))
            answer: asyncio.Future[Likelihood] = self._awaited()
            self._batcher.judging.append(Judging(None, path, part, answer, top))
            self._start()
            found.append(await answer)
        return Likelihood(
            token_ids=ids[1:],
            logprobs=tuple(p for part in found for p in part.logprobs),
            greedy=all(part.greedy for part in found),
            tops=tuple(place for part in found for place in part.tops),
        )

    async def loglikelihood(self, prefix: Prefix | str, text: str) -> Likelihood:
        """Log-probabilities of `text` after `prefix`; empty where the context is too short."""
        path: Path = ()
        parent = None
        if isinstance(prefix, str):
            before, ids = self._prompts.likelihood_parts(prefix, text)
            path = ((before, len(before) >= SHORT_TOKENS),)
        else:
            parent, before = self._node(prefix), prefix.token_ids
            ids = self._prompts.text_ids(text, first=False)
        if not ids or len(before) + len(ids) > self.context_tokens:
            return Likelihood((), (), greedy=not ids)
        answer: asyncio.Future[Likelihood] = self._awaited()
        self._batcher.judging.append(Judging(parent, path, ids, answer))
        self._start()
        return await answer

    async def hidden_states(self, prefix: Prefix, text: str) -> NDArray[np.float32]:
        """The last layer's states [L, hidden size] at the tokens of `text` after `prefix`.

        What a verifier's head reads (float32). Raises ValueError where the context is too short.
        """
        ids = self._prompts.text_ids(text, first=False)
        if len(prefix.token_ids) + len(ids) > self.context_tokens:
            raise ValueError(f"a text of {len(ids)} tokens does not fit the model's context")
        if not ids:
            return np.zeros((0, self._hidden_size), dtype=np.float32)
        answer: asyncio.Future[NDArray[np.float32]] = self._awaited()
        self._batcher.judging.append(Judging(self._node(prefix), (), ids, answer, hidden=True))
        self._start()
        return await answer

    async def prefix(self, prompt: Prompt, *, shared: str = "") -> Prefix:
        """A kept prefix at the beginning of a sequence; `shared` as in a request."""
        path = self._prompts.path(Request(prompt, shared=shared))
        return await self._keep(None, tuple(ids for ids, _ in path))

    async def extend(self, prefix: Prefix, more: str | Sequence[int]) -> Prefix:
        """A new kept prefix: `prefix` followed by `more`."""
        ids = self._prompts.ids(more if isinstance(more, str) else tuple(more), first=False)
        return await self._keep(prefix, (ids,)) if ids else self.fork(prefix)

    def fork(self, prefix: Prefix) -> Prefix:
        """A second handle on the same prefix."""
        node = self._handles[self._known(prefix)]
        self._batcher.tree.hold(node)
        return self._handle(node, prefix.token_ids)

    def drop(self, prefix: Prefix) -> None:
        """Give a handle up."""
        node = self._handles.pop(self._known(prefix))
        self._batcher.tree.release(node)

    def close(self) -> None:
        """Stop the engine's thread."""
        self._thread.shutdown(wait=True)

    def _known(self, prefix: Prefix) -> int:
        if prefix.id not in self._handles:
            raise ValueError("this prefix was dropped, or belongs to another engine")
        return prefix.id

    def _node(self, prefix: Prefix | None) -> Node | None:
        return None if prefix is None else self._handles[self._known(prefix)]

    def _handle(self, node: Node, token_ids: tuple[int, ...]) -> Prefix:
        prefix = Prefix(next(self._numbers), token_ids)
        self._handles[prefix.id] = node
        return prefix

    async def _keep(self, before: Prefix | None, parts: tuple[tuple[int, ...], ...]) -> Prefix:
        parent = self._node(before)
        all_ids = (*(before.token_ids if before else ()), *chain.from_iterable(parts))
        if not 0 < len(all_ids) <= self.context_tokens:
            raise ValueError(f"a prefix of {len(all_ids)} tokens does not fit the model's context")

        def read() -> Node:
            node = self._batcher.tree.path(parent, ((ids, True) for ids in parts))
            self._batcher.tree.hold(node)
            self._batcher.read(node)
            return node

        answer: asyncio.Future[Node] = self._awaited()
        self._batcher.jobs.append((read, answer))
        self._start()
        return self._handle(await answer, all_ids)

    def _awaited(self) -> asyncio.Future[Any]:
        """A future that hears of it when the engine breaks."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._unanswered.add(answer)
        answer.add_done_callback(self._unanswered.discard)
        return answer

    def _start(self) -> None:
        if self._runner is None or self._runner.done():
            self._runner = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)  # let everyone who is ready ask first
        while self._batcher.busy():
            try:
                finished = await loop.run_in_executor(self._thread, self._batcher.step)
            except Exception as error:  # noqa: BLE001  (whoever waits must hear that it broke)
                self._batcher.abandon()
                for answer in list(self._unanswered):
                    if not answer.done():
                        answer.set_exception(error)
                return
            for answer, value in finished:
                if not answer.done():
                    answer.set_result(value)
            await asyncio.sleep(0)  # let solvers ask again before the next step
