"""Packet logs: what security groups let through or drop, written into the log of the host where it happens.

A log is about a group, about a port (in all of its groups), about a port in one group, or about all groups of its
project. It ends with the group and with the port that it is about.

Source: Networking API v2.0 reference, "Logging Resource".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound
from hanok.drivers.ovn.topology import LogSpec
from hanok.services.network.logic.errors import conflict
from hanok.services.network.logic.reach import (
    Reach,
    change,
    get,
    own,
    project_of,
    shown,
    standard,
)
from hanok.services.network.logic.scopes import security_group_scope, touch_all
from hanok.services.network.room import Network
from hanok.services.network.tables import logs, port_security_groups, security_groups
from hanok.store import Transaction

TYPES = ("security_group",)
MAXIMUM_LOGS = 50  # of a project: each is looked at whenever one of its groups is written

_drop_of_port = logs.delete().where(logs.c.target_id == bindparam("port"))
_drop_of_group = logs.delete().where(logs.c.resource_id == bindparam("group"))
_groups_of_port = sa.select(port_security_groups.c.security_group_id).where(
    port_security_groups.c.port_id == bindparam("port")
)
_groups_of_project = sa.select(security_groups.c.id).where(
    security_groups.c.project_id == bindparam("project")
)
_count = (
    sa.select(sa.func.count()).select_from(logs).where(logs.c.project_id == bindparam("project"))
)
_of_port = sa.select(logs.c.id).where(logs.c.target_id == bindparam("port")).limit(1)
_member = (
    sa.select(port_security_groups.c.port_id)
    .where(
        port_security_groups.c.port_id == logs.c.target_id,
        port_security_groups.c.security_group_id == security_groups.c.id,
    )
    .correlate(logs, security_groups)
    .exists()
)
# Which logs are about which groups: one that names neither is about its project's, one of a port about those it is in.
_of_groups = (
    sa.select(security_groups.c.id.label("group"), logs.c.id, logs.c.event, logs.c.target_id)
    .select_from(security_groups)
    .join(
        logs,
        sa.or_(
            logs.c.resource_id == security_groups.c.id,
            sa.and_(
                logs.c.resource_id.is_(None),
                logs.c.target_id.is_(None),
                logs.c.project_id == security_groups.c.project_id,
            ),
            sa.and_(logs.c.resource_id.is_(None), _member),
        ),
    )
    .where(
        logs.c.enabled.is_(True),
        security_groups.c.id.in_(bindparam("ids", expanding=True)),
    )
    .order_by(logs.c.id)
)


async def specs_of(tx: Transaction, ids: Sequence[str]) -> dict[str, tuple[LogSpec, ...]]:
    """What is logged of groups, as OVN's driver takes it."""
    found: dict[str, list[LogSpec]] = {}
    for row in await tx.all(_of_groups, {"ids": list(ids)}):
        spec = LogSpec(id=row.id, event=row.event, port_id=row.target_id or "")
        found.setdefault(row.group, []).append(spec)
    return {group: tuple(theirs) for group, theirs in found.items()}


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    names = ("resource_type", "resource_id", "target_id", "event", "enabled")
    return [{**shown(row), **{name: row._mapping[name] for name in names}} for row in rows]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    """Begin to log.

    Raises:
        BadInput: a port that is not in the group. NotFound: no such group or port of the project. Conflict: enough.
    """
    project_id = project_of(values, reach)
    await tx.serialize("network.logs", project_id)
    if int(await tx.scalar(_count, {"project": project_id}) or 0) >= MAXIMUM_LOGS:
        raise conflict("OverQuota", f"A project has at most {MAXIMUM_LOGS} logs.")
    group, port = values["resource_id"], values["target_id"]
    if group is not None:
        await _owned(tx, reach, "security_group", group, project_id)
        await tx.serialize("network.group", group)
    if port is not None:
        await _owned(tx, reach, "port", port, project_id)
        if group is not None and group not in await tx.scalars(_groups_of_port, {"port": port}):
            raise BadInput(
                f"Invalid resource constraint: port {port} is not in security group {group}.",
                code="InvalidResourceConstraint",
            )
    names = ("resource_type", "resource_id", "target_id", "event", "enabled")
    row = {
        **standard(values, project_id, room.clock.now()),
        **{name: values[name] for name in names},
    }
    await tx.insert(logs, row)
    await _touch(tx, room, group, port, project_id)
    return str(row["id"])


async def _owned(tx: Transaction, reach: Reach, kind: str, requested: str, project_id: str) -> None:
    try:
        row = await get(tx, reach, kind, requested)
    except NotFound:
        row = None
    if row is not None and (row.project_id == project_id or reach.everything):
        return
    if kind == "port":
        text, code = f"Target resource {requested} could not be found", "TargetResourceNotFound"
        raise NotFound(text, code=code)
    raise NotFound(f"Resource {requested} could not be found", code="ResourceNotFound")


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    await change(tx, logs, row.id, room.clock.now(), values)
    await _touch(tx, room, row.resource_id, row.target_id, row.project_id)


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    await tx.execute(logs.delete().where(logs.c.id == row.id))
    await _touch(tx, room, row.resource_id, row.target_id, row.project_id)


async def _touch(
    tx: Transaction, room: Network, group: str | None, port: str | None, project_id: str
) -> None:
    """The groups that a log is about are written anew."""
    found: Sequence[Any]
    if group is not None:
        found = [group]
    elif port is not None:
        found = await tx.scalars(_groups_of_port, {"port": port})
    else:
        found = await tx.scalars(_groups_of_project, {"project": project_id})
    await touch_all(tx, room, map(security_group_scope, found))


async def port_moves(tx: Transaction, room: Network, port_id: str) -> None:
    """A port joins groups or leaves them: asked before and after, where it is logged."""
    if await tx.first(_of_port, {"port": port_id}) is not None:
        await _touch(tx, room, None, port_id, "")


async def port_gone(tx: Transaction, room: Network, port_id: str) -> None:
    """The logs of a port end with it; asked while it still is in its groups."""
    await port_moves(tx, room, port_id)
    await tx.execute(_drop_of_port, {"port": port_id})


async def group_gone(tx: Transaction, group_id: str) -> None:
    """The logs of a group end with it."""
    await tx.execute(_drop_of_group, {"group": group_id})


def visible(reach: Reach) -> sa.ColumnElement[bool]:
    return own(reach, logs)
