"""Answers in OpenAI's shapes: choices, log-probabilities of both kinds, chunks, usage.

Beside OpenAI's fields a choice has vLLM's `stop_reason` (the stop string or id that ended it, null
at the model's own end) and, where asked for, `token_ids`.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Any

from mathlm.solving.engines.protocol import Generation, Tops
from mathlm.solving.engines.text import TokenText

_LEAST = -9999.0
"""JSON has no -inf; this is what OpenAI says instead."""
_UTF8 = codecs.getincrementaldecoder("utf-8")


class Names:
    """Tokens as text for log-probabilities."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self._text = tokenizer, TokenText(tokenizer)

    def data(self, ids: Sequence[int]) -> bytes:
        """The bytes of tokens; special ones have none."""
        return self._text.data(ids)

    def name(self, id_: int) -> str:
        """A token's text; its bytes where they are no UTF-8; a special token's own name."""
        data = self.data((id_,))
        if not data:
            return str(self._tokenizer.convert_ids_to_tokens(id_) or f"token_id:{id_}")
        try:
            return data.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)

    def offsets(self, ids: Sequence[int]) -> list[int]:
        """Where each token begins in the text of all, in characters."""
        decoder, places, length = _UTF8("replace"), [], 0
        for id_ in ids:
            places.append(length)
            length += len(decoder.decode(self.data((id_,))))
        return places


class Ids(Names):
    """Tokens as vLLM writes them under `return_tokens_as_token_ids`."""

    def name(self, id_: int) -> str:
        """The id as text."""
        return f"token_id:{id_}"


def _finite(logprob: float) -> float:
    return max(logprob, _LEAST)


def completion_logprobs(
    names: Names, ids: Sequence[int], logprobs: Sequence[float | None], tops: Tops
) -> dict[str, Any]:
    """The `logprobs` of a choice of `/v1/completions`; None where a token has nothing before it."""
    alternatives: list[dict[str, float] | None] = []
    for number, (id_, logprob) in enumerate(zip(ids, logprobs, strict=True)):
        if logprob is None:
            alternatives.append(None)
            continue
        found: dict[str, float] = {}
        for other, value in (*(tops[number] if tops else ()), (id_, logprob)):
            found.setdefault(names.name(other), _finite(value))
        alternatives.append(found)
    return {
        "tokens": [names.name(id_) for id_ in ids],
        "token_logprobs": [None if p is None else _finite(p) for p in logprobs],
        "top_logprobs": alternatives,
        "text_offset": names.offsets(ids),
    }


def chat_logprobs(
    names: Names, ids: Sequence[int], logprobs: Sequence[float], tops: Tops
) -> dict[str, Any]:
    """The `logprobs` of a choice of `/v1/chat/completions`."""

    def entry(id_: int, logprob: float) -> dict[str, Any]:
        data = list(names.data((id_,)))
        return {"token": names.name(id_), "logprob": _finite(logprob), "bytes": data}

    content = []
    for number, (id_, logprob) in enumerate(zip(ids, logprobs, strict=True)):
        others = [entry(*top) for top in (tops[number] if tops else ())]
        content.append({**entry(id_, logprob), "top_logprobs": others})
    return {"content": content, "refusal": None}


def finish(made: Generation) -> str:
    """OpenAI's word for why a text ended."""
    return "length" if made.finish_reason == "length" else "stop"


def stop_reason(made: Generation) -> str | int | None:
    """The stop string or id that ended a text; None at the model's own end or at a length."""
    return (made.stop or made.token_ids[-1]) if made.finish_reason == "stop" else None


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """How many tokens were read and made."""
    total = prompt_tokens + completion_tokens
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": total,
    }
