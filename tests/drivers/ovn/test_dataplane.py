"""Packets through the whole data plane, in namespaces that the test makes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.drivers.ovn.support import (
    Cloud,
    Guest,
    listen,
    pings,
    root_and_programs,
    talk,
    whole_cloud,
)

from hanok.drivers.ovn import engines, host, monitors, topology
from hanok.drivers.ovn.chassis import tap_name
from hanok.drivers.ovn.errors import ExecuteError
from hanok.drivers.ovn.topology import (
    AddressGroupSpec,
    BalancerSpec,
    CheckSpec,
    FixedIP,
    FloatingIPSpec,
    ForwardingSpec,
    GatewaySpec,
    ListenerSpec,
    LogSpec,
    MetadataPortSpec,
    NetworkSpec,
    PortSpec,
    QoSSpec,
    RouterInterfaceSpec,
    RouterSpec,
    RuleSpec,
    SecurityGroupSpec,
    SubnetSpec,
    WaySpec,
)

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(not root_and_programs(), reason="needs root, OVN and /dev/net/tun"),
]

GROUP = "11111111-0000-0000-0000-00000000000a"
EGRESS = RuleSpec(direction="egress")


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with whole_cloud() as cloud:
        yield cloud


def net(number: int, metadata_ip: str = "10.0.0.2") -> NetworkSpec:
    return NetworkSpec(
        id=f"{number:08d}-aaaa-0000-0000-000000000000",
        subnets=(
            SubnetSpec(
                id=f"subnet-{number}",
                cidr="10.0.0.0/24",
                gateway_ip="10.0.0.1",
                server_mac=f"fa:16:3e:ff:00:{number:02x}",
                dns_servers=("9.9.9.9", "1.1.1.1"),
            ),
        ),
        metadata_port=MetadataPortSpec(
            id=f"{number:08d}-bbbb-0000-0000-000000000000",
            mac=f"fa:16:3e:fe:00:{number:02x}",
            addresses={f"subnet-{number}": metadata_ip},
        ),
    )


def port(number: int, network: NetworkSpec, address: str) -> PortSpec:
    return PortSpec(
        id=f"{number:08d}-cccc-0000-0000-000000000000",
        network_id=network.id,
        mac=f"fa:16:3e:00:00:{number:02x}",
        fixed_ips=(FixedIP(subnet_id=network.subnets[0].id, address=address),),
        security_group_ids=(GROUP,),
    )


async def group(cloud: Cloud, *rules: RuleSpec) -> None:
    rows = topology.security_group(SecurityGroupSpec(id=GROUP, rules=rules))
    assert await cloud.apply(topology.security_group_scope(GROUP), rows)
    assert await cloud.northbound.wait_applied(60)


async def network(cloud: Cloud, spec: NetworkSpec) -> None:
    assert await cloud.apply(topology.network_scope(spec.id), topology.network(spec))


async def guest(cloud: Cloud, number: int, spec: NetworkSpec, address: str) -> Guest:
    requested = port(number, spec, address)
    rows = topology.port(requested, spec.subnets)
    assert await cloud.apply(topology.port_scope(requested.id), rows)
    made = await cloud.guest(requested, f"{address}/24", "10.0.0.1")
    assert await cloud.northbound.wait_port_up(requested.id, 60)
    return made


async def test_lease_and_security_groups(cloud: Cloud) -> None:
    one = net(1)
    await network(cloud, one)
    await group(cloud, EGRESS)
    first = await guest(cloud, 1, one, "10.0.0.11")
    second = await guest(cloud, 2, one, "10.0.0.12")
    assert await cloud.chassis.ports() == [first.spec.id, second.spec.id]

    lease = await take_lease(first)
    assert lease["address"] == "10.0.0.11"
    assert lease[26] == (1442).to_bytes(2, "big")
    assert lease[3] == bytes([10, 0, 0, 1])
    assert lease[6] == bytes([9, 9, 9, 9, 1, 1, 1, 1])
    assert bytes([32, 169, 254, 169, 254, 10, 0, 0, 2]) in lease[121]

    assert not await first.pings("10.0.0.12", within_s=1)
    await group(cloud, EGRESS, RuleSpec(direction="ingress", protocol="icmp"))
    assert await first.pings("10.0.0.12")
    with await listen(second.namespace, "10.0.0.12", 2222) as listener:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await talk(first.namespace, "10.0.0.12", 2222, listener)
        await group(
            cloud,
            EGRESS,
            RuleSpec(direction="ingress", protocol="tcp", port_min=2222, port_max=2222,
                     remote_group_id=GROUP),
        )  # fmt: skip
        assert await talk(first.namespace, "10.0.0.12", 2222, listener) == "10.0.0.11"
    assert not await first.pings("10.0.0.12", within_s=1)


async def test_a_port_is_told_options_of_its_own(cloud: Cloud) -> None:
    one = net(1)
    await network(cloud, one)
    await group(cloud, EGRESS)
    spec = msgspec.structs.replace(
        port(1, one, "10.0.0.11"),
        dhcp=tuple(
            topology.DHCPOption(name=name, value=value)
            for name, value in (
                ("bootfile-name", "pxelinux.0"),
                ("tftp-server", "10.9.9.9"),
                ("server-ip-address", "10.9.9.8"),
                ("mtu", "1300"),
                ("netmask", "255.255.255.128"),
                ("router", "10.0.0.77"),
                ("ntp-server", "10.0.0.8,10.0.0.9"),
                ("domain-search", "a.example,b.example"),
            )
        ),
    )
    rows = topology.port(spec, one.subnets, one)
    assert await cloud.apply(topology.port_scope(spec.id), rows)
    first = await cloud.guest(spec, "10.0.0.11/24", "10.0.0.1")
    assert await cloud.northbound.wait_port_up(spec.id, 60)
    lease = await take_lease(first)
    assert lease["address"] == "10.0.0.11"
    assert lease[67] == b"pxelinux.0"
    assert lease[66] == bytes([10, 9, 9, 9])
    assert lease[150] == bytes([10, 9, 9, 8])
    assert lease[26] == (1300).to_bytes(2, "big")
    assert lease[1] == bytes([255, 255, 255, 128])
    assert lease[3] == bytes([10, 0, 0, 77])
    assert bytes([0, 10, 0, 0, 77]) in lease[121]
    assert lease[42] == bytes([10, 0, 0, 8, 10, 0, 0, 9])
    assert b"example" in lease[119]
    assert lease[6] == bytes([9, 9, 9, 9, 1, 1, 1, 1])


async def test_names_of_neighbours_are_answered_by_the_switch(cloud: Cloud) -> None:
    one = net(1)
    await network(cloud, one)
    await group(cloud, EGRESS)
    first = await guest(cloud, 1, one, "10.0.0.11")
    named = msgspec.structs.replace(
        port(2, one, "10.0.0.12"),
        dns_names=("web", "web.openstacklocal"),
        published=("web.shop.example", ("172.24.4.9",)),
    )
    await cloud.apply(topology.port_scope(named.id), topology.port(named, one.subnets))
    assert await cloud.northbound.wait_applied(60)
    for name in ("web", "WEB.openstacklocal"):
        assert await look_up(first, name) == "10.0.0.12"
    assert await look_up(first, "web.shop.example") == "172.24.4.9"
    # Under another name, and gone with the port.
    renamed = msgspec.structs.replace(named, dns_names=("db",))
    await cloud.apply(topology.port_scope(named.id), topology.port(renamed, one.subnets))
    assert await cloud.northbound.wait_applied(60)
    assert await look_up(first, "db") == "10.0.0.12"
    await cloud.apply(topology.port_scope(named.id), [])
    assert await cloud.northbound.wait_applied(60)
    with pytest.raises(TimeoutError):
        await look_up(first, "db", tries=2)


async def look_up(guest: Guest, name: str, tries: int = 10) -> str:
    """The first IPv4 address for a name, as a guest is told it that asks its metadata port."""
    loop = asyncio.get_running_loop()
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    query = struct.pack("!HHHHHH", 0x4A4B, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\x01\0\x01"

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        return made

    with await host.inside(guest.namespace, make) as client:
        for _ in range(tries):
            await loop.sock_sendto(client, query, ("10.0.0.2", 53))
            try:
                async with asyncio.timeout(1):
                    answer = await loop.sock_recv(client, 4096)
            except TimeoutError:
                continue
            assert answer[:2] == query[:2]
            assert answer[6:8] == b"\0\x01", "one answer"
            return ".".join(map(str, answer[-4:]))
    raise TimeoutError


async def test_no_foreign_address_leaves_a_port(cloud: Cloud) -> None:
    one = net(1)
    await network(cloud, one)
    await group(cloud, EGRESS, RuleSpec(direction="ingress"))
    first = await guest(cloud, 1, one, "10.0.0.11")
    second = await guest(cloud, 2, one, "10.0.0.12")
    assert await first.pings("10.0.0.12")
    await host.ip(second.namespace, "addr", "add", "10.0.0.66/24", "dev", "eth0")
    await host.ip(second.namespace, "addr", "del", "10.0.0.12/24", "dev", "eth0")
    assert not await second.pings("10.0.0.11", within_s=1)

    unaddressed = msgspec.structs.replace(port(3, one, "10.0.0.13"), fixed_ips=())
    await cloud.apply(topology.port_scope(unaddressed.id), topology.port(unaddressed))
    third = await cloud.guest(unaddressed, "10.0.0.13/24")
    assert await cloud.northbound.wait_port_up(unaddressed.id, 60)
    assert not await third.pings("10.0.0.11", within_s=1)


async def test_a_tap_has_one_holder_and_unplug_is_final(cloud: Cloud) -> None:
    one = net(1)
    await network(cloud, one)
    spec = port(1, one, "10.0.0.11")
    await cloud.chassis.plug(spec.id, spec.mac)
    await cloud.chassis.plug(spec.id, spec.mac)
    tap = await cloud.chassis.open_tap(spec.id)
    with pytest.raises(ExecuteError):
        await cloud.chassis.open_tap(spec.id)
    os.close(tap)
    await cloud.chassis.unplug(spec.id)
    await cloud.chassis.unplug(spec.id)
    assert await cloud.chassis.ports() == []
    with pytest.raises(ExecuteError):
        await cloud.chassis.open_tap(spec.id)


async def test_a_lost_tap_comes_back_with_the_next_plug(cloud: Cloud) -> None:
    """As after a reboot: the switch's database remembers a device that is not there."""
    one = net(1)
    await network(cloud, one)
    await group(cloud, EGRESS, RuleSpec(direction="ingress"))
    first = await guest(cloud, 1, one, "10.0.0.11")
    second = await guest(cloud, 2, one, "10.0.0.12")
    assert await first.pings("10.0.0.12")
    counted = await cloud.chassis.counters([first.spec.id, second.spec.id, "none"])
    assert set(counted) == {first.spec.id, second.spec.id}
    assert all(one["rx_packets"] > 0 and one["tx_octets"] > 0 for one in counted.values())
    second.rest()
    os.close(second.tap)
    await host.ip(cloud.plane.netns, "link", "del", tap_name(second.spec.id))
    await cloud.chassis.plug(second.spec.id, second.spec.mac)
    second.tap = await cloud.chassis.open_tap(second.spec.id)
    second.carry()
    assert await first.pings("10.0.0.12")


async def test_preparing_again_disturbs_nothing(cloud: Cloud) -> None:
    await routed(cloud)
    assert await pings(cloud.host, "172.24.4.101")
    await engines.prepare(cloud.plane)
    await engines.configure(cloud.plane)
    assert await pings(cloud.host, "172.24.4.101")
    left = await engines.leftovers(cloud.plane)
    assert len([line for line in left if line.startswith("process")]) == 6
    assert f"network namespace {cloud.plane.netns}" in left


async def test_a_database_of_an_older_release_is_converted(cloud: Cloud) -> None:
    await cloud.stop("ovsdb-nb")
    schema = json.loads(Path("/usr/share/ovn/ovn-nb.ovsschema").read_text())
    schema["version"] = "6.0.0"
    del schema["tables"]["Static_MAC_Binding"], schema["cksum"]
    old, database = cloud.plane.path("ovn", "old"), cloud.plane.path("ovn", "nb.db")
    Path(old).write_text(json.dumps(schema))
    os.unlink(database)
    await host.run("ovsdb-tool", "create", database, old)
    await engines.prepare(cloud.plane)
    version = await host.run("ovsdb-tool", "db-version", database)
    assert version.strip() != "6.0.0"
    await cloud.start(cloud.engine("ovsdb-nb"))
    assert await cloud.apply("ground", topology.ground())
    await network(cloud, net(1))


async def routed(cloud: Cloud) -> tuple[Guest, Guest, RouterSpec]:
    """A network behind a router, two guests, a provider network that the host is on."""
    one = net(1)
    outside = NetworkSpec(id="outside", physical_network="public", mtu=1500)
    router = RouterSpec(
        id="r1",
        interfaces=(
            RouterInterfaceSpec(
                port_id="in", network_id=one.id, mac="fa:16:3e:01:00:01", addresses=("10.0.0.1/24",)
            ),
        ),
        gateway=GatewaySpec(
            port_id="out",
            network_id="outside",
            mac="fa:16:3e:01:00:02",
            addresses=("172.24.4.10/24",),
            next_hops=("172.24.4.1",),
            chassis={"host-1": 1},
        ),
    )
    await network(cloud, one)
    await network(cloud, outside)
    await cloud.apply(topology.router_scope("r1"), topology.router(router))
    await group(cloud, EGRESS, RuleSpec(direction="ingress", remote_cidr="172.24.4.0/24"))
    first = await guest(cloud, 1, one, "10.0.0.11")
    second = await guest(cloud, 2, one, "10.0.0.12")
    await floating(cloud)
    return first, second, router


async def floating(cloud: Cloud) -> None:
    spec = FloatingIPSpec(
        id="f1", router_id="r1", floating_address="172.24.4.101", fixed_address="10.0.0.11"
    )
    assert await cloud.apply(topology.floating_ip_scope("f1"), topology.floating_ip(spec))
    assert await cloud.northbound.wait_applied(60)


async def test_floating_ip_and_source_nat(cloud: Cloud) -> None:
    first, second, _ = await routed(cloud)
    assert await pings(cloud.host, "172.24.4.101")
    with await listen(first.namespace, "10.0.0.11", 2222) as listener:
        assert await talk(cloud.host, "172.24.4.101", 2222, listener) == "172.24.4.1"
    with await listen(cloud.host, "172.24.4.1", 3333) as listener:
        assert await talk(first.namespace, "172.24.4.1", 3333, listener) == "172.24.4.101"
        assert await talk(second.namespace, "172.24.4.1", 3333, listener) == "172.24.4.10"
    await cloud.apply(topology.floating_ip_scope("f1"), [])
    assert await cloud.northbound.wait_applied(60)
    assert not await pings(cloud.host, "172.24.4.101", within_s=1)


async def test_ports_of_a_floating_ip_lead_to_ports_of_guests(cloud: Cloud) -> None:
    first, second, _ = await routed(cloud)
    ports = (
        ForwardingSpec(protocol="tcp", ports=(2201, 2202), address="10.0.0.11", first=3301),
        ForwardingSpec(protocol="tcp", ports=(2203, 2203), address="10.0.0.12", first=3303),
    )
    spec = FloatingIPSpec(
        id="f2", router_id="r1", floating_address="172.24.4.150", forwardings=ports
    )
    assert await cloud.apply(topology.floating_ip_scope("f2"), topology.floating_ip(spec))
    assert await cloud.northbound.wait_applied(60)
    for guest_, address, outside, inside in (
        (first, "10.0.0.11", 2202, 3302),
        (second, "10.0.0.12", 2203, 3303),
    ):
        with await listen(guest_.namespace, address, inside) as listener:
            assert await talk(cloud.host, "172.24.4.150", outside, listener) == "172.24.4.1"
    await cloud.apply(topology.floating_ip_scope("f2"), [])
    assert await cloud.northbound.wait_applied(60)
    with await listen(second.namespace, "10.0.0.12", 3303) as listener:
        with pytest.raises((TimeoutError, OSError)):
            async with asyncio.timeout(2):
                await talk(cloud.host, "172.24.4.150", 2203, listener)


def balancer(routers: tuple[str, ...] = (), floating: tuple[str, ...] = ()) -> BalancerSpec:
    """At 10.0.0.50, port 80, with two members, which are checked."""
    one = net(1)
    check = CheckSpec(delay=1, timeout=1, rise=1, fall=2)
    members = (("10.0.0.11", 8080), ("10.0.0.12", 8080))
    return BalancerSpec(
        id="b1",
        network_id=one.id,
        port_id="vip",
        mac="fa:16:3e:05:00:01",
        addresses=("10.0.0.50/24",),
        floating=floating,
        switches=(one.id,),
        routers=routers,
        listeners=(ListenerSpec(protocol="tcp", port=80, members=members, check=check),),
        sources={
            address: (port(number, one, address).id, "10.0.0.9")
            for number, (address, _) in enumerate(members, 1)
        },
    )


async def who_answers(namespace: str, address: str, listeners: dict[str, socket.socket]) -> str:
    """Which of some listeners a connection to an address's port 80 reaches."""
    loop = asyncio.get_running_loop()

    def make() -> socket.socket:
        client = socket.socket()
        client.setblocking(False)
        return client

    with await host.inside(namespace, make) as client:
        accepting = {
            asyncio.ensure_future(loop.sock_accept(one)): name for name, one in listeners.items()
        }
        try:
            async with asyncio.timeout(60):
                await loop.sock_connect(client, (address, 80))
                done, _ = await asyncio.wait(accepting, return_when=asyncio.FIRST_COMPLETED)
            (first,) = done
            first.result()[0].close()
            return accepting[first]
        finally:
            for one in accepting:
                one.cancel()


async def found_by_checks(cloud: Cloud, address: str, status: str) -> None:
    """Wait until the checks of a member have found this."""
    async with asyncio.timeout(30):
        while True:
            known = await monitors.statuses(cloud.plane.sb_remote)
            if known.get((address, 8080, "tcp")) == status:
                return
            await asyncio.sleep(0.2)


async def test_a_load_balancer_answers_without_a_router_and_leaves_out_who_is_down(
    cloud: Cloud,
) -> None:
    one = net(1)
    await network(cloud, one)
    await group(cloud, EGRESS, RuleSpec(direction="ingress", remote_cidr="10.0.0.0/24"))
    first = await guest(cloud, 1, one, "10.0.0.11")
    second = await guest(cloud, 2, one, "10.0.0.12")
    client = await guest(cloud, 3, one, "10.0.0.13")
    scope = topology.load_balancer_scope("b1")
    assert await cloud.apply(scope, topology.load_balancer(balancer()))
    assert await cloud.northbound.wait_applied(60)
    with await listen(second.namespace, "10.0.0.12", 8080) as there:
        with await listen(first.namespace, "10.0.0.11", 8080) as here:
            both = {"first": here, "second": there}
            await found_by_checks(cloud, "10.0.0.11", "online")
            await found_by_checks(cloud, "10.0.0.12", "online")
            reached = {await who_answers(client.namespace, "10.0.0.50", both) for _ in range(24)}
            assert reached == {"first", "second"}
        await found_by_checks(cloud, "10.0.0.11", "offline")
        for _ in range(8):
            alone = {"second": there}
            assert await who_answers(client.namespace, "10.0.0.50", alone) == "second"
        assert await cloud.apply(scope, [])
        assert await cloud.northbound.wait_applied(60)
        with pytest.raises((TimeoutError, OSError)):
            async with asyncio.timeout(2):
                await who_answers(client.namespace, "10.0.0.50", {"second": there})


async def test_a_load_balancer_behind_a_router_is_reached_from_outside(cloud: Cloud) -> None:
    first, second, _ = await routed(cloud)
    await group(
        cloud,
        EGRESS,
        RuleSpec(direction="ingress", remote_cidr="172.24.4.0/24"),
        RuleSpec(direction="ingress", remote_cidr="10.0.0.0/24"),
    )
    client = await guest(cloud, 3, net(1), "10.0.0.13")
    nat = FloatingIPSpec(
        id="f9", router_id="r1", floating_address="172.24.4.109", fixed_address="10.0.0.50"
    )
    assert await cloud.apply(topology.floating_ip_scope("f9"), topology.floating_ip(nat))
    spec = balancer(routers=("r1",), floating=("172.24.4.109",))
    assert await cloud.apply(topology.load_balancer_scope("b1"), topology.load_balancer(spec))
    assert await cloud.northbound.wait_applied(60)
    with await listen(first.namespace, "10.0.0.11", 8080) as here:
        with await listen(second.namespace, "10.0.0.12", 8080) as there:
            both = {"first": here, "second": there}
            await found_by_checks(cloud, "10.0.0.11", "online")
            await found_by_checks(cloud, "10.0.0.12", "online")
            for namespace, address in (
                (client.namespace, "10.0.0.50"), (cloud.host, "172.24.4.109"),
            ):  # fmt: skip
                reached = {await who_answers(namespace, address, both) for _ in range(24)}
                assert reached == {"first", "second"}


async def test_what_groups_let_through_and_drop_is_logged(cloud: Cloud) -> None:
    one = net(1)
    await network(cloud, one)
    icmp = RuleSpec(direction="ingress", protocol="icmp")

    async def logged(*logs: LogSpec) -> None:
        spec = SecurityGroupSpec(id=GROUP, rules=(EGRESS, icmp), logs=logs)
        scope = topology.security_group_scope(GROUP)
        assert await cloud.apply(scope, topology.security_group(spec))
        assert await cloud.northbound.wait_applied(60)

    def said(*parts: str) -> bool:
        lines = Path(cloud.plane.path("ovs", "controller.log")).read_text().splitlines()
        return any("acl_log" in line and all(part in line for part in parts) for line in lines)

    async def comes(*parts: str) -> None:
        async with asyncio.timeout(60):
            while not said(*parts):
                await asyncio.sleep(0.05)

    async def refused(first: Guest) -> None:
        with await listen(second.namespace, "10.0.0.12", 2222) as listener:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):
                    await talk(first.namespace, "10.0.0.12", 2222, listener)

    await logged()
    first = await guest(cloud, 1, one, "10.0.0.11")
    second = await guest(cloud, 2, one, "10.0.0.12")
    assert await first.pings("10.0.0.12")
    await refused(first)
    assert not said("log-")
    await logged(
        LogSpec(id="a", event="ACCEPT", port_id=second.spec.id), LogSpec(id="d", event="DROP")
    )
    assert await first.pings("10.0.0.12")
    await comes('name="log-a"', "verdict=allow", "direction=to-lport", "icmp", "nw_dst=10.0.0.12")
    await refused(first)
    await comes('name="log-d"', "verdict=drop", "direction=to-lport", "tcp", "tp_dst=2222")
    assert not said('name="log-a"', "nw_dst=10.0.0.11", "direction=to-lport", "type=8")


async def test_a_router_has_several_ways_outside(cloud: Cloud) -> None:
    first, second, router = await routed(cloud)
    other = NetworkSpec(
        id="other",
        subnets=(SubnetSpec(id="s-other", cidr="172.24.5.0/24", server_mac="fa:16:3e:ff:00:09"),),
    )
    await network(cloud, other)
    beyond = PortSpec(
        id="beyond", network_id="other", mac="fa:16:3e:00:05:01", port_security=False,
        fixed_ips=(FixedIP(subnet_id="s-other", address="172.24.5.1"),),
    )  # fmt: skip
    assert await cloud.apply(topology.port_scope("beyond"), topology.port(beyond, other.subnets))
    far = await cloud.guest(beyond, "172.24.5.1/24")
    await host.ip(far.namespace, *"addr add 198.51.100.1/32 dev lo".split())
    await host.ip(cloud.host, *"addr add 198.51.100.1/32 dev lo".split())
    assert await cloud.northbound.wait_port_up("beyond", 60)
    assert router.gateway is not None
    another = msgspec.structs.replace(
        router.gateway, port_id="out2", network_id="other", mac="fa:16:3e:01:00:03",
        addresses=("172.24.5.10/24",), next_hops=("172.24.5.1",),
    )  # fmt: skip
    both = msgspec.structs.replace(
        router, more_gateways=(another,), ways=(WaySpec(address="10.0.0.11", port_id="out2"),)
    )

    async def routes_by(spec: RouterSpec) -> None:
        await cloud.apply(topology.router_scope("r1"), topology.router(spec))
        assert await cloud.northbound.wait_applied(60)

    await routes_by(both)
    moved = FloatingIPSpec(
        id="f1", router_id="r1", floating_address="172.24.5.101", fixed_address="10.0.0.11",
        gateway_port_id="out2", several=True,
    )  # fmt: skip
    assert await cloud.apply(topology.floating_ip_scope("f1"), topology.floating_ip(moved))
    assert await cloud.northbound.wait_applied(60)
    await group(cloud, EGRESS, RuleSpec(direction="ingress", remote_cidr="172.24.0.0/16"))
    # A floating IP of the second network answers by the second gateway; what has none goes by the first.
    assert await pings(far.namespace, "172.24.5.101")
    with await listen(first.namespace, "10.0.0.11", 2222) as listener:
        assert await talk(far.namespace, "172.24.5.101", 2222, listener) == "172.24.5.1"
    with await listen(cloud.host, "198.51.100.1", 3333) as listener:
        assert await talk(second.namespace, "198.51.100.1", 3333, listener) == "172.24.4.10"
    # With ECMP connections go by both.
    await routes_by(msgspec.structs.replace(both, ecmp=True))
    loop, seen = asyncio.get_running_loop(), set()
    with (
        await listen(cloud.host, "198.51.100.1", 3334) as here,
        await listen(far.namespace, "198.51.100.1", 3334) as there,
    ):
        for _ in range(24):
            with await host.inside(second.namespace, socket.socket) as client:
                client.setblocking(False)
                async with asyncio.timeout(60):
                    await loop.sock_connect(client, ("198.51.100.1", 3334))
                await asyncio.sleep(0)
            for listener in (here, there):
                with suppress(BlockingIOError):
                    taken, peer = listener.accept()
                    taken.close()
                    seen.add(peer[0])
            if len(seen) == 2:
                break
    assert seen == {"172.24.4.10", "172.24.5.10"}


async def test_a_router_answers_neighbours_for_an_address_behind_it(cloud: Cloud) -> None:
    one, outside = net(1), NetworkSpec(id="outside", physical_network="public", mtu=1500)
    await network(cloud, one)
    await network(cloud, outside)
    gateway = GatewaySpec(
        port_id="out", network_id="outside", mac="fa:16:3e:01:00:02",
        addresses=("172.24.4.10/24", "2001:db8:1::10/64"), next_hops=("2001:db8:1::1",),
        chassis={"host-1": 1},
    )  # fmt: skip
    router = RouterSpec(
        id="r1",
        interfaces=(
            RouterInterfaceSpec(
                port_id="in", network_id=one.id, mac="fa:16:3e:01:00:01",
                addresses=("10.0.0.1/24", "2001:db8:2::1/64"),
            ),
        ),
        gateway=gateway,
    )  # fmt: skip
    await cloud.apply(topology.router_scope("r1"), topology.router(router))
    await group(
        cloud, EGRESS, RuleSpec(direction="egress", ethertype="IPv6"),
        RuleSpec(direction="ingress", ethertype="IPv6", protocol="tcp"),
    )  # fmt: skip
    requested = port(1, one, "10.0.0.11")
    both = (*requested.fixed_ips, FixedIP(subnet_id="six", address="2001:db8:2::11"))
    requested = msgspec.structs.replace(requested, fixed_ips=both)
    assert await cloud.apply(topology.port_scope(requested.id), topology.port(requested))
    made = await cloud.guest(requested, "10.0.0.11/24", "10.0.0.1")
    assert await cloud.northbound.wait_port_up(requested.id, 60)
    for namespace, device in ((made.namespace, "eth0"), (cloud.host, "outer")):
        await host.inside(namespace, lambda device=device: with_ipv6(device))  # type: ignore[misc]
    await host.ip(made.namespace, *"-6 addr add 2001:db8:2::11/64 dev eth0 nodad".split())
    await host.ip(made.namespace, *"-6 route add default via 2001:db8:2::1".split())
    await host.ip(cloud.host, *"-6 addr add 2001:db8:1::1/64 dev outer nodad".split())
    await host.ip(cloud.host, *"-6 route add 2001:db8:2::/64 dev outer".split())

    def listening() -> socket.socket:
        return socket.create_server(("2001:db8:2::11", 2222), family=socket.AF_INET6)

    listener = await host.inside(made.namespace, listening)

    async def reaches(within_s: float = 60) -> bool:
        """Whether the host connects to the guest."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    with await host.inside(
                        cloud.host, lambda: socket.socket(socket.AF_INET6)
                    ) as one:
                        one.setblocking(False)
                        with suppress(OSError, TimeoutError):
                            async with asyncio.timeout(1):
                                loop = asyncio.get_running_loop()
                                await loop.sock_connect(one, ("2001:db8:2::11", 2222))
                                return True
                    await asyncio.sleep(0.1)
        except TimeoutError:
            return False

    assert not await reaches(within_s=2)
    proxied = msgspec.structs.replace(gateway, proxied=("2001:db8:2::11",))
    answering = msgspec.structs.replace(router, gateway=proxied)
    await cloud.apply(topology.router_scope("r1"), topology.router(answering))
    assert await cloud.northbound.wait_applied(60)
    assert await reaches()
    await cloud.apply(topology.router_scope("r1"), topology.router(router))
    assert await cloud.northbound.wait_applied(60)
    await host.ip(cloud.host, *"-6 neigh flush dev outer".split())
    assert not await reaches(within_s=2)
    listener.close()


def with_ipv6(device: str) -> None:
    Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6").write_text("0")


async def test_an_address_group_lets_in_whom_it_names(cloud: Cloud) -> None:
    one = net(1)
    await network(cloud, one)
    group_id = "22222222-0000-0000-0000-00000000000a"

    async def named(*addresses: str) -> None:
        spec = AddressGroupSpec(id=group_id, addresses=addresses)
        scope = topology.address_group_scope(group_id)
        assert await cloud.apply(scope, topology.address_group(spec))
        assert await cloud.northbound.wait_applied(60)

    await named()
    rule = RuleSpec(direction="ingress", protocol="icmp", remote_address_group_id=group_id)
    await group(cloud, EGRESS, rule)
    first = await guest(cloud, 1, one, "10.0.0.11")
    second = await guest(cloud, 2, one, "10.0.0.12")
    assert not await first.pings("10.0.0.12", within_s=1)
    await named("10.0.0.8/29", "fd00::/64")
    assert await first.pings("10.0.0.12")
    await named("10.0.0.12/32")
    assert not await first.pings("10.0.0.12", within_s=1)
    assert await second.pings("10.0.0.11")


async def test_a_stateless_group_lets_answers_through_only_by_a_rule(cloud: Cloud) -> None:
    one = net(1)
    await network(cloud, one)
    ingress = RuleSpec(direction="ingress", protocol="tcp", port_min=2222, port_max=2222)
    answers = RuleSpec(direction="ingress", protocol="tcp", port_min=32768, port_max=65535)

    async def grouped(*rules: RuleSpec, stateful: bool = False) -> None:
        spec = SecurityGroupSpec(id=GROUP, rules=rules, stateful=stateful)
        scope = topology.security_group_scope(GROUP)
        assert await cloud.apply(scope, topology.security_group(spec))
        assert await cloud.northbound.wait_applied(60)

    await grouped(EGRESS, ingress)
    first = await guest(cloud, 1, one, "10.0.0.11")
    second = await guest(cloud, 2, one, "10.0.0.12")
    with await listen(second.namespace, "10.0.0.12", 2222) as listener:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await talk(first.namespace, "10.0.0.12", 2222, listener)
        await grouped(EGRESS, ingress, answers)
        assert await talk(first.namespace, "10.0.0.12", 2222, listener) == "10.0.0.11"
        await grouped(EGRESS, ingress, stateful=True)
        assert await talk(first.namespace, "10.0.0.12", 2222, listener) == "10.0.0.11"


async def arrived(source: str, target: str, address: str, port_number: int) -> list[int]:
    """The TOS byte of each of 300 full datagrams that arrived. source, target: namespaces."""
    loop = asyncio.get_running_loop()

    def receiving() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        made.bind(("", port_number))
        made.setblocking(False)
        return made

    def sending() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        return made

    found: list[int] = []

    def take() -> None:
        _, extra, _, _ = receiver.recvmsg(2048, 64)
        found.extend(one[2][0] for one in extra if one[1] == socket.IP_TOS)

    with (
        await host.inside(target, receiving) as receiver,
        await host.inside(source, sending) as sender,
    ):
        loop.add_reader(receiver, take)
        try:
            for _ in range(300):
                await loop.sock_sendto(sender, b"x" * 1300, (address, port_number))
                await asyncio.sleep(0.001)  # a wire between namespaces is short
            seen = -1
            while seen != len(found):
                seen = len(found)
                await asyncio.sleep(0.3)
        finally:
            loop.remove_reader(receiver)
    return found


async def test_a_port_is_held_to_its_rate_and_marks_what_it_sends(cloud: Cloud) -> None:
    one = net(1)
    await network(cloud, one)
    await group(cloud, EGRESS, RuleSpec(direction="ingress"))
    first = await guest(cloud, 1, one, "10.0.0.11")
    second = await guest(cloud, 2, one, "10.0.0.12")
    assert await first.pings("10.0.0.12")

    async def goes_by(target: Guest, *rules: QoSSpec) -> None:
        spec = msgspec.structs.replace(target.spec, qos=rules)
        rows = topology.port(spec, one.subnets)
        assert await cloud.apply(topology.port_scope(spec.id), rows)
        assert await cloud.northbound.wait_applied(60)

    free = await arrived(first.namespace, second.namespace, "10.0.0.12", 4000)
    assert len(free) > 120
    assert set(free) == {0}
    await goes_by(first, QoSSpec(dscp_mark=46))
    assert set(await arrived(first.namespace, second.namespace, "10.0.0.12", 4001)) == {46 << 2}
    slow = QoSSpec(max_kbps=16, max_burst_kbps=160)
    await goes_by(first, slow, QoSSpec(dscp_mark=46))
    held = await arrived(first.namespace, second.namespace, "10.0.0.12", 4002)
    assert 0 < len(held) < 60
    assert set(held) == {46 << 2}
    assert len(await arrived(second.namespace, first.namespace, "10.0.0.11", 4003)) > 120
    await goes_by(first)
    await goes_by(second, msgspec.structs.replace(slow, direction="ingress"))
    assert 0 < len(await arrived(first.namespace, second.namespace, "10.0.0.12", 4004)) < 60
    assert len(await arrived(second.namespace, first.namespace, "10.0.0.11", 4005)) > 120


async def test_a_floating_ip_and_a_gateway_are_held_to_their_rates(cloud: Cloud) -> None:
    first, second, router = await routed(cloud)
    assert router.gateway is not None
    outside = cloud.host
    assert await pings(outside, "172.24.4.101")
    slow = QoSSpec(max_kbps=16, max_burst_kbps=160)
    spec = FloatingIPSpec(
        id="f1",
        router_id="r1",
        floating_address="172.24.4.101",
        fixed_address="10.0.0.11",
        gateway_port_id="out",
        network_id="outside",
        qos=(slow,),
    )
    assert len(await arrived(first.namespace, outside, "172.24.4.1", 4000)) > 120
    assert await cloud.apply(topology.floating_ip_scope("f1"), topology.floating_ip(spec))
    assert await cloud.northbound.wait_applied(60)
    assert 0 < len(await arrived(first.namespace, outside, "172.24.4.1", 4001)) < 60
    assert len(await arrived(outside, first.namespace, "172.24.4.101", 4002)) > 120
    assert len(await arrived(second.namespace, outside, "172.24.4.1", 4003)) > 120
    gateway = msgspec.structs.replace(router.gateway, qos=(slow,))
    rows = topology.router(msgspec.structs.replace(router, gateway=gateway))
    assert await cloud.apply(topology.router_scope("r1"), rows)
    assert await cloud.northbound.wait_applied(60)
    assert 0 < len(await arrived(second.namespace, outside, "172.24.4.1", 4004)) < 60


def summed(data: bytes) -> bytes:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)


def echo(source: PortSpec, target: PortSpec, vlan: int) -> bytes:
    """A ping as a frame of a VLAN."""
    here, there = (bytes(map(int, one.fixed_ips[0].address.split("."))) for one in (source, target))
    macs = [bytes.fromhex(one.mac.replace(":", "")) for one in (target, source)]
    icmp = struct.pack("!BBHHH", 8, 0, 0, 7, 1)
    icmp = icmp[:2] + summed(icmp) + icmp[4:]
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28, 1, 0, 64, 1, 0) + here + there
    header = header[:10] + summed(header) + header[12:]
    return b"".join(macs) + struct.pack("!HHH", 0x8100, vlan, 0x0800) + header + icmp


async def answered(guest: Guest, frame: bytes, *, within_s: float) -> bool:
    """Whether an answer to a ping comes back with the VLAN that it was sent with."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while loop.time() < deadline:
        os.write(guest.tap, frame)
        await asyncio.sleep(0.1)
        while True:
            try:
                seen = os.read(guest.tap, 2048)
            except BlockingIOError:
                break
            if seen[:6] == frame[6:12] and seen[12:18] == frame[12:18] and seen[38:39] == b"\0":
                return True
    return False


async def test_a_guest_reaches_two_networks_through_one_port(cloud: Cloud) -> None:
    one, two = net(1), net(2)
    await network(cloud, one)
    await network(cloud, two)
    await group(cloud, EGRESS, RuleSpec(direction="ingress", protocol="icmp"))
    first = await guest(cloud, 1, one, "10.0.0.11")
    beside = await guest(cloud, 2, two, "10.0.0.12")
    part = msgspec.structs.replace(port(3, two, "10.0.0.13"), parent_id=first.spec.id, vlan=101)
    scope = topology.port_scope(part.id)
    assert await cloud.apply(scope, topology.port(part, two.subnets))
    assert await cloud.northbound.wait_port_up(part.id, 60)
    first.rest()
    try:
        assert await answered(first, echo(part, beside.spec, 101), within_s=60)
        # Another VLAN leads nowhere, and nobody else's address leaves by this one.
        assert not await answered(first, echo(part, beside.spec, 102), within_s=1)
        posing = msgspec.structs.replace(part, mac="fa:16:3e:99:99:99")
        assert not await answered(first, echo(posing, beside.spec, 101), within_s=1)
        assert await cloud.apply(scope, [])
        assert await cloud.northbound.wait_applied(60)
        assert not await answered(first, echo(part, beside.spec, 101), within_s=1)
    finally:
        first.carry()


async def reaches(source: Guest, target: Guest, frame: bytes, *, within_s: float) -> bool:
    """Whether a frame of one guest comes out at another as it went in."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while loop.time() < deadline:
        os.write(source.tap, frame)
        await asyncio.sleep(0.1)
        while True:
            try:
                if os.read(target.tap, 2048) == frame:
                    return True
            except BlockingIOError:
                break
    return False


async def test_vlan_tags_of_guests_pass_where_their_network_says_so(cloud: Cloud) -> None:
    """And what no group lets in, or another's address sends, does not get in with a tag either."""
    plain, clear = net(1), msgspec.structs.replace(net(2), guest_tags=True)
    await network(cloud, plain)
    await network(cloud, clear)
    await group(cloud, EGRESS, RuleSpec(direction="ingress", protocol="icmp"))
    pairs = {
        one.id: [await guest(cloud, 10 * at + n, one, f"10.0.0.{10 * at + n}") for n in (1, 2)]
        for at, one in enumerate((plain, clear), 1)
    }
    for first, second in pairs.values():
        first.rest()
        second.rest()
    try:
        first, second = pairs[clear.id]
        assert await reaches(first, second, echo(first.spec, second.spec, 101), within_s=10)
        posing = msgspec.structs.replace(first.spec, mac="fa:16:3e:99:99:99")
        assert not await reaches(first, second, echo(posing, second.spec, 101), within_s=1)
        await group(cloud, EGRESS)
        assert await cloud.northbound.wait_applied(60)
        assert not await reaches(first, second, echo(first.spec, second.spec, 102), within_s=1)
        first, second = pairs[plain.id]
        assert not await reaches(first, second, echo(first.spec, second.spec, 101), within_s=1)
    finally:
        for pair in pairs.values():
            for one in pair:
                one.carry()


async def test_address_scopes_part_the_networks_of_a_router(cloud: Cloud) -> None:
    one, two = net(1), net(2)
    two = msgspec.structs.replace(
        two,
        subnets=(
            msgspec.structs.replace(two.subnets[0], cidr="10.0.5.0/24", gateway_ip="10.0.5.1"),
        ),
        metadata_port=None,
    )

    async def joined(scope: str) -> None:
        interfaces = tuple(
            RouterInterfaceSpec(
                port_id=f"in{n}",
                network_id=spec.id,
                mac=f"fa:16:3e:01:00:0{n}",
                addresses=(address,),
                scopes=scopes,
            )
            for n, spec, address, scopes in (
                (1, one, "10.0.0.1/24", {4: "here"}),
                (2, two, "10.0.5.1/24", {4: scope}),
            )
        )
        rows = topology.router(RouterSpec(id="r1", interfaces=interfaces))
        assert await cloud.apply(topology.router_scope("r1"), rows)
        assert await cloud.northbound.wait_applied(60)

    await network(cloud, one)
    await network(cloud, two)
    await group(cloud, EGRESS, RuleSpec(direction="ingress", protocol="icmp"))
    await joined("here")
    first = await guest(cloud, 1, one, "10.0.0.11")
    requested = port(2, two, "10.0.5.12")
    rows = topology.port(requested, two.subnets)
    assert await cloud.apply(topology.port_scope(requested.id), rows)
    await cloud.guest(requested, "10.0.5.12/24", "10.0.5.1")
    assert await cloud.northbound.wait_port_up(requested.id, 60)
    assert await first.pings("10.0.5.12")
    await joined("there")
    assert not await first.pings("10.0.5.12", within_s=1)
    await joined("here")
    assert await first.pings("10.0.5.12")


async def test_guests_are_told_that_a_gateway_outside_is_on_the_link(cloud: Cloud) -> None:
    one = net(1)
    subnet = msgspec.structs.replace(one.subnets[0], gateway_ip="198.51.100.1")
    one = msgspec.structs.replace(one, subnets=(subnet,))
    await network(cloud, one)
    await group(cloud, EGRESS)
    lease = await take_lease(await guest(cloud, 1, one, "10.0.0.11"))
    gateway = bytes([198, 51, 100, 1])
    assert lease[3] == gateway
    assert lease[54] == bytes([10, 0, 0, 2])  # who gives the lease is on the guest's own subnet
    on_link, default = bytes([32, *gateway, 0, 0, 0, 0]), bytes([0, *gateway])
    assert 0 <= lease[121].find(on_link) < lease[121].find(default)


async def test_a_router_reaches_a_next_hop_outside_of_its_subnet(cloud: Cloud) -> None:
    one = net(1)
    _, _, router = await routed(cloud)
    assert router.gateway is not None
    await cloud.apply(topology.floating_ip_scope("f1"), [])
    outside = msgspec.structs.replace(router.gateway, addresses=("203.0.113.10/29",))
    moved = msgspec.structs.replace(router, gateway=outside)
    await cloud.apply(topology.router_scope("r1"), topology.router(moved))
    assert await cloud.northbound.wait_applied(60)
    told = await host.run("ip", "-n", cloud.host, "-4", "route", "show", "172.24.4.0/24")
    device = told.split()[told.split().index("dev") + 1]
    await host.run("ip", "-n", cloud.host, "route", "add", "203.0.113.8/29", "dev", device)
    third = await guest(cloud, 3, one, "10.0.0.13")
    with await listen(cloud.host, "172.24.4.1", 3333) as listener:
        assert await talk(third.namespace, "172.24.4.1", 3333, listener) == "203.0.113.10"


async def test_a_floating_ip_of_the_router_itself_answers(cloud: Cloud) -> None:
    _, _, router = await routed(cloud)
    assert router.gateway is not None
    gateway = msgspec.structs.replace(router.gateway, own_floating=("172.24.4.102",))
    rows = topology.router(msgspec.structs.replace(router, gateway=gateway))
    await cloud.apply(topology.router_scope("r1"), rows)
    assert await cloud.northbound.wait_applied(60)
    for address in (
        "172.24.4.102",
        "172.24.4.10",
        "172.24.4.101",
    ):  # its own, the router's, a guest's
        assert await pings(cloud.host, address)


async def neighbour_known(cloud: Cloud, address: str) -> None:
    """Wait until the switch itself knows whose address it is.

    What the first packet to it taught ovn-controller comes to the switch by way of the southbound database: until then
    each packet goes through ovn-controller, and none arrives without it.
    """
    switch = cloud.plane.path("ovs", "vswitchd.ctl")
    number = f"0x{int(IPv4Address(address)):x}"
    async with asyncio.timeout(60):
        while True:
            flows = await engines.control(switch, "bridge/dump-flows", "br-int")
            known = (
                f"reg0={number}," in flow and "->eth_dst" in flow for flow in flows.splitlines()
            )
            if any(known):
                return
            await asyncio.sleep(0.05)


async def test_traffic_survives_restarts_and_the_loss_of_the_northbound(cloud: Cloud) -> None:
    _, _, _ = await routed(cloud)
    assert await pings(cloud.host, "172.24.4.101")
    await neighbour_known(cloud, "172.24.4.1")
    await cloud.stop("ovn-controller")
    assert await pings(cloud.host, "172.24.4.101")
    await cloud.start(cloud.engine("ovn-controller"))
    assert await pings(cloud.host, "172.24.4.101")
    await cloud.restart("ovs-vswitchd")
    assert await pings(cloud.host, "172.24.4.101")

    kept = {scope: await cloud.northbound.dump(scope) for scope in await cloud.northbound.scopes()}
    await cloud.stop("ovsdb-nb")
    os.unlink(cloud.plane.path("ovn", "nb.db"))
    await engines.prepare(cloud.plane)
    await cloud.start(cloud.engine("ovsdb-nb"))
    async with asyncio.timeout(60):
        while await cloud.northbound.scopes():
            await asyncio.sleep(0.05)
    order = ("ground", "security_group", "network", "port", "router", "floating_ip")
    for scope in sorted(kept, key=lambda scope: order.index(scope.partition(":")[0])):
        assert await cloud.apply(scope, kept[scope])
    assert await cloud.northbound.wait_applied(60)
    assert await pings(cloud.host, "172.24.4.101")
    for scope, rows in kept.items():
        assert await cloud.northbound.dump(scope) == rows


async def test_connections_go_on_whichever_engine_is_killed(cloud: Cloud) -> None:
    """One to a floating IP, and one between guests that only its beginning is let through for."""
    first, second, _ = await routed(cloud)
    await group(
        cloud, EGRESS, RuleSpec(direction="ingress", protocol="tcp", port_min=2222, port_max=2222)
    )
    loop = asyncio.get_running_loop()

    def make() -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        return made

    pairs = []
    with await listen(first.namespace, "10.0.0.11", 2222) as listener:
        for namespace, address in ((cloud.host, "172.24.4.101"), (second.namespace, "10.0.0.11")):
            client = await host.inside(namespace, make)
            async with asyncio.timeout(60):
                await loop.sock_connect(client, (address, 2222))
                pairs.append((client, (await loop.sock_accept(listener))[0]))
    try:
        for engine in engines.engines(cloud.plane):
            process = cloud.processes.pop(engine.name)
            process.kill()
            await process.wait()
            await cloud.start(engine)
            for client, server in pairs:
                async with asyncio.timeout(30):
                    for sender, receiver in ((client, server), (server, client)):
                        await loop.sock_sendall(sender, engine.name.encode() + b"\n")
                        got = b""
                        while not got.endswith(b"\n"):
                            got += await loop.sock_recv(receiver, 100)
                        assert got.decode().strip() == engine.name
    finally:
        for each in [one for pair in pairs for one in pair]:
            each.close()


async def test_metadata_knows_which_network_asks(cloud: Cloud) -> None:
    """Same prefix everywhere; the third network's guest has the address of the first's metadata."""
    await group(cloud, EGRESS)
    requested = {
        1: ("10.0.0.2", "10.0.0.11"),
        2: ("10.0.0.2", "10.0.0.11"),
        3: ("10.0.0.3", "10.0.0.2"),
    }
    networks = {}
    for number, (metadata_ip, guest_ip) in requested.items():
        spec = networks[number] = net(number, metadata_ip)
        assert spec.metadata_port is not None
        await network(cloud, spec)
        for made in (True, False):
            assert made == await cloud.chassis.ensure_metadata(
                spec.id, spec.metadata_port.id, spec.metadata_port.mac, (f"{metadata_ip}/24",)
            )
        await guest(cloud, number, spec, guest_ip)
    assert await cloud.chassis.metadata_networks() == sorted(n.id for n in networks.values())
    all_sockets = {n: await cloud.chassis.metadata_sockets(spec.id) for n, spec in networks.items()}
    sockets = {n: of_both[0] for n, of_both in all_sockets.items()}
    try:
        for number, (metadata_ip, guest_ip) in requested.items():
            inside = cloud.guests[number - 1].namespace
            await host.ip(inside, "route", "add", "169.254.169.254", "via", metadata_ip)
            seen = await talk(inside, "169.254.169.254", 80, sockets[number])
            assert seen == guest_ip
            # Nothing else of ours is there: no other address, no other port, no echo.
            for address, closed in ((metadata_ip, 80), ("169.254.169.254", 81)):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await talk(inside, address, closed, sockets[number])
            assert not await pings(inside, metadata_ip, within_s=0.5)
    finally:
        for each in [one for of_both in all_sockets.values() for one in of_both]:
            each.close()
    for spec in networks.values():
        await cloud.chassis.remove_metadata(spec.id)
        await cloud.chassis.remove_metadata(spec.id)
    assert await cloud.chassis.metadata_networks() == []


async def take_lease(guest: Guest) -> dict[int | str, Any]:
    """DISCOVER and REQUEST on the wire; the address and the options of the ACK."""
    guest.rest()
    try:
        offer = await exchange(guest, 1, None)
        return await exchange(guest, 3, str(offer["address"]))
    finally:
        guest.carry()


async def exchange(guest: Guest, kind: int, requested: str | None) -> dict[int | str, Any]:
    mac = bytes.fromhex(guest.spec.mac.replace(":", ""))
    options = bytes([53, 1, kind, 55, 5, 1, 3, 6, 26, 121])
    if requested:
        options += bytes([50, 4, *map(int, requested.split("."))])
    bootp = struct.pack("!BBBBIHH16s", 1, 1, 6, 0, 0xABCD, 0, 0x8000, b"") + mac.ljust(16, b"\0")
    payload = bootp + bytes(192) + bytes([99, 130, 83, 99]) + options + b"\xff"
    udp = struct.pack("!HHHH", 68, 67, 8 + len(payload), 0) + payload
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, bytes(4), b"\xff" * 4
    )
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    header = header[:10] + struct.pack("!H", ~total & 0xFFFF) + header[12:]
    frame = b"\xff" * 6 + mac + b"\x08\x00" + header + udp
    loop, due = asyncio.get_running_loop(), 0.0
    async with asyncio.timeout(60):
        while True:
            if loop.time() >= due:  # as clients do: the switch may not know yet what to answer
                os.write(guest.tap, frame)
                due = loop.time() + 1
            try:
                answer = os.read(guest.tap, 65536)
            except BlockingIOError:
                await asyncio.sleep(0.01)
                continue
            if answer[12:14] == b"\x08\x00" and answer[34:38] == bytes([0, 67, 0, 68]):
                lease = parse(answer[42:])
                if lease[53][0] == kind + (1 if kind == 1 else 2):  # OFFER, or ACK
                    return lease


def parse(bootp: bytes) -> dict[int | str, Any]:
    found: dict[int | str, Any] = {"address": ".".join(map(str, bootp[16:20]))}
    rest = bootp[240:]
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        found[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    return found


async def flood(guest: Guest, address: str) -> None:
    """Send more at once than a slow guest may receive."""

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(300):
                sender.sendto(bytes(1200), (address, 9))

    await host.inside(guest.namespace, send)


async def held_back(cloud: Cloud, guest: Guest) -> tuple[str, int]:
    """The kind of queue before a guest, and how many frames did not get through it at once."""
    words = ("-s", "-j", "-n", str(cloud.plane.netns), "qdisc", "show", "dev")
    (queue,) = json.loads(await host.run("tc", *words, tap_name(guest.spec.id)))
    return queue["kind"], queue.get("overlimits", 0) + queue["drops"]


async def test_a_guest_receives_no_more_than_its_rate(cloud: Cloud) -> None:
    one = net(1)
    await network(cloud, one)
    await group(cloud, EGRESS, RuleSpec(direction="ingress"))
    first = await guest(cloud, 1, one, "10.0.0.11")
    second = await guest(cloud, 2, one, "10.0.0.12")
    assert await first.pings("10.0.0.12")
    await cloud.chassis.limit(second.spec.id, 10, 20, 0)
    assert await held_back(cloud, second) == ("tbf", 0)
    await flood(first, "10.0.0.12")
    async with asyncio.timeout(60):
        while (await held_back(cloud, second))[1] == 0:
            await asyncio.sleep(0.05)
    await cloud.chassis.limit(second.spec.id, 0, 0, 0)
    assert (await held_back(cloud, second))[0] == "pfifo_fast"
    assert await first.pings("10.0.0.12")
