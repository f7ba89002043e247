"""What the engine makes of a job, as one object or as a stream of server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from mathlm.solving.engines.protocol import Generation, Piece, Request, Tops
from mathlm.solving.server.errors import ApiError
from mathlm.solving.server.jobs import Job, Served
from mathlm.solving.server.shapes import (
    chat_logprobs,
    completion_logprobs,
    finish,
    stop_reason,
    usage,
)

_NOTHING = Generation("", (), (), "length", 0)


@dataclass(frozen=True)
class _Head:
    """The fields that all chunks of an answer share."""

    fields: dict[str, Any]

    @classmethod
    def of(cls, served: Served, job: Job, *, chunk: bool) -> _Head:
        kind = "text_completion"
        if job.chat:
            kind = "chat.completion.chunk" if chunk else "chat.completion"
        id_ = ("chatcmpl-" if job.chat else "cmpl-") + secrets.token_hex(12)
        fields = {"id": id_, "object": kind, "created": int(time.time()), "model": served.name}
        return cls(fields)


@dataclass(frozen=True)
class _Echo:
    """A prompt that stands before its text, with its log-probabilities where wanted."""

    text: str = ""
    ids: tuple[int, ...] = ()
    logprobs: tuple[float | None, ...] = ()
    tops: Tops = ()


async def whole_answer(served: Served, job: Job) -> dict[str, Any]:
    """The answer as one object; all choices are made at once."""
    made = await asyncio.gather(*(_generated(served, job, request) for request in job.requests))
    choices = []
    for number, generation in enumerate(made):
        echo = await _echo(served, job, number)
        choices.append(_choice(served, job, number, generation, echo=echo))
    read = _prompt_tokens(job)
    written = sum(len(generation.token_ids) for generation in made)
    head = _Head.of(served, job, chunk=False)
    return {**head.fields, "choices": choices, "usage": usage(read, written)}


def _prompt_tokens(job: Job) -> int:
    """Tokens of all prompts; that of several choices counts once."""
    return sum(len(r.prompt) for r in job.requests if r.sample_index == 0)


async def _generated(served: Served, job: Job, request: Request) -> Generation:
    return await served.engine.generate(request) if job.generate else _NOTHING


async def _echo(served: Served, job: Job, number: int) -> _Echo:
    if job.echoes is None:
        return _Echo()
    if job.top is None:
        return _Echo(job.echoes[number])
    request = job.requests[number]
    ids = tuple(id_ for id_ in request.prompt if isinstance(id_, int))
    found = await served.engine.prompt_likelihood(ids, top=max(1, job.top))
    return _Echo(job.echoes[number], ids, (None, *found.logprobs), ((), *found.tops))


def _choice(
    served: Served, job: Job, number: int, made: Generation, *, echo: _Echo
) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": number}
    if job.chat:
        choice["message"] = {"role": "assistant", "content": made.text, "refusal": None}
    else:
        choice["text"] = echo.text + made.text
    choice["logprobs"] = _logprobs(served, job, made, echo)
    choice["finish_reason"] = finish(made)
    choice["stop_reason"] = stop_reason(made)
    if job.asked.return_token_ids:
        choice["token_ids"] = list(made.token_ids)
        choice["prompt_token_ids"] = list(job.requests[number].prompt)
    return choice


def _logprobs(
    served: Served, job: Job, made: Generation | Piece, echo: _Echo
) -> dict[str, Any] | None:
    if job.top is None:
        return None
    names = served.ids if job.asked.return_tokens_as_token_ids else served.names
    if job.chat:
        return chat_logprobs(names, made.token_ids, made.logprobs, made.tops)
    tops = made.tops or ((),) * len(made.token_ids)
    return completion_logprobs(
        names,
        (*echo.ids, *made.token_ids),
        (*echo.logprobs, *made.logprobs),
        (*echo.tops, *tops),
    )


# -- streams ---------------------------------------------------------------------------------------


async def streamed_answer(served: Served, job: Job) -> AsyncGenerator[str, None]:
    """The answer as server-sent events; leaving early cancels what is being made."""
    head = _Head.of(served, job, chunk=True)
    events: asyncio.Queue[dict[str, Any] | Generation | ApiError] = asyncio.Queue()
    choices = [
        asyncio.ensure_future(_follow(served, job, number, events))
        for number in range(len(job.requests))
    ]
    try:
        written, left = 0, len(choices)
        while left:
            event = await events.get()
            if isinstance(event, ApiError):
                yield _event(event.body())
                return
            if isinstance(event, Generation):
                left -= 1
                written += len(event.token_ids)
            else:
                yield _event({**head.fields, "choices": [event]})
        options = job.asked.stream_options
        if options is not None and options.include_usage:
            total = usage(_prompt_tokens(job), written)
            yield _event({**head.fields, "choices": [], "usage": total})
        yield "data: [DONE]\n\n"
    finally:
        for choice in choices:
            choice.cancel()
        await asyncio.gather(*choices, return_exceptions=True)


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, separators=(',', ':'))}\n\n"


async def _follow(served: Served, job: Job, number: int, events: asyncio.Queue[Any]) -> None:
    """Put one choice's chunks into the queue, then its whole generation."""
    try:
        if job.chat:
            events.put_nowait(_delta(number, {"role": "assistant", "content": ""}))
        elif job.echoes is not None:
            echo = await _echo(served, job, number)
            logprobs = _logprobs(served, job, Piece("", (), ()), echo)
            events.put_nowait(_chunk(number, echo.text, logprobs))
        made = _NOTHING
        if job.generate:
            async with contextlib.aclosing(served.engine.stream(job.requests[number])) as stream:
                async for piece in stream:
                    if isinstance(piece, Generation):
                        made = piece
                    elif chunk := _piece_chunk(served, job, number, piece):
                        events.put_nowait(chunk)
        events.put_nowait(_last(job, number, made))
        events.put_nowait(made)
    except Exception as error:  # noqa: BLE001  (the reader of the stream must hear that it broke)
        message = f"the engine failed: {type(error).__name__}"
        events.put_nowait(error if isinstance(error, ApiError) else ApiError(500, message))


def _piece_chunk(served: Served, job: Job, number: int, piece: Piece) -> dict[str, Any] | None:
    """A piece as a chunk; None where it would say nothing."""
    shown = job.top is not None or job.asked.return_token_ids
    if not piece.text and not (shown and piece.token_ids):
        return None
    logprobs = _logprobs(served, job, piece, _Echo()) if piece.token_ids else None
    if job.chat:
        chunk = _delta(number, {"content": piece.text}, logprobs)
    else:
        chunk = _chunk(number, piece.text, logprobs)
    if job.asked.return_token_ids:
        chunk["token_ids"] = list(piece.token_ids)
    return chunk


def _delta(
    number: int, delta: dict[str, Any], logprobs: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {"index": number, "delta": delta, "logprobs": logprobs, "finish_reason": None}


def _chunk(number: int, text: str, logprobs: dict[str, Any] | None) -> dict[str, Any]:
    return {"index": number, "text": text, "logprobs": logprobs, "finish_reason": None}


def _last(job: Job, number: int, made: Generation) -> dict[str, Any]:
    chunk = _delta(number, {}) if job.chat else _chunk(number, "", None)
    chunk["finish_reason"] = finish(made)
    chunk["stop_reason"] = stop_reason(made)
    return chunk
