"""The data plane's daemons on one machine, as data for a supervisor.

    plane = DataPlane(directory="/run/hanok/net", system_id="host-1", uid=…, gid=…)
    await prepare(plane)                      # folders, databases, namespaces, veth pair
    for engine in engines(plane):             # in this order
        start(engine.argv, engine.env, engine.uid, engine.gid)
        await wait_ready(engine, timeout_s)
        await engine.then()                   # each time it has started
    …
    SIGTERM in the reverse order
    await teardown(plane)
    assert not await leftovers(plane)

All run in the foreground. Guests' traffic goes on while ovsdb-server, ovn-northd or ovn-controller
are away; when ovs-vswitchd ends it stops until it is back (a second).

    folder   owner     holds
    ovs/     root      conf.db and its socket, ovs-vswitchd's and ovn-controller's
    ovn/     uid:gid   nb.db, sb.db and their sockets

The veth's host end is a network of its own; what goes between it and the outside world is said in
`outside.py`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import re
import shutil
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from hanok.drivers.ovn import host
from hanok.drivers.ovn.chassis import (
    balancer_namespaces,
    end_namespace,
    metadata_namespace,
    vsctl,
)
from hanok.drivers.ovn.errors import ConnectError, ExecuteError
from hanok.drivers.ovn.seal import Seal

SOCKET_PATH_MAX = 107  # bytes: sun_path less its final null
READY_POLL_S = 0.02
BR_PHY = "br-phy"
HOSTS_ROLE = (
    "ovn-controller"  # ovn-northd says what it may: rows of the chassis that the certificate names
)
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")

OVN_SCHEMAS, OVS_SCHEMAS = Path("/usr/share/ovn"), Path("/usr/share/openvswitch")
VSWITCHD = ("/usr/lib/openvswitch-switch/ovs-vswitchd", "/usr/sbin/ovs-vswitchd")


class Underlay(msgspec.Struct, frozen=True, kw_only=True):
    """The way of tunnels between the data plane's namespace and the host.

    outer, inner: the devices at its ends, and their addresses with prefix length. mtu: bytes that go
    through it at once.
    """

    outer: str
    inner: str
    outer_address: str
    inner_address: str
    mtu: int = 1500


class DataPlane(msgspec.Struct, frozen=True, kw_only=True):
    """One cloud's data plane on this machine. Several stand side by side when all names differ.

    Args:
        directory: for databases, sockets and logs; uid must be able to enter it.
        system_id: this chassis's name in OVN.
        netns: the namespace of the data plane; `<netns>-md` is metadata's.
        host_device, inner_device: the ends of the veth pair between the host and br-ex.
        host_address: of the host's end, with prefix length: the provider network's gateway.
        host_netns: where the host's end lives; None for this process's own namespace.
        physical_network: the name that localnet ports know br-ex by.
        southbound: the southbound database; "" for the one here.
        uid, gid: who runs the databases and ovn-northd; None for whoever starts them.
        is_central: whether the databases and ovn-northd run here.
        has_outside: whether the external network can be reached from here.
        underlay: the way to other hosts; None: there are none.
        listen, listen_seal: where the southbound database answers other hosts ("10.0.0.1:15222"); "" for nowhere.
        listen_northbound, northbound_seal: the same of the northbound one, for other controllers.
        seal: what this host's agent shows to a southbound database elsewhere.
    """

    directory: str
    system_id: str
    netns: str = "hanok"
    host_device: str = "hanok-ex"
    inner_device: str = "hanok-ex-in"
    host_address: str = "172.24.4.1/24"
    host_netns: str | None = None
    physical_network: str = "public"
    encap_ip: str = "127.0.0.1"
    southbound: str = ""
    datapath: Literal["netdev", "system"] = "netdev"
    uid: int | None = None
    gid: int | None = None
    is_central: bool = True
    has_outside: bool = True
    underlay: Underlay | None = None
    listen: str = ""
    listen_seal: Seal | None = None
    listen_northbound: str = ""
    northbound_seal: Seal | None = None
    seal: Seal | None = None

    def __post_init__(self) -> None:
        for path in (
            self.path("ovs", "ovn-controller.4194304.ctl"),
            self.path("ovn", "northd.ctl"),
        ):
            if len(os.fsencode(path)) > SOCKET_PATH_MAX:
                raise ValueError(f"too long for a socket: {path}")
        for device in (self.host_device, self.inner_device):
            if not _DEVICE.fullmatch(device):
                raise ValueError(f"not a device's name: {device!r}")
        for name in (self.netns, self.system_id, self.physical_network):
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
                raise ValueError(f"not a name: {name!r}")
        ipaddress.ip_interface(self.host_address)
        ipaddress.ip_address(self.encap_ip)

    def path(self, *parts: str) -> str:
        return str(Path(self.directory, *parts))

    @property
    def conf_socket(self) -> str:
        """The switch's database: for Chassis."""
        return self.path("ovs", "conf.sock")

    @property
    def nb_socket(self) -> str:
        return self.path("ovn", "nb.sock")

    @property
    def nb_remote(self) -> str:
        """The northbound database: for Northbound.connect."""
        return f"unix:{self.nb_socket}"

    @property
    def sb_remote(self) -> str:
        return self.southbound or f"unix:{self.path('ovn', 'sb.sock')}"


async def _nothing() -> None:
    pass


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """A daemon.

    Args:
        argv: complete, entering the namespace included; the process keeps its id.
        env: to add to the environment.
        netns: the namespace that argv enters, or None.
        uid, gid: who it runs as; None: as its parent, which has to be root when netns is set.
        ready: whether it does its work now; quick, raises nothing.
        then: to be done each time it has become ready, before the next one starts.
        stop_signal: ends it cleanly within a second or two.
    """

    name: str
    argv: tuple[str, ...]
    env: dict[str, str]
    ready: Callable[[], Awaitable[bool]]
    then: Callable[[], Awaitable[None]] = _nothing
    netns: str | None = None
    uid: int | None = None
    gid: int | None = None
    stop_signal: int = signal.SIGTERM


def engines(plane: DataPlane) -> list[Engine]:
    """All daemons of one machine, in the order to start them."""
    return [*(central(plane) if plane.is_central else ()), *chassis(plane)]


def central(plane: DataPlane) -> list[Engine]:
    """The daemons a cloud needs once: databases and translator. No root."""
    uid, gid = plane.uid, plane.gid
    env = _environment(plane, "ovn")
    control = plane.path("ovn", "northd.ctl")
    northd = _daemon(plane, "ovn", "northd", "ovn-northd")
    northd += (f"--ovnnb-db={plane.nb_remote}", f"--ovnsb-db={plane.sb_remote}")
    return [
        Engine(name="ovsdb-nb", argv=_northbound(plane), env=env,
               ready=lambda: _listening(plane.nb_socket), uid=uid, gid=gid,
               then=lambda: _open_northbound(plane)),
        Engine(name="ovsdb-sb", argv=_southbound(plane), env=env,
               ready=lambda: _listening(plane.path("ovn", "sb.sock")), uid=uid, gid=gid,
               then=lambda: _open_southbound(plane)),
        Engine(name="ovn-northd", argv=northd, env=env,
               ready=lambda: _says(control, "status", "active"), uid=uid, gid=gid),
    ]  # fmt: skip


def chassis(plane: DataPlane) -> list[Engine]:
    """The daemons each host needs: the switch, its database, OVN's agent. Root."""
    env = _environment(plane, "ovs")
    enter = ("nsenter", f"--net={host.NAMESPACES / plane.netns}", "--")
    conf = f"unix:{plane.conf_socket}"
    program = next((path for path in VSWITCHD if Path(path).exists()), "ovs-vswitchd")
    vswitchd = (*enter, *_daemon(plane, "ovs", "vswitchd", program), conf)
    if plane.datapath == "netdev":
        vswitchd += ("--disable-system",)
    # ovn-controller 23.03 has no --unixctl: its control socket is named by its process id.
    controller_pid = plane.path("ovs", "ovn-controller.pid")
    controller = (*enter, *_daemon(plane, "ovs", "controller", "ovn-controller")[:-1], conf)
    controller += (f"--pidfile={controller_pid}", "--overwrite-pidfile")
    if plane.seal is not None:
        controller += plane.seal.words
    switch_ctl = plane.path("ovs", "vswitchd.ctl")
    return [
        Engine(name="ovsdb-conf", argv=_server(plane, "ovs", "conf"), env=env,
               ready=lambda: _listening(plane.conf_socket), then=lambda: configure(plane)),
        Engine(name="ovs-vswitchd", argv=vswitchd, env=env, netns=plane.netns,
               ready=lambda: _says(switch_ctl, "ofproto/list", "br-int"),
               then=lambda: _lead_tunnels(plane)),
        Engine(name="ovn-controller", argv=controller, env=env, netns=plane.netns,
               ready=lambda: _controller_connected(controller_pid)),
    ]  # fmt: skip


async def wait_ready(engine: Engine, timeout_s: float) -> None:
    """Wait until a daemon that was started does its work.

    Raises:
        ConnectError: it does not within timeout_s.
    """
    try:
        async with asyncio.timeout(timeout_s):
            # Another process's state: there is nothing to wait on.
            while not await engine.ready():  # noqa: ASYNC110
                await asyncio.sleep(READY_POLL_S)
    except TimeoutError:
        raise ConnectError(f"{engine.name} is not ready after {timeout_s} s") from None


def _environment(plane: DataPlane, folder: str) -> dict[str, str]:
    return {
        f"{suite}_{what}": plane.path(folder)
        for suite in ("OVS", "OVN")
        for what in ("RUNDIR", "DBDIR", "LOGDIR", "SYSCONFDIR")
    }


def _daemon(plane: DataPlane, folder: str, name: str, program: str) -> tuple[str, ...]:
    """What all of them take: warnings to standard error, more to a log of their own."""
    return (
        program, "-vconsole:warn", "-vsyslog:off", "-vfile:info",
        f"--log-file={plane.path(folder, f'{name}.log')}",
        f"--unixctl={plane.path(folder, f'{name}.ctl')}",
    )  # fmt: skip


def _server(plane: DataPlane, folder: str, name: str) -> tuple[str, ...]:
    return (
        *_daemon(plane, folder, name, "ovsdb-server"),
        f"--remote=punix:{plane.path(folder, f'{name}.sock')}",
        plane.path(folder, f"{name}.db"),
    )


def _southbound(plane: DataPlane) -> tuple[str, ...]:
    return _reached(plane, "sb", "db:OVN_Southbound,SB_Global,connections", plane.listen_seal)


def _northbound(plane: DataPlane) -> tuple[str, ...]:
    return _reached(plane, "nb", "db:OVN_Northbound,NB_Global,connections", plane.northbound_seal)


def _reached(plane: DataPlane, name: str, remote: str, seal: Seal | None) -> tuple[str, ...]:
    """A server that others reach: what is listened to, and as whom callers are held, stands in the database itself."""
    *begin, database = _server(plane, "ovn", name)
    if seal is None:
        return (*begin, database)
    return (*begin, f"--remote={remote}", *seal.words, database)


async def _open_northbound(plane: DataPlane) -> None:
    """Other controllers reach the northbound database; who is one, the certificates say that it believes."""
    if plane.northbound_seal is None and not plane.listen_northbound:
        return
    tool = ("ovn-nbctl", "--no-leader-only", "--timeout=10", f"--db={plane.nb_remote}")
    words = ["del-connection"]
    if plane.listen_northbound:
        address, _, port = plane.listen_northbound.rpartition(":")
        words += ["--", "--inactivity-probe=10000", "set-connection", f"pssl:{port}:{address}"]
    await host.run(*tool, "init")
    await host.run(*tool, *words)


async def _open_southbound(plane: DataPlane) -> None:
    """Hosts reach the southbound database, each for its own rows only."""
    database = f"--db=unix:{plane.path('ovn', 'sb.sock')}"
    words = ["del-connection"]
    if plane.listen:
        address, _, port = plane.listen.rpartition(":")
        words += ["--", "--inactivity-probe=10000", "set-connection"]
        words += [f"role={HOSTS_ROLE}", f"pssl:{port}:{address}"]
    await host.run("ovn-sbctl", "--no-leader-only", "--timeout=10", database, "init")
    await host.run("ovn-sbctl", "--no-leader-only", "--timeout=10", database, *words)


async def hang_up(plane: DataPlane) -> None:
    """Everybody has to come to the databases anew, and is held against who is trusted now."""
    await control(plane.path("ovn", "sb.ctl"), "ovsdb-server/reconnect")
    if plane.northbound_seal is not None:
        await control(plane.path("ovn", "nb.ctl"), "ovsdb-server/reconnect")


async def _listening(path: str) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def control(path: str, method: str, *arguments: str) -> str:
    """Ask a daemon on its control socket, as ovs-appctl does (JSON-RPC 1.0).

    Raises:
        ConnectError: nobody answers. ExecuteError: it refuses.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=1 << 22)
    except OSError as error:
        raise ConnectError(f"nothing listens at {Path(path).name}", detail=str(error)) from None
    try:
        request = {"method": method, "params": arguments, "id": 0}
        writer.write(msgspec.json.encode(request))
        answer = b""
        while True:
            if not (chunk := await reader.read(1 << 16)):
                raise ConnectError(f"{Path(path).name} closed the connection")
            answer += chunk
            with suppress(ValueError):  # not all of it yet: JSON has no delimiter
                reply = json.loads(answer)
                break
    except OSError as error:
        raise ConnectError(f"{Path(path).name} closed the connection", detail=str(error)) from None
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    if reply.get("error") is not None:
        raise ExecuteError(f"{Path(path).name} refused {method}", detail=str(reply["error"]))
    return str(reply["result"])


async def _says(path: str, method: str, word: str) -> bool:
    try:
        answer = await control(path, method)
    except (ConnectError, ExecuteError):
        return False
    # "not connected" must not pass for "connected".
    return word in answer.split()


async def _controller_connected(pid_file: str) -> bool:
    try:
        process = int(Path(pid_file).read_text())
    except (OSError, ValueError):
        return False
    path = Path(pid_file).with_name(f"ovn-controller.{process}.ctl")
    return await _says(str(path), "connection-status", "connected")


async def prepare(plane: DataPlane) -> None:
    """Make what the engines stand on, before they start; again does no harm, even as they run."""
    for folder, uid, gid in (("ovs", None, None), ("ovn", plane.uid, plane.gid)):
        path = Path(plane.directory, folder)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        _own(path, uid, gid)
    for folder, name, schema in (
        ("ovs", "conf", OVS_SCHEMAS / "vswitch.ovsschema"),
        ("ovn", "nb", OVN_SCHEMAS / "ovn-nb.ovsschema"),
        ("ovn", "sb", OVN_SCHEMAS / "ovn-sb.ovsschema"),
    ):
        if folder == "ovn" and not plane.is_central:
            continue
        database = Path(plane.directory, folder, f"{name}.db")
        if not await _listening(plane.path(folder, f"{name}.sock")):
            await _database(database, schema)
    for file in Path(plane.directory, "ovn").iterdir():  # empty on a machine that joined
        _own(file, plane.uid, plane.gid)  # ovsdb-tool leaves lock files too
    await _namespaces(plane)
    await _veth(plane)
    if plane.underlay is not None:
        await _tunnels(plane, plane.underlay)


def _own(path: Path, uid: int | None, gid: int | None) -> None:
    if uid is not None or gid is not None:
        os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)


async def _database(database: Path, schema: Path) -> None:
    if not database.exists():
        new = database.with_suffix(".new")  # a half-written one must not be taken for whole
        new.unlink(missing_ok=True)
        await host.run("ovsdb-tool", "create", str(new), str(schema))
        new.rename(database)
    elif (
        await host.run("ovsdb-tool", "needs-conversion", str(database), str(schema))
    ).strip() == "yes":
        await host.run("ovsdb-tool", "convert", str(database), str(schema))


async def _namespaces(plane: DataPlane) -> None:
    metadata = metadata_namespace(plane.netns)
    for name in (plane.netns, metadata):
        if not host.namespace_exists(name):
            await host.run("ip", "netns", "add", name)
    await host.inside(plane.netns, host.no_ipv6)
    # Networks' metadata devices there speak it, by and by: they keep their addresses.
    await host.inside(metadata, host.no_ipv6_at_first)
    await host.inside(plane.netns, lambda: host.set_up("lo"))

    def settings() -> None:
        for which in ("all", "default"):
            host.set_sysctl(f"ipv4/conf/{which}/rp_filter", 0)
            host.set_sysctl(f"ipv4/conf/{which}/accept_local", 1)
            host.set_sysctl(f"ipv4/conf/{which}/arp_ignore", 1)
            host.set_sysctl(f"ipv4/conf/{which}/arp_announce", 2)
            host.set_sysctl(f"ipv4/conf/{which}/forwarding", 0)

    await host.inside(metadata, settings)


async def _veth(plane: DataPlane) -> None:
    outer, inner = plane.host_device, plane.inner_device
    if not await host.inside(plane.host_netns, lambda: host.device_exists(outer)):
        await host.ip(
            plane.host_netns,
            *("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", plane.netns),
        )
    await host.ip(plane.host_netns, "addr", "replace", plane.host_address, "dev", outer)

    def ready(device: str) -> None:
        if Path(f"/proc/sys/net/ipv6/conf/{device}").exists():
            host.set_sysctl(f"ipv6/conf/{device}/disable_ipv6", 1)
        host.finish_checksums(device)
        host.set_up(device)

    await host.inside(plane.host_netns, lambda: ready(outer))
    await host.inside(plane.netns, lambda: ready(inner))


async def _tunnels(plane: DataPlane, way: Underlay) -> None:
    """A pair of devices; the inner one is a port of br-phy, which has its address and the way on."""
    if not await host.inside(plane.host_netns, lambda: host.device_exists(way.outer)):
        pair = ("add", way.outer, "type", "veth", "peer", "name", way.inner, "netns", plane.netns)
        await host.ip(plane.host_netns, "link", *pair)
    await host.ip(plane.host_netns, "addr", "replace", way.outer_address, "dev", way.outer)

    def ready(device: str) -> None:
        if Path(f"/proc/sys/net/ipv6/conf/{device}").exists():
            host.set_sysctl(f"ipv6/conf/{device}/disable_ipv6", 1)
        host.finish_checksums(device)
        host.set_up(device)

    for netns, device in ((plane.host_netns, way.outer), (plane.netns, way.inner)):
        await host.ip(netns, "link", "set", device, "mtu", str(way.mtu))
        await host.inside(netns, lambda device=device: ready(device))  # type: ignore[misc]


async def _lead_tunnels(plane: DataPlane) -> None:
    """What the switch sends to other hosts goes by the host. Each time the switch has started: its bridges are new."""
    way = plane.underlay
    if way is None:
        return
    await host.ip(plane.netns, "addr", "replace", way.inner_address, "dev", BR_PHY)
    await host.ip(plane.netns, "link", "set", BR_PHY, "mtu", str(way.mtu), "up")
    gateway = str(ipaddress.ip_interface(way.outer_address).ip)
    await host.ip(plane.netns, "route", "replace", "default", "via", gateway, "dev", BR_PHY)


async def configure(plane: DataPlane) -> None:
    """Tell the switch's database who this chassis is, and its bridges. While that database runs."""
    ids = {
        "system-id": plane.system_id,
        "hostname": plane.system_id,
        "ovn-remote": plane.sb_remote,
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": plane.encap_ip,
        "ovn-bridge-datapath-type": plane.datapath,
        "ovn-bridge-mappings": f"{plane.physical_network}:br-ex" if plane.has_outside else "",
    }
    arguments = ["--no-wait", "--", "set", "Open_vSwitch", "."]
    arguments += [f"external_ids:{key}={json.dumps(value)}" for key, value in ids.items()]
    for bridge in ("br-int", "br-ex", *([BR_PHY] if plane.underlay else ())):
        arguments += ["--", "--may-exist", "add-br", bridge, "--"]
        arguments += ["set", "Bridge", bridge, f"datapath_type={plane.datapath}"]
        if bridge == "br-int":
            arguments += ["fail-mode=secure"]
    arguments += ["--", "--may-exist", "add-port", "br-ex", plane.inner_device]
    if plane.underlay is not None:
        arguments += ["--", "--may-exist", "add-port", BR_PHY, plane.underlay.inner]
    await vsctl(plane.conf_socket, *arguments)


async def teardown(plane: DataPlane) -> None:
    """Take namespaces and veth pair away. After the engines have ended; files stay."""
    for outer in await _outer_devices(plane):
        await host.ip(plane.host_netns, "link", "del", outer)
    for name in balancer_namespaces(plane.netns):
        await end_namespace(name)
    for name in (metadata_namespace(plane.netns), plane.netns):
        if host.namespace_exists(name):
            await host.run("ip", "netns", "del", name)


async def _outer_devices(plane: DataPlane) -> list[str]:
    """The host's ends of this data plane's ways that are there."""
    if plane.host_netns is not None and not host.namespace_exists(plane.host_netns):
        return []
    names = [plane.host_device, *([plane.underlay.outer] if plane.underlay else ())]
    return await host.inside(
        plane.host_netns, lambda: [one for one in names if host.device_exists(one)]
    )


async def leftovers(plane: DataPlane) -> list[str]:
    """What this cloud's data plane has on the machine, in words: while it runs, all of it."""
    found = []
    for name in (plane.netns, metadata_namespace(plane.netns), *balancer_namespaces(plane.netns)):
        if host.namespace_exists(name):
            found.append(f"network namespace {name}")
    found += [f"network device {outer}" for outer in await _outer_devices(plane)]
    return found + _processes(plane)


def _processes(plane: DataPlane) -> list[str]:
    """Processes with this cloud's folder in their arguments, or in one of its namespaces."""
    namespaces = set()
    for name in (plane.netns, metadata_namespace(plane.netns)):
        with suppress(OSError):
            namespaces.add((host.NAMESPACES / name).stat().st_ino)
    folders = tuple(os.fsencode(plane.path(folder)) + b"/" for folder in ("ovs", "ovn"))
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            arguments = (process / "cmdline").read_bytes()
            if (
                any(folder in arguments for folder in folders)
                or (process / "ns/net").stat().st_ino in namespaces
            ):
                name = (process / "comm").read_text().strip()
                found.append(f"process {process.name} ({name})")
    return found


def missing_programs() -> list[str]:
    """What has to be installed before a data plane can start."""
    programs = ("ovsdb-server", "ovsdb-tool", "ovs-vsctl", "ovn-northd", "ovn-controller", "ip",
                "nsenter")  # fmt: skip
    missing = [program for program in programs if shutil.which(program) is None]
    if not any(Path(path).exists() for path in VSWITCHD) and shutil.which("ovs-vswitchd") is None:
        missing.append("ovs-vswitchd")
    return missing
