"""Whether OVN holds what the tables say: for those who wait, and for those who look."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.errors import StepFailed, Unavailable
from hanok.drivers.ovn.errors import OVNError
from hanok.drivers.ovn.rows import Row, name_of
from hanok.drivers.ovn.topology import CannotExpress
from hanok.services.network.logic import specs
from hanok.services.network.logic.scopes import network_scope, port_scope, security_group_scope
from hanok.services.network.room import Network
from hanok.services.network.tables import port_security_groups, ports, scopes
from hanok.store import Transaction

log = logging.getLogger(__name__)

LOOK_S = 1.0  # another control process may be the one that writes
PATIENCE_S = 2.0  # what the tables say is in the engine long before, unless something is wrong
HOSTS_S = 3.0  # a dead host never answers; what is bound elsewhere need not wait for it

_of_server = sa.select(ports.c.id, ports.c.network_id).where(
    ports.c.server_id == bindparam("server")
)
_their_groups = sa.select(port_security_groups.c.security_group_id).where(
    port_security_groups.c.port_id.in_(bindparam("ids", expanding=True))
)
_behind = sa.select(scopes.c.scope, scopes.c.problem).where(
    scopes.c.scope.in_(bindparam("names", expanding=True)), scopes.c.applied < scopes.c.wanted
)
_all = sa.select(scopes).order_by(scopes.c.scope)


async def wait_applied(room: Network, server_id: str, *, timeout_s: float) -> None:
    """Wait until OVN's database has a server's ports, their groups and networks; then a little for the hosts.

    Raises:
        Unavailable
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while True:
        beat = room.rounds.next()
        async with room.database.read() as tx:
            rows = await tx.all(_of_server, {"server": server_id})
            behind = await _behind_of(tx, rows)
        if not behind:
            break
        left = deadline - loop.time()
        if left <= 0:
            problems = "; ".join(row.problem for row in behind if row.problem)
            raise Unavailable(
                "The network engine does not know the server's ports yet.",
                detail=f"{', '.join(row.scope for row in behind)} {problems}",
            )
        room.wake()
        try:
            async with asyncio.timeout(min(left, LOOK_S)):
                await beat.wait()
        except TimeoutError:
            pass
    if rows:
        left = min(HOSTS_S, deadline - loop.time())
        try:
            everywhere = left <= 0 or await room.northbound.wait_applied(left)
        except OVNError as error:  # the rows are there; the connection was lost since
            log.info("cannot ask the hosts about server %s: %s", server_id, error.message)
            return
        if not everywhere:
            log.info("not every host has taken over the ports of server %s yet", server_id)


async def wait_scope(room: Network, scope: str, *, timeout_s: float) -> None:
    """Wait until OVN's database holds a scope as the tables say; then a little for the hosts.

    Raises:
        Unavailable: it does not within timeout_s seconds. StepFailed: it cannot.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while True:
        beat = room.rounds.next()
        async with room.database.read() as tx:
            behind = await tx.all(_behind, {"names": [scope]})
        if not behind:
            break
        if behind[0].problem:
            raise StepFailed(behind[0].problem)
        left = deadline - loop.time()
        if left <= 0:
            raise Unavailable("OVN does not have it yet.", detail=scope)
        room.wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(left, LOOK_S)):
                await beat.wait()
    try:
        await room.northbound.wait_applied(HOSTS_S)
    except OVNError as error:  # the rows are there; the connection was lost since
        log.info("cannot ask the hosts about %s: %s", scope, error.message)


async def _behind_of(tx: Transaction, rows: Sequence[sa.Row[Any]]) -> Sequence[sa.Row[Any]]:
    """The scopes of ports, with their groups and networks, that the engine does not hold yet."""
    names = {port_scope(row.id) for row in rows}
    names |= {network_scope(row.network_id) for row in rows}
    groups = await tx.scalars(_their_groups, {"ids": [row.id for row in rows]})
    names |= {security_group_scope(one) for one in groups}
    return await tx.all(_behind, {"names": sorted(names)})


async def differences(tx: Transaction, room: Network) -> list[str]:
    """A line for each scope that OVN holds otherwise than the tables say.

    Raises:
        Unavailable: OVN's database does not answer.
    """
    try:
        return await _compared(tx, room)
    except OVNError as error:
        raise Unavailable(
            "The network engine does not answer.", detail=f"{error.message} {error.detail}"
        ) from error


async def lasting_differences(room: Network) -> list[str]:
    """The differences that are there at every look for a while: what is on its way is none.

    Raises:
        Unavailable: OVN's database does not answer.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    found: list[str] | None = None
    while True:
        beat = room.rounds.next()
        async with room.database.read() as tx:
            there = await differences(tx, room)
        found = there if found is None else [one for one in found if one in there]
        left = deadline - loop.time()
        if not found or left <= 0:
            return found
        room.wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                await beat.wait()


async def _compared(tx: Transaction, room: Network) -> list[str]:
    known = await tx.all(_all)
    requested = await specs.rows_of(tx, room, [row.scope for row in known])
    held = await room.northbound.scopes()
    found = [
        f"{scope}: in OVN, but not in the database"
        for scope in sorted(set(held) - {row.scope for row in known})
    ]
    for row in known:
        rows = requested.get(row.scope)
        if isinstance(rows, CannotExpress):
            found.append(f"{row.scope}: cannot be written: {rows.message}")
        elif row.applied < row.wanted:
            found.append(f"{row.scope}: not written yet {row.problem or ''}".rstrip())
        else:
            there = await room.northbound.dump(row.scope)
            if (what := _unlike(rows or [], there)) is not None:
                found.append(f"{row.scope}: {what}")
    return found


def _unlike(requested: list[Row], held: list[Row]) -> str | None:
    def keyed(rows: list[Row]) -> dict[Any, Row]:
        return {(type(row).__name__, name_of(row)): row for row in rows}

    ours, theirs = keyed(requested), keyed(held)
    if lost := set(ours) - set(theirs):
        return f"lacks {', '.join(sorted(' '.join(one) for one in lost))}"
    if extra := set(theirs) - set(ours):
        return f"has {', '.join(sorted(' '.join(one) for one in extra))} too many"
    odd = [key for key in ours if ours[key] != theirs[key]]
    return f"differs in {', '.join(sorted(' '.join(one) for one in odd))}" if odd else None
