"""Turns for slots: order, time-outs, and nothing lost when somebody leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from vo.core.fairness import FairSlots


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 20))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_flood_delays_another_caller_by_one_request() -> None:
    async def scenario() -> None:
        slots = FairSlots(2)
        begun: list[str] = []

        async def ask(account: str) -> None:
            await slots.acquire(account, 10)
            begun.append(account)

        flood = [asyncio.create_task(ask("flood")) for _ in range(100)]
        await settle()
        assert begun == ["flood"] * 2
        late = asyncio.create_task(ask("late"))
        await settle()
        slots.release("flood")
        await late
        assert begun == ["flood", "flood", "late"]
        for account in ["late", *["flood"] * 97]:
            slots.release(account)
            await settle()
        await asyncio.gather(*flood)
        assert slots.waiting == 0

    run(scenario)


def test_three_callers_go_round() -> None:
    async def scenario() -> None:
        slots = FairSlots(1)
        order: list[str] = []
        await slots.acquire("first", 1)

        async def ask(account: str) -> None:
            await slots.acquire(account, 10)
            order.append(account)
            await asyncio.sleep(0)
            slots.release(account)

        tasks = [asyncio.create_task(ask(account)) for account in "aaabbbccc"]
        await settle()
        slots.release("first")
        await asyncio.gather(*tasks)
        assert "".join(order) == "abcabcabc"

    run(scenario)


def test_whoever_leaves_the_queue_takes_no_slot() -> None:
    async def scenario() -> None:
        slots = FairSlots(1)
        await slots.acquire("a", 1)
        with pytest.raises(TimeoutError):
            await slots.acquire("b", 0.01)
        gone = asyncio.create_task(slots.acquire("b", 10))
        stays = asyncio.create_task(slots.acquire("c", 10))
        await settle()
        gone.cancel()
        await settle()
        slots.release("a")
        await stays
        assert slots.waiting == 0
        slots.release("c")
        await slots.acquire("d", 0.01)

    run(scenario)


def test_a_slot_given_to_somebody_who_just_left_goes_on() -> None:
    async def scenario() -> None:
        slots = FairSlots(1)
        await slots.acquire("a", 1)
        leaving = asyncio.create_task(slots.acquire("b", 10))
        following = asyncio.create_task(slots.acquire("c", 10))
        await settle()
        slots.release("a")  # the slot is b's now
        leaving.cancel()  # and b is gone before it knows
        await following
        slots.release("c")
        await slots.acquire("d", 0.01)

    run(scenario)
