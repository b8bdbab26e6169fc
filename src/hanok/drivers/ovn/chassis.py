"""The host side of a network: taps for guests, and devices for metadata.

The data plane lives in one network namespace; metadata in another beside it, in which nothing
listens but the sockets that `metadata_sockets` gives out. There, each network has one device with
the addresses of its localport and 169.254.169.254. Networks may have the same addresses: a socket
is bound to its device, the devices' routes differ in metric, and the kernel is told to take packets
whose source is an address of a neighbouring device (accept_local).
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from hanok.drivers.ovn import host
from hanok.drivers.ovn.errors import ExecuteError

METADATA_ADDRESS, METADATA_PORT = "169.254.169.254", 80
METADATA_ADDRESS_6 = "fe80::a9fe:a9fe"
BACKLOG = 128
VSCTL_TIMEOUT_S = 10
BURST_KB = 32  # a bucket that holds some full packets
LIMIT_TICKS = 100  # a second: what comes between two ticks of the kernel's clock has to fit

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,62}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_NETWORK_KEY, _BALANCER_KEY = "hanok-network", "hanok-balancer"
INSIDE = "eth0"  # what a balancer's device is called in its namespace


def metadata_namespace(netns: str) -> str:
    """The namespace beside a data plane's, for metadata."""
    return f"{netns}-md"


def queue(average_kb: int, peak_kb: int, burst_kb: int) -> tuple[str, ...]:
    """The kernel's queue that holds a device to a rate, in kilobytes a second; 0: not said.

    Source: tc-tbf(8).
    """
    if not average_kb:
        return ("pfifo_fast",)
    bucket_kb = max(burst_kb, average_kb // LIMIT_TICKS, BURST_KB)
    words = ("tbf", "rate", f"{average_kb}kbps", "burst", f"{bucket_kb}kb", "latency", "100ms")
    if not peak_kb:
        return words
    return (*words, "peakrate", f"{peak_kb}kbps", "minburst", f"{max(peak_kb // 1000, 2)}kb")


def balancer_namespace(netns: str, balancer_id: str) -> str:
    """The namespace of a load balancer beside a data plane's."""
    return f"{netns}-lb-{_id(balancer_id)[:13]}"


def balancer_namespaces(netns: str) -> list[str]:
    """Those that there are."""
    return sorted(one.name for one in host.NAMESPACES.glob(f"{netns}-lb-*"))


async def vsctl(db_socket: str, *arguments: str) -> str:
    """Run ovs-vsctl against one switch's database."""
    return await host.run(
        "ovs-vsctl", f"--db=unix:{db_socket}", f"--timeout={VSCTL_TIMEOUT_S}", *arguments
    )


class Chassis:
    """One host's integration bridge. Needs root.

    Args:
        netns: the data plane's namespace, by name; None for this process's own.
        db_socket: path of the unix socket of the switch's database (conf.db).
    """

    limits = True

    def __init__(self, netns: str | None, db_socket: str, bridge: str = "br-int") -> None:
        self._netns = netns
        self._metadata = metadata_namespace(netns or "hanok")
        self._socket = db_socket
        self._bridge = bridge

    several_queues = True

    async def plug(self, port_id: str, mac: str, queues: int = 1) -> None:
        """There is a tap for the port, up and on the bridge. The switch has taken it up.

        queues: how often it can be opened. A tap for one that nobody holds makes room for one for several; the other
        way round it can stay.
        """
        tap = tap_name(port_id)
        ids = {"iface-id": port_id, "attached-mac": _mac(mac)}
        several = queues > 1
        if several and await host.inside(self._netns, lambda: host.is_narrow(tap)):
            await self._remove(tap)
        made = await host.inside(self._netns, lambda: host.make_tap(tap, several=several))
        await self._add(tap, ids, new=made)

    async def unplug(self, port_id: str) -> None:
        """There is no tap for the port, whoever holds it."""
        await self._remove(tap_name(port_id))

    async def limit(self, port_id: str, average_kb: int, peak_kb: int, burst_kb: int) -> None:
        """What goes to the guest of a plugged port is held to a rate; to none, if the average is 0."""
        words = queue(average_kb, peak_kb, burst_kb)
        await self._tc("qdisc", "replace", "dev", tap_name(port_id), "root", *words)

    async def _tc(self, *words: str) -> None:
        inside = () if self._netns is None else ("-n", self._netns)
        await host.run("tc", *inside, *words)

    async def ports(self) -> list[str]:
        """The ids of the plugged ports."""
        found = await self._interfaces()
        return sorted(
            ids["iface-id"]
            for name, ids in found.items()
            if "iface-id" in ids and name == tap_name(ids["iface-id"])
        )

    async def counters(self, port_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """What went through the taps of ports, by port, as guests see it: what a tap sends, its guest receives.

        Keys: rx_octets, rx_packets, rx_errors, rx_drop, and the same of tx.
        """
        there = await host.inside(self._netns, host.traffic)
        return {one: there[tap_name(one)] for one in port_ids if tap_name(one) in there}

    async def open_tap(self, port_id: str) -> int:
        """A file descriptor of the port's tap, for a guest's NIC; the caller closes it.

        Raises:
            ExecuteError: not plugged, or somebody holds the tap already.
        """
        tap = tap_name(port_id)

        def open_it() -> int:
            if not host.device_exists(tap):
                raise ExecuteError(f"port {port_id} is not plugged")
            opened = host.open_tap(tap)
            try:
                host.without_forged(opened)
            except BaseException:
                os.close(opened)
                raise
            return opened

        return await host.inside(self._netns, open_it)

    async def ensure_metadata(
        self, network_id: str, port_id: str, mac: str, addresses: tuple[str, ...]
    ) -> bool:
        """There is a device for the network's localport, with these addresses ("10.0.0.2/24").

        True when it was made now: sockets of an earlier one are dead, ask for a new one.
        """
        switch_end, our_end = _metadata_names(network_id)
        interfaces = [ipaddress.IPv4Interface(address) for address in addresses]
        made = not await host.inside(self._metadata, lambda: host.device_exists(our_end))
        if made:
            await host.ip(
                self._netns,
                *("link", "add", switch_end, "type", "veth"),
                *("peer", "name", our_end, "netns", self._metadata),
            )
        await host.ip(self._metadata, "link", "set", our_end, "address", _mac(mac))

        def ready(device: str) -> None:
            host.finish_checksums(device)
            host.set_up(device)

        await host.inside(self._netns, lambda: ready(switch_end))
        await host.inside(self._metadata, lambda: ready(our_end))
        await self._address(our_end, interfaces)
        await self._address_6(our_end)
        await self._add(switch_end, {"iface-id": port_id, _NETWORK_KEY: network_id}, new=made)
        return made

    async def _address(self, device: str, interfaces: list[ipaddress.IPv4Interface]) -> None:
        requested = {str(interface) for interface in interfaces} | {f"{METADATA_ADDRESS}/32"}
        shown = json.loads(await host.ip(self._metadata, "-j", "-4", "addr", "show", "dev", device))
        now = {
            f"{info['local']}/{info['prefixlen']}"
            for link in shown
            for info in link.get("addr_info", ())
        }
        for address in sorted(now - requested):
            await host.ip(self._metadata, "addr", "del", address, "dev", device)
        for address in sorted(requested - now):
            await host.ip(self._metadata, "addr", "add", address, "dev", device, "noprefixroute")
        # One metric a device, so that equal prefixes can stand side by side.
        metric = str(await host.inside(self._metadata, lambda: socket.if_nametoindex(device)))
        await host.ip(self._metadata, "route", "flush", "dev", device)
        for prefix in sorted({str(interface.network) for interface in interfaces}):
            await host.ip(
                self._metadata, "route", "replace", prefix, "dev", device, "metric", metric
            )

    async def _address_6(self, device: str) -> None:
        """The one address of the link, and none that comes by itself."""
        if not await host.inside(self._metadata, lambda: host.only_given_ipv6(device)):
            return
        shown = json.loads(await host.ip(self._metadata, "-j", "-6", "addr", "show", "dev", device))
        now = {info["local"] for link in shown for info in link.get("addr_info", ())}
        if METADATA_ADDRESS_6 not in now:
            where = (f"{METADATA_ADDRESS_6}/64", "dev", device, "nodad")
            await host.ip(self._metadata, "-6", "addr", "add", *where)

    async def remove_metadata(self, network_id: str) -> None:
        """There is no metadata device for the network."""
        await self._remove(_metadata_names(network_id)[0])

    async def metadata_networks(self) -> list[str]:
        """The networks that have a metadata device."""
        found = await self._interfaces()
        return sorted(ids[_NETWORK_KEY] for ids in found.values() if _NETWORK_KEY in ids)

    async def metadata_sockets(self, network_id: str) -> list[socket.socket]:
        """Listening, non-blocking sockets that only this network reaches, one a version of IP.

        A peer's address identifies the port within the network.

        Raises:
            ExecuteError: no metadata device for the network, or somebody listens there already.
        """
        device = _metadata_names(network_id)[1]

        def listen() -> list[socket.socket]:
            found = [one(socket.AF_INET, (METADATA_ADDRESS, METADATA_PORT))]
            if host.has_ipv6(device):
                try:
                    at = socket.if_nametoindex(device)
                    found.append(one(socket.AF_INET6, (METADATA_ADDRESS_6, METADATA_PORT, 0, at)))
                except BaseException:
                    found[0].close()
                    raise
            return found

        def one(family: int, address: tuple[str | int, ...]) -> socket.socket:
            listener = socket.socket(family, socket.SOCK_STREAM)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
                listener.bind(address)
                listener.listen(BACKLOG)
                listener.setblocking(False)
            except BaseException:
                listener.close()
                raise
            return listener

        return await host.inside(self._metadata, listen)

    # ---- load balancers

    async def ensure_balancer(
        self,
        balancer_id: str,
        port_id: str,
        mac: str,
        mtu: int,
        addresses: tuple[str, ...],
        ways: tuple[tuple[str, str], ...],
    ) -> str | None:
        """A namespace with a balancer's addresses is there, its port known to the switch; gives its path.

        Whoever is in it may listen on every port without rights.
        """
        name = balancer_namespace(self._netns or "hanok", balancer_id)
        end = _balancer_end(port_id)
        if not host.namespace_exists(name):
            await host.run("ip", "netns", "add", name)
        await host.inside(name, _alone_inside)
        made = not await host.inside(name, lambda: host.device_exists(INSIDE))
        if made:
            await self._remove(end)
            pair = ("link", "add", end, "type", "veth", "peer", "name", INSIDE, "netns", name)
            await host.ip(self._netns, *pair)
        await host.ip(name, "link", "set", INSIDE, "address", _mac(mac), "mtu", str(int(mtu)))

        def ready(device: str) -> None:
            host.finish_checksums(device)
            host.set_up(device)

        await host.inside(name, lambda: host.only_given_ipv6(INSIDE))
        await host.inside(self._netns, lambda: ready(end))
        await host.inside(name, lambda: ready(INSIDE))
        await self._place(name, [ipaddress.ip_interface(one) for one in addresses])
        for prefix, way in ways:
            words = (str(ipaddress.ip_network(prefix)), "via", str(ipaddress.ip_address(way)))
            await host.ip(name, "route", "replace", *words, "dev", INSIDE, "onlink")
        await self._add(end, {"iface-id": port_id, _BALANCER_KEY: balancer_id}, new=made)
        return str(host.NAMESPACES / name)

    async def _place(
        self, name: str, interfaces: list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]
    ) -> None:
        """The device of a namespace has these addresses and no others."""
        shown = json.loads(await host.ip(name, "-j", "addr", "show", "dev", INSIDE))
        now = {
            f"{info['local']}/{info['prefixlen']}"
            for link in shown
            for info in link.get("addr_info", ())
        }
        requested = {str(one) for one in interfaces}
        for address in sorted(now - requested):
            await host.ip(name, "addr", "del", address, "dev", INSIDE)
        for address in sorted(requested - now):
            quick = ("nodad",) if ":" in address else ()
            await host.ip(name, "addr", "add", address, "dev", INSIDE, *quick)

    async def remove_balancer(self, balancer_id: str) -> None:
        """There is no namespace of a balancer and no device of its port, and nobody is in it."""
        for device, ids in (await self._interfaces()).items():
            if ids.get(_BALANCER_KEY) == balancer_id:
                await self._remove(device)
        await end_namespace(balancer_namespace(self._netns or "hanok", balancer_id))

    async def _add(self, device: str, ids: dict[str, str], *, new: bool) -> None:
        """The device is on the bridge, and says which logical port it is."""
        if new:
            # The database may remember one of this name from before a reboot. The switch looks for
            # the device again only after it was told, in a transaction of its own, to let it go.
            await vsctl(self._socket, "--if-exists", "del-port", self._bridge, device)
        ids = ids | {"iface-status": "active"}
        await vsctl(
            self._socket,
            *("--may-exist", "add-port", self._bridge, device, "--", "set", "Interface", device),
            *(f"external_ids:{key}={json.dumps(value)}" for key, value in ids.items()),
        )

    async def _remove(self, device: str) -> None:
        await vsctl(self._socket, "--if-exists", "del-port", self._bridge, device)
        if await host.inside(self._netns, lambda: host.device_exists(device)):
            await host.ip(self._netns, "link", "del", device)

    async def _interfaces(self) -> dict[str, dict[str, str]]:
        """external_ids of all interfaces, by name."""
        text = await vsctl(
            self._socket, "--format=json", "--columns=name,external_ids", "list", "Interface"
        )
        rows = cast("list[tuple[str, tuple[str, list[tuple[str, str]]]]]", json.loads(text)["data"])
        return {name: dict(ids[1]) for name, ids in rows}


def tap_name(port_id: str) -> str:
    """The name of a port's tap: the kernel takes 15 letters."""
    return f"tap{_id(port_id)[:11]}"


def _balancer_end(port_id: str) -> str:
    """The switch's end of a balancer's pair of devices."""
    return f"lbo{_id(port_id)[:11]}"


def _alone_inside() -> None:
    host.no_ipv6_at_first()
    host.set_up("lo")
    host.set_sysctl("ipv4/ip_unprivileged_port_start", 0)
    host.set_sysctl(
        "ipv4/ping_group_range", "0\t0"
    )  # for the node, which looks whether members answer


async def end_namespace(name: str) -> None:
    """No such namespace is there, and nobody lives in it."""
    if not host.namespace_exists(name):
        return
    for pid in (await host.run("ip", "netns", "pids", name)).split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    await host.run("ip", "netns", "del", name)


def _metadata_names(network_id: str) -> tuple[str, str]:
    """The switch's end and ours."""
    short = _id(network_id)[:11]
    return f"mdo{short}", f"mdi{short}"


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ExecuteError("not an id")
    return text


def _mac(text: str) -> str:
    if not _MAC.fullmatch(text.lower()):
        raise ExecuteError("not a MAC address")
    return text.lower()
