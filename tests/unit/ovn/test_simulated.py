"""What the simulated northbound adds to the contract: ports that are plugged by hand."""

from __future__ import annotations

import asyncio

from hanok.drivers.ovn.rows import LogicalSwitch, Row, SwitchPort
from hanok.drivers.ovn.simulated import SimulatedNorthbound

ROWS: list[Row] = [
    LogicalSwitch(name="n"),
    SwitchPort(name="p", switch="n"),
    SwitchPort(name="md", switch="n", type="localport"),
]


async def test_guest_ports_are_up_at_once() -> None:
    told: list[tuple[str, bool]] = []
    northbound = SimulatedNorthbound(on_port=lambda name, up: told.append((name, up)))
    await northbound.apply("s", ROWS, 1)
    assert await northbound.port_up("p")
    assert not await northbound.port_up("md")
    await northbound.apply("s", [], 2)
    assert told == [("p", True), ("p", False)]


async def test_or_when_they_are_plugged() -> None:
    northbound = SimulatedNorthbound(plugged=False)
    await northbound.apply("s", ROWS, 1)
    assert not await northbound.wait_port_up("p", 0.01)
    waiting = asyncio.ensure_future(northbound.wait_port_up("p", 60))
    await northbound.plug("p")
    assert await waiting
    await northbound.unplug("p")
    assert not await northbound.port_up("p")
