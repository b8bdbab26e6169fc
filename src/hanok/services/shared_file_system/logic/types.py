"""Types of shares: extra specs, and the projects that may use them.

Source: Shared File Systems API reference, "Share types".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.base.ids import new_uuid
from hanok.services.shared_file_system.logic import quotas, specs
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import (
    share_group_types,
    share_instances,
    share_type_access,
    share_types,
    shares,
)
from hanok.store import Duplicate, Transaction, still_there
from hanok.web.private_types import PrivateTypes
from hanok.web.token import Caller

_all = sa.select(share_types).order_by(share_types.c.sequence)
_of_it = tuple(
    sa.select(one.c.id).where(one.c.type_id == bindparam("type")).limit(1)
    for one in (shares, share_instances)  # what a share moves to may be of another type
)
_together = sa.select(share_group_types.c.share_types)
_types = PrivateTypes(share_types, share_type_access, "share")
WHOLE, get_any, get, named, kept = (
    _types.whole,
    _types.get_any,
    _types.get,
    _types.named,
    _types.kept,
)
check_private, access = _types.check_private, _types.access
add_access, remove_access = _types.add_access, _types.remove_access
# What a project's first shares are: on the hosts themselves, with all that every back end can.
FIRST = {
    specs.SERVERS: "False",
    "snapshot_support": "True",
    "create_share_from_snapshot_support": "True",
    "revert_to_snapshot_support": "True",
    "mount_snapshot_support": "True",
}


def _taken(name: str) -> Conflict:
    return Conflict(f"Share Type {name} already exists.")


def visible_to(caller: Caller, *, public: bool | None) -> sa.Select[Any]:
    """The types that a caller's list shows.

    Args:
        public: only those, and what its project may use; False: only the others; None: all.
    """
    mine = share_types.c.id.in_(
        sa.select(share_type_access.c.type_id).where(
            share_type_access.c.project_id == (caller.project_id or "")
        )
    )
    if public is False and caller.everywhere:
        return WHOLE.where(share_types.c.is_public.is_(False))
    if public is None and caller.everywhere:
        return WHOLE
    return WHOLE.where(sa.or_(share_types.c.is_public.is_(True), mine))


async def listed(tx: Transaction, caller: Caller, *, public: bool | None) -> Sequence[Row[Any]]:
    """The same, in the order in which they were made."""
    statement = visible_to(caller, public=public)
    return await tx.all(statement.order_by(share_types.c.sequence))


async def ensure_default(tx: Transaction, name: str, now: datetime) -> None:
    """The type of shares whose request names none."""
    if name and await _types.called(tx, name) is None:
        await tx.insert_missing(share_types, _row(name, None, FIRST, True, now))


def _row(
    name: str, description: str | None, extra: Mapping[str, str], public: bool, now: datetime
) -> dict[str, Any]:
    return {
        "id": new_uuid(),
        "name": name,
        "description": description,
        "is_public": public,
        "extra_specs": dict(extra),
        "created_at": now,
    }


async def everything(tx: Transaction) -> Sequence[Row[Any]]:
    return await tx.all(_all)


async def default(tx: Transaction, room: Shares) -> Row[Any] | None:
    """What a share gets whose request names no type; None: there is no such type."""
    return await _types.called(tx, room.settings.default_share_type)


async def create(
    tx: Transaction,
    *,
    name: str,
    description: str | None,
    extra: Mapping[str, Any],
    public: bool,
    now: datetime,
) -> Row[Any]:
    """A new type.

    Raises:
        Conflict: the name is taken. BadInput: an extra spec that cannot be one, or one that is missing.
    """
    row = _row(name, description, specs.checked(extra, whole=True), public, now)
    try:
        await tx.insert(share_types, row)
    except Duplicate:
        raise _taken(name) from None
    return still_there(await get_any(tx, row["id"]))


async def update(tx: Transaction, row: Row[Any], values: dict[str, Any], now: datetime) -> Row[Any]:
    """Raises Conflict when the name is taken."""
    mine = share_types.c.id == row.id
    try:
        await tx.alter(share_types.update().where(mine).values(**values, updated_at=now))
    except Duplicate:
        raise _taken(values["name"]) from None
    return still_there(await get_any(tx, row.id))


async def in_use(tx: Transaction, type_id: str) -> bool:
    """Whether there are shares of a type, or types of share groups that name it."""
    for statement in _of_it:
        if await tx.first(statement, {"type": type_id}) is not None:
            return True
    return any(type_id in named for named in await tx.scalars(_together))


async def delete(tx: Transaction, room: Shares, row: Row[Any]) -> None:
    """With the limits of it. Raises BadInput where something is of it."""
    if await in_use(tx, row.id):
        raise BadInput("Target share type is still in use.")
    await quotas.forget_type(tx, room, row.id)
    await tx.execute(share_type_access.delete().where(share_type_access.c.type_id == row.id))
    await tx.execute(share_types.delete().where(share_types.c.id == row.id))


# ---- extra specs ----


async def set_specs(
    tx: Transaction, row: Row[Any], sent: Mapping[str, Any], now: datetime
) -> dict[str, str]:
    """Add specs, or give them other values. Returns those that were sent, as they are kept.

    Raises:
        BadInput
    """
    found = specs.checked(sent, whole=False)
    merged = {**row.extra_specs, **found}
    specs.checked(merged, whole=True)
    await _keep(tx, row, merged, now)
    return found


async def _keep(tx: Transaction, row: Row[Any], merged: dict[str, str], now: datetime) -> None:
    mine = share_types.c.id == row.id
    await tx.execute(share_types.update().where(mine).values(extra_specs=merged, updated_at=now))


async def drop_spec(tx: Transaction, row: Row[Any], key: str, now: datetime) -> None:
    """Raises NotFound when there is no such spec, Forbidden for one that a type must have."""
    if key in specs.REQUIRED:
        raise Forbidden(f"Extra spec '{key}' can't be deleted.")
    if key not in row.extra_specs:
        raise no_spec(row.id, key)
    left = {name: value for name, value in row.extra_specs.items() if name != key}
    await _keep(tx, row, left, now)


def no_spec(type_id: str, key: str) -> NotFound:
    return NotFound(f"Share Type {type_id} has no extra specs with key {key[:255]}.")
