"""What the network service notifies of ports when a server comes, moves or goes, and no request is about the ports.

Elsewhere compute asks for ports by the API, so that each is told as if it had been asked for here, too.

Source: Networking service, notifications of its API ("port.create.end").
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.events import Event
from hanok.services.network.logic import names, ports
from hanok.services.network.room import Network
from hanok.services.network.tables import port_rows as table
from hanok.store import Transaction

Verb = Literal["create", "update", "delete"]

_these = sa.select(table).where(table.c.id.in_(bindparam("ids", expanding=True)))


async def of_ports(tx: Transaction, room: Network, verb: Verb, ids: Collection[str]) -> None:
    """Tell of ports as they are now."""
    if ids:
        await tell(tx, room, verb, await tx.all(_these, {"ids": list(ids)}))


async def tell(tx: Transaction, room: Network, verb: Verb, rows: Sequence[Row[Any]]) -> None:
    """Tell of ports by their rows; before those of a deletion are gone."""
    views = await ports.show(tx, rows)
    names.assign(room.settings.dns_domain, views)
    for row, view in zip(rows, views, strict=True):
        port = {name: value for name, value in view.items() if name != "_target"}
        named = {"port_id": row.id} if verb == "delete" else {}
        event = Event(
            kind=f"network.port.{verb}.end",
            resource=f"port:{row.id}",
            project_id=row.project_id,
            payload={**named, "port": port},
        )
        await room.events.emit(tx, event)
