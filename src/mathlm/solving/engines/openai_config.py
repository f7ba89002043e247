"""Settings of an OpenAI-compatible server; the key itself is never among them."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import field_validator

from mathlm.core.stage import StageConfig, neutral

Flavour = Literal["openai", "vllm", "sglang", "llamacpp", "transformers", "mathlm"]


class ServerConfig(StageConfig):
    """Where a model is served, and what may be spent on it."""

    base_url: str = neutral("http://127.0.0.1:8000/v1")
    """The address up to and including `/v1`."""
    model: str | None = None
    """Its name at the server; empty: the only one that the server has."""
    key_env: str | None = neutral(None)
    """The environment variable with the key; only its name is written anywhere."""
    api: Literal["completions", "chat"] = "completions"
    """Which API text prompts go to; conversations always go to `chat`."""
    flavour: Flavour | None = neutral(None)
    """What the server is, and so which fields beyond OpenAI's it takes; empty: as its list of
    models says, else OpenAI's own."""
    concurrency: int = neutral(64, ge=1)
    """Most requests under way."""
    timeout_s: float = neutral(600.0, gt=0)
    """How long one request may take."""
    retries: int = neutral(6, ge=0)
    """How often a request is sent again after a refusal for load, a broken line or a timeout."""
    requests_per_minute: float | None = neutral(None, gt=0)
    """Most requests a minute; empty: no limit."""
    tokens_per_minute: float | None = neutral(None, gt=0)
    """Most tokens a minute, read and written; empty: no limit."""
    max_tokens_total: int | None = neutral(None, ge=1)
    """Most tokens of a run, read and written; it stops there, and goes on when this is raised."""
    max_cost: float | None = neutral(None, gt=0)
    """Most money of a run, in the unit of the prices; it stops there likewise."""
    price_in: float = neutral(0.0, ge=0)
    """Price of a million prompt tokens."""
    price_out: float = neutral(0.0, ge=0)
    """Price of a million written tokens."""

    @field_validator("base_url")
    @classmethod
    def _address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            port_is_one = parts.port is None or parts.port > 0
        except ValueError:
            port_is_one = False
        if not port_is_one or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("an address like http://127.0.0.1:8000/v1 is expected")
        if parts.username or parts.password or parts.query:
            raise ValueError("keys do not belong into the address: name a variable in key_env")
        return url.rstrip("/")

    @property
    def named(self) -> str:
        """The model as runs and messages name it."""
        return self.model or self.base_url
