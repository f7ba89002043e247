"""Prompts to token ids, and how much of a prompt is shared.

Text is tokenised as a whole: cutting it first would change the tokens at the cut. Where the shared
part ends is found afterwards, among the tokens, from this prompt alone.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from mathlm.core.errors import UserError
from mathlm.solving.engines.prefixes import SHORT_TOKENS
from mathlm.solving.engines.protocol import Message, Prompt, Request

_SHARED_STEP = 16
"""A shared part is cut back to a multiple of this: prompts that tokenise differently at its end
still agree on where it ends."""
_SHARED_LEAST = 32
_CACHED_TEXTS = 4096

Path = tuple[tuple[tuple[int, ...], bool], ...]
"""Tokens of each node below the parent, and whether it is wide (see `prefixes`)."""


def _common(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """How many tokens two sequences begin with in common."""
    number = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        number += 1
    return number


class Prompts:
    """A tokenizer as the engine uses it, with the last prompts kept."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._texts: OrderedDict[tuple[str, bool], tuple[int, ...]] = OrderedDict()

    def text_ids(self, text: str, *, first: bool) -> tuple[int, ...]:
        """Tokens of a text; `first` = at the beginning of a sequence, with its special token."""
        key = (text, first)
        if key in self._texts:
            self._texts.move_to_end(key)
            return self._texts[key]
        ids = list(self._tokenizer(text, add_special_tokens=first)["input_ids"])
        if first and ids and ids[-1] == self._tokenizer.eos_token_id:
            ids.pop()  # some tokenizers end every text; a prompt goes on
        self._texts[key] = tuple(ids)
        if len(self._texts) > _CACHED_TEXTS:
            self._texts.popitem(last=False)
        return self._texts[key]

    def ids(self, prompt: Prompt, *, first: bool) -> tuple[int, ...]:
        """Tokens of any kind of prompt."""
        if isinstance(prompt, str):
            return self.text_ids(prompt, first=first)
        turns = [
            {"role": turn.role, "content": turn.content}
            for turn in prompt
            if isinstance(turn, Message)
        ]
        if not turns:
            return tuple(id_ for id_ in prompt if isinstance(id_, int))
        if not self._tokenizer.chat_template:
            raise UserError(
                "the model's tokenizer has no chat template: take a prompt that is not for chats"
                ' (prompt = "zero-shot", or our default with worked examples)'
            )
        text = self._tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True
        )
        return self.text_ids(text, first=False)

    def path(self, request: Request) -> Path:
        """The nodes that the request's prompt asks for below its parent."""
        first = request.parent is None
        ids = self.ids(request.prompt, first=first)
        if first and not ids:
            start = self._tokenizer.bos_token_id
            ids = (self._tokenizer.eos_token_id if start is None else start,)
        shared = self.text_ids(request.shared, first=first) if request.shared else ()
        number = _common(ids[:-1], shared) // _SHARED_STEP * _SHARED_STEP
        parts = []
        if number >= _SHARED_LEAST:
            parts.append((ids[:number], True))
            ids = ids[number:]
        if ids:
            parts.append((ids, len(ids) >= SHORT_TOKENS))
        return tuple(parts)

    def likelihood_parts(self, prefix: str, text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Tokens of prefix and continuation, tokenised together.

        They are cut where they cease to be the prefix's own; a token across the border counts to
        the continuation. Where nothing is left of the prefix, the two are tokenised apart.
        """
        before = self.text_ids(prefix, first=True)
        both = self.text_ids(prefix + text, first=True)
        number = _common(before, both)
        if number == 0:
            return before, self.text_ids(text, first=False)
        return both[:number], both[number:]
