"""The engine's thread: which requests run together, and one step of all of them.

A step lets finished rows go, admits waiting requests (reading prompts that are not kept yet, with
others of the queue that can be read in the same pass), feeds every row's newest token in one
forward pass and draws every row's next one. Not here: coroutines (`local`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from mathlm.solving.engines.attention import PAGE_TOKENS, ROW_TILE, round_up
from mathlm.solving.engines.forward import READ_TOKENS, Forward
from mathlm.solving.engines.load import EngineLoad
from mathlm.solving.engines.prefixes import Node, PrefixTree
from mathlm.solving.engines.prompts import Path
from mathlm.solving.engines.protocol import Generation, Request, Sampling, StopReason
from mathlm.solving.engines.randomness import stream_key, uniforms
from mathlm.solving.engines.rows import Row, Rows
from mathlm.solving.engines.sampling import choose
from mathlm.solving.engines.text import TextTail, TokenText

_AHEAD_REQUESTS = 1024
"""How far into the queue prompts are looked for that can be read in one pass."""
_HANDOVER_S = 0.05
"""How long finished requests may wait for their solvers to hear of it while others wait too."""
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
    watch: Callable[[Row], None] | None = None
    """Called in the engine's thread after each token."""


@dataclass(frozen=True, slots=True)
class Judging:
    """A continuation whose log-likelihood is wanted, or the hidden states at its tokens."""

    parent: Node | None
    path: Path
    text: tuple[int, ...]
    answer: Any
    """A future of a `Likelihood`, or of an array [L, hidden size]."""
    top: int = 0
    """How many of the most likely tokens are wanted at each place."""
    hidden: bool = False


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
        self._row_budget = budget // 2
        self._least_rows, self._read_tokens = ROW_TILE, READ_TOKENS
        self._rows = Rows(forward)
        self._ended: list[int] = []
        self._entering: list[Row] = []
        self._finished: Finished = []
        self.waiting: deque[Waiting] = deque()
        self.judging: deque[Judging] = deque()
        self.jobs: deque[tuple[Callable[[], Any], Any]] = deque()
        self.load = EngineLoad(max_rows)

    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.waiting or self.judging or self.jobs or self._rows.rows)

    def abandon(self) -> None:
        """Forget all requests, after a failure in the middle of a step."""
        self._clear()
        self._finished = []
        self.waiting.clear()
        self.judging.clear()
        self.jobs.clear()

    def _clear(self) -> list[Row]:
        """Take all rows out; returns those that have not ended, in their order."""
        rows = {id(row): row for row in (*self._rows.rows, *self._entering)}.values()
        for row in rows:
            self._release(row)
        self._rows = Rows(self._forward)
        self._ended, self._entering = [], []
        return [row for row in rows if not row.ended]

    def _release(self, row: Row) -> None:
        if not row.released:
            row.released = True
            self.tree.release(row.leaf)

    def step(self) -> Finished:
        """Steps until solvers should hear of something; returns what was finished.

        Handing over to the event loop costs two thread switches: it is not done for every token.
        """
        begun = time.perf_counter()
        with torch.inference_mode():
            while self.busy():
                try:
                    self._step()
                except torch.OutOfMemoryError:
                    if self._least_rows == 1 and self._read_tokens == PAGE_TOKENS:
                        raise
                    self._shrink()
                starving = self._finished and not self.waiting
                if starving or time.perf_counter() - begun > _HANDOVER_S:
                    break
        finished, self._finished = self._finished, []
        return finished

    def _step(self) -> None:
        begun = time.perf_counter()
        while self.jobs:
            job, answer = self.jobs[0]
            self._finished.append((answer, job()))
            self.jobs.popleft()
        if self.judging:
            self._judge()
        self._exchange()
        rows = self._rows.rows
        if rows:
            logits = self._forward.run(*self._rows.step())
            self._draw(range(len(rows)), logits)
        self.tree.forget()
        self.load.step(len(rows), time.perf_counter() - begun)

    def _shrink(self) -> None:
        """Go on with half the memory: rows under way begin again, with the same random numbers."""
        self.load.shrinks += 1
        rows = self._clear()
        self._max_rows = max(1, min(self._max_rows, len(rows) or self._max_rows) // 2)
        self._least_rows = max(1, self._least_rows // 2)
        self._read_tokens = max(PAGE_TOKENS, self._read_tokens // 2)
        self._row_budget //= 2
        self.waiting.extendleft(row.asked for row in reversed(rows))
        self.tree.shrink()
        if self._forward.device.type == "cuda":
            torch.cuda.empty_cache()

    # -- rows in and out ---------------------------------------------------------------------------

    def _exchange(self) -> None:
        """Let ended rows go and waiting ones in, until every row has a token to be fed."""
        while True:
            self._admit()
            entering, ended = self._entering, self._ended
            self._rows.change(ended, entering)
            self._ended, self._entering = [], []
            if not entering:
                return
            place = {id(row): number for number, row in enumerate(self._rows.rows)}
            logits = torch.stack([row.leaf.logits for row in entering])
            padding = logits.new_zeros(-len(entering) % self._forward.row_tile, logits.shape[1])
            numbers = [place[id(row)] for row in entering]
            self._draw(numbers, torch.cat([logits, padding]))

    def _admit(self) -> None:
        """Waiting requests that there is room for become entering rows; their prompts are read."""
        ended = set(self._ended)
        staying = [row for number, row in enumerate(self._rows.rows) if number not in ended]
        for row in (self._rows.rows[number] for number in self._ended):
            self._release(row)
        entering = self._entering
        largest = max((row.need_bytes for row in staying), default=0)
        while self.waiting and len(staying) + len(entering) < self._max_rows:
            number = len(staying) + len(entering)
            largest = max(largest, self._need(self.waiting[0]))
            fits = round_up(number + 1, self._forward.row_tile) * largest <= self._row_budget
            if number >= self._least_rows and not (fits and self.tree.room()):
                break
            if not self.waiting[0].answer.cancelled():
                entering.append(self._row(self.waiting[0]))
            self.waiting.popleft()
        for row in entering:
            self.read(row.leaf)

    def _limits(self, waiting: Waiting) -> tuple[int, int]:
        """Tokens before the request's first one, and most tokens that it may generate."""
        start = waiting.parent.end if waiting.parent else 0
        start += sum(len(ids) for ids, _ in waiting.path)
        room = self._forward.shape.context_tokens - start
        return start, min(waiting.request.sampling.max_tokens, room)

    def _need(self, waiting: Waiting) -> int:
        """Bytes that the request's row may need: own keys, its place in a tile, scores."""
        start, limit = self._limits(waiting)
        staged = 0 if not waiting.path or waiting.path[-1][1] else len(waiting.path[-1][0])
        pages = -(-limit // PAGE_TOKENS) + -(-staged // PAGE_TOKENS)
        scores = 4 * self._forward.shape.query_heads * (start + limit)
        keys: int = pages * PAGE_TOKENS * self._forward.bytes_per_token
        return keys + scores

    def _leaf(self, waiting: Waiting | Judging) -> Node:
        if not waiting.path:
            assert waiting.parent is not None, "a request has a prompt or a parent"
            return waiting.parent
        return self.tree.path(waiting.parent, waiting.path)

    def _row(self, waiting: Waiting) -> Row:
        request, leaf = waiting.request, self._leaf(waiting)
        self.tree.hold(leaf)
        row = Row(
            leaf=leaf,
            sampling=request.sampling,
            limit_tokens=self._limits(waiting)[1],
            stream=stream_key(
                request.seed, request.problem_id, request.sample_index, request.branch
            ),
            tail=TextTail(self._text, request.sampling.stops),
            asked=waiting,
            top=request.top_logprobs,
            watch=waiting.watch,
            need_bytes=self._need(waiting),
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
        if self._forward.fixed_rows:
            return [node]
        for waiting, _ in zip(self.waiting, range(_AHEAD_REQUESTS), strict=False):
            if (len(group) + 1) * padded > self._read_tokens:
                break
            ids, wide = waiting.path[-1] if waiting.path else ((), True)
            if wide or round_up(len(ids), PAGE_TOKENS) != padded:
                continue
            other = self._leaf(waiting)
            if other.parent is node.parent and other.logits is None:
                group[id(other)] = other
        return list(group.values())

    # -- tokens ------------------------------------------------------------------------------------

    def _draw(self, numbers: Sequence[int], logits_RV: Any) -> None:
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
        top = max(row.top for row in rows)
        choice = choose(logits_RV, settings, uniforms(keys, places), seen_RV=seen, top=top)
        self.load.model_tokens += len(rows)
        for place, (number, row) in enumerate(zip(numbers, rows, strict=True)):
            row.logprobs.append(choice.logprobs[place])
            row.processed.append(choice.processed[place])
            if row.top:
                row.tops.append(choice.tops[place][: row.top])
            reason = self._append(row, choice.tokens[place])
            if row.watch is not None:
                row.watch(row)
            if reason is not None:
                row.ended = True
                self._ended.append(number)
                self._finished.append((row.asked.answer, _generation(row, reason)))

    def _append(self, row: Row, token: int) -> StopReason | None:
        """Add a token to its row; returns why the row ends with it, or None."""
        row.token_ids.append(token)
        if token in self._eos and not row.sampling.ignore_eos:
            return "eos"
        if row.seen is not None:
            row.seen[token] = True
        if row.tail.push(token) or token in row.sampling.stop_ids:
            return "stop"
        full = len(row.token_ids) >= row.limit_tokens or row.asked.answer.cancelled()
        return "length" if full else None

    # -- given continuations -----------------------------------------------------------------------

    def _judge(self) -> None:
        """Score waiting continuations: those of one prefix and padded length in one pass."""
        groups: dict[tuple[int, int, bool], tuple[Node, list[Judging]]] = {}
        while self.judging:
            entry = self.judging.popleft()
            node = self._leaf(entry)
            self.tree.hold(node)
            read = len(entry.text) if entry.hidden else max(1, len(entry.text) - 1)
            key = (id(node), round_up(read, PAGE_TOKENS), entry.hidden)
            groups.setdefault(key, (node, []))[1].append(entry)
        try:
            for (_, padded, _), (node, entries) in groups.items():
                self.read(node)
                limit = max(PAGE_TOKENS, _JUDGED_LOGITS // node.logits.shape[0])
                limit = min(self._read_tokens, limit)
                together = 1 if self._forward.fixed_rows else max(1, limit // padded)
                while entries:
                    part = entries[:together]
                    self._finished += self._judged(node, part)
                    del entries[:together]
                    for _ in part:
                        self.tree.release(node)
        except Exception:
            for node, entries in groups.values():  # they wait again
                self.judging.extendleft(reversed(entries))
                for _ in entries:
                    self.tree.release(node)
            raise

    def _judged(self, node: Node, entries: Sequence[Judging]) -> Finished:
        """Values for continuations that are read in one pass, all of one kind."""
        texts = [entry.text for entry in entries]
        if entries[0].hidden:
            states = self._forward.hidden(node, texts)
            return [(e.answer, s.cpu().numpy()) for e, s in zip(entries, states, strict=True)]
        judged = self._forward.judge(node, texts, top=max(entry.top for entry in entries))
        finished: Finished = []
        for entry, value in zip(entries, judged, strict=True):
            tops = tuple(place[: entry.top] for place in value.tops if entry.top)
            finished.append((entry.answer, replace(value, tops=tops)))
        return finished


def _generation(row: Row, reason: StopReason) -> Generation:
    ids, logprobs = tuple(row.token_ids), tuple(row.logprobs)
    return Generation(
        text=row.tail.text,
        token_ids=ids,
        logprobs=logprobs,
        finish_reason=reason,
        prompt_tokens=row.leaf.end,
        stop=row.tail.stop,
        tops=tuple(row.tops),
        processed_logprobs=tuple(row.processed),
    )
