"""Security services: where the share servers of a share network find accounts.

Source: Shared File Systems API reference, "Security services".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Forbidden
from hanok.base.ids import new_uuid
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import (
    security_services as table,
)
from hanok.services.shared_file_system.tables import (
    share_instances,
    share_network_services,
    share_network_subnets,
    share_server_subnets,
)
from hanok.store import Transaction, still_there
from hanok.web.owned import Owned, missing
from hanok.web.token import Caller

TYPES = ("active_directory", "ldap", "kerberos")
FREE = ("name", "description")  # what can be changed while a share server uses it
MAXIMUM = 500  # of a project

_owned = Owned(table, missing("Security service"))
WHOLE, of, get_any, get = _owned.whole, _owned.of, _owned.get_any, _owned.get
change, gone = _owned.change, _owned.gone

_uses = sa.select(
    share_network_services.c.security_service_id, share_network_services.c.share_network_id
).where(share_network_services.c.security_service_id.in_(bindparam("ids", expanding=True)))
_many = (
    sa.select(sa.func.count()).select_from(table).where(table.c.project_id == bindparam("project"))
)
_served = (
    sa.select(share_server_subnets.c.share_server_id)
    .join(share_network_subnets, share_network_subnets.c.id == share_server_subnets.c.subnet_id)
    .join(
        share_network_services,
        share_network_services.c.share_network_id == share_network_subnets.c.share_network_id,
    )
    .where(share_network_services.c.security_service_id == bindparam("id"))
    .limit(1)
)

_waited_for = (
    sa.select(share_instances.c.id)
    .join(
        share_network_services,
        share_network_services.c.share_network_id == share_instances.c.share_network_id,
    )
    .where(share_network_services.c.security_service_id == bindparam("id"))
    .limit(1)
)


def of_network(statement: sa.Select[Any], share_network_id: str) -> sa.Select[Any]:
    """Those of a statement's services that are a share network's."""
    link = share_network_services
    mine = sa.select(link.c.security_service_id).where(link.c.share_network_id == share_network_id)
    return statement.where(table.c.id.in_(mine))


def none(statement: sa.Select[Any]) -> sa.Select[Any]:
    """No service at all."""
    return statement.where(sa.false())


async def networks_of(tx: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    """The share networks that use services, by the service's id."""
    found: dict[str, list[str]] = {one: [] for one in ids}
    for row in await tx.all(_uses, {"ids": list(ids)}):
        found[row.security_service_id].append(row.share_network_id)
    return found


async def create(
    tx: Transaction, room: Shares, caller: Caller, values: Mapping[str, Any]
) -> Row[Any]:
    """Raises BadInput: no such type; both a server and a site; the project has too many."""
    _check(values)
    await tx.serialize("security services", caller.own_project)
    there = await tx.scalar(_many, {"project": caller.own_project})
    if int(there or 0) >= MAXIMUM:
        raise BadInput(f"A project has at most {MAXIMUM} security services.")
    row = {
        "id": new_uuid(),
        "project_id": caller.own_project,
        "user_id": caller.user_id,
        "created_at": room.clock.now(),
        **_kept(room, values),
    }
    await tx.insert(table, row)
    return still_there(await get_any(tx, row["id"]))


async def update(
    tx: Transaction, room: Shares, row: Row[Any], values: Mapping[str, Any]
) -> Row[Any]:
    """Raises BadInput as `create`; Forbidden: a share server uses it; networks have its type."""
    if any(name not in FREE for name in values) and await _is_used(tx, row.id):
        raise Forbidden(
            f"Cannot update security service {row.id}. It is attached to share network with share server associated. "
            "Only 'name' and 'description' fields are available for update."
        )
    if values.get("type", row.type) != row.type and (await networks_of(tx, [row.id]))[row.id]:
        raise Forbidden(
            f"Cannot change the type of security service {row.id}. It is attached to share networks."
        )
    both = {one: getattr(row, one) for one in ("type", "server", "default_ad_site")}
    _check({**both, **values})
    await change(tx, row.id, _kept(room, values), room.clock.now())
    return still_there(await get_any(tx, row.id))


async def _is_used(tx: Transaction, service_id: str) -> bool:
    """Whether a share server is there with it, or a share for which none could be set up."""
    for statement in (_served, _waited_for):
        if await tx.first(statement, {"id": service_id}) is not None:
            return True
    return False


def _check(values: Mapping[str, Any]) -> None:
    if values["type"] not in TYPES:
        raise BadInput(
            f"Invalid type {str(values['type'])[:100]} specified for security service. Valid types are "
            f"{','.join(TYPES)}"
        )
    site, directory = values.get("default_ad_site"), values["type"] == "active_directory"
    if directory and site and values.get("server"):
        raise BadInput(
            "Both server and 'default_ad_site' were provided. Specify either server or 'default_ad_site'."
        )


def _kept(room: Shares, values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of what was sent."""
    kept = {name: value for name, value in values.items() if name not in ("user", "password")}
    if "user" in values:
        kept["account"] = values["user"]
    if "password" in values:
        text = values["password"]
        kept["sealed_password"] = None if text is None else room.secrets.seal(text.encode())
    return kept


def password(room: Shares, row: Row[Any]) -> str | None:
    """As it was sent; None: there is none."""
    opened = None if row.sealed_password is None else room.secrets.open(row.sealed_password)
    return None if opened is None else opened.decode()


async def delete(tx: Transaction, row: Row[Any]) -> None:
    """Raises Forbidden while a share network uses it."""
    if (await networks_of(tx, [row.id]))[row.id]:
        raise Forbidden("Cannot delete security service. It is assigned to share network(s)")
    await gone(tx, row.id)
