"""From a request's body to what the engine is asked for: prompts as tokens, sampling, seeds."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.engines.prompts import Prompts
from mathlm.solving.engines.protocol import Request, Sampling
from mathlm.solving.server.asked import Asked, ChatAsked, CompletionAsked
from mathlm.solving.server.errors import ApiError
from mathlm.solving.server.shapes import Ids, Names

_COMPLETION_TOKENS = 16
"""OpenAI's default of `max_tokens` for `/v1/completions`; a chat goes on to the model's end."""


@dataclass(frozen=True)
class Served:
    """A model as the server has it."""

    engine: LocalEngine
    tokenizer: Any
    name: str
    names: Names
    ids: Ids
    prompts: Prompts

    @classmethod
    def of(cls, engine: LocalEngine, tokenizer: Any, name: str) -> Served:
        """The model under the name by which clients ask for it."""
        return cls(engine, tokenizer, name, Names(tokenizer), Ids(tokenizer), Prompts(tokenizer))


@dataclass(frozen=True)
class Job:
    """A body made ready: one request to the engine for each choice, prompt by prompt."""

    asked: Asked
    requests: tuple[Request, ...]
    echoes: tuple[str, ...] | None
    """Each choice's prompt, where it is to stand before the text."""
    top: int | None
    """How many log-probabilities are wanted beside the chosen token's own; None: not even that."""
    generate: bool = True
    """False where only the prompt's own log-probabilities are wanted (`max_tokens` 0)."""

    @property
    def chat(self) -> bool:
        """Which of the two APIs."""
        return isinstance(self.asked, ChatAsked)


def completion_job(served: Served, asked: CompletionAsked) -> Job:
    """The job of a body of `/v1/completions`."""
    if asked.best_of not in {None, asked.n or 1}:
        raise ApiError(400, "best_of: only n itself is supported", param="best_of")
    limit = _COMPLETION_TOKENS if asked.max_tokens is None else asked.max_tokens
    if limit == 0 and not asked.echo:
        raise ApiError(400, "max_tokens must be at least 1 without echo", param="max_tokens")
    prompts = [_encodable(prompt, "prompt") for prompt in asked.prompts()]
    ids = [_prompt_ids(served, prompt) for prompt in prompts]
    echoes = None
    if asked.echo:
        echoes = tuple(
            prompt if isinstance(prompt, str) else _text(served, prompt)
            for prompt in prompts
            for _ in range(asked.n or 1)
        )
    top = asked.logprobs
    requests = _requests(served, asked, ids, limit=limit, top=top or 0)
    return Job(asked, requests, echoes, top, generate=limit > 0)


def chat_job(served: Served, asked: ChatAsked) -> Job:
    """The job of a body of `/v1/chat/completions`."""
    if asked.top_logprobs and not asked.logprobs:
        raise ApiError(400, "top_logprobs needs logprobs = true", param="top_logprobs")
    ids = _chat_ids(served, asked)
    given = asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens
    if given == 0:
        raise ApiError(400, "max_completion_tokens must be at least 1", param="max_tokens")
    limit = given or served.engine.context_tokens
    top = (asked.top_logprobs or 0) if asked.logprobs else None
    return Job(asked, _requests(served, asked, [ids], limit=limit, top=top or 0), None, top)


def _text(served: Served, ids: tuple[int, ...]) -> str:
    return served.names.data(ids).decode("utf-8", "replace")


def _encodable(prompt: str | tuple[int, ...], field: str) -> str | tuple[int, ...]:
    if isinstance(prompt, str):
        try:
            prompt.encode()
        except UnicodeEncodeError as error:
            message = f"{field} holds half a surrogate pair, which is no text"
            raise ApiError(400, message, param=field) from error
    return prompt


def _prompt_ids(served: Served, prompt: str | tuple[int, ...]) -> tuple[int, ...]:
    if isinstance(prompt, str):
        return served.prompts.text_ids(prompt, first=True) or _start(served)
    known = served.engine.vocabulary
    wrong = next((id_ for id_ in prompt if not 0 <= id_ < known), None)
    if wrong is not None:
        raise ApiError(400, f"prompt: no token {wrong}, ids end at {known - 1}", param="prompt")
    return prompt


def _start(served: Served) -> tuple[int, ...]:
    start = served.tokenizer.bos_token_id
    return (served.tokenizer.eos_token_id if start is None else start,)


def _chat_ids(served: Served, asked: ChatAsked) -> tuple[int, ...]:
    tokenizer = served.tokenizer
    if not tokenizer.chat_template:
        message = f"{served.name} has no chat template: ask /v1/completions"
        raise ApiError(400, message, param="messages", code="no_chat_template")
    if asked.continue_final_message and asked.add_generation_prompt:
        message = "continue_final_message needs add_generation_prompt = false"
        raise ApiError(400, message, param="continue_final_message")
    try:
        text = tokenizer.apply_chat_template(
            [turn.plain() for turn in asked.messages],
            tokenize=False,
            add_generation_prompt=asked.add_generation_prompt,
            continue_final_message=asked.continue_final_message,
        )
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        message = f"the model's chat template refuses these messages: {reason}"
        raise ApiError(400, message, param="messages") from error
    _encodable(text, "messages")
    return served.prompts.text_ids(text, first=False) or _start(served)


def _requests(
    served: Served, asked: Asked, prompts: list[tuple[int, ...]], *, limit: int, top: int
) -> tuple[Request, ...]:
    for ids in prompts:
        _fits(served, ids, generate=limit > 0)
    sampling = Sampling(
        max_tokens=max(1, limit),
        temperature=1.0 if asked.temperature is None else asked.temperature,
        top_k=max(0, asked.top_k or 0),
        top_p=asked.top_p or 1.0,
        min_p=asked.min_p or 0.0,
        repetition_penalty=asked.repetition_penalty or 1.0,
        stops=tuple(str(_encodable(stop, "stop")) for stop in asked.stops),
        stop_ids=tuple(asked.stop_token_ids or ()),
        ignore_eos=bool(asked.ignore_eos),
    )
    seed = secrets.randbits(63) if asked.seed is None else asked.seed
    return tuple(
        Request(
            ids,
            sample_index=number,
            seed=seed,
            sampling=sampling,
            shared=str(_encodable(asked.shared_prefix or "", "shared_prefix")),
            top_logprobs=top,
        )
        for ids in prompts
        for number in range(asked.n or 1)
    )


def _fits(served: Served, ids: tuple[int, ...], *, generate: bool) -> None:
    limit = served.engine.context_tokens
    if len(ids) + generate > limit:
        message = (
            f"This model's maximum context length is {limit} tokens, and the prompt alone has"
            f" {len(ids)} tokens."
        )
        raise ApiError(400, message, param="prompt", code="context_length_exceeded")
