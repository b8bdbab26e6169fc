"""Server groups: servers that shall be on one host, or on different ones.

A server is in the group that its hint named, from its creation to its end. Who claims a host for a server of a group
holds the group meanwhile, so that two that come at the same moment see each other.

Source: Compute API reference, "Server groups (os-server-groups)"; administration guide, "Compute schedulers".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import new_uuid
from hanok.services.compute.logic import bindings
from hanok.services.compute.tables import (
    server_bindings,
    server_group_members,
    server_groups,
    servers,
)
from hanok.store import Transaction
from hanok.web.token import Caller

AFFINITY, ANTI_AFFINITY = "affinity", "anti-affinity"
SOFT_AFFINITY, SOFT_ANTI_AFFINITY = "soft-affinity", "soft-anti-affinity"
POLICIES = (AFFINITY, ANTI_AFFINITY, SOFT_AFFINITY, SOFT_ANTI_AFFINITY)
SOFT = (SOFT_AFFINITY, SOFT_ANTI_AFFINITY)
PER_HOST = "max_server_per_host"

_by_id = sa.select(server_groups).where(server_groups.c.id == bindparam("id"))
_members = (
    sa.select(server_group_members.c.group_id, server_group_members.c.server_id)
    .join(servers, servers.c.id == server_group_members.c.server_id)
    .where(
        server_group_members.c.group_id.in_(bindparam("ids", expanding=True)),
        servers.c.deleted.is_(False),
    )
    .order_by(servers.c.sequence)
)
_leave = server_group_members.delete().where(
    server_group_members.c.server_id == bindparam("server")
)
_group_of = (
    sa.select(server_groups)
    .join(server_group_members, server_group_members.c.group_id == server_groups.c.id)
    .where(server_group_members.c.server_id == bindparam("id"))
)
_of_group = sa.and_(
    server_group_members.c.group_id == bindparam("id"),
    server_group_members.c.server_id != bindparam("but"),
)
# A server that moves counts at both ends of its way.
_there = sa.union_all(
    sa.select(servers.c.host)
    .join(server_group_members, server_group_members.c.server_id == servers.c.id)
    .where(_of_group, servers.c.host.is_not(None), servers.c.deleted.is_(False)),
    sa.select(server_bindings.c.host)
    .join(server_group_members, server_group_members.c.server_id == server_bindings.c.server_id)
    .where(_of_group, server_bindings.c.state == bindings.INCOMING),
).subquery()
_hosts = sa.select(_there.c.host, sa.func.count().label("count")).group_by(_there.c.host)


class Placed(Struct, frozen=True, kw_only=True):
    """What a group says of where one of its servers goes.

    hosts: how many of its other servers each host has. per_host: how many a host may have, for "anti-affinity".
    """

    policy: str = ""
    per_host: int = 1
    hosts: Mapping[str, int] = {}

    @property
    def prefers(self) -> bool:
        return self.policy in SOFT and bool(self.hosts)

    def takes(self, host: str) -> bool:
        """Whether a host may take the server."""
        if self.policy == AFFINITY:
            return not self.hosts or host in self.hosts
        return self.policy != ANTI_AFFINITY or self.hosts.get(host, 0) < self.per_host

    def preference(self, host: str) -> int:
        """How much a host is preferred to others."""
        signs = {SOFT_AFFINITY: 1, SOFT_ANTI_AFFINITY: -1}
        return signs.get(self.policy, 0) * self.hosts.get(host, 0)


def missing(group_id: str) -> NotFound:
    return NotFound(f"Instance group {group_id} could not be found.")


def listed(project_id: str | None) -> sa.Select[Any]:
    """The groups of a project; None: all."""
    every = sa.select(server_groups)
    return every if project_id is None else every.where(server_groups.c.project_id == project_id)


async def page(
    tx: Transaction, project_id: str | None, limit: int, offset: int
) -> Sequence[Row[Any]]:
    """Groups in the order in which they were made."""
    statement = listed(project_id).order_by(server_groups.c.sequence)
    return await tx.all(statement.offset(offset).limit(limit))


async def get(tx: Transaction, caller: Caller, group_id: str) -> Row[Any]:
    """A group of the caller's project, or any for those who reach everywhere.

    Raises:
        NotFound
    """
    row = await tx.first(_by_id, {"id": group_id})
    if row is None or not (caller.everywhere or row.project_id == caller.project_id):
        raise missing(group_id)
    return row


async def members(tx: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    """The servers of these groups that are not deleted, by group."""
    found: dict[str, list[str]] = {}
    for row in await tx.all(_members, {"ids": list(ids)}) if ids else ():
        found.setdefault(row.group_id, []).append(row.server_id)
    return found


async def create(
    tx: Transaction, caller: Caller, name: str, policy: str, rules: Mapping[str, int], now: datetime
) -> Row[Any]:
    """A group of the caller's project, without servers.

    Raises:
        BadInput: there are rules that the policy has none of.
    """
    if rules and policy != ANTI_AFFINITY:
        raise BadInput("Only anti-affinity policy supports rules.")
    group_id = new_uuid()
    values = {
        "id": group_id,
        "project_id": caller.project_id,
        "user_id": caller.user_id,
        "name": name,
        "policy": policy,
        "rules": dict(rules),
        "created_at": now,
    }
    await tx.execute(server_groups.insert(), values)
    row = await tx.first(_by_id, {"id": group_id})
    assert row is not None
    return row


async def delete(tx: Transaction, group_id: str) -> None:
    """Its servers stay, and are in no group any more."""
    table = server_group_members
    await tx.execute(table.delete().where(table.c.group_id == group_id))
    await tx.execute(server_groups.delete().where(server_groups.c.id == group_id))


async def hinted(tx: Transaction, caller: Caller, hints: Mapping[str, Any]) -> str | None:
    """The group that a new server's hints name, if they name one.

    Raises:
        BadInput: there is no such group in the project, or several are named.
    """
    named = hints.get("group")
    if named is None:
        return None
    ids = list(dict.fromkeys(named)) if isinstance(named, list) else [str(named)]
    if len(ids) != 1:
        raise BadInput("Invalid input for field/attribute group. A server is in one server group.")
    try:
        row = await get(tx, caller, ids[0])
    except NotFound as error:
        raise BadInput(error.message) from error
    return str(row.id)


async def enter(tx: Transaction, group_id: str, server_id: str) -> None:
    row = {"group_id": group_id, "server_id": server_id}
    await tx.execute(server_group_members.insert(), row)


async def leave(tx: Transaction, server_id: str) -> None:
    """A server that is gone is in no group."""
    await tx.execute(_leave, {"server": server_id})


async def group_of(tx: Transaction, server_id: str) -> str | None:
    row = await tx.first(_group_of, {"id": server_id})
    return None if row is None else str(row.id)


async def hold(tx: Transaction, server_id: str) -> None:
    """No other server of this one's group gets a host until the transaction ends."""
    group_id = await group_of(tx, server_id)
    if group_id is not None:
        await tx.serialize("compute.server_group", group_id)


async def placed(tx: Transaction, server_id: str) -> Placed:
    """What its group says of where a server goes."""
    row = await tx.first(_group_of, {"id": server_id})
    if row is None:
        return Placed()
    found = await tx.all(_hosts, {"id": row.id, "but": server_id})
    hosts = {one.host: int(one._mapping["count"]) for one in found}
    return Placed(policy=row.policy, per_host=int(row.rules.get(PER_HOST, 1)), hosts=hosts)
