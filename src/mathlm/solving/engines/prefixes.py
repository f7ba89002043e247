"""Prefixes whose keys and values are computed once and kept once: a tree with a memory budget.

A node holds the tokens between its parent's end and its own. `wide` nodes (few-shot parts, handles
of a search, long prompts) are attended by one matrix product for all rows below them; the others
(short prompts) in tiles, see `attention`. Which kind a node is depends on the request alone.
Not here: the forward pass that fills them (`forward`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

SHORT_TOKENS = 256
"""A prompt of fewer tokens than this (after its shared part) is attended in tiles."""


@dataclass(eq=False, slots=True)
class Node:
    """Tokens of one prefix after its parent's, and what the model made of them."""

    parent: Node | None
    token_ids: tuple[int, ...]
    wide: bool
    k: Any = None
    """Keys [layers, H, L, D]; None until they are computed."""
    v: Any = None
    logits: Any = None
    """[V] after the last token."""
    uses: int = 0
    """Rows, handles and children that need it."""
    end: int = field(init=False)
    """Tokens from the beginning of the sequence to the end of this node."""

    def __post_init__(self) -> None:
        self.end = (self.parent.end if self.parent else 0) + len(self.token_ids)

    def chain(self) -> list[Node]:
        """From the root to this node."""
        return [*self.parent.chain(), self] if self.parent else [self]

    def all_ids(self) -> tuple[int, ...]:
        """All tokens from the beginning of the sequence."""
        return (*self.parent.all_ids(), *self.token_ids) if self.parent else self.token_ids


NodeKey = tuple[int, bool, tuple[int, ...]]


class PrefixTree:
    """Nodes by content; those that nothing uses are forgotten, oldest first, beyond the budget."""

    def __init__(self, *, bytes_per_token: int, budget_bytes: int) -> None:
        self._nodes: dict[NodeKey, Node] = {}
        self._bytes_per_token = bytes_per_token
        self._budget_tokens = max(1, budget_bytes // bytes_per_token)
        self._tokens = 0
        self._used_tokens = 0
        # Handles are given up on the event loop's thread while the engine's thread is at work.
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    @property
    def bytes(self) -> int:
        """What the kept keys and values take."""
        return self._tokens * self._bytes_per_token

    @staticmethod
    def _key(parent: Node | None, token_ids: tuple[int, ...], wide: bool) -> NodeKey:
        return (id(parent) if parent else 0, wide, token_ids)

    def find(self, parent: Node | None, token_ids: tuple[int, ...], *, wide: bool) -> Node:
        """The node of these tokens below `parent`, made (still empty) where there is none."""
        key = self._key(parent, token_ids, wide)
        node = self._nodes.pop(key, None)
        if node is None:
            node = Node(parent, token_ids, wide)
            self._tokens += len(token_ids)
            if parent is not None:
                self.hold(parent)
        self._nodes[key] = node  # youngest last
        return node

    def path(self, parent: Node | None, parts: Iterable[tuple[tuple[int, ...], bool]]) -> Node:
        """The node at the end of a path of (tokens, wide) below `parent`."""
        node = parent
        for token_ids, wide in parts:
            node = self.find(node, token_ids, wide=wide)
        assert node is not None, "a path has at least one node"
        return node

    def room(self) -> bool:
        """Whether what is in use leaves room for more."""
        return self._used_tokens < self._budget_tokens

    def shrink(self) -> None:
        """Halve the budget, after the device ran out of memory."""
        self._budget_tokens = max(1, self._budget_tokens // 2)
        self.forget()

    def hold(self, node: Node) -> None:
        """Count one more that needs the node."""
        with self._lock:
            node.uses += 1
            self._used_tokens += len(node.token_ids) if node.uses == 1 else 0

    def release(self, node: Node) -> None:
        """Count one less."""
        with self._lock:
            node.uses -= 1
            self._used_tokens -= 0 if node.uses else len(node.token_ids)

    def forget(self) -> None:
        """Drop unused nodes, oldest first, until the rest fits the budget."""
        while self._tokens > self._budget_tokens:
            key = next((key for key, node in self._nodes.items() if not node.uses), None)
            if key is None:
                return
            node = self._nodes.pop(key)
            self._tokens -= len(node.token_ids)
            node.k = node.v = node.logits = None
            if node.parent is not None:
                self.release(node.parent)
