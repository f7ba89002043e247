"""Exchanges with real servers: what is asked of each, and a stand-in that replays the answers.

A recording is a JSONL file: a head (software, version, how and when), then one exchange a line.
`record_server.py` makes it by running `SCENES` with our own engine against the running server, so
that the stand-in answers what the engine asks and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx

from mathlm.core.errors import MachineError, UserError
from mathlm.solving.engines.openai import OpenAIEngine
from mathlm.solving.engines.openai_config import ServerConfig
from mathlm.solving.engines.protocol import Message, Request, Sampling

FOLDER = Path(__file__).parent / "recordings"
KEY = "secret-of-tests"
TEXT = "the answer is"
_TOO_LONG = "x " * 3000
_CHAT = (Message("user", "what is x?"),)
_KEPT_HEADERS = ("content-type", "retry-after", "server")


def _engine(head: dict[str, Any], **changes: Any) -> OpenAIEngine:
    """The engine as a scene wants it; `changes` beyond settings: key, logprobs, transport."""
    settings = {"base_url": head["base_url"], "model": head["model"], "retries": 1}
    others = {name: changes.pop(name) for name in ("logprobs", "transport") if name in changes}
    key = changes.pop("key", KEY if head["key"] else None)
    return OpenAIEngine(ServerConfig.model_validate({**settings, **changes}), key=key, **others)


Scene = Callable[[OpenAIEngine], Awaitable[Any]]


def _generate(prompt: Any = TEXT, **options: Any) -> Scene:
    async def scene(engine: OpenAIEngine) -> Any:
        sampling = Sampling(**{"max_tokens": 6, **options})
        return await engine.generate(Request(prompt, sampling=sampling))

    return scene


async def _likelihood(engine: OpenAIEngine) -> Any:
    return [
        await engine.loglikelihood(TEXT, " 12 apples"),
        await engine.loglikelihood(TEXT + " 12", "x"),
    ]


async def _prefix(engine: OpenAIEngine) -> Any:
    root = await engine.prefix(TEXT)
    leaf = await engine.extend(root, " 12 apples")
    made = await engine.generate(Request("", parent=leaf, sampling=Sampling(max_tokens=6)))
    return root.token_ids, leaf.token_ids, made


SCENES: dict[str, tuple[Scene, dict[str, Any]]] = {
    "greedy": (_generate(), {}),
    "sampled": (_generate(temperature=1.0, top_p=0.9), {}),
    "stop": (_generate(max_tokens=24, stops=("app", "what")), {}),
    "logprobs": (_generate(), {"logprobs": True}),
    "chat": (_generate(_CHAT), {}),
    "chat logprobs": (_generate(_CHAT), {"logprobs": True}),
    "text as chat": (_generate("what is x?"), {"api": "chat"}),
    "chat goes on": (_generate((*_CHAT, Message("assistant", "x ="))), {}),
    "top_k": (_generate(temperature=1.0, top_k=1), {}),
    "top_k as vllm": (_generate(temperature=1.0, top_k=1), {"flavour": "vllm"}),
    "penalty": (_generate(repetition_penalty=1.8), {}),
    "ids": (_generate((296, 281, 261)), {}),
    "long prompt": (_generate(_TOO_LONG), {}),
    "long completion": (_generate(max_tokens=1500), {}),
    "just too long": (_generate(max_tokens=1023), {}),
    "likelihood": (_likelihood, {}),
    "prefix": (_prefix, {}),
    "wrong model": (_generate(), {"model": "no-such-model"}),
    "wrong key": (_generate(), {"key": "not-the-key"}),
}


def play(head: dict[str, Any], name: str, transport: httpx.AsyncBaseTransport) -> Any:
    """What the engine makes of a scene: a value, or the failure."""
    import asyncio

    scene, changes = SCENES[name]
    engine = _engine(head, transport=transport, **changes)

    async def run() -> Any:
        return await scene(engine)

    try:
        return asyncio.run(run())
    except (UserError, MachineError, NotImplementedError) as error:
        return error
    finally:
        engine.close()


def _key_of(request: httpx.Request) -> tuple[str, str, str, str]:
    shown = request.headers.get("authorization", "")
    whose = {"": "none", f"Bearer {KEY}": "right"}.get(shown, "wrong")
    body = json.dumps(json.loads(request.content)) if request.content else ""
    return request.method, request.url.path, body, whose


class Recorder(httpx.AsyncBaseTransport):
    """Passes requests on and notes what came back."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.lines: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        method, path, body, key = _key_of(request)
        line: dict[str, Any] = {"method": method, "path": path, "body": body, "key": key}
        self.lines.append(line)
        try:
            answer = await self._inner.handle_async_request(request)
            line["text"] = (await answer.aread()).decode()
        except httpx.TransportError as error:
            line["broken"] = type(error).__name__
            raise
        line["status"] = answer.status_code
        kept = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
        line["headers"] = kept
        return httpx.Response(answer.status_code, headers=kept, content=line["text"].encode())


class Replay(httpx.AsyncBaseTransport):
    """Answers as the recorded server did; what it was not asked then is an error now."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self._lines = list(lines)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        wanted = _key_of(request)
        for number, line in enumerate(self._lines):
            if (line["method"], line["path"], line["body"], line["key"]) == wanted:
                del self._lines[number]
                if "broken" in line:
                    raise getattr(httpx, line["broken"])("as recorded")
                return httpx.Response(
                    line["status"], headers=line["headers"], content=line["text"].encode()
                )
        raise AssertionError(f"not in the recording: {wanted}")


def recordings() -> Iterator[Path]:
    """All recordings."""
    yield from sorted(FOLDER.glob("*.jsonl"))


def read(path: Path) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """A recording's head, and its exchanges by scene."""
    head, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    scenes: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        scenes.setdefault(line["scene"], []).append(line)
    return head, scenes
