"""Address scopes: where addresses mean one thing, so that nothing is translated between them.

What they do to packets stands in the plans of routers (`specs.py`): no source NAT towards a network of the same scope,
and no way between networks of different ones.

Source: Networking API v2.0 reference, "Address scopes".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.base.ids import new_uuid
from hanok.services.network.logic import sharing
from hanok.services.network.logic.errors import conflict
from hanok.services.network.logic.reach import Reach, project_of
from hanok.services.network.room import Network
from hanok.services.network.tables import address_scopes, subnet_pools
from hanok.store import Transaction

_pools = sa.select(subnet_pools.c.id).where(subnet_pools.c.address_scope_id == bindparam("scope"))


async def show(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": row.id,
            "project_id": row.project_id,
            "tenant_id": row.project_id,
            "name": row.name,
            "ip_version": row.ip_version,
        }
        for row in rows
    ]


async def create(tx: Transaction, room: Network, reach: Reach, values: Mapping[str, Any]) -> str:
    row = {
        "id": new_uuid(),
        "project_id": project_of(values, reach),
        "name": values["name"],
        "ip_version": values["ip_version"],
    }
    await tx.insert(address_scopes, row)
    if values["shared"]:
        await sharing.open_to_all(tx, str(row["project_id"]), "address_scope", str(row["id"]))
    return str(row["id"])


async def update(
    tx: Transaction, room: Network, reach: Reach, row: Row[Any], values: Mapping[str, Any]
) -> None:
    """Rename a scope, or open it to all projects.

    Raises:
        BadInput: it is not closed again this way, but by its policy.
    """
    shared = row.id in await sharing.shared(tx, reach, "address_scope", [row.id])
    if shared and values.get("shared") is False:
        raise BadInput(
            f"Unable to update address scope {row.id} : Shared address scope can't be unshared.",
            code="AddressScopeUpdateError",
        )
    if values.get("shared"):
        await sharing.open_to_all(tx, row.project_id, "address_scope", row.id)
    if "name" in values:
        named = address_scopes.update().where(address_scopes.c.id == row.id)
        await tx.execute(named.values(name=values["name"]))


async def delete(tx: Transaction, room: Network, reach: Reach, row: Row[Any]) -> None:
    """Remove a scope.

    Raises:
        Conflict: subnet pools are in it.
    """
    await tx.serialize("network.scope", row.id)
    if await tx.first(_pools, {"scope": row.id}) is not None:
        raise conflict(
            "AddressScopeInUse",
            f"Unable to complete operation on address scope {row.id}. "
            "There are one or more subnet pools in use on the address scope",
        )
    await sharing.forget(tx, row.id)
    await tx.execute(address_scopes.delete().where(address_scopes.c.id == row.id))
