"""Where a server's guest may be: on its host, and while it moves on another one too.

The host that a server is on is a column of its row, so there is one and no more. The others stand in a table: the one
that it is on the way to (incoming), and those that it has left and that may still have something of it (leaving). Both
change in one transaction. What looks at hosts' guests takes none of these for a stray.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.errors import Conflict
from hanok.services.compute.tables import server_bindings, servers
from hanok.store import Duplicate, Transaction

INCOMING, LEAVING = "incoming", "leaving"

_all = sa.select(server_bindings.c.server_id, server_bindings.c.host)
_of_server = (
    sa.select(server_bindings.c.host)
    .where(server_bindings.c.server_id == bindparam("server"))
    .order_by(server_bindings.c.host)
)
_at = sa.and_(
    server_bindings.c.server_id == bindparam("server"), server_bindings.c.host == bindparam("at")
)
_forget = server_bindings.delete().where(_at)
_forget_incoming = server_bindings.delete().where(_at, server_bindings.c.state == INCOMING)
_forget_all = server_bindings.delete().where(server_bindings.c.server_id == bindparam("server"))
_host = sa.select(servers.c.host).where(
    servers.c.id == bindparam("server"), servers.c.deleted.is_(False)
)


async def expect(tx: Transaction, server_id: str, host: str) -> None:
    """The server is on the way to this host.

    Raises:
        Conflict: it is there, is on the way to another, or has left something there that is not gone yet.
    """
    row = {"server_id": server_id, "host": host, "node": host, "state": INCOMING}
    there = await tx.scalar(_host, {"server": server_id})
    try:
        if there is None or there == host:
            raise Conflict(f"Instance {server_id} cannot be moved to {host}.")
        await tx.insert(server_bindings, row)
    except Duplicate:
        raise Conflict(f"Instance {server_id} is being moved already.") from None


async def arrive(tx: Transaction, server_id: str, host: str, now: datetime) -> None:
    """The server is on this host from now on; the one that it was on still has to be tidied up.

    Raises:
        Conflict: it was not expected there.
    """
    before = await tx.scalar(_host, {"server": server_id})
    if before is None or not await tx.count(_forget_incoming, {"server": server_id, "at": host}):
        raise Conflict(f"Instance {server_id} is not on the way to {host}.")
    left = {"server_id": server_id, "host": before, "node": before, "state": LEAVING}
    await tx.insert(server_bindings, left)
    await tx.execute(
        servers.update().where(servers.c.id == server_id).values(host=host, updated_at=now)
    )


async def depart(tx: Transaction, server_id: str, now: datetime) -> None:
    """The server is on no host from now on; the one that it was on still has to be tidied up."""
    before = await tx.scalar(_host, {"server": server_id})
    if before is None:
        return
    left = {"server_id": server_id, "host": before, "node": before, "state": LEAVING}
    await tx.insert(server_bindings, left)
    await tx.execute(
        servers.update().where(servers.c.id == server_id).values(host=None, updated_at=now)
    )


async def go_back(tx: Transaction, server_id: str, host: str, now: datetime) -> None:
    """The server is again on a host that it had left and that still has it; the other one has to be tidied up."""
    await leave(tx, server_id, host)
    await depart(tx, server_id, now)
    await tx.execute(
        servers.update().where(servers.c.id == server_id).values(host=host, updated_at=now)
    )


async def leave(tx: Transaction, server_id: str, host: str) -> None:
    """Nothing of the server is on this host, which it has left or will not come to."""
    await tx.execute(_forget, {"server": server_id, "at": host})


async def forget(tx: Transaction, server_id: str) -> None:
    """The server is gone, from everywhere."""
    await tx.execute(_forget_all, {"server": server_id})


async def other_hosts(tx: Transaction, server_id: str) -> list[str]:
    """The hosts, beside its own, that may have something of a server."""
    return [str(one) for one in await tx.scalars(_of_server, {"server": server_id})]


async def servers_on_other_hosts(tx: Transaction) -> set[tuple[str, str]]:
    """Each server that moves or has moved, with such a host."""
    return {(row.server_id, row.host) for row in await tx.all(_all)}
