"""Any OpenAI-compatible server as an engine: vLLM, SGLang, llama.cpp, hosted ones, our own.

Requests go out as they come, so many at a time; the server batches them. What a server lacks is
said by name, never left out in silence. HTTP runs in a thread of its own, so that the engine may
be used from any event loop. Not here: bodies (`openai_wire`), retries (`openai_http`), spending
(`openai_limits`). No torch.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeVar

import httpx2 as httpx

from mathlm.core.errors import UserError
from mathlm.solving.engines.openai_config import ServerConfig
from mathlm.solving.engines.openai_http import Link, Refusal
from mathlm.solving.engines.openai_limits import Budget, Pace, Use
from mathlm.solving.engines.openai_wire import Wire, flavour_of
from mathlm.solving.engines.protocol import (
    Generation,
    Likelihood,
    Message,
    Prefix,
    Prompt,
    Request,
    Sampling,
)

T = TypeVar("T")
_CACHED_TEXTS = 4096
_TOO_LONG = re.compile(r"context length|context_length|maximum context|too many tokens", re.I)
_LIMIT = re.compile(r"(?:maximum context length (?:is|of)|context length of)\D{0,20}(\d+)", re.I)
_PROMPT = re.compile(
    r"(\d+)\s+(?:tokens\s+)?in (?:your|the) (?:prompt|messages)|(?:has|prompt contains|alone has)"
    r"(?: at least)? (\d+)\s+(?:input )?tokens|(\d+) (?:input tokens|prompt tokens)",
    re.I,
)


@dataclass(slots=True)
class ServerLoad:
    """What was asked of a server so far, for the logs."""

    requests: int = 0
    retries: int = 0
    read: int = 0
    written: int = 0
    cost: float = 0.0
    first_s: float = 0.0
    last_s: float = 0.0

    def summary(self) -> dict[str, float | int]:
        """Requests, retries, tokens, money, tokens a second."""
        span = self.last_s - self.first_s
        return {
            "requests": self.requests,
            "retries": self.retries,
            "prompt_tokens": self.read,
            "model_tokens": self.written,
            "cost": self.cost,
            "tokens_per_s": self.written / span if span else 0.0,
            "seconds": span,
        }


class OpenAIEngine:
    """`Engine` over a server's HTTP API.

    `logprobs`: ask for the log-probability of every token. `key`: shown to the server, written
    nowhere. `transport` replaces the network in tests. Prefixes are kept as token ids where the
    server tokenises (`/tokenize`), else `prefix` raises NotImplementedError.
    """

    def __init__(
        self,
        config: ServerConfig,
        *,
        key: str | None = None,
        logprobs: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._config, self._logprobs = config, logprobs
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="mathlm-openai", daemon=True
        )
        self._thread.start()
        self._link = Link(config, key, transport)
        self._budget = Budget(
            config.max_tokens_total, config.max_cost, config.price_in, config.price_out
        )
        self._requests = Pace(config.requests_per_minute)
        self._tokens = Pace(config.tokens_per_minute)
        self._room = asyncio.Semaphore(config.concurrency)
        self._meeting = asyncio.Lock()
        self._met: tuple[Wire, int | None] | None = None
        self._handles: dict[int, tuple[int, ...]] = {}
        self._numbers = count(1)
        self._texts: OrderedDict[tuple[str, bool], tuple[int, ...]] = OrderedDict()
        self.load = ServerLoad()

    # -- the protocol: each call is handed to the thread -------------------------------------------

    async def offers(self) -> frozenset[str]:
        """What the server has beyond text, temperature, top-p and stop strings."""
        return (await self._elsewhere(self._meet()))[0].offers

    async def generate(self, request: Request) -> Generation:
        """The generation that the request asks for."""
        parent = None if request.parent is None else self._handles[self._known(request.parent)]
        return await self._elsewhere(self._generate(request, parent))

    async def loglikelihood(self, prefix: Prefix | str, text: str) -> Likelihood:
        """Log-probabilities of `text` after `prefix`, by the server's echo of a prompt."""
        before = prefix if isinstance(prefix, str) else self._handles[self._known(prefix)]
        return await self._elsewhere(self._judge(before, text))

    async def prefix(self, prompt: Prompt, *, shared: str = "") -> Prefix:
        """Token ids to go on from; the server keeps what it has read of them, or not."""
        return await self._elsewhere(self._prefix(prompt))

    async def extend(self, prefix: Prefix, more: str | Sequence[int]) -> Prefix:
        """A new prefix: `prefix` followed by `more`."""
        before = self._handles[self._known(prefix)]
        return await self._elsewhere(self._extend(before, more))

    def fork(self, prefix: Prefix) -> Prefix:
        """A second handle on the same prefix."""
        return self._handle(self._handles[self._known(prefix)])

    def drop(self, prefix: Prefix) -> None:
        """Give a handle up."""
        del self._handles[self._known(prefix)]

    def close(self) -> None:
        """Close connections and thread; requests under way are given up."""
        if self._loop.is_closed():
            return
        self._now(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- threads -----------------------------------------------------------------------------------

    async def _elsewhere(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _now(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._link.close()

    def _known(self, prefix: Prefix) -> int:
        if prefix.id not in self._handles:
            raise ValueError("this prefix was dropped, or belongs to another engine")
        return prefix.id

    def _handle(self, ids: tuple[int, ...]) -> Prefix:
        prefix = Prefix(next(self._numbers), ids)
        self._handles[prefix.id] = ids
        return prefix

    # -- the server --------------------------------------------------------------------------------

    async def _meet(self) -> tuple[Wire, int | None]:
        """How to speak to the server, and its context's length where it says so; asked once."""
        async with self._meeting:
            if self._met is None:
                self._met = self._introduced(await self._cards())
            return self._met

    async def _cards(self) -> list[Mapping[str, Any]]:
        """The server's models; none where it has no list of them."""
        try:
            found = (await self._link.call("/models", once=True)).get("data")
        except Refusal:
            return []
        return [card for card in found if isinstance(card, dict)] if isinstance(found, list) else []

    def _introduced(self, cards: list[Mapping[str, Any]]) -> tuple[Wire, int | None]:
        named = {str(card.get("id")): card for card in cards}
        model = self._config.model or (next(iter(named)) if len(named) == 1 else None)
        where = self._config.base_url
        if model is None:
            there = ", ".join(list(named)[:5]) or "no list of them"
            raise UserError(f"server.model says which model of {where} ({there})")
        found = next((flavour for card in cards if (flavour := flavour_of(card))), None)
        if found in {"vllm", "sglang", "mathlm"} and model not in named:
            raise UserError(f"no model '{model}' at {where}; there is {', '.join(list(named)[:5])}")
        card = named.get(model, {})
        limit = card.get("max_model_len")
        flavour = self._config.flavour or found or "openai"
        wire = Wire(model, flavour, self._logprobs)
        return wire, limit if isinstance(limit, int) else None

    async def _ask(self, path: str, body: dict[str, Any], most: Use) -> dict[str, Any]:
        """One request within the limits; counts what it used."""
        async with self._budget.hold(most) as settle, self._room:
            await self._requests.wait()
            await self._tokens.wait(most.tokens)
            self.load.first_s = self.load.first_s or time.perf_counter()
            answer = await self._link.call(path, body)
            used = answer.get("usage") or {}
            read, written = used.get("prompt_tokens"), used.get("completion_tokens")
            use = Use(int(most.read if read is None else read), int(written or 0))
            settle(use)
            self._tokens.give_back(most.tokens - use.tokens)
            self._count(use)
            return answer

    def _count(self, use: Use) -> None:
        load = self.load
        load.requests += 1
        load.retries = self._link.retries
        load.read += use.read
        load.written += use.written
        load.cost = self._budget.cost(Use(load.read, load.written))
        load.last_s = time.perf_counter()

    # -- generations -------------------------------------------------------------------------------

    async def _generate(self, request: Request, parent: tuple[int, ...] | None) -> Generation:
        wire, limit = await self._meet()
        prompt = await self._prompt(wire, request, parent)
        number = len(prompt) if isinstance(prompt, tuple) else None
        if number is not None and limit is not None and number >= limit:
            return Generation("", (), (), "budget", number)
        if limit is not None and request.sampling.max_tokens > limit - (number or 0):
            request = _shorter(request, limit - (number or 0))  # vLLM refuses more than fit
        chat = prompt is None
        body = wire.body(request, prompt)
        most = Use(number or _tokens_at_most(request), request.sampling.max_tokens)
        path = "/chat/completions" if chat else "/completions"
        try:
            answer = await self._ask(path, body, most)
        except Refusal as refusal:
            return await self._refused(refusal, request, parent)
        return wire.generation(answer, request)

    async def _prompt(
        self, wire: Wire, request: Request, parent: tuple[int, ...] | None
    ) -> str | tuple[int, ...] | None:
        """Text or ids for completions; None where the request is a conversation."""
        given = request.prompt
        if parent is not None:
            return (*parent, *await self._ids(wire, given, first=False))
        if isinstance(given, str):
            return None if self._config.api == "chat" else given
        if given and isinstance(given[0], Message):
            return None
        wire.need("token_prompts", "a prompt is given as token ids")
        return tuple(id_ for id_ in given if isinstance(id_, int))

    async def _refused(
        self, refusal: Refusal, request: Request, parent: tuple[int, ...] | None
    ) -> Generation:
        """A prompt that is too long is a value; with fewer new tokens it may still fit."""
        said = str(refusal)
        if not (_TOO_LONG.search(said) or _TOO_LONG.search(refusal.code)):
            raise self._mistake(refusal)
        limit, prompt = _number(_LIMIT, said), _number(_PROMPT, said)
        if limit is None or prompt is None or prompt >= limit:
            return Generation("", (), (), "budget", prompt or 0)
        room = limit - prompt
        if room >= request.sampling.max_tokens:
            raise self._mistake(refusal)
        return await self._generate(_shorter(request, room), parent)

    def _mistake(self, refusal: Refusal) -> UserError:
        where, said = self._config.base_url, str(refusal).rstrip(".")
        hint = ""
        if refusal.status == 404:
            hint = "; is server.model right, and does the address end in /v1?"
        elif "nexpected field" in said or "xtra" in said or "nrecognized" in said:
            hint = "; leave that setting out, or set server.flavour to what the server is"
        return UserError(f"{where} refuses a request ({refusal.status}): {said}{hint}")

    # -- tokens ------------------------------------------------------------------------------------

    async def _ids(self, wire: Wire, prompt: Prompt, *, first: bool) -> tuple[int, ...]:
        """Token ids by the server's `/tokenize`; `first` = at the beginning of a sequence."""
        if not isinstance(prompt, str):
            if prompt and isinstance(prompt[0], Message):
                raise NotImplementedError("a server keeps no conversation as token ids")
            return tuple(id_ for id_ in prompt if isinstance(id_, int))
        if not prompt and not first:
            return ()
        key = (prompt, first)
        if key not in self._texts:
            body = {"model": wire.model, "prompt": prompt, "add_special_tokens": first}
            try:
                answer = await self._link.call("//tokenize", body)
            except Refusal as refusal:
                raise self._mistake(refusal) from refusal
            self._texts[key] = tuple(answer["tokens"])
            if len(self._texts) > _CACHED_TEXTS:
                self._texts.popitem(last=False)
        return self._texts[key]

    async def _prefix(self, prompt: Prompt) -> Prefix:
        wire, limit = await self._meet()
        tokens = {"tokenize", "token_prompts"} <= wire.offers
        if not tokens or self._config.api == "chat":
            raise NotImplementedError(f"a server of flavour '{wire.flavour}' keeps no prefixes")
        return self._fitting(await self._ids(wire, prompt, first=True), limit)

    async def _extend(self, before: tuple[int, ...], more: str | Sequence[int]) -> Prefix:
        wire, limit = await self._meet()
        ids = await self._ids(wire, more if isinstance(more, str) else tuple(more), first=False)
        return self._fitting((*before, *ids), limit)

    def _fitting(self, ids: tuple[int, ...], limit: int | None) -> Prefix:
        if limit is not None and len(ids) > limit:
            raise ValueError(f"a prefix of {len(ids)} tokens does not fit the model's context")
        return self._handle(ids)

    # -- given continuations -----------------------------------------------------------------------

    async def _judge(self, before: str | tuple[int, ...], text: str) -> Likelihood:
        wire, limit = await self._meet()
        wire.need("echo", "the log-likelihood of a given text is asked for")
        if not text:
            return Likelihood((), (), greedy=True)
        if "tokenize" not in wire.offers:
            assert isinstance(before, str), "prefixes are ids, which only /tokenize gives"
            return await self._judge_text(wire, before, text)
        ids, start = await self._continued(wire, before, text)
        if limit is not None and len(ids) > limit:
            return Likelihood((), (), greedy=False)
        # a prompt that fills the context leaves no room for the token that echo comes with
        full = limit is not None and len(ids) == limit and wire.flavour != "mathlm"
        if full or start == 0:
            return Likelihood((), (), greedy=False)
        echo = await self._echo(wire, ids)
        values, best = echo.values[start : len(ids)], echo.best[start : len(ids)]
        greedy = all(value == top for value, top in zip(values, best, strict=True))
        return Likelihood(ids[start:], tuple(values), greedy)

    async def _continued(
        self, wire: Wire, before: str | tuple[int, ...], text: str
    ) -> tuple[tuple[int, ...], int]:
        """Ids of both, and where the text's begin; a token across the border is the text's."""
        if not isinstance(before, str):
            return (*before, *await self._ids(wire, text, first=False)), len(before)
        alone = await self._ids(wire, before, first=True)
        both = await self._ids(wire, before + text, first=True)
        number = 0
        while number < min(len(alone), len(both)) and alone[number] == both[number]:
            number += 1
        if number == 0:
            return (*alone, *await self._ids(wire, text, first=False)), len(alone)
        return both, number

    async def _judge_text(self, wire: Wire, before: str, text: str) -> Likelihood:
        """By the places of tokens in the echoed text, where the server does not tokenise."""
        echo = await self._echo(wire, before + text)
        ends = [*echo.offsets[1:], len(before) + len(text)]
        chosen = [
            number
            for number, (start, end) in enumerate(zip(echo.offsets, ends, strict=True))
            if end > len(before) and start < len(before) + len(text)
        ]
        if not chosen or chosen[0] == 0:
            return Likelihood((), (), greedy=False)
        values = tuple(echo.values[number] for number in chosen)
        greedy = all(echo.values[number] == echo.best[number] for number in chosen)
        return Likelihood((), values, greedy)

    async def _echo(self, wire: Wire, prompt: str | tuple[int, ...]) -> _Echo:
        sampling = Sampling(max_tokens=1)
        request = Request("" if isinstance(prompt, str) else prompt, sampling=sampling)
        body = replace(wire, logprobs=True).body(request, prompt) | {"echo": True}
        if wire.flavour == "mathlm":
            body["max_tokens"] = 0
        number = len(prompt) if isinstance(prompt, tuple) else len(prompt.encode()) // 3 + 1
        try:
            answer = await self._ask("/completions", body, Use(number, 1))
        except Refusal as refusal:
            raise self._mistake(refusal) from refusal
        return _Echo.of(answer, len(prompt) if isinstance(prompt, tuple) else None)


@dataclass(frozen=True)
class _Echo:
    """The log-probabilities of a prompt's own tokens; 0 for the first, which has nothing before."""

    values: list[float]
    best: list[float]
    offsets: list[int]

    @classmethod
    def of(cls, answer: Mapping[str, Any], number: int | None) -> _Echo:
        """Read off an answer; `number`: how many tokens the prompt must have."""
        choices = answer.get("choices") or [{}]
        given = choices[0].get("logprobs") or {}
        values = [0.0 if p is None else float(p) for p in given.get("token_logprobs") or ()]
        tops = given.get("top_logprobs") or [None] * len(values)
        if len(values) < (number or 2) or len(tops) != len(values):
            raise UserError("the server echoes no log-probabilities of a prompt's own tokens")
        pairs = zip(tops, values, strict=True)
        best = [max([value, *(top or {}).values()]) for top, value in pairs]
        return cls(values, best, list(given.get("text_offset") or ()))


def _shorter(request: Request, max_tokens: int) -> Request:
    return replace(request, sampling=replace(request.sampling, max_tokens=max_tokens))


def _tokens_at_most(request: Request) -> int:
    """A generous guess at a text prompt's tokens: one for three bytes, four a message."""
    prompt = request.prompt
    if isinstance(prompt, str):
        return len(prompt.encode("utf-8", "replace")) // 3 + 1
    texts = [turn.content for turn in prompt if isinstance(turn, Message)]
    return sum(len(text.encode("utf-8", "replace")) // 3 + 5 for text in texts) or len(prompt)


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return int(next(group for group in found.groups() if group)) if found else None
