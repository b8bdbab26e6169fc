"""The bandwidth and packets that servers' ports have of their hosts.

Ports ask for it, placement gives it with everything else that a server takes. What a server holds follows its ports:
what they are promised may change, and interfaces come and go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from hanok.services.compute.logic.hosts import provider_id_of
from hanok.services.network import facade as networks
from hanok.services.network.facade import NICPlan
from hanok.services.placement import facade as placement
from hanok.store import Transaction

CLASSES = (
    "NET_BW_EGR_KILOBIT_PER_SEC",
    "NET_BW_IGR_KILOBIT_PER_SEC",
    "NET_PACKET_RATE_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
)
Amounts = dict[str, dict[str, int]]


async def groups(
    tx: Transaction, nics: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, placement.Group], list[list[str]]]:
    """What a server's ports ask of its host, and which groups are to be in one part of its tree."""
    requested = await networks.resource_requests(
        tx, [msgspec.convert(one, NICPlan) for one in nics]
    )
    found = {
        f"_{one.id}": placement.Group(
            resources=one.resources, required=tuple(frozenset([trait]) for trait in one.traits)
        )
        for theirs in requested.values()
        for one in theirs
    }
    together = [
        [f"_{one.id}" for one in theirs] for theirs in requested.values() if len(theirs) > 1
    ]
    return found, together


async def follow(
    tx: Transaction, row: Any, nics: Sequence[Mapping[str, Any]], now: datetime
) -> bool:
    """A server holds of its host what these interfaces ask for; False where the host has not that much.

    Nothing is to be committed then.
    """
    held = await placement.held(tx, row.id)
    requested, together = await groups(tx, nics)
    others = {
        provider: left
        for provider, amounts in held.items()
        if (left := {name: n for name, n in amounts.items() if name not in CLASSES})
    }
    if not others or (not requested and others == held):
        return not requested or not row.host
    try:
        await _claim(tx, row, others, now)  # its own share is not somebody else's
        if not requested:
            return True
        at = provider_id_of(row.host)
        there = {name: placement.bound(group, at) for name, group in requested.items()}
        async for found in placement.offers(tx, there, first=1, subtrees=together):
            for one in found:
                await _claim(tx, row, _together(others, one.resources), now)
                return True
    except placement.Full:
        return False
    return False


async def _claim(tx: Transaction, row: Any, resources: Amounts, now: datetime) -> None:
    await placement.claim(
        tx,
        consumer_id=row.id,
        resources=resources,
        project_id=row.project_id,
        user_id=row.user_id,
        now=now,
    )


def _together(one: Amounts, other: Amounts) -> Amounts:
    found = {provider: dict(amounts) for provider, amounts in one.items()}
    for provider, amounts in other.items():
        mine = found.setdefault(provider, {})
        for name, n in amounts.items():
            mine[name] = mine.get(name, 0) + n
    return found


async def give_back(tx: Transaction, row: Any, nics: list[dict[str, Any]], now: datetime) -> None:
    """A server holds no more than the interfaces that are left ask for. This takes nothing, so it cannot fail."""
    held = await placement.held(tx, row.id)
    if not any(one in amounts for amounts in held.values() for one in CLASSES):
        return
    requested = await networks.resource_requests(
        tx, [msgspec.convert(one, NICPlan) for one in nics]
    )
    before = {provider: dict(amounts) for provider, amounts in held.items()}
    for one in CLASSES:
        needed = sum(each.resources.get(one, 0) for theirs in requested.values() for each in theirs)
        surplus = sum(amounts.get(one, 0) for amounts in held.values()) - needed
        for amounts in sorted(held.values(), key=lambda each: each.get(one, 0)):
            taken = min(surplus, amounts.get(one, 0))
            if taken > 0:
                amounts[one] -= taken
                surplus -= taken
    left = {
        provider: kept
        for provider, amounts in held.items()
        if (kept := {name: n for name, n in amounts.items() if n})
    }
    if left and left != before:
        await _claim(tx, row, left, now)
