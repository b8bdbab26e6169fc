"""Real engines for tests: a northbound database without root, a whole data plane with it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from hanok.drivers.ovn import engines, host, topology
from hanok.drivers.ovn.chassis import Chassis
from hanok.drivers.ovn.northbound import Northbound
from hanok.drivers.ovn.rows import Row

SCHEMA = Path("/usr/share/ovn/ovn-nb.ovsschema")


class NorthboundServer:
    """ovsdb-server with an empty nb.db; can be stopped, started again, and lose its data."""

    def __init__(self, directory: Path, schema: Path = SCHEMA) -> None:
        self.directory, self._schema = directory, schema
        self.remote = f"unix:{directory}/nb.sock"
        self._process: asyncio.subprocess.Process | None = None

    def create(self) -> None:
        (self.directory / "nb.db").unlink(missing_ok=True)
        subprocess.run(
            ["ovsdb-tool", "create", self.directory / "nb.db", self._schema],
            check=True,
            timeout=120,
        )

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            "ovsdb-server", "-vconsole:off", "-vsyslog:off", "-vfile:off", "--no-chdir",
            f"--remote=punix:{self.directory}/nb.sock",
            f"--unixctl={self.directory}/nb.ctl", str(self.directory / "nb.db"),
        )  # fmt: skip
        async with asyncio.timeout(60):
            while not self._listens():
                await asyncio.sleep(0.01)

    def _listens(self) -> bool:
        """Whether the server takes connections; its socket is there a moment before that."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.directory / "nb.sock"))
            except OSError:
                return False
        return True

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()
            (self.directory / "nb.sock").unlink(missing_ok=True)
            self._process = None


@asynccontextmanager
async def northbound_server() -> AsyncIterator[NorthboundServer]:
    with tempfile.TemporaryDirectory(prefix="hk") as directory:
        server = NorthboundServer(Path(directory))
        server.create()
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


@asynccontextmanager
async def databases_and_northd() -> AsyncIterator[tuple[str, str]]:
    """The addresses of a northbound and of a southbound database that ovn-northd keeps up with it; no data plane."""
    with tempfile.TemporaryDirectory(prefix="hk") as directory:
        folders = [Path(directory) / name for name in ("n", "s")]
        schemas = (SCHEMA, SCHEMA.with_name("ovn-sb.ovsschema"))
        servers = [NorthboundServer(*one) for one in zip(folders, schemas, strict=True)]
        async with AsyncExitStack() as stack:
            for server in servers:
                server.directory.mkdir()
                server.create()
                await server.start()
                stack.push_async_callback(server.stop)
            northbound, southbound = (server.remote for server in servers)
            northd = await asyncio.create_subprocess_exec(
                "ovn-northd", "-vconsole:off", "-vsyslog:off", "-vfile:off",
                f"--ovnnb-db={northbound}", f"--ovnsb-db={southbound}",
                f"--unixctl={directory}/northd.ctl",
            )  # fmt: skip
            try:
                yield northbound, southbound
            finally:
                northd.terminate()
                await northd.wait()


def root_and_programs() -> bool:
    """Whether a data plane can be started here."""
    return os.geteuid() == 0 and not engines.missing_programs() and Path("/dev/net/tun").exists()


class Cloud:
    """A whole data plane in namespaces of its own, one of which plays the host."""

    def __init__(self, directory: Path) -> None:
        tag = f"hk{os.getpid() % 100000}"
        self.host = f"{tag}h"
        self.plane = engines.DataPlane(
            directory=str(directory),
            system_id="host-1",
            netns=f"{tag}d",
            host_device="outer",
            inner_device="inner",
            host_netns=self.host,
            uid=65534,
            gid=65534,
        )
        self.chassis = Chassis(self.plane.netns, self.plane.conf_socket)
        self.northbound = Northbound(timeout_s=20)
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self.guests: list[Guest] = []
        self.revision = 0

    async def up(self) -> None:
        await host.run("ip", "netns", "add", self.host)
        await host.inside(self.host, lambda: host.set_up("lo"))
        await engines.prepare(self.plane)
        for engine in engines.engines(self.plane):
            await self.start(engine)
        await self.northbound.connect(self.plane.nb_remote)
        assert await self.apply("ground", topology.ground())

    async def start(self, engine: engines.Engine) -> None:
        self.processes[engine.name] = await asyncio.create_subprocess_exec(
            *engine.argv,
            env=os.environ | engine.env,
            user=engine.uid,
            group=engine.gid,
            extra_groups=[] if engine.uid is not None else None,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await engines.wait_ready(engine, 30)
        await engine.then()

    async def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        await process.wait()

    async def restart(self, name: str) -> None:
        await self.stop(name)
        await self.start(self.engine(name))

    def engine(self, name: str) -> engines.Engine:
        return next(e for e in engines.engines(self.plane) if e.name == name)

    async def apply(self, scope: str, rows: list[Row]) -> bool:
        self.revision += 1
        return await self.northbound.apply(scope, rows, self.revision)

    async def guest(self, spec: topology.PortSpec, address: str = "", gateway: str = "") -> Guest:
        """Plug a port, and a namespace behind its tap as QEMU would be; without an address it finds its own by IPv6."""
        guest = Guest(self, spec, f"{self.host[:-1]}g{len(self.guests)}")
        self.guests.append(guest)
        await guest.start(address, gateway)
        return guest

    async def down(self) -> None:
        await self.northbound.close()
        for guest in self.guests:
            await guest.stop()
        for name in reversed(list(self.processes)):
            await self.stop(name)
        await engines.teardown(self.plane)
        left = await engines.leftovers(self.plane)
        await host.run("ip", "netns", "del", self.host)
        assert left == []


class Guest:
    """A namespace with an eth0; frames are carried between it and the port's tap by hand."""

    def __init__(self, cloud: Cloud, spec: topology.PortSpec, namespace: str) -> None:
        self.cloud, self.spec, self.namespace = cloud, spec, namespace
        self.tap = self.nic = -1

    async def start(self, address: str, gateway: str) -> None:
        await self.cloud.chassis.plug(self.spec.id, self.spec.mac)
        self.tap = await self.cloud.chassis.open_tap(self.spec.id)
        await host.run("ip", "netns", "add", self.namespace)
        if address:
            await host.inside(self.namespace, host.no_ipv6)
        self.nic = await host.inside(self.namespace, lambda: host.open_tap("eth0"))
        await host.inside(self.namespace, lambda: host.set_up("lo"))
        await host.ip(self.namespace, *f"link set eth0 address {self.spec.mac} mtu 1442 up".split())
        if address:
            await host.ip(self.namespace, "addr", "add", address, "dev", "eth0")
        if gateway:
            await host.ip(self.namespace, "route", "add", "default", "via", gateway)
        self.carry()

    def carry(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self.tap, self._copy, self.tap, self.nic)
        loop.add_reader(self.nic, self._copy, self.nic, self.tap)

    def rest(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.tap)
        loop.remove_reader(self.nic)

    def _copy(self, source: int, target: int) -> None:
        try:
            while True:
                os.write(target, os.read(source, 65536))
        except OSError:
            pass  # nothing more, or the other side is full or down: a wire loses frames

    async def stop(self) -> None:
        if self.nic >= 0:
            self.rest()
            os.close(self.nic)
        if self.tap >= 0:
            os.close(self.tap)
        if host.namespace_exists(self.namespace):
            await host.run("ip", "netns", "del", self.namespace)

    async def pings(self, address: str, *, within_s: float = 60) -> bool:
        return await pings(self.namespace, address, within_s=within_s)


async def pings(namespace: str, address: str, *, within_s: float = 60) -> bool:
    """Whether an address answers an ICMP echo; asks until it does or time is up."""
    loop = asyncio.get_running_loop()

    v6 = ":" in address

    def make() -> socket.socket:
        family = (
            (socket.AF_INET6, socket.IPPROTO_ICMPV6)
            if v6
            else (socket.AF_INET, socket.IPPROTO_ICMP)
        )
        raw = socket.socket(family[0], socket.SOCK_RAW, family[1])
        raw.setblocking(False)
        return raw

    # Type 8, code 0, its checksum, id 1, number 1: an echo request without data. The kernel sums ICMPv6 up itself.
    request = bytes([128, 0, 0, 0, 0, 1, 0, 1] if v6 else [8, 0, 0xF7, 0xFD, 0, 1, 0, 1])
    place, answer = (0, 129) if v6 else (20, 0)  # no header of IPv6 is told of
    with await host.inside(namespace, make) as raw:
        try:
            async with asyncio.timeout(within_s):
                while True:
                    with suppress(OSError):
                        raw.sendto(request, (address, 0))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.3):
                            while True:
                                packet, peer = await loop.sock_recvfrom(raw, 2048)
                                if peer[0] == address and packet[place] == answer:
                                    return True
        except TimeoutError:
            return False


async def listen(namespace: str, address: str, port: int) -> socket.socket:
    """A listening socket in a namespace."""

    def make() -> socket.socket:
        listener = socket.create_server((address, port))
        listener.setblocking(False)
        return listener

    return await host.inside(namespace, make)


async def talk(namespace: str, address: str, port: int, listener: socket.socket) -> str:
    """Connect, send more than a packet holds, and return the peer the listener saw."""
    loop = asyncio.get_running_loop()

    def make() -> socket.socket:
        client = socket.socket()
        client.setblocking(False)
        return client

    with await host.inside(namespace, make) as client:
        async with asyncio.timeout(60):
            accepting = asyncio.ensure_future(loop.sock_accept(listener))
            try:
                await loop.sock_connect(client, (address, port))
                server, peer = await accepting
            finally:
                accepting.cancel()
            with server:
                await loop.sock_sendall(client, b"x" * 20000 + b".")
                got = b""
                while not got.endswith(b"."):
                    more = await loop.sock_recv(server, 65536)
                    assert more, f"the connection ended after {len(got)} bytes"
                    got += more
                assert len(got) == 20001
    return str(peer[0])


@asynccontextmanager
async def whole_cloud() -> AsyncIterator[Cloud]:
    with tempfile.TemporaryDirectory(prefix="hk") as directory:
        os.chmod(directory, 0o755)
        cloud = Cloud(Path(directory))
        try:
            await cloud.up()
            yield cloud
        finally:
            await cloud.down()
