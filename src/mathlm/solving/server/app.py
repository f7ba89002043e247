"""The HTTP side: routes, keys, limits, what happens when a client leaves.

Endpoints as in OpenAI's API (`/v1/models`, `/v1/completions`, `/v1/chat/completions`), vLLM's
`/tokenize`, and `/health`. Everything that comes in is hostile: bodies are bounded and checked
field by field, a browser's page cannot ask a server on its own machine (JSON only, known hosts).
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from mathlm.solving.server.answers import streamed_answer, whole_answer
from mathlm.solving.server.asked import (
    Asked,
    ChatAsked,
    CompletionAsked,
    TokenizeAsked,
    read,
)
from mathlm.solving.server.errors import ApiError
from mathlm.solving.server.jobs import Job, Served, chat_job, completion_job

_PORT = re.compile(r":\d*$")
_GONE = 499
"""Status of an answer that nobody waits for any more (nginx's number); it is not sent."""


@dataclass(frozen=True)
class Limits:
    """What one server takes on."""

    body_mib: float = 4.0
    waiting: int = 1024
    """Most choices under way or waiting, over all clients; above it 429."""


class Gate:
    """Counts the choices under way and refuses what would be too many."""

    def __init__(self, limit: int) -> None:
        self.limit, self.held = limit, 0

    @contextlib.contextmanager
    def room(self, number: int) -> Iterator[None]:
        """Hold room for so many choices; raises `ApiError` 429 where there is none."""
        if number > self.limit:
            message = f"{number} choices in one request; this server takes {self.limit} at a time"
            raise ApiError(400, message, param="n")
        if self.held + number > self.limit:
            message = f"{self.held} choices are waiting already; try again"
            headers = {"Retry-After": "1"}
            raise ApiError(429, message, code="queue_full", headers=headers)
        self.held += number
        try:
            yield
        finally:
            self.held -= number


class Api:
    """The endpoints over one model."""

    def __init__(
        self, served: Served, *, key: str | None, hosts: frozenset[str] | None, limits: Limits
    ) -> None:
        """`key`: what clients must show; `hosts`: names by which it may be called; None: any."""
        self._served, self._key, self._hosts = served, key, hosts
        self._body_bytes = int(limits.body_mib * 2**20)
        self._gate = Gate(limits.waiting)

    def routes(self) -> list[Route]:
        """All endpoints."""
        return [
            Route("/health", self.health),
            Route("/v1/models", self.models),
            Route("/v1/models/{name:path}", self.model),
            Route("/v1/completions", self.completions, methods=["POST"]),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/tokenize", self.tokenize, methods=["POST"]),
        ]

    async def health(self, request: Request) -> Response:
        """Whether it is there, and how busy."""
        self._called(request)
        load = self._served.engine.load.summary()
        return JSONResponse({"status": "ok", "under_way": self._gate.held, **load})

    async def models(self, request: Request) -> Response:
        """The one model."""
        self._admit(request)
        return JSONResponse({"object": "list", "data": [self._card()]})

    async def model(self, request: Request) -> Response:
        """The one model by its name."""
        self._admit(request)
        self._named(request.path_params["name"])
        return JSONResponse(self._card())

    async def completions(self, request: Request) -> Response:
        """`/v1/completions`."""
        asked: CompletionAsked = read(CompletionAsked, await self._body(request))
        return await self._answer(request, asked, lambda: completion_job(self._served, asked))

    async def chat(self, request: Request) -> Response:
        """`/v1/chat/completions`."""
        asked: ChatAsked = read(ChatAsked, await self._body(request))
        return await self._answer(request, asked, lambda: chat_job(self._served, asked))

    async def tokenize(self, request: Request) -> Response:
        """The tokens of a text, as vLLM's `/tokenize` gives them."""
        asked: TokenizeAsked = read(TokenizeAsked, await self._body(request))
        ids = self._served.prompts.text_ids(asked.prompt, first=asked.add_special_tokens)
        limit = self._served.engine.context_tokens
        return JSONResponse({"count": len(ids), "max_model_len": limit, "tokens": list(ids)})

    # -- what every endpoint does ------------------------------------------------------------------

    def _card(self) -> dict[str, Any]:
        limit = self._served.engine.context_tokens
        fields = {"object": "model", "created": 0, "owned_by": "mathlm", "max_model_len": limit}
        return {"id": self._served.name, **fields}

    def _named(self, name: str) -> None:
        if name != self._served.name:
            message = f"no model {name[:200]!r} here; there is {self._served.name!r}"
            raise ApiError(404, message, param="model", code="model_not_found")

    def _called(self, request: Request) -> None:
        """Refuse a name that was made to point here (DNS rebinding)."""
        host = _PORT.sub("", request.headers.get("host", "")).lower()
        if self._hosts is not None and host not in self._hosts:
            raise ApiError(403, "this server is called by its own address only", code="host")

    def _admit(self, request: Request) -> None:
        self._called(request)
        if self._key is None:
            return
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(shown.strip().encode(), self._key.encode())
        if kind.lower() != "bearer" or not right:
            headers = {"WWW-Authenticate": "Bearer"}
            raise ApiError(401, "wrong or missing key", code="invalid_api_key", headers=headers)

    async def _body(self, request: Request) -> Any:
        self._admit(request)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise ApiError(415, "the body must be application/json")
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > self._body_bytes:
                raise ApiError(413, f"the body is larger than {self._body_bytes} bytes")
        try:
            return json.loads(data, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise ApiError(400, f"the body is no JSON: {reason[:200]}") from error

    async def _answer(self, request: Request, asked: Asked, make: Callable[[], Job]) -> Response:
        self._named(asked.model)
        if asked.stream_options is not None and not asked.stream:
            raise ApiError(400, "stream_options needs stream = true", param="stream_options")
        job = make()
        if asked.stream:
            events = self._events(job)
            first = await anext(events)  # what is refused is refused with a status
            return StreamingResponse(_chained(first, events), media_type="text/event-stream")
        with self._gate.room(len(job.requests)):
            return await _unless_gone(request, whole_answer(self._served, job))

    async def _events(self, job: Job) -> AsyncGenerator[str, None]:
        with self._gate.room(len(job.requests)):
            async with contextlib.aclosing(streamed_answer(self._served, job)) as events:
                async for event in events:
                    yield event


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


async def _chained(first: str, rest: AsyncGenerator[str, None]) -> AsyncGenerator[str]:
    try:
        yield first
        async for event in rest:
            yield event
    finally:
        await rest.aclose()


async def _unless_gone(request: Request, answer: Any) -> Response:
    """The answer, or its end as soon as the client has gone."""
    work = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        return JSONResponse(work.result()) if work.done() else Response(status_code=_GONE)
    finally:
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refused(request: Request, error: Exception) -> Response:
    """Error objects for what the endpoints and the router refuse."""
    if isinstance(error, ApiError):
        return error.response()
    if isinstance(error, HTTPException):
        return ApiError(error.status_code, str(error.detail)).response()
    return ApiError(500, f"the engine failed: {type(error).__name__}").response()


def make_app(
    served: Served,
    *,
    key: str | None = None,
    hosts: frozenset[str] | None = None,
    limits: Limits | None = None,
) -> Starlette:
    """The server as an ASGI application."""
    api = Api(served, key=key, hosts=hosts, limits=limits or Limits())
    handlers: Any = {kind: _refused for kind in (ApiError, HTTPException, Exception)}
    return Starlette(routes=api.routes(), exception_handlers=handlers)
