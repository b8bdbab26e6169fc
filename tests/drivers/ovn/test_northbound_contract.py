"""What Northbound and SimulatedNorthbound both keep."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.drivers.ovn.support import northbound_server

from hanok.drivers.ovn.errors import ExecuteError, MissingParent
from hanok.drivers.ovn.northbound import Northbound, NorthboundAPI
from hanok.drivers.ovn.rows import (
    ACL,
    BFD,
    NAT,
    AddressSet,
    DHCPOptions,
    DNSRecords,
    GatewayChassis,
    HealthCheck,
    LoadBalancer,
    LogicalSwitch,
    Meter,
    PortGroup,
    QoS,
    Router,
    RouterPolicy,
    RouterPort,
    Row,
    StaticRoute,
    SwitchPort,
    name_of,
)
from hanok.drivers.ovn.simulated import SimulatedNorthbound


@pytest.fixture(params=["simulated", "real"])
async def northbound(request: pytest.FixtureRequest) -> AsyncIterator[NorthboundAPI]:
    if request.param == "simulated":
        yield SimulatedNorthbound()
        return
    async with northbound_server() as server:
        real = Northbound(timeout_s=60)
        await real.connect(server.remote)
        try:
            yield real
        finally:
            await real.close()


SWITCH = LogicalSwitch(name="net-1", other_config={"mcast_snoop": "false"})
DROP = PortGroup(
    name="pg_drop",
    acls=frozenset(
        {ACL(direction="to-lport", priority=1001, match="outport == @pg_drop", action="drop")}
    ),
)


def port(name: str, **more: object) -> SwitchPort:
    fields: dict[str, object] = {
        "name": name,
        "switch": "net-1",
        "addresses": frozenset({"fa:16:3e:00:00:01 10.0.0.5"}),
    }
    return SwitchPort(**(fields | more))  # type: ignore[arg-type]


def in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (type(row).__name__, name_of(row)))


EVERYTHING: list[Row] = [
    SWITCH,
    DHCPOptions(name="sub-1", cidr="10.0.0.0/24", options={"lease_time": "600"}),
    PortGroup(
        name="sg",
        acls=frozenset(
            {
                ACL(direction="to-lport", priority=1002, match="ip4", action="allow-related"),
                ACL(direction="from-lport", priority=1002, match="ip", action="allow-related"),
            }
        ),
        external_ids={"why": "a test"},
    ),
    port(
        "p1",
        port_security=frozenset({"fa:16:3e:00:00:01 10.0.0.5"}),
        dhcpv4="sub-1",
        groups=frozenset({"sg"}),
        enabled=False,
        options={"requested-chassis": "h1"},
        external_ids={"name": 'odd "name", with\nall = of it; é'},
    ),
    port("to-r", type="router", addresses=frozenset({"router"}), options={"router-port": "lrp-1"}),
    port("p2", parent="p1", tag=101),
    port("phys", type="localnet", tag=12, addresses=frozenset({"unknown"})),
    Router(
        name="r1",
        routes=frozenset(
            {
                StaticRoute(destination="0.0.0.0/0", next_hop="172.24.4.1", port="lrp-1"),
                StaticRoute(destination="10.9.0.0/16", next_hop="10.0.0.9"),
                StaticRoute(
                    destination="0.0.0.0/0", next_hop="172.24.5.1", port="lrp-1", watched=True
                ),
            }
        ),
        policies=frozenset(
            {
                RouterPolicy(priority=1000, match='inport == "lrp-1" && ip4'),
                RouterPolicy(priority=900, match="ip4.src == 10.0.0.5", next_hop="172.24.4.1"),
            }
        ),
        options={"always_learn_from_arp_request": "false"},
    ),
    QoS(
        name="p1-egress",
        switch="net-1",
        direction="from-lport",
        priority=2002,
        match='inport == "p1"',
        dscp=0,
        rate=1000,
        burst=100,
    ),
    QoS(name="p1-in", switch="net-1", direction="to-lport", priority=2002, match="ip4", dscp=46),
    LoadBalancer(
        name="lb-tcp",
        routers=frozenset({"r1"}),
        switches=frozenset({"net-1"}),
        protocol="tcp",
        vips={"172.24.4.11:80": "10.0.0.5:8080,10.0.0.6:8080"},
        selection=frozenset({"ip_src", "ip_dst"}),
        sources={"10.0.0.5": "p1:10.0.0.2"},
        checks=frozenset(
            {
                HealthCheck(
                    vip="172.24.4.11:80", interval=2, timeout=1, success_count=1, failure_count=3
                )
            }
        ),
    ),
    RouterPort(
        name="lrp-1",
        router="r1",
        mac="fa:16:3e:00:00:02",
        networks=frozenset({"10.0.0.1/24", "fd00::1/64"}),
        gateway_chassis=frozenset({GatewayChassis(chassis="h1", priority=10)}),
        ipv6_ra_configs={"address_mode": "slaac"},
    ),
    NAT(router="r1", type="snat", external_ip="172.24.4.9", logical_ip="10.0.0.0/24"),
    NAT(router="r1", type="dnat_and_snat", external_ip="172.24.4.10", logical_ip="10.0.0.5"),
    NAT(
        router="r1",
        type="dnat_and_snat",
        external_ip="172.24.4.11",
        logical_ip="10.0.0.6",
        gateway="lrp-1",
    ),
    Meter(name="seldom", rate=100, burst=25),
    BFD(port="lrp-1", next_hop="172.24.5.1"),
    DNSRecords(name="dns-1", switches=frozenset({"net-1"}), records={"vm": "10.0.0.5"}),
    AddressSet(name="as1", addresses=frozenset({"10.0.0.5", "10.0.0.6"})),
]


async def test_every_kind_of_row_comes_back_as_it_was_written(northbound: NorthboundAPI) -> None:
    assert await northbound.apply("s", EVERYTHING, 1)
    assert in_order(await northbound.dump("s")) == in_order(EVERYTHING)
    assert await northbound.scopes() == {"s": 1}


async def test_a_scope_can_be_changed_and_emptied(northbound: NorthboundAPI) -> None:
    await northbound.apply("s", EVERYTHING, 1)
    changed: list[Row] = [
        LogicalSwitch(name="net-1"),
        port("p1", addresses=frozenset({"unknown"})),
        Router(name="r1", enabled=False, routes=frozenset()),
        RouterPort(
            name="lrp-1", router="r1", mac="fa:16:3e:00:00:03", networks=frozenset({"10.1.0.1/16"})
        ),
    ]
    assert await northbound.apply("s", changed, 2)
    assert in_order(await northbound.dump("s")) == in_order(changed)
    assert await northbound.apply("s", [], 3)
    assert await northbound.dump("s") == []
    assert await northbound.scopes() == {}


async def test_a_late_writer_is_refused_also_after_removal(northbound: NorthboundAPI) -> None:
    assert await northbound.apply("s", [SWITCH], 5)
    assert not await northbound.apply("s", [], 4)
    assert await northbound.apply("s", [SWITCH], 5)
    assert await northbound.apply("s", [], 6)
    assert not await northbound.apply("s", [SWITCH], 5)
    assert await northbound.dump("s") == []
    assert await northbound.removed() == {"s": 6}
    await northbound.forget(["s"])
    assert await northbound.removed() == {}
    assert await northbound.apply("s", [SWITCH], 1)
    await northbound.forget(["s"])
    assert await northbound.scopes() == {"s": 1}


async def test_scopes_do_not_touch_each_other(northbound: NorthboundAPI) -> None:
    await northbound.apply("network:1", [SWITCH], 1)
    await northbound.apply("port:1", [port("p1")], 1)
    await northbound.apply("port:2", [port("p2")], 1)
    await northbound.apply("network:1", [LogicalSwitch(name="net-1", external_ids={"a": "b"})], 2)
    await northbound.apply("port:1", [], 2)
    assert await northbound.dump("port:2") == [port("p2")]
    assert set(await northbound.scopes()) == {"network:1", "port:2"}


async def test_what_was_part_of_a_removed_switch_goes_with_it(northbound: NorthboundAPI) -> None:
    await northbound.apply("network:1", [SWITCH], 1)
    await northbound.apply("port:1", [port("p1")], 1)
    await northbound.apply("network:1", [], 2)
    assert await northbound.dump("port:1") == []


async def test_a_row_without_its_parent_is_refused_whole(northbound: NorthboundAPI) -> None:
    with pytest.raises(MissingParent):
        await northbound.apply("port:1", [port("p1"), LogicalSwitch(name="other")], 1)
    assert await northbound.scopes() == {}
    assert await northbound.dump("port:1") == []


async def test_a_name_has_one_owner(northbound: NorthboundAPI) -> None:
    await northbound.apply("network:1", [SWITCH], 1)
    with pytest.raises(ExecuteError):
        await northbound.apply("network:2", [SWITCH], 1)
    with pytest.raises(ExecuteError):
        await northbound.apply("network:3", [port("p"), port("p")], 1)


async def test_a_port_moves_to_another_switch(northbound: NorthboundAPI) -> None:
    rows: list[Row] = [SWITCH, LogicalSwitch(name="net-2")]
    await northbound.apply("s", [*rows, port("p1")], 1)
    await northbound.apply("s", [*rows, port("p1", switch="net-2")], 2)
    assert port("p1", switch="net-2") in await northbound.dump("s")


async def test_no_port_without_its_guard(northbound: NorthboundAPI) -> None:
    guarded = port("p1", guard="pg_drop")
    await northbound.apply("network:1", [SWITCH], 1)
    with pytest.raises(MissingParent):
        await northbound.apply("port:1", [guarded], 1)
    await northbound.apply("ground", [DROP], 1)
    await northbound.apply("port:1", [guarded], 1)
    assert await northbound.dump("port:1") == [guarded]
    assert await northbound.members("pg_drop") == {"p1"}
    await northbound.apply("port:1", [port("p1", groups=frozenset({"pg_drop"}))], 2)
    assert await northbound.members("pg_drop") == {"p1"}
    await northbound.apply("port:1", [port("p1")], 3)
    assert await northbound.members("pg_drop") == frozenset()


async def test_groups_and_options_are_tied_when_they_come(northbound: NorthboundAPI) -> None:
    requested = port("p1", groups=frozenset({"a", "b"}), dhcpv4="sub-1")
    await northbound.apply("network:1", [SWITCH], 1)
    await northbound.apply("port:1", [requested], 1)
    assert await northbound.dump("port:1") == [port("p1")]
    await northbound.apply("sg:b", [PortGroup(name="b")], 1)
    await northbound.apply("sg:a", [PortGroup(name="a")], 1)
    await northbound.apply("dhcp", [DHCPOptions(name="sub-1", cidr="10.0.0.0/24")], 1)
    assert await northbound.dump("port:1") == [requested]
    fewer = port("p1", groups=frozenset({"b"}))
    await northbound.apply("port:1", [fewer], 2)
    assert await northbound.dump("port:1") == [fewer]
    await northbound.apply("sg:b", [], 2)
    assert await northbound.dump("port:1") == [port("p1")]


async def test_a_group_may_list_ports_that_come_later(northbound: NorthboundAPI) -> None:
    listed = PortGroup(name="g", ports=frozenset({"p1", "p2"}))
    await northbound.apply("network:1", [SWITCH], 1)
    await northbound.apply("port:1", [port("p1")], 1)
    await northbound.apply("sg", [listed], 1)
    assert await northbound.dump("sg") == [PortGroup(name="g", ports=frozenset({"p1"}))]
    await northbound.apply("port:2", [port("p2")], 1)
    assert await northbound.dump("sg") == [listed]
    await northbound.apply("port:1", [], 2)
    assert await northbound.dump("sg") == [PortGroup(name="g", ports=frozenset({"p2"}))]
    await northbound.apply("port:1", [port("p1")], 3)
    assert await northbound.dump("sg") == [listed]
    await northbound.apply("sg", [PortGroup(name="g", ports=frozenset())], 2)
    assert await northbound.dump("sg") == [PortGroup(name="g", ports=frozenset())]


async def test_dns_finds_its_switch_later(northbound: NorthboundAPI) -> None:
    records = DNSRecords(name="d", switches=frozenset({"net-1"}), records={"vm": "10.0.0.5"})
    await northbound.apply("dns", [records], 1)
    await northbound.apply("network:1", [SWITCH], 1)
    assert await northbound.dump("dns") == [records]
    off = DNSRecords(name="d", switches=frozenset())
    await northbound.apply("dns", [off], 2)
    assert await northbound.dump("dns") == [off]


async def test_a_load_balancer_finds_its_router_later(northbound: NorthboundAPI) -> None:
    vips = {"172.24.4.11:53": "10.0.0.5:53"}
    one = LoadBalancer(name="lb", routers=frozenset({"r1"}), protocol="udp", vips=vips)
    await northbound.apply("floating_ip:1", [one], 1)
    assert await northbound.dump("floating_ip:1") != [one]
    await northbound.apply("router:1", [Router(name="r1")], 1)
    assert await northbound.dump("floating_ip:1") == [one]
    moved = LoadBalancer(name="lb", routers=frozenset({"r2"}), protocol="udp", vips=vips)
    await northbound.apply("router:2", [Router(name="r2")], 1)
    await northbound.apply("floating_ip:1", [moved], 2)
    assert await northbound.dump("floating_ip:1") == [moved]
    await northbound.apply("router:2", [], 2)
    await northbound.apply("floating_ip:1", [], 3)
    assert await northbound.dump("floating_ip:1") == []


async def test_a_load_balancer_is_on_switches_and_its_checks_change(
    northbound: NorthboundAPI,
) -> None:
    check = HealthCheck(vip="10.0.0.9:80", interval=2, timeout=1, success_count=1, failure_count=3)
    one = LoadBalancer(
        name="lb",
        switches=frozenset({"s1"}),
        protocol="tcp",
        vips={"10.0.0.9:80": "10.0.0.5:80"},
        sources={"10.0.0.5": "p1:10.0.0.2"},
        checks=frozenset({check}),
    )
    await northbound.apply("load_balancer:1", [one], 1)
    await northbound.apply("network:1", [LogicalSwitch(name="s1")], 1)
    assert await northbound.dump("load_balancer:1") == [one]
    slower = msgspec.structs.replace(
        one, checks=frozenset({msgspec.structs.replace(check, interval=9)})
    )
    await northbound.apply("load_balancer:1", [slower], 2)
    assert await northbound.dump("load_balancer:1") == [slower]
    alone = msgspec.structs.replace(one, checks=frozenset(), switches=frozenset())
    await northbound.apply("load_balancer:1", [alone], 3)
    assert await northbound.dump("load_balancer:1") == [alone]
    await northbound.apply("load_balancer:1", [], 4)
    assert await northbound.dump("load_balancer:1") == []


async def test_our_own_external_ids_cannot_be_set(northbound: NorthboundAPI) -> None:
    with pytest.raises(ValueError):
        await northbound.apply("s", [LogicalSwitch(name="x", external_ids={"hanok:in": "y"})], 1)
