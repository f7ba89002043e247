"""Requests as JSON bodies, answers as generations; what which server takes beyond OpenAI's fields.

Facts of the servers: recordings in the tests (llama-cpp-python 0.3.36, transformers 5.23 `serve`)
and, for vLLM and SGLang, their documentation of OpenAI-compatible servers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mathlm.core.errors import MachineError, UserError
from mathlm.solving.engines.openai_config import Flavour
from mathlm.solving.engines.protocol import Generation, Message, Request, Sampling, Tops

_VLLM = frozenset(
    {"top_k", "min_p", "repetition_penalty", "stop_ids", "ignore_eos", "token_ids", "echo"}
    | {"token_prompts", "tokenize", "logprobs", "continue", "seed"}
)
OFFERS: Mapping[Flavour, frozenset[str]] = {
    "openai": frozenset({"logprobs", "seed"}),
    "vllm": _VLLM,
    "sglang": _VLLM - {"token_ids", "tokenize", "echo"},
    "llamacpp": frozenset({"top_k", "min_p", "logprobs", "echo", "seed"}),
    "transformers": frozenset({"seed"}),
    "mathlm": _VLLM | {"shared"},
}
"""What each kind of server has beyond text, temperature, top-p and stop strings."""
_OWNERS: Mapping[str, Flavour] = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llamacpp",
    "me": "llamacpp",  # llama-cpp-python
    "mathlm": "mathlm",
}
_SENT_STOPS = 4
"""OpenAI takes no more; text is cut here in any case."""
_ID_MARK = "token_id:"
"""How vLLM writes tokens under `return_tokens_as_token_ids`."""


def flavour_of(card: Mapping[str, Any]) -> Flavour | None:
    """What the entry of a server's list of models says that it is."""
    return _OWNERS.get(str(card.get("owned_by")))


def seed_of(request: Request) -> int:
    """31 bits that stand for (seed, problem, sample, branch): what every server takes."""
    named = (request.seed, request.problem_id, request.sample_index, request.branch)
    return int.from_bytes(hashlib.sha256(repr(named).encode()).digest()[:4]) >> 1


@dataclass(frozen=True)
class Wire:
    """How requests are put to one server."""

    model: str
    flavour: Flavour
    logprobs: bool
    """Whether log-probabilities are asked for."""

    @property
    def offers(self) -> frozenset[str]:
        """What the server is taken to have."""
        return OFFERS[self.flavour]

    def need(self, what: str, why: str) -> None:
        """UserError where the server lacks something."""
        if what not in self.offers:
            raise UserError(
                f"{why}, which a server of flavour '{self.flavour}' does not offer: leave it out,"
                " or say server.flavour if it is another one"
            )

    def body(self, request: Request, prompt: str | tuple[int, ...] | None) -> dict[str, Any]:
        """The body; `prompt` for completions, None for the request's conversation."""
        body: dict[str, Any] = {"model": self.model}
        if prompt is None:
            body |= self._messages(request)
        else:
            body["prompt"] = prompt if isinstance(prompt, str) else list(prompt)
        body |= self._sampling(request.sampling, chat=prompt is None)
        if request.sampling.temperature > 0 and "seed" in self.offers:
            body["seed"] = seed_of(request)
        if self.logprobs or request.top_logprobs:
            self.need("logprobs", "log-probabilities are asked for")
            top = max(1, request.top_logprobs)
            wanted = (
                {"logprobs": True, "top_logprobs": top} if prompt is None else {"logprobs": top}
            )
            body |= wanted
            if "token_ids" in self.offers:
                body["return_tokens_as_token_ids"] = True
        if "token_ids" in self.offers:
            body["return_token_ids"] = True
        if request.shared and "shared" in self.offers:
            body["shared_prefix"] = request.shared
        return body

    def _messages(self, request: Request) -> dict[str, Any]:
        prompt = request.prompt
        if isinstance(prompt, str):
            return {"messages": [{"role": "user", "content": prompt}]}
        turns = [turn for turn in prompt if isinstance(turn, Message)]
        body: dict[str, Any] = {
            "messages": [{"role": turn.role, "content": turn.content} for turn in turns]
        }
        if turns and turns[-1].role == "assistant":
            self.need("continue", "a conversation goes on from what the model has begun to say")
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        return body

    def _sampling(self, sampling: Sampling, *, chat: bool) -> dict[str, Any]:
        tokens = "max_completion_tokens" if chat and self.flavour == "openai" else "max_tokens"
        body: dict[str, Any] = {
            tokens: sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if sampling.stops:
            limit = _SENT_STOPS if self.flavour == "openai" else None
            body["stop"] = list(sampling.stops[:limit])
        for name, field, value, neutral in (
            ("top_k", "top_k", sampling.top_k, 0),
            ("min_p", "min_p", sampling.min_p, 0.0),
            ("repetition_penalty", "repetition_penalty", sampling.repetition_penalty, 1.0),
            ("stop_ids", "stop_token_ids", list(sampling.stop_ids), []),
            ("ignore_eos", "ignore_eos", sampling.ignore_eos, False),
        ):
            if value != neutral:
                self.need(name, f"{field} = {value} is asked for")
            if name in self.offers:  # also if neutral: vLLM's defaults are the model's own settings
                body[field] = value
        return body

    def generation(self, answer: Mapping[str, Any], request: Request) -> Generation:
        """What the first choice of an answer says."""
        choice = _choice(answer)
        logprobs = _logprobs(choice.get("logprobs"))
        text, thought = _text(choice)
        if (self.logprobs or request.top_logprobs) and logprobs is None:
            raise UserError(
                f"log-probabilities are asked for, and the server of {self.model} gives none:"
                " set logprobs = false, or another server"
            )
        found, tops = logprobs or ((), ())
        ids = choice.get("token_ids")
        ids = tuple(ids) if isinstance(ids, list) else ()
        used = answer.get("usage") or {}
        made = Generation(
            text=text,
            thought=thought,
            token_ids=ids,
            logprobs=found,
            finish_reason="length" if choice.get("finish_reason") == "length" else "eos",
            prompt_tokens=int(used.get("prompt_tokens") or 0),
            tops=tuple(place[:top] for place in tops) if (top := request.top_logprobs) else (),
            counted_tokens=0 if ids else int(used.get("completion_tokens") or 0),
        )
        return _stopped(made, choice, request.sampling)


def _choice(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise MachineError("the server's answer has no choices")
    choice: Mapping[str, Any] = choices[0]
    if choice.get("finish_reason") == "content_filter":
        raise MachineError("the server's content filter held the answer back")
    return choice


def _text(choice: Mapping[str, Any]) -> tuple[str, str]:
    """The text, and the thought that the server keeps apart from it (no stop counts in that)."""
    message = choice.get("message")
    if not isinstance(message, dict):
        return str(choice.get("text") or ""), ""
    thought = message.get("reasoning_content") or message.get("reasoning") or ""
    return str(message.get("content") or ""), str(thought)


def _stopped(made: Generation, choice: Mapping[str, Any], sampling: Sampling) -> Generation:
    """With the stop that ended it; cut at the first stop string, also where the server forgot."""
    places = [(made.text.find(stop) + len(stop), stop) for stop in sampling.stops]
    found = [place for place in places if place[0] >= len(place[1])]
    if found:
        end, stop = min(found)
        return replace(made, text=made.text[: end - len(stop)], finish_reason="stop", stop=stop)
    if made.finish_reason == "length":
        return made
    said = choice.get("stop_reason", choice.get("matched_stop"))
    if isinstance(said, str) and said in sampling.stops:
        return replace(made, finish_reason="stop", stop=said)
    if isinstance(said, int) and not isinstance(said, bool):
        return replace(made, finish_reason="stop" if said in sampling.stop_ids else "eos")
    silent = "stop_reason" not in choice and "matched_stop" not in choice
    may_be_stop = bool(sampling.stops or sampling.stop_ids)
    return replace(made, finish_reason="stop") if silent and may_be_stop else made


def _logprobs(given: Any) -> tuple[tuple[float, ...], Tops] | None:
    """Log-probabilities of either API, with the likeliest tokens where their ids are known."""
    if not isinstance(given, dict):
        return None
    if isinstance(given.get("content"), list):
        entries = given["content"]
        tops = [
            [(top.get("token"), top.get("logprob")) for top in entry.get("top_logprobs") or ()]
            for entry in entries
        ]
        values = [entry.get("logprob") for entry in entries]
    elif isinstance(given.get("token_logprobs"), list):
        values = given["token_logprobs"]
        tops = [[*(place or {}).items()] for place in given.get("top_logprobs") or ()]
    else:
        return None
    return tuple(float(p) for p in values if p is not None), _tops(tops)


def _tops(places: list[list[tuple[Any, Any]]]) -> Tops:
    result = []
    for place in places:
        if not all(str(name).startswith(_ID_MARK) for name, _ in place):
            return ()
        pairs = [(int(str(name).removeprefix(_ID_MARK)), float(p)) for name, p in place]
        result.append(tuple(sorted(pairs, key=lambda pair: -pair[1])))
    return tuple(result)
