"""Packets through load balancers that a host carries, in namespaces that the test makes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.drivers.ovn.support import Cloud, root_and_programs, whole_cloud
from tests.node.balancer_plans import Web, listener, next_one, plan, pool, until

from hanok.commands import (
    BalancerPort,
    BalancerRoute,
    EnsureBalancer,
    ListBalancers,
    MemberCheck,
    RemoveBalancer,
)
from hanok.drivers.haproxy.process import HAProxy
from hanok.drivers.ovn import engines, host, topology
from hanok.drivers.ovn.chassis import balancer_namespaces
from hanok.drivers.ovn.errors import ExecuteError
from hanok.drivers.ovn.topology import FixedIP, NetworkSpec, PortSpec, SubnetSpec
from hanok.node import cgroups
from hanok.node.balancers import Balancers
from hanok.node.errors import NotDone

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(
        not root_and_programs() or shutil.which("haproxy") is None,
        reason="needs root, OVN, haproxy and /dev/net/tun",
    ),
]

VIP = "10.0.0.50"
NOBODIES = range(65_000, 65_002)  # user ids that nobody has
NETWORK = NetworkSpec(
    id="00000001-aaaa-0000-0000-000000000000",
    subnets=(
        SubnetSpec(
            id="subnet-1",
            cidr="10.0.0.0/24",
            gateway_ip="10.0.0.1",
            server_mac="fa:16:3e:ff:00:01",
            dns_servers=(),
        ),
    ),
)
TCP = MemberCheck(kind="TCP", delay_s=1, timeout_s=1, rise=1, fall=1)


def a_port(number: int, address: str) -> PortSpec:
    return PortSpec(
        id=f"{number:08d}-cccc-4000-8000-000000000000",
        network_id=NETWORK.id,
        mac=f"fa:16:3e:00:00:{number:02x}",
        fixed_ips=(FixedIP(subnet_id="subnet-1", address=address),),
        port_security=False,
        mac_learning=False,
        host="host-1",
    )


class Net:
    """A network with a client and two web servers, and a host that carries load balancers on it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.webs: list[Web] = []
        self.opened: list[socket.socket] = []
        self.client = ""
        self.proxies: list[HAProxy] = []
        self.uids: Sequence[int] = NOBODIES
        self.groups = cgroups.find(f"{cloud.plane.netns}-lb")
        self.node = self.another_node()

    def another_node(self) -> Balancers:
        state = Path(self.cloud.plane.directory)
        return Balancers(
            state / "state",
            state / "run",
            self.cloud.chassis,
            uids=self.uids,
            groups=self.groups,
            made=self.proxies.append,
        )

    async def up(self) -> None:
        cloud, spec = self.cloud, NETWORK
        assert await cloud.apply(topology.network_scope(spec.id), topology.network(spec))
        for number, address in enumerate(("10.0.0.11", "10.0.0.12", "10.0.0.13"), 1):
            await self._write(a_port(number, address))
            guest = await cloud.guest(a_port(number, address), f"{address}/24", "10.0.0.1")
            self.client = guest.namespace
            if number < 3:
                await self._serve(guest.namespace, address)
                await self.serve_datagrams(guest.namespace, address)
        await self._write(a_port(9, VIP))

    async def _write(self, spec: PortSpec) -> None:
        rows = topology.port(spec, NETWORK.subnets)
        assert await self.cloud.apply(topology.port_scope(spec.id), rows)

    async def _serve(self, namespace: str, address: str) -> None:
        listening = await host.inside(namespace, lambda: socket.create_server((address, 8080)))
        web = Web(f"web {address}")
        await web.serve(sock=listening)
        self.webs.append(web)

    async def serve_datagrams(self, namespace: str, address: str) -> None:
        """A guest answers each datagram with its address, until the network ends."""

        def listen() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            made.bind((address, 8080))
            return made

        one = await host.inside(namespace, listen)
        self.opened.append(one)

        def answer() -> None:
            _, client = one.recvfrom(2048)
            one.sendto(address.encode() * 100, client)

        asyncio.get_running_loop().add_reader(one, answer)

    async def answered_datagrams(self, times: int, port: int) -> Counter[str]:
        """Which guest answered flows of one datagram, how often."""
        loop, found = asyncio.get_running_loop(), Counter[str]()
        for _ in range(times):
            made = await host.inside(
                self.client, lambda: socket.socket(type=socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            )
            with made:
                made.connect((VIP, port))
                await loop.sock_sendall(made, b"?" * 1000)
                async with asyncio.timeout(60):
                    found[(await loop.sock_recv(made, 4096)).decode()[:9]] += 1
        return found

    def plan(self, *parts: Any) -> EnsureBalancer:
        spec = a_port(9, VIP)
        port = BalancerPort(
            port_id=spec.id,
            mac=spec.mac,
            addresses=(f"{VIP}/24",),
            gateways=("10.0.0.1",),
            routes=(BalancerRoute(destination="10.9.0.0/16", next_hop="10.0.0.2"),),
        )
        return plan(*parts, port=port)

    async def get(self, port: int = 80, head: str = "GET / HTTP/1.0", within_s: float = 60) -> str:
        """What a client in the network is answered; empty where the connection is refused or cut."""

        def connect() -> socket.socket:
            return socket.create_connection((VIP, port), timeout=within_s)

        try:
            client = await host.inside(self.client, connect)
        except ExecuteError:
            return ""
        client.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=client)
        try:
            async with asyncio.timeout(within_s):
                writer.write(f"{head}\r\n\r\n".encode())
                return (await reader.read(65536)).decode()
        except OSError:
            return ""
        finally:
            writer.close()

    async def answered(self, times: int, port: int = 80) -> Counter[str]:
        """Which web server answered, how often."""
        heads = [await self.get(port) for _ in range(times)]
        return Counter(one.rpartition("\r\n\r\n")[2] for one in heads)

    def end(self) -> None:
        for each in self.opened:
            asyncio.get_running_loop().remove_reader(each)
            each.close()
        for one in self.webs:
            one.end()
        self.node.let_go()


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    async with whole_cloud() as cloud:
        net = Net(cloud)
        await net.up()
        try:
            yield net
        finally:
            net.end()
            cgroups.clear(net.groups.name)


MEMBERS = (("10.0.0.11", 8080), ("10.0.0.12", 8080))


async def test_traffic_is_spread_and_nothing_is_left_afterwards(net: Net) -> None:
    web, raw = pool(*MEMBERS, check=TCP), pool(*MEMBERS)
    plain = pool(*MEMBERS, check=structs.replace(TCP, kind="PING"))
    udp = listener(80, plain, mode="udp")
    one = net.plan(listener(80, web), listener(81, raw, mode="tcp"), udp, web, raw, plain)
    await net.node.ensure(one)
    assert await net.cloud.northbound.wait_port_up(one.port.port_id, 60)
    assert await net.answered(4) == {"web 10.0.0.11": 2, "web 10.0.0.12": 2}
    assert await net.answered(4, 81) == {"web 10.0.0.11": 2, "web 10.0.0.12": 2}

    # Datagrams on the port of a listener of TCP, through the network that guests have.
    assert await net.answered_datagrams(4, 80) == {"10.0.0.11": 2, "10.0.0.12": 2}

    state = await net.node.read(one.balancer_id)
    assert [each.total for each in state.listeners.values()] == [4, 4, 4]
    assert all(each.bytes_out > 100 for each in state.listeners.values())
    assert list(state.members.values()) == [True, True]

    pids = net.proxies[0].pids()
    assert owners(pids) == {NOBODIES[0]}
    status = Path(f"/proc/{pids[0]}/status").read_text()
    assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status

    # A member that is down is found so, and left out.
    net.webs[0].end()
    await until(
        lambda: net.node.read(one.balancer_id),
        lambda state: list(state.members.values()) == [False, True],
    )
    assert await net.answered(4) == {"web 10.0.0.12": 4}

    await net.node.remove(RemoveBalancer(balancer_id=one.balancer_id, generation=2))
    assert net.node.carried().generations == {}
    assert net.proxies[0].pids() == [] == balancer_namespaces(net.cloud.plane.netns)
    devices = await host.run("ip", "-n", net.cloud.plane.netns, "-br", "link")
    assert "lbo" not in devices
    assert not await net.get(within_s=1)


def owners(pids: Sequence[int]) -> set[int]:
    return {os.stat(f"/proc/{pid}").st_uid for pid in pids}


async def test_each_runs_as_another_user_in_a_group_of_its_own(net: Net) -> None:
    # As in a version in which all were one user.
    net.uids = ()
    net.node = net.another_node()
    one = net.plan(listener(80))
    await net.node.ensure(one)
    assert owners(net.proxies[-1].pids()) == {0}
    net.uids = NOBODIES
    net.node = net.another_node()
    await net.node.adopt()
    assert owners(net.proxies[-1].pids()) == {NOBODIES[0]}
    assert "503" in await net.get()

    # A node of later knows who is whose.
    net.node = net.another_node()
    await net.node.adopt()
    other = net.plan(listener(81))
    await net.node.ensure(other)
    assert owners(net.proxies[-1].pids()) == {NOBODIES[1]}
    for tree in net.groups.trees.values():
        group = tree.folder / net.groups.name / other.balancer_id
        held = {int(line) for line in (group / "cgroup.procs").read_text().split()}
        assert held == set(net.proxies[-1].pids())
    with pytest.raises(NotDone, match="no room"):
        await net.node.ensure(net.plan(listener(82)))

    for each in (one, other):
        await net.node.remove(RemoveBalancer(balancer_id=each.balancer_id, generation=9))
    for tree in net.groups.trees.values():
        assert not (tree.folder / net.groups.name).exists()


async def test_another_configuration_cuts_no_connection_and_keeps_counting(net: Net) -> None:
    web = pool(MEMBERS[0])
    one = net.plan(listener(80, web), web)
    await net.node.ensure(one)
    assert await net.answered(2) == {"web 10.0.0.11": 2}
    ended = asyncio.Event()

    async def ask() -> Counter[str]:
        found: Counter[str] = Counter()
        while not ended.is_set():
            found += await net.answered(1)
        return found

    asking = asyncio.ensure_future(ask())
    counted = [2]
    for _ in range(3):
        other = structs.replace(web, members=web.members + pool(MEMBERS[1]).members)
        await net.node.ensure(one := next_one(one, pools=(other,)))
        state = await net.node.ensure(one := next_one(one, pools=(web,)))
        counted += [each.total for each in state.listeners.values()]
    ended.set()
    found = await asking
    assert "" not in found and found["web 10.0.0.11"] > 0
    # What comes in the moment between two workers is carried, but not counted.
    assert sorted(counted) == counted and counted[-1] > 2


async def test_a_node_that_was_killed_makes_it_so_again(net: Net) -> None:
    web = pool(*MEMBERS)
    one = net.plan(listener(80, web), web)
    await net.node.ensure(one)
    before = net.proxies[0].pids()
    net.node = net.another_node()
    await net.node.adopt()
    assert net.proxies[-1].pids() == before
    assert (await net.answered(2)).total() == 2

    # The host was started anew: no process, no namespace.
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    for name in balancer_namespaces(net.cloud.plane.netns):
        await host.run("ip", "netns", "del", name)
    net.node = net.another_node()
    await net.node.adopt()
    assert await net.answered(2) == {"web 10.0.0.11": 1, "web 10.0.0.12": 1}

    # A removal that was cut short goes on.
    gone = RemoveBalancer(balancer_id=one.balancer_id, generation=2)
    removing = asyncio.ensure_future(net.node.remove(gone))
    await asyncio.sleep(0)
    removing.cancel()
    await asyncio.gather(removing, return_exceptions=True)
    net.node = net.another_node()
    await net.node.adopt()
    await net.node.remove(gone)
    assert await net.node.do(ListBalancers()) is not None and not net.node.carried().generations
    assert balancer_namespaces(net.cloud.plane.netns) == []


async def test_a_proxy_that_ends_is_started_anew(net: Net) -> None:
    one = net.plan(listener(80))
    await net.node.ensure(one)
    watching = asyncio.ensure_future(net.node.watch())
    try:
        for pid in net.proxies[0].pids():
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            while "503" not in await net.get(within_s=1):
                await asyncio.sleep(0.1)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_the_end_of_the_data_plane_is_theirs(net: Net) -> None:
    one = net.plan(listener(80))
    await net.node.ensure(one)
    assert any("-lb-" in line for line in await engines.leftovers(net.cloud.plane))
    await engines.teardown(net.cloud.plane)
    assert net.proxies[0].pids() == []
    assert balancer_namespaces(net.cloud.plane.netns) == []
