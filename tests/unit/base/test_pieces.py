"""Long work in pieces: others get their turn, and as much time as the work had."""

from __future__ import annotations

import asyncio
from time import perf_counter

from hanok.base.pieces import PIECE_S, Pieces


def busy(seconds: float) -> None:
    until = perf_counter() + seconds
    while perf_counter() < until:
        pass


async def test_a_request_that_comes_in_one_round_and_begins_in_a_later_one_is_not_passed_by() -> (
    None
):
    order: list[str] = []
    loop = asyncio.get_running_loop()

    def comes() -> None:  # as a connection's bytes do: what they ask is begun a round later
        loop.call_soon(lambda: loop.call_soon(begins))

    def begins() -> None:
        order.append("request")

    async def work() -> None:
        pieces = Pieces()
        busy(PIECE_S * 2)
        loop.call_soon(comes)
        await pieces.rest()
        order.append("next piece")

    await work()
    assert order == ["request", "next piece"]


async def test_who_has_much_to_do_gets_a_turn_and_does_not_keep_the_work_for_ever() -> None:
    turns, done = 0, False

    async def other() -> None:
        nonlocal turns
        while not done:
            busy(0.002)
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(other())
        await asyncio.sleep(0)
        pieces, before = Pieces(), turns
        busy(0.01)
        await pieces.rest()
        done = True
    assert turns > before


async def test_the_items_come_in_order_and_whole() -> None:
    assert [one async for one in Pieces().each(range(1000))] == list(range(1000))
    some = [part async for part in Pieces().slices(list(range(10)), 4)]
    assert some == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
