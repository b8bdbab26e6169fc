"""What every host does with load balancers, real or simulated."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec import structs
from tests.node.balancer_plans import listener, next_one, plan, pool
from tests.ports import free_port

from hanok.base.ids import new_uuid
from hanok.commands import (
    Answer,
    BalancerState,
    CarriedBalancers,
    Command,
    Done,
    Failed,
    ListBalancers,
    MemberCheck,
    ReadBalancer,
    RemoveBalancer,
    RequestPolicy,
    RequestRule,
    Stale,
)
from hanok.drivers.haproxy.process import HAProxy
from hanok.node.balancers import Balancers
from hanok.node.chassis import NullChassis
from hanok.node.handlers import answer
from hanok.node.simulated_balancers import SimulatedBalancers

TCP = MemberCheck(kind="TCP", delay_s=1, timeout_s=1, rise=1, fall=1)


class Host:
    """Commands for load balancers, done as a node does them."""

    def __init__(self, one: Balancers | SimulatedBalancers) -> None:
        self._one = one

    async def ask(self, command: Command) -> Answer:
        return await answer(self._do, command)

    async def _do(self, command: Command) -> Answer:
        found = await self._one.do(command)
        assert found is not None
        return found


@pytest_asyncio.fixture(params=["real", "simulated"])
async def host(request: pytest.FixtureRequest) -> AsyncIterator[Host]:
    if request.param == "simulated":
        yield Host(SimulatedBalancers())
        return
    if shutil.which("haproxy") is None:
        pytest.skip("needs haproxy")
    with tempfile.TemporaryDirectory(prefix="hk") as directory:
        folder = Path(directory)
        made: list[HAProxy] = []

        try:
            state, run = folder / "state", folder / "run"
            yield Host(Balancers(state, run, NullChassis(), made=made.append))
        finally:
            for one in made:
                await one.end()


async def test_a_balancer_is_there_until_it_is_removed(host: Host) -> None:
    one = plan(listener(free_port()))
    state = await host.ask(one)
    assert isinstance(state, BalancerState)
    assert (state.balancer_id, state.generation) == (one.balancer_id, 1)
    assert [each.id for each in one.listeners] == list(state.listeners)
    assert await host.ask(one) == state
    assert await host.ask(ListBalancers()) == CarriedBalancers(generations={one.balancer_id: 1})
    gone = RemoveBalancer(balancer_id=one.balancer_id, generation=2)
    assert await host.ask(gone) == Done() == await host.ask(gone)
    assert await host.ask(ListBalancers()) == CarriedBalancers()
    assert isinstance(await host.ask(ReadBalancer(balancer_id=one.balancer_id)), Failed)


async def test_what_comes_late_is_refused(host: Host) -> None:
    one = plan()
    later = next_one(one)
    await host.ask(later)
    assert await host.ask(one) == Stale(known_generation=2)
    early = RemoveBalancer(balancer_id=one.balancer_id, generation=1)
    assert await host.ask(early) == Stale(known_generation=2)
    await host.ask(RemoveBalancer(balancer_id=one.balancer_id, generation=3))
    assert await host.ask(later) == Stale(known_generation=3)


async def test_one_that_is_not_there_can_be_removed(host: Host) -> None:
    assert await host.ask(RemoveBalancer(balancer_id=new_uuid(), generation=1)) == Done()


async def test_only_members_that_are_checked_are_told_of(host: Host) -> None:
    checked = pool(("127.0.0.1", 9), check=TCP)
    plain, unused = pool(("127.0.0.1", 9)), pool(("127.0.0.1", 9), check=TCP)
    one = plan(listener(free_port(), checked), listener(free_port(), plain), checked, plain, unused)
    state = await host.ask(one)
    assert isinstance(state, BalancerState)
    assert list(state.members) == [checked.members[0].id]


async def test_what_cannot_be_written_is_refused(host: Host) -> None:
    rule = RequestRule(id=new_uuid(), kind="PATH", comparison="EQUAL_TO", value="/a\nglobal")
    policy = RequestPolicy(id=new_uuid(), action="REJECT", rules=(rule,))
    one = plan(listener(free_port(), policies=(policy,)))
    assert isinstance(await host.ask(one), Failed)
    strange = listener(free_port(), mode="udp", sources=("10.0.0.0/8 accept",))
    assert isinstance(await host.ask(plan(strange)), Failed)
    bad = structs.replace(plan(listener(free_port())), carrier_id="../../etc")
    assert isinstance(await host.ask(bad), Failed)
