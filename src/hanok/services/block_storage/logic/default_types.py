"""What volumes of a project get whose request names no type.

Source: Block Storage API reference, "Default Volume Types (default-types)".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound
from hanok.services.block_storage.logic import types
from hanok.services.block_storage.tables import volume_default_types as table
from hanok.store import Transaction, still_there
from hanok.web.token import Caller

_all = sa.select(table).order_by(table.c.project_id)
_of_project = sa.select(table).where(table.c.project_id == bindparam("project"))


async def everything(tx: Transaction) -> Sequence[Row[Any]]:
    return await tx.all(_all)


async def find(tx: Transaction, project_id: str) -> Row[Any] | None:
    return await tx.first(_of_project, {"project": project_id})


async def get(tx: Transaction, project_id: str) -> Row[Any]:
    """Raises NotFound."""
    row = await find(tx, project_id)
    if row is None:
        raise NotFound(f"Default type for project {project_id[:64]} not found.")
    return row


async def put(tx: Transaction, caller: Caller, project_id: str, requested: str) -> Row[Any]:
    """Say which it is, by id or name.

    Raises:
        NotFound: there is no such type. BadInput: the project may not use it.
    """
    kind = await types.kept(tx, await types.requested(tx, caller, requested))
    if not kind.is_public and project_id not in await types.access(tx, kind.id):
        raise BadInput(f"Volume type {kind.id} cannot be used by project {project_id}.")
    await tx.execute(table.delete().where(table.c.project_id == project_id))
    await tx.insert(table, {"project_id": project_id, "type_id": kind.id})
    return still_there(await find(tx, project_id))


async def delete(tx: Transaction, project_id: str) -> None:
    """Raises NotFound."""
    await get(tx, project_id)
    await tx.execute(table.delete().where(table.c.project_id == project_id))
