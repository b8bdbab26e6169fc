"""Addresses against a plain model: a set of what is free and a dictionary of what is taken."""

from __future__ import annotations

import asyncio
import ipaddress
import tempfile
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hanok.base.clock import Clock
from hanok.base.errors import Conflict
from hanok.services.network.logic import addresses
from hanok.services.network.tables import free_ranges, ip_allocations, networks, ports, subnets
from hanok.store import Database
from tests.databases import opened

CIDR = ipaddress.ip_network("10.0.0.0/27")
FIRST, LAST = int(CIDR.network_address), int(CIDR.broadcast_address)
inside = st.integers(min_value=FIRST + 1, max_value=LAST - 1)


class Addresses(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.database: Database = self.run_(opened(Path(self.folder.name)))
        self.taken: set[int] = set()
        self.pools: list[tuple[int, int]] = []

    def run_(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.run_(self.database.close())
        self.loop.close()
        self.folder.cleanup()

    @property
    def subnet(self) -> Any:
        return cast(Any, SimpleNamespace(id="s", ip_version=4, network_id="n"))

    @property
    def texts(self) -> list[dict[str, str]]:
        return [
            {"start": addresses.text_of(a, 4), "end": addresses.text_of(b, 4)}
            for a, b in self.pools
        ]

    @property
    def free(self) -> set[int]:
        return {n for a, b in self.pools for n in range(a, b + 1)} - self.taken

    @initialize(points=st.lists(inside, min_size=2, max_size=6, unique=True))
    def begin(self, points: list[int]) -> None:
        async def work() -> None:
            now = Clock().now()
            base = {"project_id": "p", "revision_number": 1, "created_at": now, "updated_at": now}
            async with self.database.write() as tx:
                await tx.insert(
                    networks,
                    {
                        **base, "id": "n", "admin_state_up": True, "shared": False, "external": False,
                        "is_default": False, "mtu": 1442, "port_security_enabled": True,
                        "network_type": "geneve", "availability_zone_hints": [],
                    },
                )  # fmt: skip
                await tx.insert(
                    subnets,
                    {
                        **base, "id": "s", "network_id": "n", "ip_version": 4, "cidr": str(CIDR),
                        "enable_dhcp": True, "allocation_pools": [], "dns_nameservers": [],
                        "host_routes": [],
                    },
                )  # fmt: skip
                await tx.insert(
                    ports,
                    {
                        **base, "id": "t", "network_id": "n", "mac_address": "m",
                        "admin_state_up": True, "status": "DOWN", "device_id": "",
                        "device_owner": "",
                        "port_security_enabled": True, "address_pairs": [],
                    },
                )  # fmt: skip

        self.run_(work())
        self.lay(points)

    def lay(self, points: list[int]) -> None:
        ordered = sorted(points)
        self.pools = [(a, b) for a, b in zip(ordered[::2], ordered[1::2], strict=False)]

        async def work() -> None:
            async with self.database.write() as tx:
                await addresses.lay(tx, self.subnet, self.texts)

        self.run_(work())

    @rule(points=st.lists(inside, min_size=2, max_size=6, unique=True))
    def pools_change(self, points: list[int]) -> None:
        self.lay(points)

    @rule()
    def next_one(self) -> None:
        async def work() -> str | None:
            async with self.database.write() as tx:
                return await addresses.take_next(tx, self.subnet, "t")

        found = self.run_(work())
        if not self.free:
            assert found is None
        else:
            assert int(ipaddress.ip_address(found)) == min(self.free)
            self.taken.add(min(self.free))

    @rule(number=inside)
    def certain(self, number: int) -> None:
        async def work() -> bool:
            try:
                async with self.database.write() as tx:
                    await addresses.take(tx, self.subnet, number, "t")
            except Conflict:
                return False
            return True

        assert self.run_(work()) == (number not in self.taken)
        self.taken.add(number)

    @precondition(lambda self: bool(self.taken))
    @rule(data=st.data())
    def back(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.taken)))

        async def work() -> None:
            async with self.database.write() as tx:
                await addresses.give_back(tx, "s", 4, addresses.position(number, 4), self.texts)

        self.run_(work())
        self.taken.discard(number)

    @invariant()
    def ranges_are_what_is_free(self) -> None:
        if not self.pools:
            return

        async def work() -> tuple[Any, Any]:
            async with self.database.read() as tx:
                return await tx.all(free_ranges.select()), await tx.all(ip_allocations.select())

        ranges, held = self.run_(work())
        spans = [(int(row.first, 16), int(row.last, 16)) for row in ranges]
        assert sorted(n for a, b in spans for n in range(a, b + 1)) == sorted(self.free)
        assert {int(row.position, 16) for row in held} == self.taken
        # Joined as far as a pool goes: no two ranges of one pool are neighbours.
        for start, end in self.pools:
            inner = sorted(span for span in spans if start <= span[0] <= end)
            assert all(b[0] > a[1] + 1 for a, b in pairwise(inner))


Addresses.TestCase.settings = settings(
    max_examples=settings().max_examples // 4, stateful_step_count=30
)
TestAddresses = Addresses.TestCase


def test_a_guest_in_ipv6_is_known_by_its_mac() -> None:
    number = addresses.eui64("2001:db8::/64", "fa:16:3e:00:00:01")
    assert addresses.text_of(number, 6) == "2001:db8::f816:3eff:fe00:1"


def test_holes_are_cut_out() -> None:
    assert addresses.without([(1, 5), (8, 9)], [1, 3, 9]) == [(2, 2), (4, 5), (8, 8)]
    assert addresses.without([(1, 1)], [1]) == []
    assert addresses.without([(5, 9)], [1, 20]) == [(5, 9)]
