"""IPv6 of guests through the whole data plane: the kernel's own SLAAC, DHCPv6, routes, metadata, and who poses."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.drivers.ovn.support import Cloud, Guest, root_and_programs, whole_cloud
from tests.drivers.ovn.test_dataplane import EGRESS, GROUP, group, network

from hanok.drivers.ovn import engines, host, topology
from hanok.drivers.ovn.topology import (
    FixedIP,
    MetadataPortSpec,
    NetworkSpec,
    PortSpec,
    RouterInterfaceSpec,
    RouterSpec,
    RuleSpec,
    SubnetSpec,
)

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(not root_and_programs(), reason="needs root, OVN and /dev/net/tun"),
]

ROUTER_MTU = 1400
MORE = {1: ("2001:db8:11::1/64",)}  # a second prefix
MODES = {1: "slaac", 2: "dhcpv6_stateful", 3: "dhcpv6_stateless"}
EVERYTHING = (
    EGRESS,
    RuleSpec(direction="ingress"),
    RuleSpec(direction="egress", ethertype="IPv6"),
    RuleSpec(direction="ingress", ethertype="IPv6"),
)


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with whole_cloud() as cloud:
        await group(cloud, *EVERYTHING)
        yield cloud


def net(number: int) -> NetworkSpec:
    """A network without IPv4."""
    return NetworkSpec(
        id=f"{number:08d}-aaaa-0000-0000-000000000000",
        subnets=(
            SubnetSpec(
                id=f"subnet-{number}",
                cidr=f"2001:db8:{number}::/64",
                gateway_ip=f"2001:db8:{number}::1",
                server_mac=f"fa:16:3e:ff:00:{number:02x}",
                enable_dhcp=MODES[number] != "slaac",
                dhcpv6_stateless=MODES[number] == "dhcpv6_stateless",
                dns_servers=("2001:db8:9::53",),
            ),
        ),
        metadata_port=MetadataPortSpec(
            id=f"{number:08d}-bbbb-0000-0000-000000000000",
            mac=f"fa:16:3e:fe:00:{number:02x}",
            addresses={},
        ),
        dns_domain="openstacklocal",
    )


def made_of(prefix: str, mac: str) -> str:
    """The address that a guest makes of a prefix and its MAC (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    host_part = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    network_part = ipaddress.IPv6Address(prefix).packed[:8]
    return str(ipaddress.IPv6Address(network_part + host_part))


async def guest(cloud: Cloud, number: int, spec: NetworkSpec, address: str = "") -> Guest:
    mac = f"fa:16:3e:00:00:{number:02x}"
    (subnet,) = spec.subnets
    port = PortSpec(
        id=f"{number:08d}-cccc-0000-0000-000000000000",
        network_id=spec.id,
        mac=mac,
        fixed_ips=(
            FixedIP(
                subnet_id=subnet.id, address=address or made_of(subnet.cidr.partition("/")[0], mac)
            ),
        ),
        security_group_ids=(GROUP,),
    )
    assert await cloud.apply(topology.port_scope(port.id), topology.port(port, spec.subnets))
    made = await cloud.guest(port)
    assert await cloud.northbound.wait_port_up(port.id, 60)
    return made


async def joined(cloud: Cloud, *numbers: int) -> None:
    """A router on these networks."""
    interfaces = tuple(
        RouterInterfaceSpec(
            port_id=f"in{number}",
            network_id=net(number).id,
            mac=f"fa:16:3e:01:00:0{number}",
            addresses=(f"2001:db8:{number}::1/64", *MORE.get(number, ())),
            mtu=ROUTER_MTU,
            ra_mode=MODES[number],  # type: ignore[arg-type]
        )
        for number in numbers
    )
    rows = topology.router(RouterSpec(id="r1", interfaces=interfaces))
    assert await cloud.apply(topology.router_scope("r1"), rows)
    assert await cloud.northbound.wait_applied(60)


async def eventually(look: Callable[[], Any], within_s: float = 60) -> Any:
    """What is seen at last; looks until then."""
    async with asyncio.timeout(within_s):
        while not (seen := await look()):
            await asyncio.sleep(0.05)
    return seen


async def addresses(one: Guest) -> set[str]:
    """The global addresses of a guest that are of use."""
    text = await host.ip(one.namespace, *"-j -6 addr show dev eth0 scope global -tentative".split())
    infos = [info for link in json.loads(text) for info in link.get("addr_info", ())]
    return {info["local"] for info in infos if "local" in info}


async def has(one: Guest, address: str) -> None:
    async def look() -> bool:
        return address in await addresses(one)

    await eventually(look)


async def way_out(one: Guest) -> str:
    async def look() -> str:
        routes = json.loads(await host.ip(one.namespace, "-j", "-6", "route", "show", "default"))
        return str(routes[0]["gateway"]) if routes else ""

    return str(await eventually(look))


async def pings(one: Guest, address: str, within_s: float = 60) -> bool:
    """Whether an address answers an echo of ICMPv6."""
    loop = asyncio.get_running_loop()

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        made.setblocking(False)
        return made

    where = socket.getaddrinfo(address, 0, socket.AF_INET6)[0][4]
    with await host.inside(one.namespace, make) as raw:
        if address.startswith("fe80"):
            at = await host.inside(one.namespace, lambda: socket.if_nametoindex("eth0"))
            where = (address, 0, 0, at)
        try:
            async with asyncio.timeout(within_s):
                while True:
                    try:
                        raw.sendto(struct.pack("!BBHHH", 128, 0, 0, 1, 1), where)
                        async with asyncio.timeout(0.3):
                            while True:
                                packet, peer = await loop.sock_recvfrom(raw, 2048)
                                if peer[0].partition("%")[0] == address and packet[0] == 129:
                                    return True
                    except (OSError, TimeoutError):
                        await asyncio.sleep(0.05)
        except TimeoutError:
            return False


async def says(one: Guest, listener: socket.socket, port: int = 80) -> str:
    """Connect to the metadata address of the link; whom the listener saw."""
    loop = asyncio.get_running_loop()
    at = await host.inside(one.namespace, lambda: socket.if_nametoindex("eth0"))
    own = "-j -6 addr show dev eth0 scope link -tentative".split()

    async def ready() -> bool:
        return "local" in await host.ip(one.namespace, *own)

    await eventually(ready)

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        made.setblocking(False)
        return made

    with await host.inside(one.namespace, make) as client:
        async with asyncio.timeout(60):
            accepting = asyncio.ensure_future(loop.sock_accept(listener))
            try:
                await loop.sock_connect(client, (topology.METADATA_ADDRESS_6, port, 0, at))
                server, peer = await accepting
            finally:
                accepting.cancel()
            with server:
                await loop.sock_sendall(client, b"x" * 20000 + b".")
                got = b""
                while not got.endswith(b"."):
                    got += await loop.sock_recv(server, 65536)
    return str(peer[0]).partition("%")[0]


# ---- DHCPv6, as a client of RFC 8415 speaks it

SOLICIT, ADVERTISE, REQUEST, REPLY, INFORMATION = 1, 2, 3, 7, 11
CLIENT_ID, SERVER_ID, IA_NA, OPTION_REQUEST, DNS, DOMAINS = 1, 2, 3, 6, 23, 24


def option(code: int, data: bytes) -> bytes:
    return struct.pack("!HH", code, len(data)) + data


def options(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        code, length = struct.unpack("!HH", data[:4])
        found[code] = data[4 : 4 + length]
        data = data[4 + length :]
    return found


async def asks(one: Guest, kind: int, *more: bytes) -> dict[int, bytes]:
    """Send a message of a DHCPv6 client until it is answered; the options of the answer."""
    loop = asyncio.get_running_loop()
    at = await host.inside(one.namespace, lambda: socket.if_nametoindex("eth0"))

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        made.bind(("::", 546))
        made.setblocking(False)
        return made

    duid = b"\0\3\0\1" + bytes.fromhex(one.spec.mac.replace(":", ""))
    text = bytes([kind]) + b"abc" + option(CLIENT_ID, duid) + b"".join(more)
    text += option(OPTION_REQUEST, struct.pack("!HH", DNS, DOMAINS))
    with await host.inside(one.namespace, make) as client:
        async with asyncio.timeout(30):
            while True:
                try:
                    await loop.sock_sendto(client, text, ("ff02::1:2", 547, 0, at))
                    async with asyncio.timeout(0.5):
                        answer = await loop.sock_recv(client, 4096)
                except (OSError, TimeoutError):
                    await asyncio.sleep(0.05)  # its own address is not ready, or the switch is not
                    continue
                assert answer[1:4] == b"abc"
                found = options(answer[4:])
                assert found[CLIENT_ID] == duid
                return {0: answer[:1], **found}


async def lease(one: Guest) -> tuple[str, dict[int, bytes]]:
    """The address that a guest is given, and the options that came with it."""
    wish = option(IA_NA, struct.pack("!III", 1, 0, 0))
    offered = await asks(one, SOLICIT, wish)
    assert offered[0] == bytes([ADVERTISE])
    given = await asks(
        one, REQUEST, option(SERVER_ID, offered[SERVER_ID]), option(IA_NA, offered[IA_NA])
    )
    assert given[0] == bytes([REPLY])
    address = options(given[IA_NA][12:])[5][:16]
    return str(ipaddress.IPv6Address(address)), given


async def test_guests_get_addresses_routes_and_names_as_their_subnets_say(cloud: Cloud) -> None:
    for number in MODES:
        await network(cloud, net(number))
    await joined(cloud, *MODES)
    own, given, both = (
        await guest(cloud, 1, net(1)),
        await guest(cloud, 2, net(2), "2001:db8:2::b"),
        await guest(cloud, 3, net(3)),
    )

    # slaac: the kernel makes its address of what the router announces.
    first = made_of("2001:db8:1::", own.spec.mac)
    await has(own, first)
    await has(own, made_of("2001:db8:11::", own.spec.mac))
    assert await way_out(own) == made_of("fe80::", "fa:16:3e:01:00:01")
    mtu = Path("/proc/sys/net/ipv6/conf/eth0/mtu")
    assert int(await host.inside(own.namespace, mtu.read_text)) == ROUTER_MTU

    # stateful: the route is announced, the address is asked for, and no other one is made.
    assert await way_out(given) == made_of("fe80::", "fa:16:3e:01:00:02")
    address, told = await lease(given)
    assert address == "2001:db8:2::b"
    assert told[DNS] == ipaddress.IPv6Address("2001:db8:9::53").packed
    assert told[DOMAINS] == b"\x0eopenstacklocal\0"
    assert await addresses(given) == set()
    await host.ip(given.namespace, "addr", "add", f"{address}/128", "dev", "eth0", "nodad")

    # stateless: the address is made, the rest asked for.
    third = made_of("2001:db8:3::", both.spec.mac)
    await has(both, third)
    informed = await asks(both, INFORMATION)
    assert informed[DNS] == ipaddress.IPv6Address("2001:db8:9::53").packed
    assert IA_NA not in informed

    # Between subnets, as far as groups let it.
    for source, target in ((own, address), (given, third), (both, first)):
        assert await pings(source, target)
    await group(cloud, *EVERYTHING[:3])
    assert not await pings(own, address, within_s=1)
    await group(cloud, *EVERYTHING)

    # Who is not told to announce does not.
    quiet = RouterInterfaceSpec(
        port_id="in1",
        network_id=net(1).id,
        mac="fa:16:3e:01:00:01",
        addresses=("2001:db8:1::1/64",),
    )
    rows = topology.router(RouterSpec(id="r1", interfaces=(quiet,)))
    assert await cloud.apply(topology.router_scope("r1"), rows)
    assert await cloud.northbound.wait_applied(60)
    late = await guest(cloud, 4, net(1))
    assert await pings(late, made_of("fe80::", own.spec.mac))
    assert await addresses(late) == set()


async def test_metadata_answers_on_the_link(cloud: Cloud) -> None:
    """Two networks without IPv4, whose guests ask the same address."""
    sockets = {}
    for number in (1, 2):
        spec = net(number)
        await network(cloud, spec)
        assert spec.metadata_port is not None
        port = spec.metadata_port
        for made in (True, False):
            assert made == await cloud.chassis.ensure_metadata(spec.id, port.id, port.mac, ())
        sockets[number] = await cloud.chassis.metadata_sockets(spec.id)
    await engines.prepare(cloud.plane)  # as when the cloud is taken up again
    try:
        for number in (1, 2):
            one = await guest(cloud, number, net(number))
            listener = sockets[number][1]
            assert await says(one, listener) == made_of("fe80::", one.spec.mac)
            # Nothing else of ours is there: no other port, no echo.
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await says(one, listener, 81)
            assert not await pings(one, topology.METADATA_ADDRESS_6, within_s=0.5)
    finally:
        for each in [*sockets[1], *sockets[2]]:
            each.close()


# ---- posing


def summed(source: bytes, target: bytes, protocol: int, data: bytes) -> bytes:
    """The checksum of what is in a packet of IPv6 (RFC 8200, section 8.1)."""
    text = source + target + struct.pack("!II", len(data), protocol) + data
    total = sum(struct.unpack(f"!{(len(text) + 1) // 2}H", text + b"\0" * (len(text) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def frame(
    mac: str, source: str, target: str, data: bytes, *, to: str = "", udp: bool = False
) -> bytes:
    """An Ethernet frame; ICMPv6 or UDP, whose checksum is filled in."""
    here, there = ipaddress.IPv6Address(source).packed, ipaddress.IPv6Address(target).packed
    protocol, at = (17, 6) if udp else (58, 2)
    data = data[:at] + summed(here, there, protocol, data) + data[at + 2 :]
    ether = bytes.fromhex(to.replace(":", "")) if to else b"\x33\x33" + there[12:]
    header = struct.pack("!IHBB", 0x60000000, len(data), protocol, 255) + here + there
    return ether + bytes.fromhex(mac.replace(":", "")) + b"\x86\xdd" + header + data


def neighbour(kind: int, target: str, mac: str) -> bytes:
    """A solicitation (135) or an advertisement (136) that says who has an address."""
    flags = 0x20000000 if kind == 136 else 0
    link = bytes([2 if kind == 136 else 1, 1]) + bytes.fromhex(mac.replace(":", ""))
    return struct.pack("!BBHI", kind, 0, 0, flags) + ipaddress.IPv6Address(target).packed + link


async def test_who_poses_is_not_heard_from_the_first_packet(cloud: Cloud) -> None:
    await network(cloud, net(1))
    bad, good, victim = [await guest(cloud, number, net(1)) for number in (1, 2, 3)]
    mac, link = bad.spec.mac, made_of("fe80::", bad.spec.mac)
    its = bad.spec.fixed_ips[0].address
    theirs, towards = good.spec.fixed_ips[0].address, victim.spec.fixed_ips[0].address
    other = "fa:16:3e:99:99:99"
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0)
    prefix += ipaddress.IPv6Address("2001:db8:66::").packed
    announcement = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix
    dhcp = bytes([ADVERTISE]) + b"abc" + option(SERVER_ID, b"\0\3\0\1" + bytes(6))
    dhcp = struct.pack("!HHHH", 547, 546, 8 + len(dhcp), 0) + dhcp
    echo = struct.pack("!BBHHH", 128, 0, 0, 0xBAD, 1)
    posing = {
        "router": frame(mac, link, "ff02::1", announcement),
        "router behind a header": hidden(frame(mac, link, "ff02::1", announcement)),
        "router to one": frame(mac, link, towards, announcement, to=victim.spec.mac),
        "DHCP server": frame(
            mac, link, made_of("fe80::", victim.spec.mac), dhcp, to=victim.spec.mac, udp=True
        ),
        "neighbour's address": frame(mac, its, "ff02::1", neighbour(136, theirs, mac)),
        "neighbour's address, asking": frame(
            mac, theirs, "ff02::1:ff00:3", neighbour(135, towards, mac)
        ),
        "neighbour's address, from its own": frame(
            mac, its, towards, neighbour(136, theirs, mac), to=victim.spec.mac
        ),
        "MAC inside": frame(mac, its, towards, neighbour(136, its, other), to=victim.spec.mac),
        "MAC outside": frame(other, its, towards, echo, to=victim.spec.mac),
        "source": frame(mac, theirs, towards, echo, to=victim.spec.mac),
        "link source": frame(
            mac, made_of("fe80::", good.spec.mac), towards, echo, to=victim.spec.mac
        ),
    }
    for one in (bad, victim):
        one.rest()
    try:
        for each in posing.values():
            os.write(bad.tap, each)
        # What is its own is heard, and behind all of that.
        honest = frame(
            mac, its, towards, struct.pack("!BBHHH", 128, 0, 0, 0x600D, 1), to=victim.spec.mac
        )
        heard = await hears(bad, honest, victim)
        assert [name for name, each in posing.items() if unmarked(each) in heard] == []

        # Without port security a port may: it is said there that it is trusted.
        trusted = msgspec.structs.replace(bad.spec, port_security=False, security_group_ids=())
        rows = topology.port(trusted, net(1).subnets)
        assert await cloud.apply(topology.port_scope(trusted.id), rows)
        assert await cloud.northbound.wait_applied(60)
        await hears(bad, posing["router"], victim)
    finally:
        for one in (bad, victim):
            one.carry()
    assert await pings(victim, made_of("fe80::", good.spec.mac))


async def hears(speaker: Guest, what: bytes, listener: Guest) -> list[bytes]:
    """All that a guest was sent until it was sent this."""
    heard: list[bytes] = []
    async with asyncio.timeout(60):
        while unmarked(what) not in heard:
            os.write(speaker.tap, what)
            await asyncio.sleep(0.05)
            try:
                while True:
                    heard.append(unmarked(os.read(listener.tap, 65536)))
            except BlockingIOError:
                pass
    return heard


def unmarked(packet: bytes) -> bytes:
    """A frame of IPv6 without its traffic class."""
    return packet[:14] + b"\x60\0" + packet[16:]


def hidden(packet: bytes) -> bytes:
    """What is in a packet of IPv6 comes behind a header of options that says nothing."""
    length = struct.unpack("!H", packet[18:20])[0] + 8
    header = packet[14:18] + struct.pack("!HBB", length, 60, 255) + packet[22:54]
    return packet[:14] + header + struct.pack("!BBBB4x", 58, 0, 1, 4) + packet[54:]
