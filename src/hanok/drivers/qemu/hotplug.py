"""Network interfaces that come and go while a guest runs.

QEMU is asked what it has: an interface is known by its MAC, its place by the PCIe root port (on the older machine, the
slot) that it sits on. Whether a
device goes is the guest's decision; QEMU says DEVICE_DELETED when it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from hanok.drivers.qemu.errors import CommandFailed
from hanok.drivers.qemu.hardware import FIRST_PLACE, INTERFACE_MODELS, PC, PLACES, Q35, vectors
from hanok.drivers.qemu.hardware import place as at
from hanok.drivers.qemu.monitor import Monitor

DEVICES = "/machine/peripheral"
AGAIN_S = 5.0  # a guest that was not up yet did not hear the first request
_INTERFACE_MODELS = {f"child<{device}>" for device in INTERFACE_MODELS.values()}
_ROOT_PORT = "child<pcie-root-port>"
_PORT = re.compile(rf"{DEVICES}/rp(\d+)/")


async def interfaces(monitor: Monitor) -> dict[str, str]:
    """The ids of a guest's network devices by MAC, in lower case."""
    interfaces = [
        name for name, kind in (await devices(monitor)).items() if kind in _INTERFACE_MODELS
    ]
    macs = await properties(monitor, interfaces, "mac")
    return {mac.lower(): name for name, mac in macs.items()}


async def places(monitor: Monitor) -> tuple[dict[str, int], int]:
    """On which root port, or in which slot, each device is, by id, and how many there are."""
    there = await devices(monitor)
    bridges = [name for name, kind in there.items() if kind == _ROOT_PORT]
    buses = await properties(monitor, there.keys() - set(bridges), "parent_bus")
    if not bridges:
        on_bus = [name for name, bus in buses.items() if bus.endswith("/pci.0")]
        addresses = await properties(monitor, on_bus, "addr")
        slots = {name: (int(at) >> 3) - FIRST_PLACE for name, at in addresses.items()}
        return {name: number for name, number in slots.items() if number >= 0}, PLACES
    found = {name: match for name, bus in buses.items() if (match := _PORT.match(bus))}
    return {name: int(match[1]) for name, match in found.items()}, len(bridges)


async def properties(monitor: Monitor, names: Iterable[str], what: str) -> dict[str, str]:
    """A property of several devices, by device; those that do not have it are left out. They are asked at once."""
    requested = list(names)
    answers = await asyncio.gather(
        *(property_of(monitor, name, what) for name in requested), return_exceptions=True
    )
    found = {}
    for name, answer in zip(requested, answers, strict=True):
        if isinstance(answer, str):
            found[name] = answer
        elif not isinstance(answer, CommandFailed):
            raise answer
    return found


async def plug(
    monitor: Monitor, mac: str, mtu: int, tap_fds: Sequence[int], model: str = "virtio"
) -> None:
    """Give a guest an interface.

    Args:
        tap_fds: of an open tap device without vnet header, one for each queue; none: it leads nowhere.

    Raises:
        CommandFailed: there is no free place, or QEMU refuses it.
    """
    taken, count = await places(monitor)
    free = sorted(set(range(count)) - set(taken.values()))
    if not free:
        raise CommandFailed("the server has no free PCIe port for another device")
    name = mac.lower().replace(":", "")
    network, device = f"net-{name}", f"card-{name}"
    with contextlib.suppress(CommandFailed):  # of an attempt that was broken off
        await monitor.execute("netdev_del", {"id": network})
    if tap_fds:
        await monitor.execute("netdev_add", await _tap(monitor, network, tap_fds))
    else:
        await monitor.execute("netdev_add", {"type": "user", "id": network, "restrict": True})
    family = Q35 if "rp0" in await devices(monitor) else PC
    place: dict[str, object] = {**at(family, free[0]), "romfile": ""}
    if mtu and model == "virtio":
        place["host_mtu"] = mtu
    if len(tap_fds) > 1:
        place |= {"mq": True, "vectors": vectors(len(tap_fds))}
    what = {"driver": INTERFACE_MODELS[model], "id": device, "netdev": network, "mac": mac}
    try:
        await monitor.execute("device_add", {**what, **place})
    except CommandFailed:
        await monitor.execute("netdev_del", {"id": network})
        raise


async def _tap(monitor: Monitor, network: str, fds: Sequence[int]) -> dict[str, object]:
    """Hand QEMU the open tap; the network that it is, as it is then added."""
    names = [network if number == 0 else f"{network}-{number}" for number in range(len(fds))]
    for name, fd in zip(names, fds, strict=True):
        await monitor.give(fd, name)
    key = "fd" if len(fds) == 1 else "fds"
    return {"type": "tap", "id": network, key: ":".join(names)}


async def unplug(monitor: Monitor, device: str, *, timeout_s: float) -> bool:
    """Take an interface from a guest; whether the guest let go of it in time."""
    network = await property_of(monitor, device, "netdev")
    if not await let_go(monitor, device, timeout_s=timeout_s):
        return False
    with contextlib.suppress(CommandFailed):
        await monitor.execute("netdev_del", {"id": network})
    return True


async def let_go(monitor: Monitor, device: str, *, timeout_s: float) -> bool:
    """Ask a guest for a device, again and again; whether it is gone in time."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await _let_go(monitor, device):
                pass
    except TimeoutError:
        return device not in await devices(monitor)
    return True


async def losses(monitor: Monitor) -> AsyncIterator[str]:
    """Devices that a guest has let go of, from now on, each when it is gone; "" where it has no id."""
    with monitor.listening("DEVICE_DELETED") as events:
        while True:
            data = (await events.get()).get("data")
            yield str(data.get("device", "")) if isinstance(data, dict) else ""


async def _let_go(monitor: Monitor, device: str) -> bool:
    """Ask once, and wait a while for the device to be gone."""
    with monitor.listening("DEVICE_DELETED") as events:
        with contextlib.suppress(CommandFailed):  # it is about to go, or gone
            await monitor.execute("device_del", {"id": device})
        if device not in await devices(monitor):
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_S):
                while not _is_of(await events.get(), device):
                    pass
    return device not in await devices(monitor)


def _is_of(event: Mapping[str, object], device: str) -> bool:
    """Whether an event is this device's; one of its parts is told before, by its path alone."""
    data = event.get("data")
    return isinstance(data, dict) and data.get("device") == device


async def devices(monitor: Monitor) -> dict[str, str]:
    """The kinds of devices that have ids."""
    answer = await monitor.execute("qom-list", {"path": DEVICES})
    listed = answer if isinstance(answer, list) else []
    return {one["name"]: one["type"] for one in listed if one["type"].startswith("child<")}


async def property_of(monitor: Monitor, device: str, name: str) -> str:
    return str(await monitor.execute("qom-get", {"path": f"{DEVICES}/{device}", "property": name}))
