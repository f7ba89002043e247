"""The bodies of requests: OpenAI's fields, those of vLLM beside them, and nothing unknown.

A field that would change the answer and is not offered is refused by its name, never ignored.
References: OpenAI's API reference (completions, chat completions); vLLM's "extra parameters"
(docs.vllm.ai, OpenAI-compatible server).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mathlm.solving.server.errors import ApiError

MAX_CHOICES = 128
MAX_TOP = 20
MAX_PROMPTS = 1024


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class StreamOptions(_Part):
    """Options of a stream."""

    include_usage: bool = False
    include_obfuscation: bool | None = None
    """OpenAI's padding against eavesdroppers: there is none here."""


class Asked(_Part):
    """What both kinds of completion have in common."""

    model: str
    max_tokens: int | None = Field(None, ge=0, le=1 << 30)
    temperature: float | None = Field(None, ge=0, le=100)
    top_p: float | None = Field(None, gt=0, le=1)
    n: int | None = Field(None, ge=1, le=MAX_CHOICES)
    seed: int | None = Field(None, ge=-(1 << 63), lt=1 << 63)
    stop: str | list[str] | None = Field(None)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    # vLLM's
    top_k: int | None = Field(None, ge=-1, le=1 << 30)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=100)
    stop_token_ids: list[int] | None = Field(None, max_length=1024)
    ignore_eos: bool | None = None
    return_token_ids: bool | None = None
    return_tokens_as_token_ids: bool | None = None
    # ours
    shared_prefix: str | None = None
    """The beginning of the prompt that many requests have in common: computed once, kept once."""
    # without effect on the answer
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    # only as far as they change nothing
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None

    @field_validator("stop")
    @classmethod
    def _short(cls, stop: str | list[str] | None) -> str | list[str] | None:
        stops = [stop] if isinstance(stop, str) else stop or []
        if len(stops) > 64 or any(not 0 < len(text) <= 1024 for text in stops):
            raise ValueError("at most 64 stop strings of 1 to 1024 characters")
        return stop

    @field_validator("presence_penalty", "frequency_penalty", "logit_bias")
    @classmethod
    def _neutral(cls, value: Any) -> Any:
        if value:
            raise ValueError("not supported by this server")
        return value

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class CompletionAsked(Asked):
    """The body of `/v1/completions`."""

    prompt: Any
    """Text, token ids, or a list of either; looked at by `prompts`."""
    echo: bool | None = None
    logprobs: int | None = Field(None, ge=0, le=MAX_TOP)
    suffix: None = None
    best_of: int | None = None

    def prompts(self) -> list[str | tuple[int, ...]]:
        """The prompts one by one."""
        given = self.prompt
        if isinstance(given, str) or _ids(given):
            given = [given]
        if not isinstance(given, list) or not 0 < len(given) <= MAX_PROMPTS:
            raise _bad_prompt()
        if not all(isinstance(one, str) or _ids(one) for one in given):
            raise _bad_prompt()
        return [one if isinstance(one, str) else tuple(one) for one in given]


class TextPart(_Part):
    """A part of a message; only text is read."""

    type: Literal["text"]
    text: str


class Turn(_Part):
    """One message."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_call_id: str | None = None
    refusal: str | None = None

    def plain(self) -> dict[str, str]:
        """The message as a chat template reads it."""
        content = self.content or ""
        if not isinstance(content, str):
            content = "".join(part.text for part in content)
        return {"role": "system" if self.role == "developer" else self.role, "content": content}


class TextFormat(_Part):
    """The only format of answers."""

    type: Literal["text"]


class ChatAsked(Asked):
    """The body of `/v1/chat/completions`."""

    messages: list[Turn] = Field(min_length=1, max_length=2048)
    max_completion_tokens: int | None = Field(None, ge=0, le=1 << 30)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=MAX_TOP)
    response_format: TextFormat | None = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: bool | None = None
    # vLLM's
    add_generation_prompt: bool = True
    continue_final_message: bool = False


class TokenizeAsked(_Part):
    """The body of `/tokenize`, as in vLLM."""

    model: str | None = None
    prompt: str
    add_special_tokens: bool = True


def _ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(one) is int for one in value)


def _bad_prompt() -> ApiError:
    message = f"prompt must be text, token ids, or a list of at most {MAX_PROMPTS} of either"
    return ApiError(400, message, param="prompt")


def read(kind: type[_Part], body: Any) -> Any:
    """The body as a `kind`; raises `ApiError` naming the first field that is wrong."""
    if not isinstance(body, dict):
        raise ApiError(400, "the body must be a JSON object")
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))[:200]
        unknown = first["type"] == "extra_forbidden"
        reason = "this server does not know this field" if unknown else first["msg"]
        raise ApiError(400, f"{field}: {reason}", param=field) from error
