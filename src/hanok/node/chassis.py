"""What a node needs of its host's network: plugs for guests and a door for metadata.

`hanok.drivers.ovn.chassis` has the real one. `NullChassis` does no networking: guests get an
interface that leads nowhere.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Protocol


class Chassis(Protocol):
    """A host's end of the virtual networks. Everything may be repeated."""

    @property
    def several_queues(self) -> bool:
        """Whether a tap can be opened more than once, each time a queue of its own."""

    async def plug(self, port_id: str, mac: str, queues: int = 1) -> None:
        """The port has a tap device with so many queues, known to the switch under the port's id."""

    async def unplug(self, port_id: str) -> None:
        """The port has none; it succeeds when it never had."""

    async def open_tap(self, port_id: str) -> int | None:
        """A descriptor of the tap (no vnet header), the caller's to close; None: no network here."""

    limits: bool
    """Whether guests can be held to a rate."""

    async def limit(self, port_id: str, average_kb: int, peak_kb: int, burst_kb: int) -> None:
        """What goes to the guest of a plugged port is held to a rate; to none, if the average is 0."""

    async def ports(self) -> list[str]:
        """The ports that are plugged."""

    async def counters(self, port_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """What went through the taps of ports that are plugged, as guests see it: fields of NICCounters by port."""

    async def ensure_metadata(
        self, network_id: str, port_id: str, mac: str, addresses: tuple[str, ...]
    ) -> bool:
        """The network's metadata address is on this host.

        True when it was made now: sockets of an earlier one are dead.
        """

    async def remove_metadata(self, network_id: str) -> None:
        """It is not."""

    async def metadata_networks(self) -> list[str]:
        """The networks whose metadata address is here."""

    async def metadata_sockets(self, network_id: str) -> list[socket.socket]:
        """Sockets that listen on port 80 and hear this network only, one a version of IP; the caller's to close."""

    async def ensure_balancer(
        self,
        balancer_id: str,
        port_id: str,
        mac: str,
        mtu: int,
        addresses: tuple[str, ...],
        ways: tuple[tuple[str, str], ...],
    ) -> str | None:
        """A namespace with a balancer's addresses is there, its port known to the switch; gives its path, for a process
        that serves in it. None: no network here, serve where we are.

        addresses: with prefix length. ways: prefixes, each with the address behind which it is.
        """

    async def remove_balancer(self, balancer_id: str) -> None:
        """It is not, whoever is in it."""


class NullChassis:
    """No network: remembers what it was told and listens on loopback."""

    limits = True

    def __init__(self) -> None:
        self.rates: dict[str, tuple[int, int, int]] = {}
        self._ports: dict[str, str] = {}
        self._networks: set[str] = set()
        self.metadata_ports: dict[str, int] = {}
        self.several_queues = False

    async def plug(self, port_id: str, mac: str, queues: int = 1) -> None:
        self._ports[port_id] = mac

    async def unplug(self, port_id: str) -> None:
        self._ports.pop(port_id, None)
        self.rates.pop(port_id, None)

    async def limit(self, port_id: str, average_kb: int, peak_kb: int, burst_kb: int) -> None:
        self.rates[port_id] = average_kb, peak_kb, burst_kb

    async def open_tap(self, port_id: str) -> int | None:
        return None

    async def ports(self) -> list[str]:
        return sorted(self._ports)

    async def counters(self, port_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        return {}

    async def ensure_metadata(
        self, network_id: str, port_id: str, mac: str, addresses: tuple[str, ...]
    ) -> bool:
        made = network_id not in self._networks
        self._networks.add(network_id)
        return made

    async def remove_metadata(self, network_id: str) -> None:
        self._networks.discard(network_id)
        self.metadata_ports.pop(network_id, None)

    async def metadata_networks(self) -> list[str]:
        return sorted(self._networks)

    async def metadata_sockets(self, network_id: str) -> list[socket.socket]:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self.metadata_ports[network_id] = listener.getsockname()[1]
        return [listener]

    async def ensure_balancer(
        self,
        balancer_id: str,
        port_id: str,
        mac: str,
        mtu: int,
        addresses: tuple[str, ...],
        ways: tuple[tuple[str, str], ...],
    ) -> str | None:
        return None

    async def remove_balancer(self, balancer_id: str) -> None:
        return None


async def open_taps(chassis: Chassis, port_id: str, queues: int, opened: ExitStack) -> list[int]:
    """The tap of a port, once for each queue; none where there is no network. `opened` closes them."""
    found: list[int] = []
    while len(found) < queues and (fd := await chassis.open_tap(port_id)) is not None:
        opened.callback(os.close, fd)
        found.append(fd)
    return found
