"""What a solver may ask of an engine, and what it gets back.

Not here: how tokens are made (`local`), nor how prompts are written (`mathlm.tasks`). The shape is
that of section 4 of the design: thousands of coroutines wait at once and the engine batches what
they ask for, so that no solver ever owns a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

StopReason = Literal["stop", "eos", "length", "budget"]
"""`stop`: a stop string or id; `eos`: the model ended; `length`: max_tokens or the context is
full; `budget`: the prompt alone does not fit into the model's context, nothing was generated."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen and when a generation ends; the defaults are greedy and neutral."""

    max_tokens: int = 256
    temperature: float = 0.0
    """0 is greedy: the most likely token, the lowest id among equals."""
    top_k: int = 0
    """Keep the k most likely tokens; 0 keeps all."""
    top_p: float = 1.0
    """Keep the smallest set of most likely tokens whose mass reaches top_p; 1 keeps all."""
    min_p: float = 0.0
    """Drop tokens less likely than min_p times the most likely one."""
    repetition_penalty: float = 1.0
    """As in transformers: scores of tokens seen in the prompt or the text are divided
    (positive) or multiplied (negative) by it."""
    stops: tuple[str, ...] = ()
    """Strings that end the text; it is cut before the one that is complete first."""
    stop_ids: tuple[int, ...] = ()
    ignore_eos: bool = False

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError("max_tokens must be at least 1")
        if self.temperature < 0 or not 0 < self.top_p <= 1 or not 0 <= self.min_p <= 1:
            raise ValueError("temperature >= 0, 0 < top_p <= 1 and 0 <= min_p <= 1 are required")
        if self.top_k < 0 or self.repetition_penalty <= 0 or "" in self.stops:
            raise ValueError("top_k >= 0, repetition_penalty > 0 and stops that are not empty")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat prompt, rendered by the tokenizer's chat template."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """A handle on tokens whose keys and values an engine keeps until the handle is dropped."""

    id: int
    token_ids: tuple[int, ...]
    """All tokens from the beginning of the sequence to the end of this prefix."""


Prompt = str | tuple[Message, ...] | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One generation. `(seed, problem_id, sample_index, branch)` keys its randomness."""

    prompt: Prompt
    """Text, a chat, or token ids; what comes after `parent` where there is one."""
    problem_id: str = ""
    sample_index: int = 0
    seed: int = 0
    branch: tuple[int, ...] = ()
    """The path of forks that leads to this request, for trees."""
    sampling: Sampling = Sampling()
    parent: Prefix | None = None
    shared: str = ""
    """The beginning of a text prompt that many requests have in common (the few-shot part).
    Its keys and values are computed once and kept once; results do not depend on it beyond
    the last digits of log-probabilities."""
    top_logprobs: int = 0
    """How many of the most likely tokens at each place are wanted with their log-probabilities."""


Tops = tuple[tuple[tuple[int, float], ...], ...]
"""For each token the most likely ones at its place, the likeliest first: (id, log-probability)."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What came of a request."""

    text: str
    """Decoded without special tokens, cut before the stop string."""
    token_ids: tuple[int, ...]
    """All tokens that the model chose, those of the stop string and the end token included."""
    logprobs: tuple[float, ...]
    """Log-probability (nats) of each chosen token under the model itself, before temperature
    and truncation."""
    finish_reason: StopReason
    prompt_tokens: int
    """Tokens before the first generated one, shared ones included."""
    stop: str = ""
    """The stop string that ended it; empty where none did, or where a server does not say."""
    tops: Tops = ()
    """One entry a token where the request asked for `top_logprobs`."""
    processed_logprobs: tuple[float, ...] = ()
    """Log-probability (nats) of each chosen token under the distribution that it was drawn from,
    after penalty, temperature and truncation; 0 for greedy choices."""
    thought: str = ""
    """What the model thought first, where a server tells it apart from the text."""
    counted_tokens: int = 0
    """How many tokens the model chose, where a server says how many but not which."""

    @property
    def tokens(self) -> int:
        """How many tokens the model chose."""
        return len(self.token_ids) or self.counted_tokens


@dataclass(frozen=True, slots=True)
class Piece:
    """What a generation under way has more than before; the texts together are the whole."""

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    tops: Tops = ()


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Log-probabilities (nats) of a given continuation."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    greedy: bool
    """Whether each token is the most likely one at its place."""
    tops: Tops = ()
    """One entry a token where they were asked for."""

    @property
    def total(self) -> float:
        """The log-probability of the whole continuation."""
        return sum(self.logprobs)


class Engine(Protocol):
    """A language model that answers many coroutines at once.

    An engine that keeps no prefixes raises NotImplementedError from `prefix`: whoever goes on
    from what was written then sends the whole text again.
    """

    async def generate(self, request: Request) -> Generation:
        """The generation that the request asks for."""

    async def loglikelihood(self, prefix: Prefix | str, text: str) -> Likelihood:
        """How likely `text` is after `prefix`."""

    async def prefix(self, prompt: Prompt, *, shared: str = "") -> Prefix:
        """A kept prefix at the beginning of a sequence; `shared` as in a request."""

    async def extend(self, prefix: Prefix, more: str | Sequence[int]) -> Prefix:
        """A new kept prefix: `prefix` followed by `more`; `prefix` stays valid."""

    def fork(self, prefix: Prefix) -> Prefix:
        """A second handle on the same prefix, dropped on its own."""

    def drop(self, prefix: Prefix) -> None:
        """Give a handle up; its memory is freed when no handle and no running row needs it."""
