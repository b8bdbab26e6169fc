"""Types of share groups: which share types go together, and what their snapshots are to be.

Source: Shared File Systems API reference, "Share group types".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.services.shared_file_system.logic import types
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import share_group_type_access as access
from hanok.services.shared_file_system.tables import share_group_types as table
from hanok.services.shared_file_system.tables import share_groups
from hanok.store import Duplicate, Transaction, still_there
from hanok.web.token import Caller

WHOLE = sa.select(table)
CONSISTENT = "consistent_snapshot_support"
SPECS_MAXIMUM = 128
_by_id = WHOLE.where(table.c.id == bindparam("id"))
_by_name = WHOLE.where(table.c.name == bindparam("name"))
_in_use = sa.select(share_groups.c.id).where(share_groups.c.group_type_id == bindparam("id"))
_projects = sa.select(access.c.project_id).where(access.c.type_id == bindparam("id"))
_let = _projects.where(access.c.project_id == bindparam("project"))


def not_found(requested: str) -> NotFound:
    return NotFound(f"Share group type with id {requested[:255]} not found.")


async def listed(tx: Transaction, caller: Caller, *, public: bool | None) -> Sequence[Row[Any]]:
    """The types that a caller's list shows, oldest first. public: as of `visible_to`."""
    return await tx.all(visible_to(caller, public=public).order_by(table.c.sequence))


def visible_to(caller: Caller, *, public: bool | None) -> sa.Select[Any]:
    """The types that a caller's list shows.

    Args:
        public: those that their project may use; False: only those that are not public; None: all. Others than
            operators ask for the first alone.
    """
    if caller.everywhere and not public:
        return WHOLE if public is None else WHOLE.where(table.c.is_public.is_(False))
    let = sa.select(access.c.type_id).where(access.c.project_id == (caller.project_id or ""))
    return WHOLE.where(sa.or_(table.c.is_public.is_(True), table.c.id.in_(let)))


async def get_any(tx: Transaction, type_id: str) -> Row[Any] | None:
    return await tx.first(_by_id, {"id": type_id})


async def _sees(tx: Transaction, caller: Caller, row: Row[Any]) -> bool:
    if row.is_public or caller.everywhere:
        return True
    let = {"id": row.id, "project": caller.project_id or ""}
    return await tx.first(_let, let) is not None


async def get(tx: Transaction, caller: Caller, type_id: str) -> Row[Any]:
    """A type with the caller's eyes. Raises NotFound."""
    row = await get_any(tx, type_id)
    if row is None or not await _sees(tx, caller, row):
        raise not_found(type_id)
    return row


async def default(tx: Transaction, room: Shares, caller: Caller) -> Row[Any] | None:
    """The type of groups that name none; None: there is none that the caller sees."""
    row = await tx.first(_by_name, {"name": room.settings.default_share_group_type})
    return row if row is not None and await _sees(tx, caller, row) else None


def check_specs(specs: Mapping[str, str]) -> None:
    """Raises BadInput."""
    if len(specs) > SPECS_MAXIMUM:
        raise BadInput(f"A share group type has at most {SPECS_MAXIMUM} group specs.")


async def create(
    tx: Transaction,
    room: Shares,
    caller: Caller,
    *,
    name: str,
    share_types: Sequence[str],
    specs: Mapping[str, str],
    public: bool,
) -> Row[Any]:
    """Raises BadInput, Conflict: the name is taken, NotFound: a share type."""
    if not share_types:
        raise BadInput("Supported share types must be provided.")
    check_specs(specs)
    named = [await types.named(tx, caller, one) for one in dict.fromkeys(share_types)]
    kinds = [await types.kept(tx, one) for one in named]
    row: dict[str, Any] = {
        "id": new_uuid(),
        "name": name,
        "is_public": public,
        "specs": dict(specs),
        "share_types": [one.id for one in kinds],
        "created_at": room.clock.now(),
    }
    try:
        await tx.insert(table, row)
    except Duplicate:
        raise Conflict(f"Share group type {name} already exists.") from None
    return still_there(await get_any(tx, row["id"]))


async def set_specs(tx: Transaction, room: Shares, row: Row[Any], specs: Mapping[str, str]) -> None:
    """Raises BadInput."""
    check_specs(specs)
    mine = table.update().where(table.c.id == row.id)
    await tx.execute(mine.values(specs=dict(specs), updated_at=room.clock.now()))


def held(row: Row[Any], key: str) -> str:
    """Raises NotFound."""
    if key not in row.specs:
        raise NotFound(f"Share group type {row.id} has no group specs with key {key[:255]}.")
    return str(row.specs[key])


async def delete(tx: Transaction, row: Row[Any]) -> None:
    """Raises BadInput while groups have it."""
    if await tx.first(_in_use, {"id": row.id}) is not None:
        raise BadInput(f"Target share group type with id {row.id} is still in use.")
    await tx.execute(access.delete().where(access.c.type_id == row.id))
    await tx.execute(table.delete().where(table.c.id == row.id))


# ---- who may use those that are not public ----


async def projects(tx: Transaction, row: Row[Any]) -> list[str]:
    """Raises NotFound for a public one, which all may use."""
    if row.is_public:
        raise NotFound("Access list not available for public share group types.")
    return list(await tx.scalars(_projects, {"id": row.id}))


def _check_private(row: Row[Any]) -> None:
    if row.is_public:
        raise Conflict("Type access modification is not applicable to public share group type.")


async def let(tx: Transaction, row: Row[Any], project_id: str) -> None:
    """A project may use it. Raises Conflict: it is public, or the project may already."""
    _check_private(row)
    try:
        await tx.insert(access, {"type_id": row.id, "project_id": project_id})
    except Duplicate:
        raise Conflict(
            f"Share group type access for {row.id} / {project_id} combination already exists."
        ) from None


async def unlet(tx: Transaction, row: Row[Any], project_id: str) -> None:
    """A project may not use it any more. Raises Conflict: it is public. NotFound: the project may not."""
    _check_private(row)
    if await tx.first(_let, {"id": row.id, "project": project_id}) is None:
        raise NotFound(
            f"Share group type access not found for {row.id} / {project_id} combination."
        )
    mine = sa.and_(access.c.type_id == row.id, access.c.project_id == project_id)
    await tx.execute(access.delete().where(mine))
