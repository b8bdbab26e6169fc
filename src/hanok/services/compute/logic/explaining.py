"""The record of why a server is where it is, or nowhere: written when it is decided, told any time later.

A record is at most some kilobytes: of many hosts the first are named, and all are counted. Of a server the last five
are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from hanok.base.clock import zulu
from hanok.base.errors import Conflict, NotFound
from hanok.services.compute.logic.weighing import Candidate
from hanok.services.compute.tables import scheduling_records, servers
from hanok.store import Transaction

NAMED = 20  # hosts of one reason, and hosts that were weighed
KEPT = 5  # records of one server

_table = scheduling_records
_of_server = (
    sa.select(_table).where(_table.c.server_id == bindparam("id")).order_by(_table.c.at.desc())
)
_by_operation = sa.select(_table.c.at).where(
    _table.c.server_id == bindparam("id"), _table.c.operation_id == bindparam("operation")
)
_forget = _table.delete().where(
    _table.c.server_id == bindparam("server"), _table.c.operation_id == bindparam("operation")
)
_named = (
    sa.select(servers.c.id, servers.c.name, servers.c.host, servers.c.deleted, servers.c.vm_state)
    .where(sa.or_(servers.c.id == bindparam("which"), servers.c.name == bindparam("which")))
    .order_by(servers.c.deleted, servers.c.sequence.desc())
    .limit(2)
)


class Reason(Struct, frozen=True):
    """Why some hosts do not take a server: what is said of them together, and their names."""

    what: str
    hosts: Sequence[str] = ()


class Verdict(Struct, frozen=True):
    """Why no host takes a server. among: "3 hosts"."""

    among: str
    reasons: Sequence[Reason] = ()

    @property
    def text(self) -> str:
        """In the user's terms: numbers, and no names."""
        return "; ".join([self.among, *(one.what for one in self.reasons if one.what)]) + "."


def placed(host: str, weighed: Sequence[Candidate], lost: Sequence[str]) -> dict[str, Any]:
    """What is kept of a server that got a host.

    Args:
        lost: hosts before it that others were faster at, or that changed meanwhile.
    """
    return {
        "host": host,
        "left": len(weighed),
        "lost": list(lost[:NAMED]),
        "hosts": [
            {"host": one.host, "weight": round(one.weight, 6), "weights": one.weights}
            | ({"preference": one.preference} if one.preference else {})
            for one in weighed[:NAMED]
        ],
    }


def refused(verdict: Verdict) -> dict[str, Any]:
    """What is kept of a server that no host takes."""
    return {
        "host": None,
        "among": verdict.among,
        "reasons": [
            {"what": one.what, "count": len(one.hosts), "hosts": list(one.hosts[:NAMED])}
            for one in verdict.reasons
            if one.what
        ],
    }


async def note(
    tx: Transaction, server_id: str, operation_id: str, record: dict[str, Any], now: datetime
) -> None:
    """Keep a record; one of the same operation is replaced, and the oldest of many go."""
    await tx.execute(_forget, {"server": server_id, "operation": operation_id})
    values = {"server_id": server_id, "operation_id": operation_id, "at": now, "record": record}
    await tx.insert(_table, values)


async def bound(tx: Transaction, server_id: str) -> None:
    """Forget all but the last records of a server."""
    rows = await tx.all(_of_server, {"id": server_id})
    for row in rows[KEPT:]:
        await tx.execute(_forget, {"server": server_id, "operation": row.operation_id})


async def is_noted(tx: Transaction, server_id: str, operation_id: str) -> bool:
    values = {"id": server_id, "operation": operation_id}
    return await tx.first(_by_operation, values) is not None


async def look(tx: Transaction, which: str) -> tuple[str, str, str] | None:
    """Id, name and state of a server that is there, by id or name.

    Raises:
        Conflict: several have this name.
    """
    found = [row for row in await tx.all(_named, {"which": which}) if not row.deleted]
    if len(found) > 1:
        raise Conflict(f"More than one server exists with the name {which[:255]}.")
    return (found[0].id, found[0].name, found[0].vm_state) if found else None


async def told(tx: Transaction, which: str) -> dict[str, Any]:
    """The records of a server, by id or name, the newest first; of a name that several have, the newest server's.

    Raises:
        NotFound
    """
    found = await tx.all(_named, {"which": which})
    if not found:
        raise NotFound(f"Instance {which[:255]} could not be found.")
    server = found[0]
    rows = await tx.all(_of_server, {"id": server.id})
    return {
        "id": server.id,
        "name": server.name,
        "host": server.host,
        "deleted": bool(server.deleted),
        "several": len(found) > 1 and not found[1].deleted,
        "records": [{"at": zulu(row.at), **row.record} for row in rows],
    }
