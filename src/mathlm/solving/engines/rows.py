"""The rows that are being generated: their own keys and values, and the tiles of short prompts.

Rows stand densely from 0 on; a row that leaves is replaced by the next one to enter or by the
last one. Own keys are preallocated in pages and grow with the longest row; nothing here is ever
copied from a prompt into a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from mathlm.solving.engines.attention import (
    PAGE_TOKENS,
    TILE_ROWS,
    OwnSegment,
    Plan,
    Segment,
    TiledSegment,
    WideSegment,
    round_up,
)
from mathlm.solving.engines.forward import Forward
from mathlm.solving.engines.prefixes import Node
from mathlm.solving.engines.protocol import Piece, Sampling
from mathlm.solving.engines.text import TextTail


@dataclass(eq=False, slots=True)
class Row:
    """One generation under way."""

    leaf: Node
    sampling: Sampling
    limit_tokens: int
    stream: int
    """Key of its random numbers."""
    tail: TextTail
    asked: Any
    """The waiting request that it came from; its answer is resolved when the row ends."""
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    processed: list[float] = field(default_factory=list)
    """Log-probabilities under the distributions that the tokens were drawn from."""
    place: tuple[int, int] | None = None
    """Tile and place of a short prompt."""
    seen: Any = None
    """[V] tokens in prompt and text, only under a repetition penalty."""

    top: int = 0
    """How many of the most likely tokens are kept at each place."""
    tops: list[tuple[tuple[int, float], ...]] = field(default_factory=list)
    watch: Callable[[Row], None] | None = None
    """Called in the engine's thread after each token."""
    need_bytes: int = 0
    """Most memory that it may come to need, its prompt's keys and values aside."""
    ended: bool = False
    released: bool = False
    """Whether its hold on the prompt was given up."""

    def piece(self) -> Piece:
        """What came with the newest token."""
        tops = (self.tops[-1],) if self.top else ()
        return Piece(self.tail.fresh(), (self.token_ids[-1],), (self.logprobs[-1],), tops)


class Tiles:
    """Short prompts that rows are looking at, each staged once for up to `TILE_ROWS` rows."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._nodes: list[Node | None] = []
        self._members: list[list[Row | None]] = []
        self._k = self._v = self._sizes(1, 0)

    def _sizes(self, pages: int, tiles: int) -> Any:
        shape = self._forward.shape
        return self._forward.keys(
            shape.layers, pages, tiles, shape.kv_heads, PAGE_TOKENS, shape.head_dim
        )

    def _grow(self, pages: int, tiles: int) -> None:
        _, old_pages, old_tiles = self._k.shape[:3]
        if pages <= old_pages and tiles <= old_tiles:
            return
        wanted = max(pages, old_pages), max(tiles, old_tiles + old_tiles // 4 * (tiles > old_tiles))
        for name in ("_k", "_v"):
            old, new = getattr(self, name), self._sizes(*wanted)
            new[:, :old_pages, :old_tiles] = old
            setattr(self, name, new)

    def _stage(self, tile: int, node: Node) -> None:
        length = len(node.token_ids)
        self._grow(-(-length // PAGE_TOKENS), tile + 1)
        for page in range(-(-length // PAGE_TOKENS)):
            part = slice(page * PAGE_TOKENS, min(length, (page + 1) * PAGE_TOKENS))
            width = part.stop - part.start
            self._k[:, page, tile, :, :width] = node.k[:, :, part]
            self._v[:, page, tile, :, :width] = node.v[:, :, part]
        self._nodes[tile] = node

    def enter(self, row: Row) -> None:
        """Give the row a place at a tile of its prompt."""
        free = None
        for tile, (node, members) in enumerate(zip(self._nodes, self._members, strict=True)):
            if node is row.leaf and None in members:
                break
            if free is None and not any(members):
                free = tile
        else:
            tile = len(self._nodes) if free is None else free
            if free is None:
                self._nodes.append(None)
                self._members.append([None] * TILE_ROWS)
            self._stage(tile, row.leaf)
        row.place = (tile, self._members[tile].index(None))
        self._members[tile][row.place[1]] = row

    def leave(self, row: Row) -> None:
        """Free the row's place; empty tiles at the end are given up."""
        assert row.place is not None, "only rows of short prompts have a place"
        self._members[row.place[0]][row.place[1]] = None
        while self._members and not any(self._members[-1]):
            self._members.pop()
            self._nodes.pop()

    def tidy(self) -> None:
        """Stage anew when most tiles are empty."""
        used = [tile for tile, members in enumerate(self._members) if any(members)]
        if len(self._members) < 8 or 2 * len(used) > len(self._members):
            return
        rows = [row for tile in used for row in self._members[tile] if row is not None]
        self._nodes, self._members = [], []
        for row in rows:
            self.enter(row)

    def segment(self, rows: Sequence[Row], tokens: int) -> TiledSegment | None:
        """What the tokens of a batch (rows, then padding) look at; None without short prompts."""
        if not self._members:
            return None
        index = {id(row): number for number, row in enumerate(rows)}
        tiles = len(self._members) + 1  # the last one is empty: for rows without a short prompt
        tiles = max(tiles, (self._forward.fixed_rows or 0) + 1)
        nobody = (tiles - 1) * TILE_ROWS
        row_of_place = [0] * (tiles * TILE_ROWS)
        place_of_row = [nobody] * tokens
        for tile, members in enumerate(self._members):
            for place, row in enumerate(members):
                if row is not None:
                    row_of_place[tile * TILE_ROWS + place] = index[id(row)]
                    place_of_row[index[id(row)]] = tile * TILE_ROWS + place
        lengths = [len(node.token_ids) if node else 0 for node in self._nodes]
        pages = -(-max(lengths) // PAGE_TOKENS)
        self._grow(pages, tiles)
        tensor = self._forward.tensor
        lengths += [0] * (tiles - len(lengths))
        return TiledSegment(
            self._k,
            self._v,
            page_mask(tensor(lengths), pages),
            entries=tiles,
            members=(tensor(row_of_place), tensor(place_of_row)),
        )


def page_mask(lengths_E: Any, pages: int) -> Any:
    """[P, E, K]: 0 where an entry has a key, -inf behind its end."""
    keys = torch.arange(pages * PAGE_TOKENS, device=lengths_E.device).view(pages, 1, PAGE_TOKENS)
    hidden = keys >= lengths_E[None, :, None]
    return torch.zeros(hidden.shape, device=hidden.device).masked_fill_(hidden, -torch.inf)


class Rows:
    """All rows under way, dense from 0, with their own keys [layers, P, R, H, K, D]."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self.rows: list[Row] = []
        self._tiles = Tiles(forward)
        self._k = self._v = self._sizes(1, 0)
        self._prefixes: list[Segment] | None = None

    def _sizes(self, pages: int, rows: int) -> Any:
        shape = self._forward.shape
        return self._forward.keys(
            shape.layers, pages, rows, shape.kv_heads, PAGE_TOKENS, shape.head_dim
        )

    def _grow(self, pages: int, rows: int) -> None:
        _, old_pages, old_rows = self._k.shape[:3]
        if pages <= old_pages and rows <= old_rows:
            return
        for name in ("_k", "_v"):
            old, new = getattr(self, name), self._sizes(max(pages, old_pages), max(rows, old_rows))
            new[:, :old_pages, :old_rows] = old
            setattr(self, name, new)

    def change(self, leaving: Sequence[int], entering: Sequence[Row]) -> None:
        """Take rows out (by number) and let others in."""
        if not leaving and not entering:
            return
        self._prefixes = None
        for number in leaving:
            if self.rows[number].place is not None:
                self._tiles.leave(self.rows[number])
        holes = sorted(leaving)
        for row in entering:
            if not row.leaf.wide:
                self._tiles.enter(row)
            if holes:
                self.rows[holes.pop(0)] = row
            else:
                self.rows.append(row)
        for hole in reversed(holes):
            self._fill(hole)
        self._tiles.tidy()

    def _fill(self, hole: int) -> None:
        """Put the last row into a hole."""
        last = len(self.rows) - 1
        row = self.rows.pop()
        if hole != last:
            self.rows[hole] = row
            pages = -(-(len(row.token_ids) - 1) // PAGE_TOKENS)  # its newest token is not fed yet
            for own in (self._k, self._v) if pages else ():
                own[:, :pages, hole] = own[:, :pages, last]

    def _shared(self, tokens: int) -> list[Segment]:
        """Segments of the prefixes, in the order of their places in the sequence."""
        users: dict[int, tuple[Node, list[int]]] = {}
        for number, row in enumerate(self.rows):
            for node in row.leaf.chain():
                if node.wide:
                    users.setdefault(id(node), (node, []))[1].append(number)
        segments: list[Segment] = []
        for node, numbers in sorted(users.values(), key=lambda user: user[0].end):
            everyone = len(numbers) == len(self.rows)
            padding = round_up(len(numbers), self._forward.row_tile) - len(numbers)
            rows = None if everyone else self._forward.tensor(numbers + numbers[:1] * padding)
            segments.append(WideSegment(node.k, node.v, rows))
        tiled = self._tiles.segment(self.rows, tokens)
        return segments if tiled is None else [*segments, tiled]

    def _places(self, held_R: Any) -> Any:
        """Where each row's and head's next key goes, counted over [P, R, H, K]."""
        _, _, rows, heads, _, _ = self._k.shape
        page = torch.div(held_R, PAGE_TOKENS, rounding_mode="floor")
        row = page * rows + torch.arange(len(held_R), device=held_R.device)
        head = row[:, None] * heads + torch.arange(heads, device=held_R.device)
        return (head * PAGE_TOKENS + (held_R % PAGE_TOKENS)[:, None]).flatten()

    def step(self) -> tuple[Any, Any, Plan]:
        """The batch that feeds each row's newest token: ids [R], positions [R] and the plan."""
        number = len(self.rows)
        tokens = round_up(number, self._forward.row_tile)
        padding = [0] * (tokens - number)
        ids = [row.token_ids[-1] for row in self.rows] + padding
        held = [len(row.token_ids) - 1 for row in self.rows] + padding
        starts = [row.leaf.end for row in self.rows] + padding
        pages = max(held) // PAGE_TOKENS + 1
        self._grow(pages, tokens)
        if self._prefixes is None:
            self._prefixes = self._shared(tokens)
        tensor = self._forward.tensor
        own, start = tensor(held), tensor(starts)
        places = self._places(own)
        mask = page_mask(own + 1, pages)
        segment = OwnSegment(self._k, self._v, mask, entries=tokens, places=places)
        return tensor(ids), start + own, Plan((*self._prefixes, segment))
