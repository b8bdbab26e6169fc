"""What a node does by itself for the room on its disk."""

from __future__ import annotations

import os

import pytest
from tests.node.hosts import IMAGE_ID, eventually, house, server

from hanok.node.upkeep import LOW_MIB, YOUNG_S, unneeded

DAY_S = 24 * 3600.0
NOW = 1_000_000_000.0
AGES = [("oldest", 3 * DAY_S), ("old", 2 * DAY_S), ("today", DAY_S / 2), ("young", YOUNG_S / 2)]


@pytest.mark.parametrize(
    ("needed", "free_mib", "goes"),
    [
        (set(), LOW_MIB, "oldest"),
        ({"oldest"}, LOW_MIB, "old"),
        ({"oldest", "old"}, LOW_MIB, None),
        ({"oldest", "old"}, LOW_MIB - 1, "today"),
        ({"oldest", "old", "today"}, 0, None),
    ],
)
def test_which_image_leaves_first(needed: set[str], free_mib: int, goes: str | None) -> None:
    ages = [(name, NOW - age) for name, age in AGES]
    assert unneeded(ages, needed, NOW, DAY_S, free_mib) == goes


async def test_a_host_keeps_what_guests_need_and_forgets_the_rest_by_itself() -> None:
    async with house("real") as host:
        await host.image()
        await host.instance(requested := server(power="stopped"))
        path = host.folder / "state" / "images" / IMAGE_ID
        other = path.with_name("9c0d0000-0000-4000-8000-00000000000f")
        for suffix in ("", ".json"):
            there = path.with_suffix(suffix)
            copy = other.with_suffix(suffix)
            copy.write_bytes(there.read_bytes().replace(IMAGE_ID.encode(), other.name.encode()))
        for one in (path, other):
            os.utime(one.with_suffix(".json"), (0, 0))

        async def alone() -> bool:
            return (await host.inventory()).images == (IMAGE_ID,)

        await eventually(alone)
        assert not other.exists() and path.exists()
        assert (await host.inventory()).directories == (requested.server_id,)
