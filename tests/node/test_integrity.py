"""A guest loses nothing while its volume is changed and what does that is killed: `bench.integrity`, in short."""

from __future__ import annotations

from bench.integrity import FEW, burn
from tests.node.hosts import house


async def test_a_guest_writes_through_everything() -> None:
    async with house("real") as host:
        fire = await burn(host, FEW)
    assert fire.died == len(FEW)
