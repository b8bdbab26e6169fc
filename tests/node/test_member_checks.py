"""How members are looked at by the node."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TypeVar

from tests.node.balancer_plans import pool

from hanok.base.clock import Clock
from hanok.commands import MemberCheck
from hanok.node.member_checks import AT_ONCE, SLOT_S, MemberChecks, Target

T = TypeVar("T")
CHECK = MemberCheck(kind="TCP", delay_s=1, timeout_s=1, rise=1, fall=1)


async def test_members_that_answer_at_once_do_not_take_all_of_the_node() -> None:
    """Looks begin by the number of slots, however many are due."""
    begun: list[float] = []
    loop = asyncio.get_running_loop()

    async def inside(function: Callable[[], T]) -> T:
        begun.append(loop.time())
        return function()

    async def changed() -> None:
        pass

    checks = MemberChecks(inside, Clock(), changed)
    with socket.create_server(("127.0.0.1", 0), backlog=100) as web:
        members = pool(*(("127.0.0.1", web.getsockname()[1]),) * (2 * AT_ONCE)).members
        checks.set({one.id: Target(one, CHECK) for one in members})
        async with asyncio.TaskGroup() as tasks:
            checks.begin(tasks)
    assert set(checks.known().values()) == {True} and len(begun) == len(members)
    assert begun[AT_ONCE] - begun[0] >= SLOT_S * 0.9
