"""What may be asked of a server a minute, and what may be spent on it in all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mathlm.core.errors import UserError

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


class Pace:
    """Spreads an amount a minute evenly: each piece waits for those before it.

    (The generic cell rate algorithm without a burst: servers count in windows of their own.)
    """

    def __init__(
        self, per_minute: float | None, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._seconds_each = 60 / per_minute if per_minute else 0.0
        self._clock, self._sleep, self._next = clock, sleep, 0.0

    async def wait(self, amount: float = 1.0) -> None:
        """Wait until `amount` may be sent."""
        if self._seconds_each:
            start = max(self._clock(), self._next)
            self._next = start + amount * self._seconds_each
            if (delay := start - self._clock()) > 0:
                await self._sleep(delay)

    def give_back(self, amount: float) -> None:
        """Less was used than was announced."""
        self._next -= amount * self._seconds_each


@dataclass(frozen=True)
class Use:
    """Tokens of one or many requests."""

    read: int = 0
    written: int = 0

    @property
    def tokens(self) -> int:
        """Both together."""
        return self.read + self.written

    def __add__(self, other: Use) -> Use:
        return Use(self.read + other.read, self.written + other.written)

    def __sub__(self, other: Use) -> Use:
        return Use(self.read - other.read, self.written - other.written)


@dataclass
class Budget:
    """Tokens and money: a request starts only if the most that it may use is still there.

    What requests under way may come to use counts as used; where that is what is missing, the
    request waits for them. Raises `UserError` when the budget is spent: the run stops there.
    """

    max_tokens: int | None = None
    max_cost: float | None = None
    price_in: float = 0.0
    price_out: float = 0.0
    used: Use = field(default_factory=Use)
    held: Use = field(default_factory=Use)
    _change: asyncio.Condition = field(default_factory=asyncio.Condition)

    def cost(self, use: Use) -> float:
        """Money for tokens; prices are for a million."""
        return (use.read * self.price_in + use.written * self.price_out) / 1e6

    @asynccontextmanager
    async def hold(self, most: Use) -> AsyncIterator[Callable[[Use], None]]:
        """Set `most` aside; call what it yields with what was used in the end."""
        async with self._change:
            while self._exceeds(self.used + self.held + most):
                if not self.held.tokens:
                    raise UserError(self._spent())
                await self._change.wait()
            self.held += most
        actual = Use()

        def settle(use: Use) -> None:
            nonlocal actual
            actual = use

        try:
            yield settle
        finally:
            async with self._change:
                self.held -= most
                self.used += actual
                self._change.notify_all()

    def _exceeds(self, use: Use) -> bool:
        tokens = self.max_tokens is not None and use.tokens > self.max_tokens
        return tokens or (self.max_cost is not None and self.cost(use) > self.max_cost)

    def _spent(self) -> str:
        name, limit = "max_tokens_total", f"{self.max_tokens}"
        if self.max_cost is not None and (
            self.max_tokens is None or self.used.tokens < self.max_tokens / 2
        ):
            name, limit = "max_cost", f"{self.max_cost:g}"
        return (
            f"the budget server.{name} = {limit} is spent ({self.used.tokens} tokens,"
            f" {self.cost(self.used):.4g} in money); what is made is kept: raise it to go on"
        )
