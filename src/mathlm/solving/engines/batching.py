"""The engine's thread: which requests run together, and one step of all of them.

A step lets finished rows go, admits waiting requests (reading prompts that are not kept yet, with
others of the queue that can be read in the same pass), feeds every row's newest token in one
forward pass and draws every row's next one. Not here: coroutines (`local`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mathlm.solving.engines.attention import PAGE_TOKENS, ROW_TILE, round_up
from mathlm.solving.engines.forward import READ_TOKENS, Forward
from mathlm.solving.engines.load import EngineLoad
from mathlm.solving.engines.prefixes import Node, PrefixTree
from mathlm.solving.engines.prompts import Path
from mathlm.solving.engines.protocol import Generation, Likelihood, Request, Sampling, StopReason
from mathlm.solving.engines.randomness import stream_key, uniforms
from mathlm.solving.engines.rows import Row, Rows
from mathlm.solving.engines.sampling import choose
from mathlm.solving.engines.text import TextTail, TokenText

_AHEAD_REQUESTS = 1024
"""How far into the queue prompts are looked for that can be read in one pass."""
_JUDGED_LOGITS = 1 << 26
"""How many logits one pass over given continuations may make."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request with its prompt's tokens below `parent`."""

    request: Request
    parent: Node | None
    path: Path
    answer: Any
    """A future of a `Generation`."""


@dataclass(frozen=True, slots=True)
class Judging:
    """A continuation whose log-likelihood is wanted."""

    parent: Node | None
    path: Path
    text: tuple[int, ...]
    answer: Any
    """A future of a `Likelihood`."""


Finished = list[tuple[Any, Any]]
"""Futures and what they are to be resolved with."""


class Batcher:
    """Requests in, steps out; everything but the queues belongs to one thread."""

    def __init__(
        self, forward: Forward, text: TokenText, *, eos: frozenset[int], max_rows: int, budget: int
    ) -> None:
        """`budget`: bytes for keys and values, half for rows under way, half for prefixes."""
        self._forward, self._text, self._eos, self._max_rows = forward, text, eos, max_rows
        per_token = forward.bytes_per_token
        self.tree = PrefixTree(bytes_per_token=per_token, budget_bytes=budget // 2)
        self._page_budget = max(1, budget // 2 // (per_token * PAGE_TOKENS))
        self._rows = Rows(forward)
        self._ended: list[int] = []
        self.waiting: deque[Waiting] = deque()
        self.judging: deque[Judging] = deque()
        self.jobs: deque[tuple[Callable[[], Any], Any]] = deque()
        self.load = EngineLoad(max_rows)

    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.waiting or self.judging or self.jobs or self._rows.rows)

    def abandon(self) -> list[Any]:
        """Forget all requests; returns the futures of those who wait."""
        answers = [entry.answer for entry in self.waiting]
        answers += [entry.answer for entry in self.judging]
        answers += [row.answer for row in self._rows.rows] + [answer for _, answer in self.jobs]
        self._rows.change(range(len(self._rows.rows)), [])
        self._ended = []
        for queue in (self.waiting, self.judging, self.jobs):
            queue.clear()
        return answers

    def step(self) -> Finished:
        """One step; returns what it finished."""
        with torch.inference_mode():
            return self._step()

    def _step(self) -> Finished:
        begun = time.perf_counter()
        finished: Finished = []
        while self.jobs:
            job, answer = self.jobs.popleft()
            finished.append((answer, job()))
        if self.judging:
            finished += self._judge()
        finished += self._exchange()
        rows = self._rows.rows
        if rows:
            logits = self._forward.run(*self._rows.step())
            finished += self._draw(range(len(rows)), logits)
        self.tree.forget()
        self.load.step(len(rows), time.perf_counter() - begun)
        return finished

    # -- rows in and out ---------------------------------------------------------------------------

    def _exchange(self) -> Finished:
        """Let ended rows go and waiting ones in, until every row has a token to be fed."""
        finished: Finished = []
        while True:
            entering = self._admitted()
            self._rows.change(self._ended, entering)
            self._ended = []
            if not entering:
                return finished
            place = {id(row): number for number, row in enumerate(self._rows.rows)}
            logits = torch.stack([row.leaf.logits for row in entering])
            padding = logits.new_zeros(-len(entering) % ROW_TILE, logits.shape[1])
            numbers = [place[id(row)] for row in entering]
            finished += self._draw(numbers, torch.cat([logits, padding]))

    def _fits(self, rows: int, pages: int) -> bool:
        return rows <= ROW_TILE or round_up(rows, ROW_TILE) * pages <= self._page_budget

    def _admitted(self) -> list[Row]:
        """Waiting requests that there is room for, as rows whose prompts are read."""
        entering: list[Row] = []
        pages = max((row.pages for row in self._rows.rows), default=1)
        while self.waiting:
            number = len(self._rows.rows) - len(self._ended) + len(entering)
            if number >= self._max_rows or not (number == 0 or self.tree.room()):
                break
            head = self.waiting[0]
            if not self._fits(number + 1, max(pages, self._pages(head))):
                break
            self.waiting.popleft()
            if not head.answer.cancelled():
                row = self._row(head)
                pages = max(pages, row.pages)
                entering.append(row)
        for row in entering:
            self.read(row.leaf)
        return entering

    def _limit(self, waiting: Waiting) -> int:
        """Tokens that the request may generate."""
        start = waiting.parent.end if waiting.parent else 0
        start += sum(len(ids) for ids, _ in waiting.path)
        return min(waiting.request.sampling.max_tokens, self._forward.shape.context_tokens - start)

    def _pages(self, waiting: Waiting) -> int:
        return -(-self._limit(waiting) // PAGE_TOKENS)

    def _leaf(self, waiting: Waiting | Judging) -> Node:
        if not waiting.path:
            assert waiting.parent is not None, "a request has a prompt or a parent"
            return waiting.parent
        return self.tree.path(waiting.parent, waiting.path)

    def _row(self, waiting: Waiting) -> Row:
        request, leaf = waiting.request, self._leaf(waiting)
        leaf.uses += 1
        row = Row(
            leaf=leaf,
            sampling=request.sampling,
            limit_tokens=self._limit(waiting),
            stream=stream_key(
                request.seed, request.problem_id, request.sample_index, request.branch
            ),
            tail=TextTail(self._text, request.sampling.stops),
            answer=waiting.answer,
        )
        if request.sampling.repetition_penalty != 1:
            size = self._forward.shape.vocabulary
            row.seen = torch.zeros(size, dtype=torch.bool, device=self._forward.device)
            row.seen[list(leaf.all_ids())] = True
        return row

    # -- prompts -----------------------------------------------------------------------------------

    def read(self, leaf: Node) -> None:
        """Fill a node and its ancestors; a short prompt takes others of the queue along."""
        for node in leaf.chain():
            if node.logits is not None:
                continue
            group = [node]
            if node.wide:
                self._forward.read_long(node)
            else:
                group = self._companions(node)
                self._forward.read_short(group)
            self.load.prompt_tokens += sum(len(other.token_ids) for other in group)

    def _companions(self, node: Node) -> list[Node]:
        """The node and others of its parent and padded length that the queue will need."""
        padded = round_up(len(node.token_ids), PAGE_TOKENS)
        group = {id(node): node}
        for waiting, _ in zip(self.waiting, range(_AHEAD_REQUESTS), strict=False):
            if (len(group) + 1) * padded > READ_TOKENS:
                break
            ids, wide = waiting.path[-1] if waiting.path else ((), True)
            if wide or round_up(len(ids), PAGE_TOKENS) != padded:
                continue
            other = self._leaf(waiting)
            if other.parent is node.parent and other.logits is None:
                group[id(other)] = other
        return list(group.values())

    # -- tokens ------------------------------------------------------------------------------------

    def _draw(self, numbers: Sequence[int], logits_RV: Any) -> Finished:
        """Draw the next token of the rows named, from logits padded beyond them."""
        rows = [self._rows.rows[number] for number in numbers]
        padding = len(logits_RV) - len(rows)
        settings = [row.sampling for row in rows] + [Sampling()] * padding
        keys = np.array([row.stream for row in rows] + [0] * padding, dtype=np.uint64)
        places = np.array([len(row.token_ids) for row in rows] + [0] * padding, dtype=np.int64)
        seen = None
        if any(row.seen is not None for row in rows):
            none = torch.zeros(logits_RV.shape[1], dtype=torch.bool, device=logits_RV.device)
            marks = [none if row.seen is None else row.seen for row in rows]
            seen = torch.stack(marks + [none] * padding)
        choice = choose(logits_RV, settings, uniforms(keys, places), seen_RV=seen)
        self.load.model_tokens += len(rows)
        finished: Finished = []
        for number, row, token, logprob in zip(
            numbers, rows, choice.tokens, choice.logprobs, strict=False
        ):
            reason = self._append(row, token, logprob)
            if reason is not None:
                self._ended.append(number)
                finished.append((row.answer, _generation(row, reason)))
        return finished

    def _append(self, row: Row, token: int, logprob: float) -> StopReason | None:
        """Add a token to its row; returns why the row ends with it, or None."""
        row.token_ids.append(token)
        row.logprobs.append(logprob)
        if token in self._eos and not row.sampling.ignore_eos:
            return "eos"
        if row.seen is not None:
            row.seen[token] = True
        if row.tail.push(token) or token in row.sampling.stop_ids:
            return "stop"
        full = len(row.token_ids) >= row.limit_tokens or row.answer.cancelled()
        return "length" if full else None

    # -- given continuations -----------------------------------------------------------------------

    def _judge(self) -> Finished:
        """Score waiting continuations: those of one prefix and padded length in one pass."""
        groups: dict[tuple[int, int], tuple[Node, list[Judging]]] = {}
        while self.judging:
            entry = self.judging.popleft()
            node = self._leaf(entry)
            node.uses += 1
            key = (id(node), round_up(max(1, len(entry.text) - 1), PAGE_TOKENS))
            groups.setdefault(key, (node, []))[1].append(entry)
        finished: Finished = []
        for (_, padded), (node, entries) in groups.items():
            self.read(node)
            limit = min(READ_TOKENS, max(PAGE_TOKENS, _JUDGED_LOGITS // node.logits.shape[0]))
            together = max(1, limit // padded)
            for start in range(0, len(entries), together):
                part = entries[start : start + together]
                for entry, (logprobs, best) in zip(
                    part, self._forward.judge(node, [entry.text for entry in part]), strict=True
                ):
                    value = Likelihood(entry.text, tuple(logprobs.tolist()), bool(best.all()))
                    finished.append((entry.answer, value))
            node.uses -= len(entries)
        return finished


def _generation(row: Row, reason: StopReason) -> Generation:
    return Generation(
        row.tail.text, tuple(row.token_ids), tuple(row.logprobs), reason, row.leaf.end
    )
