"""Requests to a server that may be busy, slow, broken or someone else's.

Sent again: refusals for load (429) and for trouble (5xx, 408), broken lines, timeouts; after what
`Retry-After` says, else after an exponentially growing time with jitter. Everything else is the
user's to mend and said in one line. The key is in no message.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx

from mathlm.core.errors import MachineError, UserError
from mathlm.solving.engines.openai_config import ServerConfig

_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 60.0
_LONGEST_ASKED_S = 600.0
"""A server that asks to be left alone for longer is taken at this much."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Refusal(Exception):
    """An answer with an error status that sending again would not change."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Link:
    """The way to one server; use it in one event loop."""

    def __init__(
        self, config: ServerConfig, key: str | None, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        self._config, self._key = config, key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(config.timeout_s, connect=min(30.0, config.timeout_s), pool=None),
            limits=httpx.Limits(max_connections=config.concurrency, keepalive_expiry=30),
            trust_env=urlsplit(config.base_url).hostname not in _LOOPBACK,
            transport=transport,
        )
        self._quiet_until = 0.0
        self.retries = 0
        self.answered = False
        """Whether the server has ever answered."""

    async def call(
        self, path: str, body: dict[str, Any] | None = None, *, once: bool = False
    ) -> dict[str, Any]:
        """The answer's object; `path` follows the base URL, or the host where it begins with `//`.

        `once`: an error status is a Refusal, whichever it is; only broken lines are tried again.
        Raises Refusal, MachineError when the server does not come back, UserError for a wrong key
        and for an address where nothing answers.
        """
        tries = 0
        while True:
            await self._calm()
            try:
                answer = await self._send(path, body)
            except (httpx.TransportError, httpx.DecodingError) as error:
                reason, wait = _broken(error), None
            else:
                if once or answer.status_code not in _AGAIN or _hopeless(answer):
                    self.answered = True
                    return self._object(answer)
                reason = f"{answer.status_code}: {self._message(answer)[0]}"
                wait = _asked_wait(answer)
            if tries >= self._config.retries:
                raise self._given_up(reason)
            await self._wait(wait, tries)
            tries += 1
            self.retries += 1

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _send(self, path: str, body: dict[str, Any] | None) -> httpx.Response:
        base = self._config.base_url
        url = base.removesuffix("/v1") + path[1:] if path.startswith("//") else base + path
        if body is None:
            return await self._client.get(url)
        return await self._client.post(url, json=body)

    async def _calm(self) -> None:
        """Wait out what the server asked of anybody."""
        while (delay := self._quiet_until - time.monotonic()) > 0:
            await asyncio.sleep(delay)

    async def _wait(self, asked: float | None, tries: int) -> None:
        if asked is not None:
            self._quiet_until = max(self._quiet_until, time.monotonic() + asked)
            await asyncio.sleep(random.uniform(0, 0.1))  # all the others wake up too
            return
        wait = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**tries)
        await asyncio.sleep(wait * random.uniform(0.5, 1.0))

    def _given_up(self, reason: str) -> Exception:
        where = self._config.base_url
        tries = f"after {self._config.retries + 1} tries"
        if not self.answered:
            return UserError(f"no answer from {where} {tries} ({reason}); is the server running?")
        return MachineError(f"the server at {where} failed {tries} ({reason})")

    def _object(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.status_code in {401, 403}:
            raise UserError(self._locked(answer))
        if answer.is_redirect:
            place = answer.headers.get("location", "?")
            raise UserError(f"{self._config.base_url} redirects to {place}: give that address")
        if answer.is_error:
            message, code = self._message(answer)
            raise Refusal(answer.status_code, message, code)
        try:
            value = answer.json()
        except ValueError as error:
            raise self._no_api(answer) from error
        if not isinstance(value, dict):
            raise self._no_api(answer)
        return value

    def _no_api(self, answer: httpx.Response) -> UserError:
        kind = answer.headers.get("content-type", "no type")
        return UserError(
            f"{self._config.base_url} answers with no JSON object ({kind}): is it an"
            " OpenAI-compatible server, and does the address end in /v1?"
        )

    def _locked(self, answer: httpx.Response) -> str:
        name, where = self._config.key_env, self._config.base_url
        said = self._message(answer)[0]
        if self._key is None:
            return f"{where} wants a key: name the environment variable with it in server.key_env"
        return f"{where} refuses the key in {name or 'the settings'} ({said})"

    def _message(self, answer: httpx.Response) -> tuple[str, str]:
        """What the server says went wrong, in one line, and its code."""
        try:
            value = answer.json()
        except (ValueError, RecursionError):
            value = answer.text
        code = ""
        if isinstance(value, dict):
            found = value.get("error", value.get("detail", value.get("message", value)))
            if isinstance(found, dict):
                code = str(found.get("code") or found.get("type") or "")
                found = found.get("message", found)
            value = found
        text = value if isinstance(value, str) else json.dumps(value)
        line = " ".join(text.split())[:500]
        return (line.replace(self._key, "***") if self._key else line) or "no reason given", code


def _hopeless(answer: httpx.Response) -> bool:
    """Whether trying again is of no use although the status says so."""
    text = answer.text[:2000]
    # an account without money (OpenAI); llama-cpp-python says 500 to a field of a wrong type
    return "insufficient_quota" in text or "validation error" in text


def _asked_wait(answer: httpx.Response) -> float | None:
    """Seconds that the server wants to be left alone."""
    said = answer.headers.get("retry-after", "").strip()
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            when = parsedate_to_datetime(said)
        except ValueError:
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), _LONGEST_ASKED_S) if math.isfinite(seconds) else None


def _broken(error: Exception) -> str:
    """A broken line in a few words."""
    return f"{type(error).__name__}: {error}".rstrip(": ")[:200]
