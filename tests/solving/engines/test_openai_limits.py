"""Rates and budgets under a clock of the test's own."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathlm.core.errors import UserError
from mathlm.solving.engines.openai_limits import Budget, Pace, Use


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)


@settings(max_examples=30, deadline=None)
@given(st.floats(1, 1e4), st.lists(st.tuples(st.floats(0, 30), st.integers(1, 50)), max_size=20))
def test_no_minute_has_more_than_its_share(rate: float, pieces: list[tuple[float, int]]) -> None:
    time, sent = Time(), []

    async def run() -> None:
        pace = Pace(rate, time.clock, time.sleep)
        for idle, amount in pieces:
            time.now += idle
            await pace.wait(amount)
            sent.append((time.now, amount))

    asyncio.run(run())
    largest = max((amount for _, amount in pieces), default=0)
    for start, _ in sent:
        window = sum(amount for when, amount in sent if start <= when < start + 60)
        assert window <= rate + largest + 1e-6


def test_what_was_not_used_is_given_back() -> None:
    time = Time()

    async def run() -> float:
        pace = Pace(60, time.clock, time.sleep)
        await pace.wait(30)
        pace.give_back(29)
        await pace.wait(1)
        return time.now - 1000

    assert asyncio.run(run()) == pytest.approx(1)


def test_a_budget_is_never_exceeded_and_says_what_to_do() -> None:
    budget = Budget(max_cost=1.0, price_in=1000, price_out=2000)
    done = []

    async def one(number: int) -> None:
        async with budget.hold(Use(50, 100)) as settle:
            assert budget.cost(budget.used + budget.held) <= 1.0
            await asyncio.sleep(0)
            settle(Use(50, 40))
            done.append(number)

    async def run() -> list[BaseException | None]:
        return await asyncio.gather(*(one(i) for i in range(20)), return_exceptions=True)

    results = asyncio.run(run())
    failures = [error for error in results if error is not None]
    assert all(isinstance(error, UserError) for error in failures)
    assert "server.max_cost = 1 is spent" in str(failures[0]) and "raise it" in str(failures[0])
    # each costs 0.13 and needs 0.25 to begin
    assert len(done) == 6 and budget.cost(budget.used) <= 1.0
    assert budget.held == Use()


def test_a_budget_of_tokens() -> None:
    budget = Budget(max_tokens=100)

    async def run() -> None:
        for _ in range(2):
            async with budget.hold(Use(20, 30)) as settle:
                settle(Use(20, 30))
        async with budget.hold(Use(1, 1)):
            pass

    with pytest.raises(UserError, match="max_tokens_total = 100"):
        asyncio.run(run())
    assert budget.used == Use(40, 60)
