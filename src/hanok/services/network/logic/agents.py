"""Agents: what tells this API that a host takes part. A host's heartbeat stands for its OVN controller and its
metadata service.

Source: Networking API v2.0 reference, "Agents".
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.services.network.logic.errors import not_found
from hanok.services.network.logic.scopes import touch_gateways
from hanok.services.network.room import Network
from hanok.services.network.tables import agents, router_hosts
from hanok.store import Duplicate, Transaction

_NAMESPACE = uuid.UUID("0d2b8b0a-5d0e-4a0c-8f53-0e6f0f8b9a11")
KINDS = (
    ("OVN Controller agent", "ovn-controller"),
    ("OVN Metadata agent", "neutron-ovn-metadata-agent"),
)
_heard = (
    agents.update()
    .where(agents.c.host.in_(bindparam("of_hosts", expanding=True)))
    .values(heard_at=bindparam("at"))
)
_unheard = (
    agents.update()
    .where(
        agents.c.host.in_(bindparam("of_hosts", expanding=True)),
        agents.c.heard_at < bindparam("before"),
    )
    .values(silent_at=bindparam("at"))
)
_known = sa.select(agents.c.host, agents.c.binary).where(
    agents.c.host.in_(bindparam("of_hosts", expanding=True))
)
_hosts = sa.select(agents.c.host).where(agents.c.agent_type == KINDS[0][0]).order_by(agents.c.host)
_all = sa.select(agents).order_by(agents.c.host, agents.c.agent_type)
_one = sa.select(agents).where(agents.c.id == bindparam("requested"))


async def heard(tx: Transaction, room: Network, hosts: Sequence[str]) -> None:
    """The hosts are alive. A new one may carry routers' gateways."""
    now = room.clock.now()
    if await tx.count(_heard, {"of_hosts": hosts, "at": now}) >= len(hosts) * len(KINDS):
        return
    known = {(row.host, row.binary) for row in await tx.all(_known, {"of_hosts": hosts})}
    for host in hosts:
        missing = [(kind, binary) for kind, binary in KINDS if (host, binary) not in known]
        if missing:
            await _begin(tx, room, host, missing, now)


async def _begin(
    tx: Transaction, room: Network, host: str, kinds: Sequence[tuple[str, str]], now: datetime
) -> None:
    """Agents of a host that were not there before."""
    try:
        await tx.insert(
            agents,
            [
                {
                    "id": str(uuid.uuid5(_NAMESPACE, f"{binary}@{host}")),
                    "agent_type": kind,
                    "binary": binary,
                    "host": host,
                    "description": "",
                    "admin_state_up": True,
                    "created_at": now,
                    "heard_at": now,
                }
                for kind, binary in kinds
            ],
        )
    except Duplicate:
        return
    await touch_gateways(tx, room)


async def unheard(tx: Transaction, hosts: Sequence[str], before: datetime, now: datetime) -> None:
    """These hosts do not answer; what was heard of them after a moment counts all the same."""
    await tx.execute(_unheard, {"of_hosts": hosts, "before": before, "at": now})


async def hosts(tx: Transaction) -> list[str]:
    """All hosts that were heard of."""
    return [str(one) for one in await tx.scalars(_hosts)]


async def alive(tx: Transaction, room: Network) -> list[str]:
    """The hosts whose controllers are heard of."""
    now = room.clock.now()
    return [
        str(row.host)
        for row in await every(tx)
        if row.agent_type == KINDS[0][0] and _is_alive(room, row, now)
    ]


async def every(tx: Transaction) -> Sequence[Row[Any]]:
    """All agents, in the order of their hosts."""
    return await tx.all(_all)


async def get(tx: Transaction, requested: str) -> Row[Any]:
    """An agent.

    Raises:
        NotFound
    """
    row = await tx.first(_one, {"requested": requested})
    if row is None:
        raise not_found("agent", requested)
    return row


async def change(tx: Transaction, agent_id: str, values: Mapping[str, Any]) -> None:
    """Set columns of an agent that is there."""
    await tx.execute(agents.update().where(agents.c.id == agent_id).values(**values))


async def delete(tx: Transaction, room: Network, row: Row[Any]) -> None:
    """Forget an agent; a host that lives is back with its next heartbeat."""
    await tx.execute(agents.delete().where(agents.c.host == row.host))
    await tx.execute(router_hosts.delete().where(router_hosts.c.host == row.host))
    await touch_gateways(tx, room)


def _is_alive(room: Network, row: Row[Any], now: datetime) -> bool:
    silent = row.silent_at is not None and row.silent_at >= row.heard_at
    silence = room.absence.silence(row.host, row.heard_at, now)
    return not silent and silence < timedelta(seconds=room.settings.down_after_s)


def show(room: Network, row: Row[Any], now: datetime) -> dict[str, Any]:
    def text(at: datetime) -> str:
        return at.strftime("%Y-%m-%d %H:%M:%S")

    return {
        "id": row.id,
        "agent_type": row.agent_type,
        "binary": row.binary,
        "host": row.host,
        "topic": "n/a",
        "description": row.description,
        "admin_state_up": row.admin_state_up,
        "alive": _is_alive(room, row, now),
        "availability_zone": "",
        "configurations": {},
        "created_at": text(row.created_at),
        "started_at": text(row.created_at),
        "heartbeat_timestamp": text(row.heard_at),
        "resources_synced": None,
    }
