"""Names whose servers do not answer hold up those of their own project alone."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from hanok.base import behalf
from hanok.drivers.image_stores.lookups import AT_ONCE, Lookups


class Resolver:
    """Answers names at once, but for those of "slow", which wait until they are let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.requests = 0

    def find(self, host: str, port: int) -> list[Any]:
        self.requests += 1
        if host == "slow":
            self.let_go.wait(60)
        if host == "nowhere":
            raise OSError("no such name")
        return [(0, 0, 0, "", ("192.0.2.1", port)), (0, 0, 0, "", ("192.0.2.1", port))]


async def _of(project: str, lookups: Lookups, host: str) -> list[str]:
    behalf.project.set(project)
    return await lookups.addresses(host, 80)


async def test_one_projects_slow_names_leave_the_others_theirs() -> None:
    resolver = Resolver()
    lookups = Lookups(resolver.find)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        slow = [group.create_task(_of("greedy", lookups, "slow")) for _ in range(100)]
        await asyncio.sleep(0)
        for number in range(20):
            assert await _of(f"p{number}", lookups, "good") == ["192.0.2.1"]
        assert resolver.requests == AT_ONCE + 20
        for one in slow[:50]:
            one.cancel()
        resolver.let_go.set()
        assert [await one for one in slow[50:]] == [["192.0.2.1"]] * 50


async def test_a_name_that_is_none_is_an_error_and_gives_its_thread_back() -> None:
    lookups = Lookups(Resolver().find)
    for _ in range(2 * AT_ONCE):
        with pytest.raises(OSError, match="no such name"):
            await lookups.addresses("nowhere", 80)
    assert await lookups.addresses("good", 80) == ["192.0.2.1"]
