"""Which address is whose.

Free addresses of the allocation pools are kept as ranges. Taking the next one is: look at the first range, and change
it only if it still is what was seen. Taking a certain one splits its range. An address that is given back joins its
neighbours, so a subnet that was emptied has one range a pool again, and all of this costs a few index look-ups however
large the subnet is.

What guards it is not this but the primary key of `ip_allocations`: whoever comes second is refused there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.services.network.logic.errors import conflict
from hanok.services.network.tables import free_ranges, ip_allocations
from hanok.store import Duplicate, Transaction

Span = tuple[int, int]
GATEWAY_OWNER = "network:router_gateway"
TRIES = 50  # a lost race is one other transaction's success; without an end we would hide a fault

_ranges = free_ranges.c
_first = (
    sa.select(_ranges.first, _ranges.last)
    .where(_ranges.subnet_id == bindparam("subnet"))
    .order_by(_ranges.first)
    .limit(1)
)
_around = (
    sa.select(_ranges.first, _ranges.last)
    .where(_ranges.subnet_id == bindparam("subnet"), _ranges.first <= bindparam("at"))
    .order_by(_ranges.first.desc())
    .limit(1)
)
_starting = sa.select(_ranges.first, _ranges.last).where(
    _ranges.subnet_id == bindparam("subnet"), _ranges.first == bindparam("at")
)
_drop = free_ranges.delete().where(
    _ranges.subnet_id == bindparam("subnet"),
    _ranges.first == bindparam("seen_first"),
    _ranges.last == bindparam("seen_last"),
)
_move = (
    free_ranges.update()
    .where(
        _ranges.subnet_id == bindparam("subnet"),
        _ranges.first == bindparam("seen_first"),
        _ranges.last == bindparam("seen_last"),
    )
    .values(first=bindparam("new_first"), last=bindparam("new_last"))
)
_drop_all = free_ranges.delete().where(_ranges.subnet_id == bindparam("subnet"))
_taken = (
    sa.select(ip_allocations.c.position)
    .where(ip_allocations.c.subnet_id == bindparam("subnet"))
    .order_by(ip_allocations.c.position)
)
_forget = ip_allocations.delete().where(
    ip_allocations.c.subnet_id == bindparam("subnet"), ip_allocations.c.position == bindparam("at")
)


def width(ip_version: int) -> int:
    """Hexadecimal digits of a position."""
    return 8 if ip_version == 4 else 32


def position(number: int, ip_version: int) -> str:
    return f"{number:0{width(ip_version)}x}"


def text_of(number: int, ip_version: int) -> str:
    """An address as text, in its one spelling."""
    return str(ipaddress.IPv4Address(number) if ip_version == 4 else ipaddress.IPv6Address(number))


def network_of(cidr: str) -> IPv4Network | IPv6Network:
    return ipaddress.ip_network(cidr)


def name_servers(said: Sequence[str]) -> tuple[str, ...]:
    """The name servers that guests of a subnet are told: none, where the address of nobody is one of them.

    Source: Neutron administration guide, "Name resolution for instances".
    """
    return () if any(ipaddress.ip_address(one).is_unspecified for one in said) else tuple(said)


def spans_of(pools: Iterable[dict[str, str]]) -> list[Span]:
    """Allocation pools as numbers, in order."""
    return sorted(
        (int(ipaddress.ip_address(pool["start"])), int(ipaddress.ip_address(pool["end"])))
        for pool in pools
    )


def without(spans: Sequence[Span], taken: Iterable[int]) -> list[Span]:
    """Spans with some numbers cut out. taken: ascending."""
    left: list[Span] = []
    gone = iter(taken)
    hole = next(gone, None)
    for start, end in spans:
        at = start
        while hole is not None and hole <= end:
            if hole >= at:
                if hole > at:
                    left.append((at, hole - 1))
                at = hole + 1
            hole = next(gone, None)
        if at <= end:
            left.append((at, end))
    return left


def eui64(cidr: str, mac: str) -> int:
    """The address that a guest with this MAC gives itself in an IPv6 subnet (RFC 4291, appendix A)."""
    octets = [int(part, 16) for part in mac.split(":")]
    octets[0] ^= 2
    low = int.from_bytes(bytes([*octets[:3], 0xFF, 0xFE, *octets[3:]]))
    return int(network_of(cidr).network_address) + low


def serving(candidates: Sequence[Row[Any]], device_owner: str) -> list[Row[Any]]:
    """The subnets that ports of this owner get addresses of: those that name it, before those that name none.

    Raises:
        Conflict: there are subnets, and each is for others.
    """
    found = [
        one for one in candidates if device_owner in one.service_types or not one.service_types
    ]
    if candidates and not found:
        raise conflict(
            "IpAddressGenerationFailureNoMatchingSubnet",
            "No valid service subnet for the given device owner.",
        )
    return sorted(found, key=lambda one: not one.service_types)


async def lock(tx: Transaction, subnet_id: str) -> None:
    """Nobody else changes this subnet's ranges until the transaction ends."""
    await tx.serialize("network.subnet", subnet_id)


async def lay(tx: Transaction, subnet: Row[Any], pools: Sequence[dict[str, str]]) -> None:
    """Write the free ranges of a subnet anew, from its pools and what is taken."""
    await lock(tx, subnet.id)
    await tx.execute(_drop_all, {"subnet": subnet.id})
    taken = [int(one, 16) for one in await tx.scalars(_taken, {"subnet": subnet.id})]
    rows = [
        {
            "subnet_id": subnet.id,
            "first": position(start, subnet.ip_version),
            "last": position(end, subnet.ip_version),
        }
        for start, end in without(spans_of(pools), taken)
    ]
    if rows:
        await tx.insert(free_ranges, rows)


async def take_next(
    tx: Transaction, subnet: Row[Any], port_id: str, *, ordinal: int = 0
) -> str | None:
    """The lowest free address of a subnet's pools, now this port's; None when there is none."""
    await lock(tx, subnet.id)
    for _ in range(TRIES):
        free = await tx.first(_first, {"subnet": subnet.id})
        if free is None:
            return None
        number = int(free.first, 16)
        if not await _cut(tx, subnet, free, number):
            continue
        try:
            return await _record(tx, subnet, number, port_id, ordinal)
        except Duplicate:
            continue  # taken though it was in a range: it no longer is
    return None


async def take(
    tx: Transaction, subnet: Row[Any], number: int, port_id: str, *, ordinal: int = 0
) -> str:
    """This address, now this port's; it need not be in a pool.

    Raises:
        Conflict: it is somebody's.
    """
    await lock(tx, subnet.id)
    at = position(number, subnet.ip_version)
    for _ in range(TRIES):
        free = await tx.first(_around, {"subnet": subnet.id, "at": at})
        if free is None or free.last < at or await _cut(tx, subnet, free, number):
            break
    try:
        return await _record(tx, subnet, number, port_id, ordinal)
    except Duplicate:
        text = text_of(number, subnet.ip_version)
        raise conflict(
            "IpAddressAlreadyAllocated",
            f"IP address {text} already allocated in subnet {subnet.id}",
        ) from None


async def give_back(
    tx: Transaction, subnet_id: str, ip_version: int, at: str, pools: Sequence[dict[str, str]]
) -> None:
    """Nobody's address any more. at: its position."""
    await lock(tx, subnet_id)
    if not await tx.count(_forget, {"subnet": subnet_id, "at": at}):
        return
    number = int(at, 16)
    pool = next(((a, b) for a, b in spans_of(pools) if a <= number <= b), None)
    if pool is None:
        return
    first = last = at
    before = await tx.first(_around, {"subnet": subnet_id, "at": at})
    if before is not None:
        if before.last >= at:
            return
        if int(before.last, 16) == number - 1 and int(before.first, 16) >= pool[0]:
            await tx.execute(_drop, _key_of(subnet_id, before))
            first = before.first
    if number < pool[1]:
        after = await tx.first(
            _starting, {"subnet": subnet_id, "at": position(number + 1, ip_version)}
        )
        if after is not None:
            await tx.execute(_drop, _key_of(subnet_id, after))
            last = after.last
    await tx.insert(free_ranges, {"subnet_id": subnet_id, "first": first, "last": last})


def _key_of(subnet_id: str, row: Row[Any]) -> dict[str, str]:
    return {"subnet": subnet_id, "seen_first": row.first, "seen_last": row.last}


async def _cut(tx: Transaction, subnet: Row[Any], free: Row[Any], number: int) -> bool:
    """Take one number out of a range; False when the range is no longer what was seen."""
    parts = without([(int(free.first, 16), int(free.last, 16))], [number])
    texts = [[position(end, subnet.ip_version) for end in part] for part in parts]
    if not texts:
        return bool(await tx.count(_drop, _key_of(subnet.id, free)))
    kept = {"new_first": texts[0][0], "new_last": texts[0][1]}
    if not await tx.count(_move, {**_key_of(subnet.id, free), **kept}):
        return False
    for first, last in texts[1:]:
        await tx.insert(free_ranges, {"subnet_id": subnet.id, "first": first, "last": last})
    return True


async def _record(
    tx: Transaction, subnet: Row[Any], number: int, port_id: str, ordinal: int
) -> str:
    text = text_of(number, subnet.ip_version)
    await tx.insert(
        ip_allocations,
        {
            "subnet_id": subnet.id,
            "position": position(number, subnet.ip_version),
            "address": text,
            "port_id": port_id,
            "network_id": subnet.network_id,
            "ordinal": ordinal,
        },
    )
    return text


def self_made(subnet: Row[Any]) -> bool:
    """Whether guests make their own addresses in this subnet."""
    return subnet.ip_version == 6 and subnet.ipv6_address_mode in ("slaac", "dhcpv6-stateless")
