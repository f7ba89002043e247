"""A stand-in for an engine: a token a character, and a model that is a function of the text so far.

It keeps to the protocol of engines (stops cut the text, kept prefixes must be dropped, nothing is
generated beyond max_tokens) and remembers what it was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from mathlm.solving.engines.protocol import Generation, Message, Prefix, Prompt, Request

END = "\x03"
"""With this the model ends its text."""


def plain(prompt: Prompt) -> str:
    """Any prompt as text."""
    if isinstance(prompt, str):
        return prompt
    return "".join(
        f"<{part.role}>{part.content}\n" if isinstance(part, Message) else chr(part)
        for part in prompt
    )


@dataclass
class Scripted:
    """An engine whose model writes `model(text so far)`, as much of it as it may."""

    model: Callable[[str], str]
    context_tokens: int = 100_000
    keeps: bool = True
    """Whether it keeps prefixes; else it says that it cannot."""
    tells: bool = True
    """Whether it tells ids and which stop string it met, as servers may not."""
    asked: list[Request] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)
    held: dict[int, str] = field(default_factory=dict)
    read: int = 0
    """Tokens read by kept prefixes."""
    numbers: count[int] = field(default_factory=lambda: count(1))

    async def generate(self, request: Request) -> Generation:
        self.asked.append(request)
        before = self.held[request.parent.id] if request.parent else ""
        context = before + plain(request.prompt)
        self.contexts.append(context)
        if len(context) >= self.context_tokens:
            return Generation("", (), (), "budget", len(context))
        return self._cut(self.model(context), request, len(context))

    def _cut(self, wanted: str, request: Request, prompt_tokens: int) -> Generation:
        sampling = request.sampling
        limit = min(sampling.max_tokens, self.context_tokens - prompt_tokens)
        written, text, stop, reason = "", "", "", "length"
        for character in wanted[:limit]:
            written += character
            if character == END:
                reason = "eos"
                break
            text += character
            stop = next((s for s in sampling.stops if text.endswith(s)), "")
            if stop:
                text, reason = text.removesuffix(stop), "stop"
                break
        else:
            reason = "length" if len(wanted) >= limit else "eos"
        ids = tuple(map(ord, written)) if self.tells else ()
        return Generation(
            text=text,
            token_ids=ids,
            logprobs=(-0.5,) * len(ids),
            finish_reason=reason,  # type: ignore[arg-type]
            prompt_tokens=prompt_tokens,
            stop=stop if self.tells else "",
        )

    def _keep(self, text: str, new: int) -> Prefix:
        if len(text) >= self.context_tokens:
            raise ValueError("does not fit")
        self.read += new
        number = next(self.numbers)
        self.held[number] = text
        return Prefix(number, tuple(map(ord, text)))

    async def prefix(self, prompt: Prompt, *, shared: str = "") -> Prefix:
        if not self.keeps:
            raise NotImplementedError
        text = plain(prompt)
        assert text.startswith(shared)
        return self._keep(text, len(text))

    async def extend(self, prefix: Prefix, more: str | Sequence[int]) -> Prefix:
        added = more if isinstance(more, str) else "".join(map(chr, more))
        return self._keep(self.held[prefix.id] + added, len(added))

    def drop(self, prefix: Prefix) -> None:
        del self.held[prefix.id]
