"""Whose rows a caller reaches, and what all resources have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.clock import zulu
from hanok.base.errors import BadInput
from hanok.base.ids import new_uuid
from hanok.services.network.logic.errors import not_found
from hanok.services.network.tables import (
    address_groups,
    address_scopes,
    floating_ips,
    networks,
    port_forwardings,
    port_rows,
    ports,
    qos_policies,
    rbac_policies,
    routers,
    security_groups,
    segment_ranges,
    segment_rows,
    segments,
    subnet_pools,
    subnets,
    tags,
    trunks,
)
from hanok.store import Transaction
from hanok.store.kept import KEPT, held


class Reach(Struct, frozen=True):
    """everything: an administrator or a service; others reach their project's rows, and what is shared.

    user_id: who it is. dns_domain: the cloud's, which views of ports show.
    """

    project_id: str | None
    everything: bool = False
    user_id: str = ""
    dns_domain: str = ""


Where = sa.ColumnElement[bool]


def own(reach: Reach, table: sa.FromClause) -> Where:
    """The project's own rows."""
    if reach.everything:
        return sa.true()
    if not reach.project_id:
        return sa.false()
    return table.c.project_id == reach.project_id


EVERYBODY = "*"  # the target of a policy that opens an object to all projects
SHARED, EXTERNAL = "access_as_shared", "access_as_external"


def opened(reach: Reach, object_type: str, *actions: str) -> sa.Select[Any]:
    """The ids of the objects of a type that policies open to the caller's project, as these."""
    targets = [EVERYBODY, reach.project_id] if reach.project_id else [EVERYBODY]
    return sa.select(rbac_policies.c.object_id).where(
        rbac_policies.c.object_type == object_type,
        rbac_policies.c.target_project.in_(targets),
        rbac_policies.c.action.in_(actions),
    )


def own_or_open(reach: Reach, kind: str, *actions: str) -> Where:
    """The project's own rows, and those that are opened to it."""
    if reach.everything:
        return sa.true()
    table = TABLES[kind]
    return sa.or_(own(reach, table), table.c.id.in_(opened(reach, kind, *actions)))


def visible_networks(reach: Reach) -> Where:
    return own_or_open(reach, "network", SHARED, EXTERNAL)


def _of_networks(where: Where) -> sa.Select[Any]:
    return sa.select(networks.c.id).where(where)


def visible_subnets(reach: Reach) -> Where:
    """Own subnets, those of own networks and of shared ones; of external networks too, as the rules have it."""
    if reach.everything:
        return sa.true()
    return sa.or_(
        own(reach, subnets), subnets.c.network_id.in_(_of_networks(visible_networks(reach)))
    )


def visible_ports(reach: Reach) -> Where:
    """Own ports, and every port on an own network."""
    if reach.everything:
        return sa.true()
    return sa.or_(
        own(reach, port_rows), port_rows.c.network_id.in_(_of_networks(own(reach, networks)))
    )


TABLES: dict[str, sa.FromClause] = {
    "network": networks,
    "subnet": subnets,
    "port": port_rows,
    "router": routers,
    "floatingip": floating_ips,
    "security_group": security_groups,
    "address_scope": address_scopes,
    "subnetpool": subnet_pools,
    "address_group": address_groups,
    "qos_policy": qos_policies,
    "policy": qos_policies,
    "trunk": trunks,
    "rbac_policy": rbac_policies,
    "port_forwarding": port_forwardings,
    "network_segment_range": segment_ranges,
    "segment": segment_rows,
}


OPENED = ("qos_policy", "security_group", "address_scope", "subnetpool", "address_group")
"""Kinds of which others see what policies open to them; networks and what is on them have more to it."""

# Where a kind's own columns are written.
STORED: dict[str, sa.Table] = {
    "network": networks,
    "subnet": subnets,
    "port": ports,
    "router": routers,
    "floatingip": floating_ips,
    "security_group": security_groups,
    "address_scope": address_scopes,
    "subnetpool": subnet_pools,
    "address_group": address_groups,
    "qos_policy": qos_policies,
    "policy": qos_policies,
    "trunk": trunks,
    "rbac_policy": rbac_policies,
    "port_forwarding": port_forwardings,
    "network_segment_range": segment_ranges,
    "segment": segments,
}


def visible(kind: str, reach: Reach) -> Where:
    """The rows of a kind that a caller reaches."""
    return _visible(kind, reach.project_id, reach.everything)


@lru_cache(maxsize=KEPT)
def _visible(kind: str, project_id: str | None, everything: bool) -> Where:
    reach = Reach(project_id=project_id, everything=everything)
    if kind == "network":
        return visible_networks(reach)
    if kind == "subnet":
        return visible_subnets(reach)
    if kind == "port":
        return visible_ports(reach)
    if kind in OPENED:
        return own_or_open(reach, kind, SHARED)
    return own(reach, TABLES[kind])


async def get(tx: Transaction, reach: Reach, kind: str, requested: str) -> Row[Any]:
    """A row the caller reaches.

    Raises:
        NotFound: there is none, or it is not this caller's.
    """
    statement = held(_any[kind], visible(kind, reach))
    row = await tx.first(statement, {"requested": requested})
    if row is None:
        raise not_found(kind, requested)
    return row


_any = {
    kind: sa.select(table).where(table.c.id == bindparam("requested"))
    for kind, table in TABLES.items()
}


async def get_any(tx: Transaction, kind: str, requested: str) -> Row[Any]:
    """A row whoever it belongs to: for the house's own use, after somebody's right was looked at.

    Raises:
        NotFound
    """
    row = await tx.first(_any[kind], {"requested": requested})
    if row is None:
        raise not_found(kind, requested)
    return row


def standard(values: Mapping[str, Any], project_id: str, now: datetime) -> dict[str, Any]:
    """The columns that every new row has."""
    return {
        "id": new_uuid(),
        "project_id": project_id,
        "name": values.get("name", ""),
        "description": values.get("description", ""),
        "revision_number": 1,
        "created_at": now,
        "updated_at": now,
    }


async def change(
    tx: Transaction, table: sa.Table, resource_id: str, now: datetime, values: Mapping[str, Any]
) -> None:
    """Set columns and count the revision."""
    await tx.execute(
        table.update()
        .where(table.c.id == resource_id)
        .values(**values, revision_number=table.c.revision_number + 1, updated_at=now)
    )


def project_of(values: Mapping[str, Any], reach: Reach) -> str:
    """Whose a new resource will be.

    Raises:
        BadInput: another project's, and the caller is no administrator; or nobody's.
    """
    requested = values.get("project_id")
    if not isinstance(requested, str) or not requested:
        if not reach.project_id:
            raise BadInput(
                "Running without keystone AuthN requires that tenant_id is specified",
            )
        return reach.project_id
    if requested != reach.project_id and not reach.everything:
        raise BadInput(
            "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request "
            "requires admin privileges"
        )
    return requested


_tags = (
    sa.select(tags.c.resource_id, tags.c.tag)
    .where(tags.c.resource_id.in_(bindparam("ids", expanding=True)))
    .order_by(tags.c.tag)
)
_untag = tags.delete().where(tags.c.resource_id == bindparam("resource"))


async def tags_of(tx: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {one: [] for one in ids}
    for row in await tx.all(_tags, {"ids": list(ids)}):
        found[row.resource_id].append(row.tag)
    return found


async def set_tags(tx: Transaction, resource_id: str, requested: Iterable[str]) -> None:
    """The resource has exactly these tags."""
    await tx.execute(_untag, {"resource": resource_id})
    rows = [{"resource_id": resource_id, "tag": tag} for tag in dict.fromkeys(requested)]
    if rows:
        await tx.insert(tags, rows)


def shown(row: Row[Any], row_tags: Sequence[str] | None = None) -> dict[str, Any]:
    """The attributes that every resource shows."""
    found: dict[str, Any] = {
        "id": row.id,
        "project_id": row.project_id,
        "tenant_id": row.project_id,
        "name": row.name,
        "description": row.description,
        "revision_number": row.revision_number,
        "created_at": zulu(row.created_at),
        "updated_at": zulu(row.updated_at),
    }
    if row_tags is not None:
        found["tags"] = list(row_tags)
    return found
