"""Random histories: after each step the real northbound and the simulated one hold the same."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tests.drivers.ovn.support import northbound_server

from hanok.drivers.ovn.errors import ExecuteError
from hanok.drivers.ovn.northbound import Northbound, NorthboundAPI
from hanok.drivers.ovn.rows import (
    NAT,
    DHCPOptions,
    DNSRecords,
    HealthCheck,
    LoadBalancer,
    LogicalSwitch,
    PortGroup,
    QoS,
    Router,
    RouterPolicy,
    RouterPort,
    Row,
    SwitchPort,
    name_of,
)
from hanok.drivers.ovn.simulated import SimulatedNorthbound

STEPS = 250


def some(chance: random.Random, *names: str) -> frozenset[str]:
    return frozenset(name for name in names if chance.random() < 0.5)


def policies(chance: random.Random) -> frozenset[RouterPolicy]:
    matches = some(chance, "ip4", "ip6")
    return frozenset(RouterPolicy(priority=1000, match=one) for one in matches)


def switch_port(chance: random.Random) -> Row:
    return SwitchPort(
        name=chance.choice(("p1", "p2", "p3")),
        switch=chance.choice(("s1", "s2")),
        addresses=some(chance, "fa:16:3e:00:00:01 10.0.0.5", "unknown"),
        groups=some(chance, "g1", "g2"),
        guard=chance.choice(("", "", "g1")),
        dhcpv4=chance.choice(("", "d1", "d2")),
    )


MAKERS: list[Callable[[random.Random], Row]] = [
    switch_port,
    switch_port,
    lambda chance: LogicalSwitch(name=chance.choice(("s1", "s2"))),
    lambda chance: LogicalSwitch(name=chance.choice(("s1", "s2"))),
    lambda chance: PortGroup(
        name=chance.choice(("g1", "g2")),
        external_ids={"n": str(chance.randrange(3))},
    ),
    lambda chance: PortGroup(name="g3", ports=some(chance, "p1", "p2", "p3")),
    lambda chance: DHCPOptions(name=chance.choice(("d1", "d2")), cidr="10.0.0.0/24"),
    lambda chance: DNSRecords(name="dns", switches=some(chance, "s1", "s2")),
    lambda chance: Router(name="r1", enabled=chance.random() < 0.5),
    lambda chance: QoS(
        name=chance.choice(("q1", "q2")),
        switch=chance.choice(("s1", "s2")),
        direction="to-lport",
        priority=2002,
        match="ip4",
        dscp=chance.choice((None, 0, 46)),
        rate=chance.choice((0, 1000)),
    ),
    lambda chance: LoadBalancer(
        name="lb",
        routers=frozenset(chance.choice(((), ("r1",), ("r1", "r2")))),
        switches=frozenset(chance.choice(((), ("net-1",)))),
        protocol="tcp",
        vips={"172.24.4.9:80": f"10.0.0.{chance.randrange(3)}:80"},
        checks=frozenset(
            HealthCheck(
                vip="172.24.4.9:80",
                interval=chance.choice((1, 5)),
                timeout=1,
                success_count=1,
                failure_count=3,
            )
            for _ in range(chance.randrange(2))
        ),
    ),
    lambda chance: Router(name="r2", policies=policies(chance)),
    lambda chance: RouterPort(
        name="lrp", router="r1", mac="fa:16:3e:00:00:09", networks=frozenset({"10.0.0.1/24"})
    ),
    lambda chance: NAT(
        router="r1",
        type="snat",
        external_ip="172.24.4.9",
        logical_ip="10.0.0.0/24",
        gateway=chance.choice(("", "lrp", "lrp")),
    ),
]


async def outcome(northbound: NorthboundAPI, scope: str, rows: list[Row], revision: int) -> object:
    try:
        return await northbound.apply(scope, rows, revision)
    except ExecuteError as error:
        return type(error)


async def everything(northbound: NorthboundAPI) -> dict[str, object]:
    held: dict[str, object] = {
        group: await northbound.members(group) for group in ("g1", "g2", "g3")
    }
    return held | {
        scope: (
            revision,
            sorted(
                await northbound.dump(scope), key=lambda row: (type(row).__name__, name_of(row))
            ),
        )
        for scope, revision in (await northbound.scopes()).items()
    }


@pytest.mark.parametrize("seed", range(6))
async def test_the_same_history_ends_the_same(seed: int) -> None:
    chance = random.Random(seed)
    simulated = SimulatedNorthbound()
    async with northbound_server() as server:
        real = Northbound(timeout_s=60)
        await real.connect(server.remote)
        for step in range(STEPS):
            scope = chance.choice("abcd")
            rows = [chance.choice(MAKERS)(chance) for _ in range(chance.randrange(5))]
            revision = step - chance.choice((0, 0, 0, 3))
            said = await outcome(simulated, scope, rows, revision)
            assert await outcome(real, scope, rows, revision) == said, (step, scope, rows)
            assert await everything(real) == await everything(simulated), (step, scope, rows)
        await real.close()
