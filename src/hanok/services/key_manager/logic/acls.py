"""Who may read a secret or a container: users by name, whatever project they are in, and its project, or not.

Source: Key Manager API v1 reference, "ACLs".
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput
from hanok.services.key_manager.logic import common
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.schemas import ACL
from hanok.services.key_manager.tables import readers
from hanok.store import Transaction

_clear = readers.delete().where(readers.c.owner_id == bindparam("of"))


async def shown(tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    if row.acl_created_at is None:
        return {"read": {"project-access": True}}
    return {
        "read": {
            "project-access": row.project_access,
            "users": await common.users_of(tx, row.id),
            "created": common.text(row.acl_created_at),
            "updated": common.text(row.acl_updated_at),
        }
    }


async def replace(
    tx: Transaction, room: KeyManager, table: sa.Table, row: Row[Any], body: ACL
) -> None:
    """PUT: what is not said is as usual; without "read", all of it. Raises BadInput."""
    if body.read is UNSET:
        await reset(tx, table, row)
        return
    users = [] if body.read.users is UNSET else body.read.users
    open_ = True if body.read.project_access is UNSET else body.read.project_access
    await _write(tx, room, table, row, users, open_)


async def update(
    tx: Transaction, room: KeyManager, table: sa.Table, row: Row[Any], body: ACL
) -> bool:
    """PATCH: what is not said stays. Returns whether anything was said. Raises BadInput."""
    if body.read is UNSET:
        return False
    users = await common.users_of(tx, row.id) if body.read.users is UNSET else body.read.users
    open_ = row.project_access if body.read.project_access is UNSET else body.read.project_access
    await _write(tx, room, table, row, users, open_)
    return True


async def _write(
    tx: Transaction, room: KeyManager, table: sa.Table, row: Row[Any], users: list[str], open_: bool
) -> None:
    users = list(dict.fromkeys(users))
    if len(users) > room.settings.readers_each:
        raise BadInput(f"An ACL has at most {room.settings.readers_each} users.")
    await tx.execute(_clear, {"of": row.id})
    if users:
        await tx.insert(readers, [{"owner_id": row.id, "user_id": one} for one in users])
    now = room.clock.now()
    values = {
        "project_access": open_,
        "acl_created_at": row.acl_created_at or now,
        "acl_updated_at": now,
    }
    await tx.execute(table.update().where(table.c.id == row.id).values(**values))


async def reset(tx: Transaction, table: sa.Table, row: Row[Any]) -> None:
    """The project may read it, and nobody else."""
    await tx.execute(_clear, {"of": row.id})
    values = {"project_access": True, "acl_created_at": None, "acl_updated_at": None}
    await tx.execute(table.update().where(table.c.id == row.id).values(**values))
