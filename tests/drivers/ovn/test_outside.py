"""The ways between guests and what lies beyond the host, with a LAN on either side of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.drivers.ovn.support import Cloud, listen, pings, root_and_programs, talk, whole_cloud
from tests.drivers.ovn.test_dataplane import EGRESS, group, routed

from hanok.drivers.ovn import host, outside, topology
from hanok.drivers.ovn.errors import ExecuteError
from hanok.drivers.ovn.topology import RuleSpec

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(not root_and_programs(), reason="needs root, OVN and /dev/net/tun"),
]


@asynccontextmanager
async def lan(cloud: Cloud, device: str, number: int) -> AsyncIterator[str]:
    """A neighbour of the host behind a device, which knows the host as its way to everything else."""
    name = f"{cloud.host[:-1]}l{number}"
    await host.run("ip", "netns", "add", name)
    try:
        await host.ip(
            cloud.host, *f"link add {device} type veth peer name eth0 netns {name}".split()
        )
        await host.ip(cloud.host, *f"addr add 192.0.{number}.1/24 dev {device}".split())
        await host.ip(cloud.host, "link", "set", device, "up")
        await host.ip(name, *f"addr add 192.0.{number}.2/24 dev eth0".split())
        await host.ip(name, "link", "set", "eth0", "up")
        await host.ip(name, *f"route add default via 192.0.{number}.1".split())
        # As network cards are; these are not, and the userspace datapath passes on what it gets.
        await host.inside(name, lambda: host.finish_checksums("eth0"))
        yield name
    finally:
        await host.run("ip", "netns", "del", name)


async def forwarding(cloud: Cloud, device: str) -> str:
    path = Path("/proc/sys/net/ipv4/conf", device, "forwarding")
    return await host.inside(cloud.host, lambda: path.read_text().strip())


async def test_guests_and_the_lan_reach_each_other_as_asked_for() -> None:
    async with whole_cloud() as cloud, lan(cloud, "lan0", 2) as near, lan(cloud, "lan1", 3) as far:
        desired = outside.Outside(
            name="hanok_test", device=cloud.plane.host_device, cidr="172.24.4.0/24", netns=cloud.host,
            folder=cloud.plane.path("mine"),
        )  # fmt: skip
        first, second, _ = await routed(cloud)
        await group(cloud, EGRESS, RuleSpec(direction="ingress"))
        assert await pings(cloud.host, "172.24.4.101")
        assert not await first.pings("192.0.2.2", within_s=1)

        await outside.ensure(desired)
        assert await outside.differences(desired) == []
        with await listen(near, "192.0.2.2", 3333) as listener:
            assert await talk(first.namespace, "192.0.2.2", 3333, listener) == "192.0.2.1"
            assert await talk(second.namespace, "192.0.2.2", 3333, listener) == "192.0.2.1"
        assert not await pings(near, "172.24.4.101", within_s=1), "the way out is no way in"
        assert not await pings(near, "192.0.3.2", within_s=1), "the host is no router for others"

        both = msgspec.structs.replace(
            desired,
            lan="lan0",
            forwards=(outside.Forward(port=2222, address="172.24.4.101", to=22),),
        )
        await outside.ensure(both)
        await outside.ensure(both)
        assert await pings(near, "172.24.4.101")
        assert not await pings(far, "172.24.4.101", within_s=1)
        with await listen(first.namespace, "10.0.0.11", 22) as listener:
            assert await talk(near, "172.24.4.101", 22, listener) == "192.0.2.2"
            assert await talk(far, "192.0.3.1", 2222, listener) == "192.0.3.2"
            assert await talk(cloud.host, "192.0.3.1", 2222, listener) == "192.0.3.1"
        assert not await pings(near, "192.0.3.2", within_s=1)

        # A firewall that is loaded anew takes all tables away.
        await host.run("ip", "netns", "exec", cloud.host, "nft", "flush", "ruleset")
        assert await outside.differences(both)
        await outside.ensure(both)
        assert await outside.differences(both) == []
        with pytest.raises(ExecuteError, match="there is no network device lan7"):
            await outside.ensure(msgspec.structs.replace(both, lan="lan7"))

        # Without translation, what guests send goes nowhere but to the LAN, under their floating IP.
        await outside.ensure(msgspec.structs.replace(both, snat=False))
        assert not await first.pings("192.0.3.2", within_s=1)
        with await listen(near, "192.0.2.2", 3333) as listener:
            assert await talk(first.namespace, "192.0.2.2", 3333, listener) == "172.24.4.101"

        # Another cloud needs the devices too: they forward until it has gone as well.
        other = msgspec.structs.replace(
            desired, name="hanok_other", folder=cloud.plane.path("other")
        )
        await outside.ensure(other)
        await outside.remove(both)
        assert await forwarding(cloud, "lan0") == "1"
        assert await outside.leftovers(both) == []
        await outside.remove(other)
        assert await forwarding(cloud, "lan0") == "0"
        assert await forwarding(cloud, "lan1") == "0"
        assert await outside.leftovers(other) == []
        await outside.ensure(msgspec.structs.replace(desired, snat=False))
        assert await outside.leftovers(desired) == []


async def forwards6(cloud: Cloud) -> None:
    """The host forwards IPv6, as some do."""

    def write() -> None:
        for device in ("all", "lan0", cloud.plane.host_device):
            host.set_sysctl(f"ipv6/conf/{device}/forwarding", 1)

    await host.inside(cloud.host, write)


async def test_by_ipv6_the_host_is_reached_and_nobody_behind_it() -> None:
    async with whole_cloud() as cloud, lan(cloud, "lan0", 2) as near:
        desired = outside.Outside(
            name="hanok_test", device=cloud.plane.host_device, cidr="172.24.4.0/24", netns=cloud.host,
            folder=cloud.plane.path("mine"), snat=False, address6="2001:db8::1/64",
        )  # fmt: skip
        _, _, router = await routed(cloud)
        assert router.gateway is not None
        both = ("172.24.4.10/24", "2001:db8::10/64")
        hops = ("172.24.4.1", "2001:db8::1")
        gateway = msgspec.structs.replace(router.gateway, addresses=both, next_hops=hops)
        changed = msgspec.structs.replace(router, gateway=gateway)
        await cloud.apply(topology.router_scope("r1"), topology.router(changed))
        assert await cloud.northbound.wait_applied(60)
        assert await outside.differences(desired)
        for _ in range(2):
            await outside.ensure(desired)
            assert await outside.differences(desired) == []
        assert await pings(cloud.host, "2001:db8::10")

        await host.ip(cloud.host, *"addr add 2001:db8:1::1/64 dev lan0 nodad".split())
        await host.ip(near, *"addr add 2001:db8:1::2/64 dev eth0 nodad".split())
        await host.ip(near, *"route add default via 2001:db8:1::1".split())
        await forwards6(cloud)
        assert await pings(near, "2001:db8::1")
        assert not await pings(near, "2001:db8::10", within_s=1)
        await host.run("ip", "netns", "exec", cloud.host, "nft", "flush", "ruleset")
        assert await pings(near, "2001:db8::10"), "nothing else was in the way"
        await outside.ensure(desired)
        assert not await pings(near, "2001:db8::10", within_s=1)
        await host.ip(cloud.host, *f"addr del 2001:db8::1/64 dev {desired.device}".split())
        assert "does not have the address 2001:db8::1/64" in (await outside.differences(desired))[0]
        await outside.remove(desired)
        assert await outside.leftovers(desired) == []
