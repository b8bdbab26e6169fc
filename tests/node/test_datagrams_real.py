"""Datagrams through balancers that a host carries, in namespaces that the test makes: two members, two clients."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.node.balancer_plans import listener, next_one, plan, pool, until

from hanok.commands import (
    BalancerMember,
    BalancerPort,
    BalancerState,
    EnsureBalancer,
    MemberCheck,
    Persistence,
    RemoveBalancer,
)
from hanok.drivers.haproxy.process import HAProxy
from hanok.drivers.ovn import host
from hanok.node.balancers import Balancers
from hanok.node.chassis import NullChassis

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(
        os.geteuid() != 0 or not (shutil.which("nft") and shutil.which("haproxy")),
        reason="needs root, nft and haproxy",
    ),
]

VIP, VIP6 = "10.0.0.50", "fd00::50"
MEMBERS = (("10.0.0.11", 53), ("10.0.0.12", 53))
UDP = {"mode": "udp"}
CHECK = MemberCheck(kind="UDP-CONNECT", delay_s=1, timeout_s=1, rise=1, fall=1)


class OneNamespace(NullChassis):
    """Balancers are in a namespace that is there."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    async def ensure_balancer(self, *told: Any) -> str | None:
        return self._path


class Net:
    """A bridge in a namespace, with a balancer, two members that say their name, and two clients."""

    def __init__(self, folder: Path) -> None:
        self.tag = f"hku{os.getpid() % 100000}"
        self.balancer = f"{self.tag}b"
        self.proxies: list[HAProxy] = []
        self.folder = folder
        self.node = self.another_node()
        self.heard: Counter[str] = Counter()
        self.servers: dict[str, socket.socket] = {}

    def another_node(self) -> Balancers:
        chassis = OneNamespace(str(host.NAMESPACES / self.balancer))
        state, run = self.folder / "state", self.folder / "run"
        return Balancers(state, run, chassis, made=self.proxies.append)

    async def up(self) -> None:
        await host.run("ip", "netns", "add", f"{self.tag}s")
        await host.ip(f"{self.tag}s", "link", "add", "hub", "up", "type", "bridge")
        for name, number in (("b", 50), ("m11", 11), ("m12", 12), ("c21", 21), ("c22", 22)):
            there = f"{self.tag}{name}"
            await host.run("ip", "netns", "add", there)
            pair = ("type", "veth", "peer", "name", "eth0", "netns", there)
            await host.ip(f"{self.tag}s", "link", "add", f"to-{name}", "up", "master", "hub", *pair)
            await host.ip(there, "addr", "add", f"10.0.0.{number}/24", "dev", "eth0")
            await host.ip(there, "addr", "add", f"fd00::{number}/64", "dev", "eth0", "nodad")
            await host.ip(there, "link", "set", "eth0", "up")
        await host.inside(self.balancer, lambda: host.set_sysctl("ipv4/ping_group_range", "0\t0"))
        await self.serve("11")
        await self.serve("12")

    async def serve(self, number: str, version: int = 4) -> None:
        """A member answers each datagram with its name."""
        address, family = f"10.0.0.{number}", socket.AF_INET
        if version == 6:
            address, family = f"fd00::{number}", socket.AF_INET6

        def listen() -> socket.socket:
            made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            made.bind((address, 53))
            return made

        one = self.servers[number] = await host.inside(f"{self.tag}m{number}", listen)

        def answer() -> None:
            with contextlib.suppress(OSError):
                _, client = one.recvfrom(2048)
                one.sendto(number.encode(), client)
                self.heard[client[0]] += 1

        asyncio.get_running_loop().add_reader(one, answer)

    def stop(self, number: str) -> None:
        one = self.servers.pop(number)
        asyncio.get_running_loop().remove_reader(one)
        one.close()

    async def client(self, number: int = 21, port: int = 0, version: int = 4) -> socket.socket:
        """A socket that is connected to the balancer."""
        family = socket.AF_INET if version == 4 else socket.AF_INET6

        def connect() -> socket.socket:
            made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            made.bind(("0.0.0.0" if version == 4 else "::", port))
            made.connect((VIP if version == 4 else VIP6, 53))
            return made

        return await host.inside(f"{self.tag}c{number}", connect)

    async def ask(self, client: socket.socket, within_s: float = 5) -> str:
        """What a datagram is answered; "" for nothing, "refused" where the balancer says that nobody listens."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within_s):
                await loop.sock_sendall(client, b"?")
                return (await loop.sock_recv(client, 2048)).decode()
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return ""

    async def answered(self, times: int, **where: Any) -> Counter[str]:
        """Which member answers flows that begin one after another."""
        found: Counter[str] = Counter()
        for _ in range(times):
            with await self.client(**where) as one:
                found[await self.ask(one)] += 1
        return found

    def plan(self, *parts: Any) -> EnsureBalancer:
        port = structs.replace(
            BalancerPort(port_id="0" * 8, mac="fa:16:3e:05:00:02"),
            addresses=(f"{VIP}/24", f"{VIP6}/64"),
        )
        return plan(*parts, port=port)

    async def down(self) -> None:
        for number in list(self.servers):
            self.stop(number)
        for one in self.proxies:
            await one.end()
        for name in ("b", "m11", "m12", "c21", "c22", "s"):
            with contextlib.suppress(Exception):
                await host.run("ip", "netns", "del", f"{self.tag}{name}")


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    with tempfile.TemporaryDirectory(prefix="hk") as directory:
        net = Net(Path(directory))
        try:
            await net.up()
            yield net
        finally:
            await net.down()


async def test_every_way_to_choose(net: Net) -> None:
    members = tuple(
        structs.replace(one, weight=weight)
        for one, weight in zip(pool(*MEMBERS).members, (3, 1), strict=True)
    )
    web = structs.replace(pool(), members=members)
    one = net.plan(listener(53, web, **UDP), web)
    await net.node.ensure(one)
    assert await net.answered(8) == {"11": 6, "12": 2}

    # One flow stays with its member, whatever changes beside it.
    with await net.client() as flow:
        mine = await net.ask(flow)
        for algorithm in ("SOURCE_IP", "SOURCE_IP_PORT", "LEAST_CONNECTIONS"):
            even = structs.replace(
                pool(*MEMBERS), members=tuple(structs.replace(x, weight=1) for x in members)
            )
            web = structs.replace(even, id=web.id, algorithm=algorithm)
            one = next_one(one, pools=(web,))
            await net.node.ensure(one)
            assert await net.ask(flow) == mine
            found = await net.answered(8)
            if algorithm == "SOURCE_IP":
                assert len(found) == 1
            if algorithm == "SOURCE_IP_PORT":
                with await net.client(port=4000) as same:
                    first = await net.ask(same)
                assert (await net.answered(2, port=4000)) == {first: 2}
            if algorithm == "LEAST_CONNECTIONS":
                assert found == {"11": 4, "12": 4}

    # Members see the balancer, and it has counted all.
    assert set(net.heard) == {VIP}
    state = await net.node.read(one.balancer_id)
    (counted,) = state.listeners.values()
    assert counted.total >= 30 and counted.active >= 1
    assert counted.bytes_in >= 30 * 29 and counted.bytes_out >= 30 * 29

    await net.node.remove(RemoveBalancer(balancer_id=one.balancer_id, generation=99))


async def test_who_may_and_who_comes_back(net: Net) -> None:
    web = pool(*MEMBERS, persistence=Persistence(kind="SOURCE_IP", timeout_s=60))
    port = listener(53, web, sources=("10.0.0.21/32", "fd00::/64"), **UDP)
    one = net.plan(port, web)
    await net.node.ensure(one)
    assert len(await net.answered(6)) == 1
    with await net.client(22) as stranger:
        assert await net.ask(stranger, within_s=0.5) == ""
    # All of a mask are one client.
    mask = structs.replace(web, persistence=Persistence(kind="SOURCE_IP", mask="255.255.255.0"))
    open_ = structs.replace(port, sources=())
    await net.node.ensure(one := next_one(one, listeners=(open_,), pools=(mask,)))
    assert len(await net.answered(3) + await net.answered(3, number=22)) == 1
    # Another node goes on with what is there; what is taken away is refused at once.
    net.node = net.another_node()
    await net.node.adopt()
    assert len(await net.answered(3, number=22)) == 1
    await net.node.ensure(one := next_one(one, pools=()))
    assert await net.answered(1) == {"refused": 1}
    await net.node.ensure(next_one(one, listeners=()))
    assert "hanok" not in await host.run(
        "ip", "netns", "exec", net.balancer, "nft", "list", "ruleset"
    )


async def test_members_are_looked_at(net: Net) -> None:
    plain = pool(*MEMBERS, check=CHECK)
    pinged = structs.replace(CHECK, kind="PING")
    other = BalancerMember(id="11111111-0000-4000-8000-000000000000", address="10.0.0.99", port=80)
    web = pool(("10.0.0.11", 80), check=pinged)
    web = structs.replace(web, members=(*web.members, other))
    one = net.plan(listener(53, plain, **UDP), plain, listener(53, web), web)
    watching = asyncio.ensure_future(net.node.watch())
    try:
        await net.node.ensure(one)

        async def state() -> BalancerState:
            return await net.node.read(one.balancer_id)

        well = {member.id: True for member in (*plain.members, web.members[0])} | {other.id: False}
        await until(state, lambda found: found.members == well)
        with await net.client() as flow:
            first = await net.ask(flow)
            net.stop(first)
            gone = plain.members[MEMBERS.index((f"10.0.0.{first}", 53))].id
            await until(state, lambda found: found.members == well | {gone: False})
            async with asyncio.timeout(60):
                while not (answer := await net.ask(flow, within_s=1)).isdecimal():
                    await asyncio.sleep(0.1)
            assert answer != first
        rows = await net.proxies[0].counters()
        assert {row["svname"]: row["status"] for row in rows if row["svname"] == other.id} == {
            other.id: "DOWN"
        }
        await net.serve(first)
        await until(state, lambda found: found.members == well)

        # What nobody looks at any more is taken for well.
        net.stop("11")
        away = plain.members[0].id
        await until(state, lambda found: found.members == well | {away: False})
        one = next_one(one, pools=tuple(structs.replace(each, check=None) for each in one.pools))
        await net.node.ensure(one)
        await net.serve("11")
        assert await net.answered(4) == {"11": 2, "12": 2}
        rows = await net.proxies[0].counters()
        assert {row["status"] for row in rows if row["svname"] == other.id} == {"no check"}
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_version_6(net: Net) -> None:
    for number in ("11", "12"):
        net.stop(number)
        await net.serve(number, version=6)
    sticky = Persistence(kind="SOURCE_IP", mask="ffff:ffff:ffff:ffff::")
    plain, kept = pool(("fd00::11", 53), ("fd00::12", 53)), pool()
    one = net.plan(listener(53, plain, **UDP), plain, kept)
    await net.node.ensure(one)
    assert await net.answered(4, version=6) == {"11": 2, "12": 2}
    assert await net.answered(1) == {"refused": 1}
    plain = structs.replace(plain, persistence=sticky, algorithm="SOURCE_IP_PORT")
    await net.node.ensure(next_one(one, pools=(plain,)))
    found = await net.answered(3, version=6) + await net.answered(3, number=22, version=6)
    assert len(found) == 1


async def test_flows_that_are_open_count_whatever_changes_beside_them(net: Net) -> None:
    web = pool(*MEMBERS, algorithm="LEAST_CONNECTIONS")
    port = listener(53, web, maximum=3, **UDP)
    one = net.plan(port, web)
    await net.node.ensure(one)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            flow = stack.enter_context(await net.client())
            assert await net.ask(flow) in ("11", "12")
        await net.node.ensure(one := next_one(one, pools=(structs.replace(web, check=CHECK),)))
        with await net.client() as more:
            assert await net.ask(more, within_s=0.5) == ""
        assert await net.ask(flow) in ("11", "12")
        await net.node.ensure(next_one(one, listeners=(structs.replace(port, maximum=9),)))
        with await net.client() as more:
            assert await net.ask(more) in ("11", "12")
