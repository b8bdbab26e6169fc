"""Network interfaces that come to a guest and go while it is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.node.hosts import A_CONFIG_DRIVE, House, a_nic, house, server

from hanok.base.ids import new_uuid
from hanok.commands import (
    NIC,
    Diagnostics,
    Failed,
    ReadDiagnostics,
    RebootInstance,
    SetInterfaces,
    SetPower,
    Stale,
)


@pytest_asyncio.fixture(params=["real", "simulated"])
async def host(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with house(request.param) as one:
        await one.image()
        yield one


def another(number: int) -> NIC:
    return msgspec.structs.replace(a_nic(), mac=f"fa:16:3e:00:01:{number:02x}")


def desired(server_id: str, generation: int, *nics: NIC, **more: Any) -> SetInterfaces:
    return SetInterfaces(server_id=server_id, generation=generation, nics=nics, **more)


def power(server_id: str, generation: int, to: Any) -> SetPower:
    return SetPower(server_id=server_id, generation=generation, power=to, soft=False)


async def macs(host: House, server_id: str) -> list[str]:
    """What the hypervisor says that the guest has."""
    told = await host.ask(ReadDiagnostics(server_id=server_id))
    assert isinstance(told, Diagnostics), told
    return [nic.mac for nic in told.nics]


@pytest.mark.parametrize("state", ["running", "paused", "stopped"])
async def test_an_interface_comes(host: House, state: str) -> None:
    requested = server(nics=(another(1),), config_drive=A_CONFIG_DRIVE)
    sid, second = requested.server_id, another(2)
    await host.instance(requested)
    if state != "running":
        await host.instance(power(sid, 2, state))
    nics = (*requested.nics, second)
    for _ in range(2):
        answer = await host.instance(desired(sid, 3, *nics, config_drive=A_CONFIG_DRIVE))
        assert (answer.power, answer.generation) == (state, 3)
    inventory = await host.inventory()
    assert inventory.taps == tuple(sorted(nic.port_id for nic in nics))
    assert inventory.metadata_networks == tuple(sorted(nic.network_id for nic in nics))
    await host.instance(power(sid, 4, "running"))
    assert await macs(host, sid) == [nic.mac for nic in nics]
    assert await host.ask(desired(sid, 3)) == Stale(known_generation=4)


async def test_an_interface_of_a_stopped_server_goes(host: House) -> None:
    first, second = another(1), another(2)
    requested = server(nics=(first, second), power="stopped")
    await host.instance(requested)
    for _ in range(2):
        await host.instance(desired(requested.server_id, 2, second))
    inventory = await host.inventory()
    assert inventory.taps == (second.port_id,)
    assert inventory.metadata_networks == (second.network_id,)


async def test_a_paused_server_lets_go_of_nothing(host: House) -> None:
    requested = server(nics=(another(1),))
    sid = requested.server_id
    await host.instance(requested)
    await host.instance(power(sid, 2, "paused"))
    answer = await host.ask(desired(sid, 3))
    assert isinstance(answer, Failed) and "unpause it first" in answer.message
    assert (await host.inventory()).taps == (requested.nics[0].port_id,)
    await host.instance(desired(sid, 3, required=False))
    assert (await host.inventory()).taps == ()


async def test_a_server_with_a_new_interface_is_suspended_and_resumed(host: House) -> None:
    requested = server(nics=(another(1),))
    sid, second = requested.server_id, another(2)
    await host.instance(requested)
    await host.instance(desired(sid, 2, *requested.nics, second))
    await host.instance(power(sid, 3, "suspended"))
    answer = await host.ask(desired(sid, 4, second))
    assert isinstance(answer, Failed) and "suspended" in answer.message
    assert (await host.instance(power(sid, 5, "running"))).power == "running"
    assert await macs(host, sid) == [requested.nics[0].mac, second.mac]


async def test_interfaces_of_no_server_are_refused(host: House) -> None:
    answer = await host.ask(desired(new_uuid(), 1))
    assert isinstance(answer, Failed) and "no such server" in answer.message
    odd = msgspec.structs.replace(another(1), port_id="../x")
    answer = await host.ask(desired(new_uuid(), 1, odd))
    assert isinstance(answer, Failed) and "not an id" in answer.message


async def test_a_guest_that_does_not_let_go_keeps_its_interface() -> None:
    """The guest of one sector knows nothing of devices that are to go."""
    async with house("real") as host:
        await host.image()
        requested = server(nics=(another(1),))
        sid = requested.server_id
        await host.instance(requested)
        answer = await host.ask(desired(sid, 2, timeout_s=0.5))
        assert isinstance(answer, Failed) and "did not let go" in answer.message
        assert await macs(host, sid) == [requested.nics[0].mac]
        assert (await host.inventory()).taps == (requested.nics[0].port_id,)
        await host.instance(desired(sid, 3, timeout_s=0.5, required=False))
        assert (await host.inventory()).taps == ()
        answer = await host.ask(power(sid, 4, "suspended"))
        assert isinstance(answer, Failed) and "reboot it first" in answer.message
        await host.instance(RebootInstance(server_id=sid, generation=5))
        assert (await host.instance(power(sid, 6, "suspended"))).power == "suspended"
        assert (await host.instance(power(sid, 7, "running"))).power == "running"


async def test_a_guest_has_as_many_interfaces_as_it_has_ports() -> None:
    async with house("real") as host:
        await host.image()
        requested = server()
        sid, nics = requested.server_id, [another(n) for n in range(9)]
        await host.instance(requested)
        generation, answer = 1, None
        for count in range(1, 10):
            generation += 1
            answer = await host.ask(desired(sid, generation, *nics[:count]))
            if isinstance(answer, Failed):
                break
        assert isinstance(answer, Failed) and "no free PCIe port" in answer.message
