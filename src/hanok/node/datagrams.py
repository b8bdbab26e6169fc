"""Listeners of UDP of one balancer: rules in the kernel of its namespace, which go on without us."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Collection, Mapping
from functools import partial

from hanok.commands import EnsureBalancer, ListenerCounters
from hanok.drivers.netfilter import conntrack
from hanok.drivers.netfilter.table import Table
from hanok.drivers.ovn import host
from hanok.node import datagram_rules
from hanok.node.datagram_rules import Around

LISTENER, MEMBER = 0xFFFF0000, 0x0000FFFF  # the parts of a mark


class Datagrams:
    """
    Args:
        namespace: the path of the balancer's.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace, self._table = namespace, Table(namespace)
        self._flows: dict[str, int] = {}
        self._spread: tuple[str, ...] = ()

    async def put(
        self, spec: EnsureBalancer, numbers: Mapping[str, int], down: Collection[str]
    ) -> None:
        """What the description says is in force; flows of members that do not serve any more choose again.

        numbers: of what is there, and of what was.

        Raises:
            FilterFailed, ExecuteError; ValueError: it cannot be written.
        """
        around = Around(numbers=numbers, down=frozenset(down), flows=self._flows)
        await self._table.put(datagram_rules.write(spec, around))
        await host.inside(self._namespace, partial(_forward, True))
        there = set(datagram_rules.named(spec)) - set(down)
        ended = [number for one, number in numbers.items() if one not in there]
        await host.inside(self._namespace, partial(_forget, ended))

    async def remove(self) -> None:
        """There are none. Raises FilterFailed, ExecuteError."""
        await host.inside(self._namespace, partial(_forward, False))
        await self._table.remove()

    async def level(
        self, spec: EnsureBalancer, numbers: Mapping[str, int], down: Collection[str]
    ) -> None:
        """Pools that go by how many flows each member has learn it. Raises FilterFailed, ExecuteError."""
        pools = [
            one
            for one in datagram_rules.pools_of(spec)
            if one.algorithm == "LEAST_CONNECTIONS" and len(one.members) > 1
        ]
        if not pools:
            return
        mine = {numbers[one.id]: one.id for pool in pools for one in pool.members}
        found = await host.inside(self._namespace, partial(_flows, list(mine)))
        self._flows = {mine[number]: many for number, many in found.items()}
        spread = tuple(
            one.id
            for pool in pools
            for one in datagram_rules.by_fewest(
                [one for one in pool.members if one.weight and one.id not in down]
                or pool.members[:0],
                self._flows,
            )
        )
        if spread != self._spread:
            await self.put(spec, numbers, down)
            self._spread = spread

    async def counted(
        self, spec: EnsureBalancer, numbers: Mapping[str, int]
    ) -> dict[str, ListenerCounters]:
        """What listeners have carried since the namespace was made. Raises FilterFailed, ExecuteError."""
        listeners = datagram_rules.listeners_of(spec)
        if not listeners:
            return {}
        counters = await self._table.counters()
        active = await host.inside(
            self._namespace, partial(_open, [numbers[one.id] for one in listeners])
        )
        return {
            one.id: ListenerCounters(
                active=active[numbers[one.id]],
                total=counters.get(f"new{numbers[one.id]}", (0, 0))[0],
                bytes_in=counters.get(f"in{numbers[one.id]}", (0, 0))[1],
                bytes_out=counters.get(f"out{numbers[one.id]}", (0, 0))[1],
            )
            for one in listeners
        }


# Below: to be run inside the namespace.


def _forward(on: bool) -> None:
    """The rules of the namespace let through what they have given a member, and nothing else.

    Clients are not told that members are their neighbours, though they may be.
    """
    for _, device in socket.if_nameindex():
        host.set_sysctl(f"ipv4/conf/{device}/send_redirects", 0)
    host.set_sysctl("ipv4/conf/all/send_redirects", 0)
    host.set_sysctl("ipv4/ip_forward", int(on))
    with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
        host.set_sysctl("ipv6/conf/all/forwarding", int(on))


def _forget(numbers: Collection[int]) -> None:
    """Flows of these listeners and members; and those without a mark, which came before there was a listener."""
    with conntrack.opened() as kernel:
        known = conntrack.marks(kernel)
        for part, shift in ((MEMBER, 0), (LISTENER, 16)):
            there = {(mark & part) >> shift for mark in known if mark}
            for one in there.intersection(numbers):
                conntrack.forget(kernel, one << shift, part)
        if 0 in known:
            conntrack.forget(kernel, 0)


def _open(listeners: Collection[int]) -> dict[int, int]:
    return _counted(listeners, LISTENER, 16)


def _flows(members: Collection[int]) -> dict[int, int]:
    return _counted(members, MEMBER, 0)


def _counted(numbers: Collection[int], part: int, shift: int) -> dict[int, int]:
    """How many flows each of these has."""
    found = dict.fromkeys(numbers, 0)
    with conntrack.opened() as kernel:
        for mark, many in conntrack.marks(kernel).items():
            number = (mark & part) >> shift
            if number in found:
                found[number] += many
    return found
