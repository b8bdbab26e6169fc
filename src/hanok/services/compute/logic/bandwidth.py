"""The bandwidth and packets that servers' ports have of their hosts.

Ports ask for it, placement gives it with everything else that a server takes; an interface that goes gives it back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

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


async def give_back(tx: Transaction, row: Any, nics: list[dict[str, Any]], now: datetime) -> None:
    """A server holds no more than the interfaces that are left ask for."""
    held = await placement.held(tx, row.id)
    if not any(one in amounts for amounts in held.values() for one in CLASSES):
        return
    asked = await networks.resource_requests(tx, [msgspec.convert(one, NICPlan) for one in nics])
    before = {provider: dict(amounts) for provider, amounts in held.items()}
    for one in CLASSES:
        needed = sum(each.resources.get(one, 0) for theirs in asked.values() for each in theirs)
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
        await placement.claim(
            tx,
            consumer_id=row.id,
            resources=left,
            project_id=row.project_id,
            user_id=row.user_id,
            now=now,
        )
