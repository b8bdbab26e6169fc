"""The ways between a cloud's external network and what lies beyond the host.

Guests reach the outside as the host (source NAT), machines of a LAN reach floating IPs through the host, and ports of
the host lead to servers. All of it is one nftables table of the cloud's own, written whole, and forwarding on the
host's devices, which is switched off again by the last cloud that switched it on. A device whose forwarding we switched
on forwards nothing but that: everything else is dropped as if it were off. Where it was on before, the host's own rules
hold, and nothing is dropped.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from hanok.drivers.ovn import host
from hanok.drivers.ovn.errors import ExecuteError

_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}")
DEVICES_OF_CLOUDS = "hanok-"  # how the host's ends of all clouds begin
KEPT = "outside.json"


class Forward(msgspec.Struct, frozen=True, kw_only=True):
    """A TCP port of the host and where it leads."""

    port: int
    address: str
    to: int


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
    """

    name: str
    device: str
    cidr: str
    folder: str
    snat: bool = True
    lan: str = ""
    forwards: tuple[Forward, ...] = ()
    netns: str | None = None

    def __post_init__(self) -> None:
        for device in filter(None, (self.device, self.lan)):
            if not _DEVICE.fullmatch(device):
                raise ValueError(f"not a device's name: {device!r}")
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", self.name):
            raise ValueError(f"not a table's name: {self.name!r}")
        ipaddress.IPv4Network(self.cidr)
        for one in self.forwards:
            ipaddress.IPv4Address(one.address)
            if not (1 <= one.port <= 65535 and 1 <= one.to <= 65535):
                raise ValueError(f"not a port: {one.port} or {one.to}")

    @property
    def any(self) -> bool:
        return self.snat or bool(self.lan) or bool(self.forwards)


class _Kept(msgspec.Struct, kw_only=True):
    """devices: whose forwarding clouds switched on, also this one. rules: as asked for; listing: as then shown."""

    devices: list[str] = []
    rules: str = ""
    listing: str = ""


def rules(asked: Outside, switched: list[str]) -> str:
    """The table's text. switched: devices that forward only since clouds need it."""
    device, ours = asked.device, f"{DEVICES_OF_CLOUDS}*"
    arriving, leaving = [], []
    passing: list[str] = []
    if asked.forwards:
        leads = ", ".join(f"{one.port} : {one.address} . {one.to}" for one in asked.forwards)
        arriving.append(f"fib daddr type local dnat to tcp dport map {{ {leads} }}")
    if asked.snat:
        leaving.append(f'ip saddr {asked.cidr} oifname != "{ours}" masquerade')
    passing += [
        # The host's own metadata service, where it is a guest itself, is none of its guests' business.
        f'iifname "{device}" ip daddr 169.254.0.0/16 drop',
        f'iifname "{device}" oifname "{ours}" drop',
    ]
    if not asked.snat:
        passing += [f'iifname "{device}" oifname "{asked.lan}" accept'] if asked.lan else []
        passing.append(f'iifname "{device}" ct state new drop')
    for one in switched:
        passing += [
            f'iifname "{one}" ct state established,related accept',
            f'iifname "{one}" ct status dnat accept',
            *([f'iifname "{one}" oifname "{device}" accept'] if one == asked.lan else []),
            # Another cloud's packets are its own table's concern.
            f'iifname "{one}" oifname "{device}" drop',
            f'iifname "{one}" oifname != "{ours}" drop',
        ]
    chains = {
        "arriving": ("nat hook prerouting priority -100", [f'iifname != "{device}" {line}' for line in arriving]),
        "own": ("nat hook output priority -100", [f"ip daddr != 127.0.0.0/8 {line}" for line in arriving]),
        "leaving": ("nat hook postrouting priority 100", leaving),
        "passing": ("filter hook forward priority 0", passing),
    }  # fmt: skip
    lines = [f"table ip {asked.name} {{"]
    for name, (kind, inside) in chains.items():
        lines += [f"  chain {name} {{", f"    type {kind}; policy accept;"]
        lines += [f"    {line}" for line in inside]
        lines += ["  }"]
    return "\n".join([*lines, "}", ""])


async def ensure(asked: Outside) -> None:
    """The host lets through what is asked for, and nothing else; again changes nothing.

    Raises:
        ExecuteError: the kernel or nft refuses, or there is no such device.
    """
    if not asked.any:
        await remove(asked)
        return
    if asked.lan and not await host.inside(asked.netns, lambda: host.device_exists(asked.lan)):
        raise ExecuteError(f"there is no network device {asked.lan}")
    kept = _read(asked.folder)
    devices = [one for one in await _devices(asked) if one != asked.device]
    now_on = await host.inside(asked.netns, lambda: [one for one in devices if _forwards(one)])
    others = _of_others(asked.folder)
    switched = [one for one in devices if one not in now_on or one in others or one in kept.devices]
    text = rules(asked, sorted(switched))
    if kept.rules != text or kept.listing != await _listing(asked):
        # The rules first: a device that forwards without them would forward for everybody.
        await _load(asked, f"table ip {asked.name}\ndelete table ip {asked.name}\n{text}")
        gone = [one for one in kept.devices if one not in switched and one not in others]
        kept = _Kept(devices=sorted(switched), rules=text, listing=await _listing(asked))
        _write(asked.folder, kept)
        await host.inside(asked.netns, lambda: _set_forwarding(gone, on=False))
    await host.inside(asked.netns, lambda: _set_forwarding([asked.device, *switched], on=True))


async def remove(asked: Outside) -> None:
    """Nothing of it is left on the host."""
    kept = _read(asked.folder)
    others = _of_others(asked.folder)
    gone = [one for one in kept.devices if one not in others]
    await host.inside(asked.netns, lambda: _set_forwarding(gone, on=False))
    if await _listing(asked):
        await host.run(*_nft(asked, "delete", "table", "ip", asked.name))
    Path(asked.folder, KEPT).unlink(missing_ok=True)


async def leftovers(asked: Outside) -> list[str]:
    """What a cloud has of it on the host, in words: while it runs, all of it."""
    return [f"firewall table {asked.name}"] if await _listing(asked) else []


async def differences(asked: Outside) -> list[str]:
    """What is not as it should be, in words."""
    if asked.lan and not await host.inside(asked.netns, lambda: host.device_exists(asked.lan)):
        return [f"there is no network device {asked.lan}, to whose LAN floating IPs are exposed"]
    kept = _read(asked.folder)
    listing = await _listing(asked)
    if not asked.any:
        return [f"the host still has the firewall table {asked.name}"] if listing else []
    if not listing:
        return [f"the host has no firewall table {asked.name}: guests and the outside are apart"]
    found = []
    if listing != kept.listing or rules(asked, sorted(kept.devices)) != kept.rules:
        found.append(f"the firewall table {asked.name} of the host is not what was written there")

    def closed() -> list[str]:
        # One that went away since leads nowhere, and is no fault.
        there = [one for one in kept.devices if host.device_exists(one)]
        return [one for one in (asked.device, *there) if not _forwards(one)]

    off = await host.inside(asked.netns, closed)
    found += [f"the host's device {one} does not forward" for one in off]
    return found


async def _devices(asked: Outside) -> list[str]:
    """The host's devices that lead somewhere: with an IPv4 address, and no cloud's."""
    shown = await host.ip(asked.netns, "-j", "-4", "addr", "show", "up")
    found = [
        str(link["ifname"])
        for link in msgspec.json.decode(shown or "[]")
        if link.get("ifname") and "LOOPBACK" not in link.get("flags", ())
    ]
    found = [one for one in found if not one.startswith(DEVICES_OF_CLOUDS)]
    if asked.lan and asked.lan not in found:
        found.append(asked.lan)
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


def _nft(asked: Outside, *words: str) -> tuple[str, ...]:
    enter = ("nsenter", f"--net={host.NAMESPACES / asked.netns}", "--") if asked.netns else ()
    return (*enter, "nft", *words)


async def _listing(asked: Outside) -> str:
    """The table as the kernel has it; "" where there is none, or no nft that could have made one."""
    try:
        tables = await host.run(*_nft(asked, "list", "tables", "ip"))
    except ExecuteError:
        return ""
    if f"table ip {asked.name}" not in tables.splitlines():
        return ""
    return await host.run(*_nft(asked, "list", "table", "ip", asked.name))


async def _load(asked: Outside, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="hanok-", suffix=".nft") as file:
        file.write(text)
        file.flush()
        await host.run(*_nft(asked, "-f", file.name))


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
    os.replace(new, path)


def _of_others(folder: str) -> set[str]:
    """Devices that other clouds of this machine need to forward, and switched on."""
    own = Path(folder)
    found: set[str] = set()
    for path in own.parent.glob(f"*/{KEPT}"):
        if path.parent != own:
            found.update(_read(str(path.parent)).devices)
    return found
