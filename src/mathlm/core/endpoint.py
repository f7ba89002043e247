"""One question to an OpenAI-compatible endpoint, one answer: for judges and for scores of quality.

Not here: sampling at scale (`solving.engines`). The standard library's client; a busy or failing
server is asked again with growing pauses, and what stays broken is a MachineError. Keys are never
shown.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from mathlm.core.errors import MachineError, UserError

Ask = Callable[[str], str]
"""A prompt to the text of the answer."""

_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_MAX_BYTES = 4 << 20


@dataclass(frozen=True)
class Endpoint:
    """Where to ask: `base_url` ends before `/chat/completions`, as in `http://host:8000/v1`."""

    base_url: str
    model: str
    key: str | None = None
    max_tokens: int = 1024
    timeout_s: float = 120.0
    retries: int = 5
    pause_s: float = 1.0
    """The first pause before asking again; it doubles each time."""


def ask_endpoint(endpoint: Endpoint) -> Ask:
    """A function that asks the endpoint's chat model at temperature 0; safe from any thread.

    It raises UserError where the server refuses the request (key, model, address), and
    MachineError where it cannot be reached or keeps failing.
    """
    if not endpoint.base_url.startswith(("http://", "https://")):
        raise UserError(f"'{endpoint.base_url}' is no http address, as http://localhost:8000/v1 is")

    def ask(prompt: str) -> str:
        body = {
            "model": endpoint.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": endpoint.max_tokens,
        }
        return _content(_answer(endpoint, json.dumps(body).encode("utf-8")), endpoint)

    return ask


def _answer(endpoint: Endpoint, body: bytes) -> bytes:
    """The server's answer, asked for as often as the endpoint says."""
    headers = {"Content-Type": "application/json"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    url = endpoint.base_url.rstrip("/") + "/chat/completions"
    failure = ""
    for attempt in range(endpoint.retries + 1):
        if attempt:
            time.sleep(endpoint.pause_s * 2 ** (attempt - 1))
        request = urllib.request.Request(url, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=endpoint.timeout_s) as response:
                return bytes(response.read(_MAX_BYTES))
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode("utf-8", "replace").strip()
            if error.code not in _AGAIN:
                raise UserError(f"{url} answers {error.code}: {said[:300]}") from None
            failure = f"status {error.code}"
        except (OSError, http.client.HTTPException) as error:
            failure = str(getattr(error, "reason", error)) or type(error).__name__
    raise MachineError(f"{url}: {failure}, {endpoint.retries + 1} times")


def _content(data: bytes, endpoint: Endpoint) -> str:
    try:
        content = json.loads(data)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError):
        start = data[:200].decode("utf-8", "replace")
        raise MachineError(f"{endpoint.base_url} gives no chat completion: {start}") from None
    return content if isinstance(content, str) else ""
