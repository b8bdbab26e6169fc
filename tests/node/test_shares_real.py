"""Guests and shares of a host, in namespaces that the test makes: sizes hold, rules act, locks outlive a restart."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.drivers.ovn.support import Cloud, root_and_programs, whole_cloud
from tests.nfs import ACCES, DENIED, DQUOT, GRACE, NOSPC, READ, ROFS, STALE, WRITE, Client, NFSError
from tests.node.share_plans import (
    BACKEND,
    a_share,
    a_snapshot,
    access,
    gone,
    place,
    resized,
)

from hanok.commands import (
    EnsureShare,
    EnsureShareServer,
    RemoveShareServer,
    RemoveShareSnapshot,
    RevertShare,
    SharePort,
    SnapshotShare,
)
from hanok.drivers.nfs import ganesha, pool
from hanok.drivers.nfs.leftovers import mounts, servers
from hanok.drivers.ovn import host, topology
from hanok.drivers.ovn.chassis import balancer_namespaces
from hanok.drivers.ovn.topology import FixedIP, NetworkSpec, PortSpec, SubnetSpec
from hanok.node.errors import NotDone
from hanok.node.settings import NodeSettings
from hanok.node.share_folders import shares_of
from hanok.node.shares import Shares

LACKS = [*pool.missing(), *ganesha.missing()]
pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(
        not root_and_programs() or bool(LACKS),
        reason="needs root, OVN, /dev/net/tun; " + "; ".join(LACKS),
    ),
]

MIB = 1 << 20
SERVER, SERVER_6 = "10.0.0.50", "fd00:5::50"
ANN, BOB, ANN_6 = "10.0.0.11", "10.0.0.12", "fd00:5::11"
NETWORK = NetworkSpec(
    id="00000001-aaaa-0000-0000-000000000000",
    subnets=tuple(
        SubnetSpec(
            id=name,
            cidr=cidr,
            gateway_ip=gateway,
            server_mac="fa:16:3e:ff:00:01",
            dns_servers=(),
        )
        for name, cidr, gateway in (
            ("subnet-4", "10.0.0.0/24", "10.0.0.1"),
            ("subnet-6", "fd00:5::/64", "fd00:5::1"),
        )
    ),
)


def a_port(number: int, *addresses: str) -> PortSpec:
    v4, v6 = NETWORK.subnets
    return PortSpec(
        id=f"{number:08d}-cccc-4000-8000-000000000000",
        network_id=NETWORK.id,
        mac=f"fa:16:3e:00:00:{number:02x}",
        fixed_ips=tuple(
            FixedIP(subnet_id=v6.id if ":" in one else v4.id, address=one) for one in addresses
        ),
        port_security=False,
        mac_learning=False,
        host="host-1",
    )


class Net:
    """A network with two guests, and a host with a share server on it."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        self.guests: dict[str, str] = {}
        self.clients: list[Client] = []
        port = a_port(9, SERVER, SERVER_6)
        self.server = EnsureShareServer(
            server_id="5ea7e000-0000-4000-8000-000000000001",
            generation=1,
            port=SharePort(
                port_id=port.id,
                mac=port.mac,
                addresses=(f"{SERVER}/24", f"{SERVER_6}/64"),
                gateways=("10.0.0.1",),
            ),
        )
        self.node = self.another_node()

    def another_node(self) -> Shares:
        settings = NodeSettings(
            host="h", state_dir=str(self.folder / "state"), run_dir=str(self.folder / "run")
        )
        return shares_of(settings, self.cloud.chassis)

    async def up(self) -> None:
        assert await self.cloud.apply(topology.network_scope(NETWORK.id), topology.network(NETWORK))
        for number, addresses in enumerate(((ANN, ANN_6), (BOB,)), 1):
            spec = a_port(number, *addresses)
            await self._write(spec)
            inside = (await self.cloud.guest(spec)).namespace
            for one in addresses:
                prefix = f"{one}/64" if ":" in one else f"{one}/24"
                words = ("addr", "add", prefix, "dev", "eth0")
                await host.ip(inside, *words, *(("nodad",) if ":" in one else ()))
            self.guests |= dict.fromkeys(addresses, inside)
        await self._write(a_port(9, SERVER, SERVER_6))
        await self.node.ensure_server(self.server)

    async def _write(self, spec: PortSpec) -> None:
        rows = topology.port(spec, NETWORK.subnets)
        assert await self.cloud.apply(topology.port_scope(spec.id), rows)

    async def connect(self, address: str) -> socket.socket:
        """From a guest's address to the share server."""
        server = SERVER_6 if ":" in address else SERVER

        def connected() -> socket.socket:
            return socket.create_connection((server, 2049), 10, source_address=(address, 0))

        return await host.inside(self.guests[address], connected)

    async def client(self, address: str = ANN, uid: int = 0) -> Client:
        found = await asyncio.to_thread(Client, await self.connect(address), uid)
        self.clients.append(found)
        return found

    async def share(self, *rules: tuple[str, Any], **more: Any) -> EnsureShare:
        one = a_share(self.server.server_id, **more)
        await self.node.ensure(one)
        await self.node.give_access(access(one, *rules))
        return one

    def end(self) -> None:
        for one in self.clients:
            one.close()
        self.node.let_go()


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    async with place() as folder:
        async with whole_cloud() as cloud:
            net = Net(cloud, folder)
            await net.up()
            try:
                yield net
            finally:
                net.end()


async def refused(call: Any, *arguments: Any) -> int:
    """The status with which the server refuses."""
    with pytest.raises(NFSError) as caught:
        await asyncio.to_thread(call, *arguments)
    return caught.value.status


def loops(folder: Path) -> str:
    """Loop devices that stand on files below a folder."""
    said = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True, timeout=30)
    return "\n".join(line for line in said.stdout.splitlines() if f"({folder}/" in line)


async def test_rules_act_at_once_and_nothing_is_left_afterwards(net: Net) -> None:
    do = asyncio.to_thread
    share = await net.share((ANN, "rw"), (f"{BOB}/32", "ro"))
    other = await net.share(("fd00:5::/64", "rw"))
    name = share.share_id
    ann, bob, six = await net.client(), await net.client(BOB), await net.client(ANN_6)

    await do(ann.put, name, "letter", b"dear Bob")
    assert await do(bob.get, name, "letter") == b"dear Bob"
    assert await refused(bob.put, name, "answer", b"") in (ACCES, ROFS)  # read-only is read-only
    await do(six.put, other.share_id, "six", b"6")
    assert await refused(ann.put, other.share_id, "x", b"")  # not by her other address
    assert await refused(six.get, name, "letter")

    # Who is not root in the guest is held to the modes of files.
    user = await net.client(uid=1000)
    folder = await do(ann.look_up, name)
    await do(
        ann.call,
        (22, b"\0\0\0" + bytes([len(folder)]) + folder + bytes(-len(folder) % 4), _nothing),
    )
    assert await do(user.get, name, "letter") == b"dear Bob"

    # A handle that was made up of somebody else's leads nowhere.
    theirs, _ = await do(six.open, await do(six.look_up, other.share_id), "six", READ)
    mine, _ = await do(ann.open, folder, "letter", READ)
    forged = theirs[:2] + mine[2:4] + theirs[4:]
    assert await refused(ann.names, forged) == STALE
    assert await refused(ann.names, theirs)

    # What is open ends with the access, and the other share goes on.
    file = await do(ann.open, folder, "letter", READ | WRITE)
    await net.node.give_access(access(share, (BOB, "rw"), generation=2))
    assert await refused(ann.write, file, b"more")
    assert await refused(ann.get, name, "letter")
    assert await do(bob.get, name, "letter") == b"dear Bob"
    assert await do(six.get, other.share_id, "six") == b"6"

    # The narrowest rule that fits counts.
    await net.node.give_access(access(share, ("10.0.0.0/24", "rw"), (ANN, "ro"), generation=3))
    await do(bob.put, name, "answer", b"dear Ann")
    assert await do(ann.get, name, "answer") == b"dear Ann"
    assert await refused(ann.put, name, "answer", b"more") in (ACCES, ROFS)

    # A process with few rights, that sees little of the host.
    (pid,) = servers(net.folder)
    status = Path(f"/proc/{pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status and "CapBnd:\t00000000080000df" in status
    assert not Path(f"/proc/{pid}/root/root").exists()
    assert not Path(f"/proc/{pid}/root{net.folder}/state/shares/shares").exists()

    await net.node.remove(gone(share))
    assert await refused(bob.get, name, "letter")
    assert await do(six.get, other.share_id, "six") == b"6"
    await net.node.remove(gone(other))
    await net.node.remove_server(RemoveShareServer(server_id=net.server.server_id, generation=2))
    assert servers(net.folder) == [] == balancer_namespaces(net.cloud.plane.netns)
    assert mounts(net.folder) == []
    assert not list((net.folder / "state" / "shares" / "pools" / BACKEND).glob("*.*"))
    async with asyncio.timeout(60):
        while loops(net.folder):
            await asyncio.sleep(0.1)


def _nothing(_answer: Any) -> None:
    return None


async def test_a_network_of_ipv4_alone_is_served(net: Net) -> None:
    """Its namespace has no IPv6 at all."""
    spec = a_port(8, "10.0.0.60")
    await net._write(spec)
    port = SharePort(
        port_id=spec.id, mac=spec.mac, addresses=("10.0.0.60/24",), gateways=("10.0.0.1",)
    )
    net.server = structs.replace(
        net.server, server_id="6ea7e001-1111-4000-8000-000000000002", port=port
    )
    await net.node.ensure_server(net.server)
    share = await net.share((ANN, "rw"))

    def connected() -> socket.socket:
        return socket.create_connection(("10.0.0.60", 2049), 10, source_address=(ANN, 0))

    ann = await asyncio.to_thread(Client, await host.inside(net.guests[ANN], connected), 0)
    net.clients.append(ann)
    await asyncio.to_thread(ann.put, share.share_id, "letter", b"dear Bob")
    assert await asyncio.to_thread(ann.get, share.share_id, "letter") == b"dear Bob"


async def test_a_size_holds_and_changes_while_it_is_mounted(net: Net) -> None:
    do = asyncio.to_thread
    share = await net.share((ANN, "rw"))
    ann = await net.client()
    folder = await do(ann.look_up, share.share_id)
    total, free = await do(ann.space, folder)
    assert total == 1024 * MIB and free > 900 * MIB

    def fill(size: int) -> None:
        """Most of it, as the share's own user would."""
        (served,) = (net.folder / "run" / "sh").glob(f"*/x/{share.share_id}")
        with open(served / "most", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)

    await do(fill, 1000 * MIB)
    file = await do(ann.open, folder, "rest", WRITE, create=True)
    assert await refused(ann.write, file, bytes(40 * MIB)) in (NOSPC, DQUOT)
    await net.node.resize(resized(share, 2))
    await do(ann.write, file, bytes(40 * MIB))
    assert (await do(ann.space, folder))[0] == 2048 * MIB

    with pytest.raises(Exception, match="holds more"):
        await net.node.resize(resized(share, 1, 3))
    await do(ann.write, file, b"still", 0)
    await do(ann.remove, folder, "most")
    assert (await net.node.resize(resized(share, 1, 3))).size_gib == 1
    assert (await do(ann.space, folder))[0] == 1024 * MIB
    assert await do(ann.get, share.share_id, "rest") != b""

    # Snapshots take nothing from it, and give nothing to it.
    await do(fill, 700 * MIB)
    kept = a_snapshot(share)
    await net.node.snapshot(kept)
    await do(ann.remove, folder, "most")
    await do(fill, 700 * MIB)
    with pytest.raises(OSError, match=r"quota|space"):
        await do(fill, 1100 * MIB)
    await do(ann.remove, folder, "most")  # also of one that is full
    state = await net.node.give_access(
        access(share, ("10.0.0.0/24", "ro"), snapshot_id=kept.snapshot_id)
    )
    assert state.exports[0] == f"{SERVER}:/{kept.snapshot_id}"
    seen = await do(ann.look_up, kept.snapshot_id)
    assert set(await do(ann.names, seen)) == {"most", "rest"}
    assert await refused(ann.put, kept.snapshot_id, "x", b"x") in (ACCES, ROFS)

    await net.node.revert(
        RevertShare(
            share_id=share.share_id,
            generation=4,
            backend=BACKEND,
            snapshot_id=kept.snapshot_id,
            size_gib=1,
        )
    )
    assert await refused(ann.write, file, b"stale")
    folder = await do(ann.look_up, share.share_id)
    assert set(await do(ann.names, folder)) == {"most", "rest"}
    await net.node.remove_snapshot(_gone(kept))
    assert await refused(ann.look_up, kept.snapshot_id)
    await do(ann.put, share.share_id, "new", b"new")


def _gone(one: SnapshotShare) -> RemoveShareSnapshot:
    return RemoveShareSnapshot(
        snapshot_id=one.snapshot_id, share_id=one.share_id, generation=2, backend=BACKEND
    )


async def test_locks_outlive_a_server_that_was_killed(net: Net) -> None:
    do = asyncio.to_thread
    share = await net.share(("10.0.0.0/24", "rw"))
    ann, bob = await net.client(), await net.client(BOB)
    folder = await do(ann.look_up, share.share_id)
    handle, state = await do(ann.open, folder, "file", READ | WRITE, create=True)
    await do(ann.lock, (handle, state))
    watching = asyncio.ensure_future(net.node.watch())
    try:
        (pid,) = servers(net.folder)
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            while servers(net.folder) in ([], [pid]):
                await asyncio.sleep(0.05)
            await do(bob.reconnect, await _again(net, BOB))
            await do(ann.reconnect, await _again(net, ANN))
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    # She takes back what was hers; meanwhile nobody else gets it.
    theirs = await do(bob.look_up, share.share_id)
    assert await refused(bob.open, theirs, "file", WRITE) == GRACE
    state = await do(ann.reclaim, handle, READ | WRITE)
    await do(lambda: ann.lock((handle, state), reclaim=True))
    await do(ann.claimed)
    await do(bob.claimed)
    await do(ann.write, (handle, state), b"hers")
    file = await _opened(bob, theirs, "file", READ | WRITE)
    assert await refused(bob.lock, file) == DENIED


async def _opened(client: Client, folder: bytes, name: str, how: int) -> tuple[bytes, bytes]:
    """Once who was there before has taken back what was theirs."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await asyncio.to_thread(client.open, folder, name, how)
            except NFSError as error:
                assert error.status == GRACE
                await asyncio.sleep(0.2)


async def _again(net: Net, address: str) -> socket.socket:
    while True:
        try:
            return await net.connect(address)
        except Exception:  # it does not listen yet
            await asyncio.sleep(0.1)


async def test_a_node_that_was_killed_makes_it_so_again(net: Net) -> None:
    do = asyncio.to_thread
    share = await net.share((ANN, "rw"))
    ann = await net.client()
    await do(ann.put, share.share_id, "file", b"kept")
    before = servers(net.folder)
    net.node = net.another_node()
    await net.node.adopt()
    assert servers(net.folder) == before
    assert await do(ann.get, share.share_id, "file") == b"kept"
    other = await net.share((ANN, "rw"))
    await do(ann.put, other.share_id, "file", b"new")
    assert servers(net.folder) == before

    # The host was started anew: no process, no mount, no namespace.
    net.node.let_go()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    for one in mounts(net.folder):
        await host.run("umount", "-l", one)
    for one in balancer_namespaces(net.cloud.plane.netns):
        await host.run("ip", "netns", "del", one)
    # One that is broken is given out no more, and the other goes on.
    image = net.folder / "state" / "shares" / "pools" / BACKEND / f"{other.share_id}.img"
    with open(image, "r+b") as file:
        file.write(bytes(4 * MIB))
    net.node = net.another_node()
    await net.node.adopt()
    with pytest.raises(NotDone, match="cannot be given out"):
        await net.node.do(access(other, (ANN, "ro"), generation=2))
    await do(ann.reconnect, await _again(net, ANN))
    await do(ann.claimed)
    folder = await do(ann.look_up, share.share_id)
    assert await do(ann.names, folder) == ["file"]

    # A removal that was cut short goes on.
    removing = asyncio.ensure_future(net.node.remove(gone(share)))
    await asyncio.sleep(0)
    removing.cancel()
    await asyncio.gather(removing, return_exceptions=True)
    net.node = net.another_node()
    await net.node.adopt()
    await net.node.remove(gone(share))
    assert [one.share_id for one in (await net.node.inventory()).shares] == [other.share_id]
