"""The ways between a cloud's networks and what lies beyond the host.

Guests reach the outside as the host (source NAT), machines of a LAN reach floating IPs through the host, and ports of
the host lead to servers. Between hosts of a cloud guests' packets go in Geneve: what comes to the host's address is
passed on to the data plane, and what that sends leaves under the host's address.

All of it is one nftables table of the cloud's own, written whole, and forwarding on the host's devices, which is
switched off again by the last cloud that switched it on. A device whose forwarding we switched on forwards nothing but
that: everything else is dropped as if it were off. Where it was on before, the host's own rules hold, and nothing is
dropped.

IPv6 is not translated: where the host's end has an address, host and guests reach each other, and nothing is forwarded.
"""

from __future__ import annotations

import ipaddress
import re
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from hanok.base.durable import put_in_place
from hanok.drivers.ovn import host
from hanok.drivers.ovn.errors import ExecuteError

_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}")
DEVICES_OF_CLOUDS = "hanok-"  # how the host's ends of all clouds begin
KEPT = "outside.json"
GENEVE = 6081  # RFC 8926


class Forward(msgspec.Struct, frozen=True, kw_only=True):
    """A TCP port of the host and where it leads."""

    port: int
    address: str
    to: int


class Tunnel(msgspec.Struct, frozen=True, kw_only=True):
    """The way of Geneve: the host's address, its end of the way into the data plane, and the address of the other.

    southbound: the address and port of the southbound database, which the agent in there reaches, too; "": it is here.
    """

    address: str
    device: str
    inner: str
    southbound: str = ""


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """What one cloud wants.

    Args:
        name: of its table.
        device: the host's end of the way into the cloud.
        cidr: the external network.
        snat: whether guests leave the host under its address.
        lan: the device whose neighbours may reach the external network; "" for none.
        folder: where it is kept what was switched on; beside it those of other clouds.
        netns: where the host's end lives; None for this process's own namespace.
        tunnel: the way to other hosts; None where there is no other.
        address6: of the host's end, with prefix length: the gateway of the external network's IPv6; "" for none.
    """

    name: str
    device: str
    cidr: str
    folder: str
    snat: bool = True
    lan: str = ""
    forwards: tuple[Forward, ...] = ()
    netns: str | None = None
    tunnel: Tunnel | None = None
    address6: str = ""

    def __post_init__(self) -> None:
        for device in filter(None, (self.device, self.lan)):
            if not _DEVICE.fullmatch(device):
                raise ValueError(f"not a device's name: {device!r}")
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", self.name):
            raise ValueError(f"not a table's name: {self.name!r}")
        ipaddress.IPv4Network(self.cidr)
        if self.address6:
            ipaddress.IPv6Interface(self.address6)
        for one in self.forwards:
            ipaddress.IPv4Address(one.address)
            if not (1 <= one.port <= 65535 and 1 <= one.to <= 65535):
                raise ValueError(f"not a port: {one.port} or {one.to}")

    @property
    def any(self) -> bool:
        return (
            self.snat or bool(self.lan or self.forwards or self.address6) or self.tunnel is not None
        )

    @property
    def families(self) -> tuple[str, ...]:
        """Of the tables that it needs, as nft calls them."""
        return ("ip", "ip6") if self.address6 else ("ip",)


class _Kept(msgspec.Struct, kw_only=True):
    """devices: whose forwarding clouds switched on, also this one. rules: as asked for; listing: as then shown."""

    devices: list[str] = []
    rules: str = ""
    listing: str = ""


def rules(requested: Outside, switched: list[str]) -> str:
    """The table's text. switched: devices that forward only since clouds need it."""
    device, ours = requested.device, f"{DEVICES_OF_CLOUDS}*"
    arriving, leaving = [], []
    passing: list[str] = []
    if requested.forwards:
        leads = ", ".join(f"{one.port} : {one.address} . {one.to}" for one in requested.forwards)
        arriving.append(f"fib daddr type local dnat to tcp dport map {{ {leads} }}")
    if requested.snat:
        leaving.append(f'ip saddr {requested.cidr} oifname != "{ours}" masquerade')
    passing += [
        # The host's own metadata service, where it is a guest itself, is none of its guests' business.
        f'iifname "{device}" ip daddr 169.254.0.0/16 drop',
        f'iifname "{device}" oifname "{ours}" drop',
    ]
    if requested.tunnel is not None:
        passing += _tunnel_passing(requested.tunnel)
    if not requested.snat:
        passing += [f'iifname "{device}" oifname "{requested.lan}" accept'] if requested.lan else []
        passing.append(f'iifname "{device}" ct state new drop')
    for one in switched:
        passing += [
            f'iifname "{one}" ct state established,related accept',
            f'iifname "{one}" ct status dnat accept',
            *([f'iifname "{one}" oifname "{device}" accept'] if one == requested.lan else []),
            # Another cloud's packets are its own table's concern.
            f'iifname "{one}" oifname "{device}" drop',
            f'iifname "{one}" oifname != "{ours}" drop',
        ]
    before = [f'iifname != "{device}" {line}' for line in arriving]
    if (tunnel := requested.tunnel) is not None:
        before.append(f"ip daddr {tunnel.address} udp dport {GENEVE} dnat to {tunnel.inner}")
        leaving.append(f"ip saddr {tunnel.inner} snat to {tunnel.address}")
    chains = {
        "arriving": ("nat hook prerouting priority -100", before),
        "own": ("nat hook output priority -100", [f"ip daddr != 127.0.0.0/8 {line}" for line in arriving]),
        "leaving": ("nat hook postrouting priority 100", leaving),
        "passing": ("filter hook forward priority 0", passing),
    }  # fmt: skip
    lines = [f"table ip {requested.name} {{"]
    for name, (kind, inside) in chains.items():
        lines += [f"  chain {name} {{", f"    type {kind}; policy accept;"]
        lines += [f"    {line}" for line in inside]
        lines += ["  }"]
    lines += ["}"]
    if requested.address6:
        lines += [
            f"table ip6 {requested.name} {{",
            "  chain passing {",
            "    type filter hook forward priority 0; policy accept;",
            f'    iifname "{device}" drop',
            f'    oifname "{device}" drop',
            "  }",
            "}",
        ]
    return "\n".join([*lines, ""])


def _tunnel_passing(tunnel: Tunnel) -> list[str]:
    """Nothing but tunnels comes out of the data plane there, and nothing but tunnels gets in."""
    address, _, port = tunnel.southbound.rpartition(":")
    agent = [f"ip daddr {address} tcp dport {port}"] if address else []
    return [
        *(f'iifname "{tunnel.device}" {one} accept' for one in agent),
        f'oifname "{tunnel.device}" ct state established,related accept',
        f'iifname "{tunnel.device}" udp dport {GENEVE} accept',
        f'iifname "{tunnel.device}" drop',
        f'oifname "{tunnel.device}" udp dport {GENEVE} accept',
        f'oifname "{tunnel.device}" drop',
    ]


async def ensure(requested: Outside) -> None:
    """The host lets through what is asked for, and nothing else; again changes nothing.

    Raises:
        ExecuteError: the kernel or nft refuses, or there is no such device.
    """
    if not requested.any:
        await remove(requested)
        return
    if requested.lan and not await host.inside(
        requested.netns, lambda: host.device_exists(requested.lan)
    ):
        raise ExecuteError(f"there is no network device {requested.lan}")
    kept = _read(requested.folder)
    devices = [one for one in await _devices(requested) if one != requested.device]
    now_on = await host.inside(requested.netns, lambda: [one for one in devices if _forwards(one)])
    others = _of_others(requested.folder)
    switched = [one for one in devices if one not in now_on or one in others or one in kept.devices]
    text = rules(requested, sorted(switched))
    if kept.rules != text or kept.listing != await _listing(requested):
        # The rules first: a device that forwards without them would forward for everybody.
        away = [
            f"table {one} {requested.name}\ndelete table {one} {requested.name}\n"
            for one in requested.families
        ]
        await _load(requested, "".join([*away, text]))
        gone = [one for one in kept.devices if one not in switched and one not in others]
        kept = _Kept(devices=sorted(switched), rules=text, listing=await _listing(requested))
        _write(requested.folder, kept)
        await host.inside(requested.netns, lambda: _set_forwarding(gone, on=False))
    own = [requested.device, *([requested.tunnel.device] if requested.tunnel else ())]
    await host.inside(requested.netns, lambda: _set_forwarding([*own, *switched], on=True))
    if requested.address6 and not await _answers6(requested):
        if await host.inside(requested.netns, lambda: host.only_given_ipv6(requested.device)):
            given = ("addr", "replace", requested.address6, "dev", requested.device, "nodad")
            await host.ip(requested.netns, *given)


async def remove(requested: Outside) -> None:
    """Nothing of it is left on the host."""
    kept = _read(requested.folder)
    others = _of_others(requested.folder)
    gone = [one for one in kept.devices if one not in others]
    await host.inside(requested.netns, lambda: _set_forwarding(gone, on=False))
    for family in await _tables(requested):
        await host.run(*_nft(requested, "delete", "table", family, requested.name))
    Path(requested.folder, KEPT).unlink(missing_ok=True)


async def leftovers(requested: Outside) -> list[str]:
    """What a cloud has of it on the host, in words: while it runs, all of it."""
    return [f"firewall table {requested.name}"] if await _listing(requested) else []


async def differences(requested: Outside) -> list[str]:
    """What is not as it should be, in words."""
    if requested.lan and not await host.inside(
        requested.netns, lambda: host.device_exists(requested.lan)
    ):
        return [
            f"there is no network device {requested.lan}, to whose LAN floating IPs are exposed"
        ]
    kept = _read(requested.folder)
    listing = await _listing(requested)
    if not requested.any:
        return [f"the host still has the firewall table {requested.name}"] if listing else []
    if not listing:
        return [
            f"the host has no firewall table {requested.name}: guests and the outside are apart"
        ]
    found = []
    if listing != kept.listing or rules(requested, sorted(kept.devices)) != kept.rules:
        found.append(
            f"the firewall table {requested.name} of the host is not what was written there"
        )

    def closed() -> list[str]:
        # One that went away since leads nowhere, and is no fault.
        there = [one for one in kept.devices if host.device_exists(one)]
        return [one for one in (requested.device, *there) if not _forwards(one)]

    off = await host.inside(requested.netns, closed)
    found += [f"the host's device {one} does not forward" for one in off]
    if requested.address6 and not await _answers6(requested):
        found.append(
            f"the host's device {requested.device} does not have the address {requested.address6}"
        )
    return found


async def _devices(requested: Outside) -> list[str]:
    """The host's devices that lead somewhere: with an IPv4 address, and no cloud's."""
    shown = await host.ip(requested.netns, "-j", "-4", "addr", "show", "up")
    found = [
        str(link["ifname"])
        for link in msgspec.json.decode(shown or "[]")
        if link.get("ifname") and "LOOPBACK" not in link.get("flags", ())
    ]
    found = [one for one in found if not one.startswith(DEVICES_OF_CLOUDS)]
    if requested.lan and requested.lan not in found:
        found.append(requested.lan)
    return [one for one in found if _DEVICE.fullmatch(one)]


def _forwarding(device: str) -> Path:
    return Path("/proc/sys/net/ipv4/conf", device, "forwarding")


def _forwards(device: str) -> bool:
    try:
        return _forwarding(device).read_text().strip() == "1"
    except OSError:
        return False


def _set_forwarding(devices: list[str], *, on: bool) -> None:
    for device in devices:
        if _forwards(device) != on:
            with suppress(FileNotFoundError):  # unplugged
                _forwarding(device).write_text(f"{int(on)}\n")


def _nft(requested: Outside, *words: str) -> tuple[str, ...]:
    enter = (
        ("nsenter", f"--net={host.NAMESPACES / requested.netns}", "--") if requested.netns else ()
    )
    return (*enter, "nft", *words)


async def _tables(requested: Outside) -> list[str]:
    """Which families have a table of this name; none where there is no nft that could have made one."""
    try:
        tables = (await host.run(*_nft(requested, "list", "tables"))).splitlines()
    except ExecuteError:
        return []
    return [one for one in ("ip", "ip6") if f"table {one} {requested.name}" in tables]


async def _listing(requested: Outside) -> str:
    """The tables as the kernel has them; "" where there are none."""
    shown = [
        await host.run(*_nft(requested, "list", "table", family, requested.name))
        for family in await _tables(requested)
    ]
    return "".join(shown)


async def _answers6(requested: Outside) -> bool:
    """Whether the host's end has its IPv6 address."""
    shown = await host.ip(requested.netns, "-j", "-6", "addr", "show", "dev", requested.device)
    own = ipaddress.IPv6Interface(requested.address6)
    return any(
        ipaddress.IPv6Address(one["local"]) == own.ip and one["prefixlen"] == own.network.prefixlen
        for link in msgspec.json.decode(shown or "[]")
        for one in link.get("addr_info", ())
    )


async def _load(requested: Outside, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="hanok-", suffix=".nft") as file:
        file.write(text)
        file.flush()
        await host.run(*_nft(requested, "-f", file.name))


def _read(folder: str) -> _Kept:
    try:
        return msgspec.json.decode(Path(folder, KEPT).read_bytes(), type=_Kept)
    except (OSError, msgspec.MsgspecError):
        return _Kept()


def _write(folder: str, kept: _Kept) -> None:
    path = Path(folder, KEPT)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(kept))
    put_in_place(new, path)


def _of_others(folder: str) -> set[str]:
    """Devices that other clouds of this machine need to forward, and switched on."""
    own = Path(folder)
    found: set[str] = set()
    for path in own.parent.glob(f"*/{KEPT}"):
        if path.parent != own:
            found.update(_read(str(path.parent)).devices)
    return found
