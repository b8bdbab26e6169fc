"""Types of groups of volumes, and their specs.

Source: Block Storage API reference, "Group types", "Group type specs".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import is_uuid, new_uuid
from hanok.base.spec_operators import is_true
from hanok.services.block_storage.tables import group_snapshots, volume_groups
from hanok.services.block_storage.tables import group_types as table
from hanok.store import Duplicate, Transaction, still_there
from hanok.web.token import Caller

WHOLE = sa.select(table)
OF_CONSISTENCY_GROUPS = "default_cgsnapshot_type"
"""The type that groups have which were made as consistency groups, and no others."""
CONSISTENT = "consistent_group_snapshot_enabled"
REPLICATED = ("group_replication_enabled", "consistent_group_replication_enabled")
SPECS_MAXIMUM = 256
_by_id = WHOLE.where(table.c.id == bindparam("id"))
_by_name = WHOLE.where(table.c.name == bindparam("name"))
_group_of = sa.select(volume_groups.c.id).where(volume_groups.c.group_type_id == bindparam("id"))
_snapshot_of = sa.select(group_snapshots.c.id).where(
    group_snapshots.c.group_type_id == bindparam("id")
)


def visible_to(caller: Caller, *, public: bool | None) -> sa.Select[Any]:
    """The types that a caller's list shows. public: only those; False: only the others; None: all."""
    if not caller.everywhere:
        return WHOLE.where(table.c.is_public.is_(True))
    return WHOLE if public is None else WHOLE.where(table.c.is_public.is_(public))


def not_found(requested: str) -> NotFound:
    return NotFound(f"Group type {requested[:255]} could not be found.")


async def get_any(tx: Transaction, type_id: str) -> Row[Any] | None:
    return await tx.first(_by_id, {"id": type_id})


async def get(tx: Transaction, caller: Caller, type_id: str) -> Row[Any]:
    """A type with the caller's eyes. Raises NotFound."""
    row = await get_any(tx, type_id)
    if row is None or not (row.is_public or caller.everywhere):
        raise not_found(type_id)
    return row


async def requested(tx: Transaction, caller: Caller, requested: str) -> Row[Any]:
    """A type by id or name, with the caller's eyes. Raises NotFound."""
    row = await get_any(tx, requested) if is_uuid(requested) else None
    row = row or await tx.first(_by_name, {"name": requested})
    if row is None or not (row.is_public or caller.everywhere):
        raise not_found(requested)
    return row


async def of_consistency_groups(tx: Transaction) -> Row[Any]:
    return still_there(await tx.first(_by_name, {"name": OF_CONSISTENCY_GROUPS}))


async def ensure_default(tx: Transaction, now: datetime) -> None:
    """The type of consistency groups."""
    if await tx.first(_by_name, {"name": OF_CONSISTENCY_GROUPS}) is None:
        specs = {CONSISTENT: "<is> True"}
        text = "Default group type for migrating cgsnapshot"
        await tx.insert_missing(table, _row(OF_CONSISTENCY_GROUPS, text, specs, True, now))


def _row(
    name: str, description: str | None, specs: Mapping[str, str], public: bool, now: datetime
) -> dict[str, Any]:
    return {
        "id": new_uuid(),
        "name": name,
        "description": description,
        "is_public": public,
        "specs": dict(specs),
        "created_at": now,
    }


def check_specs(specs: Mapping[str, str]) -> None:
    """Raises BadInput."""
    if len(specs) > SPECS_MAXIMUM:
        raise BadInput(f"A group type has at most {SPECS_MAXIMUM} specs.")


def replicated(specs: Mapping[str, str]) -> bool:
    """Whether a type asks for replicas."""
    return any(is_true(specs.get(one)) for one in REPLICATED)


async def create(
    tx: Transaction,
    *,
    name: str,
    description: str | None,
    specs: Mapping[str, str],
    public: bool,
    now: datetime,
) -> Row[Any]:
    """Raises Conflict when the name is taken."""
    check_specs(specs)
    row = _row(name, description, specs, public, now)
    try:
        await tx.insert(table, row)
    except Duplicate:
        raise Conflict(f"Group Type {name} already exists.") from None
    return still_there(await get_any(tx, row["id"]))


async def change(tx: Transaction, row: Row[Any], values: dict[str, Any], now: datetime) -> Row[Any]:
    """Raises Conflict when the name is taken."""
    statement = table.update().where(table.c.id == row.id).values(**values, updated_at=now)
    try:
        await tx.alter(statement)
    except Duplicate:
        raise Conflict(f"Group Type {values['name']} already exists.") from None
    return still_there(await get_any(tx, row.id))


async def in_use(tx: Transaction, type_id: str) -> bool:
    of = {"id": type_id}
    return (await tx.first(_group_of, of) or await tx.first(_snapshot_of, of)) is not None


async def check_unused(tx: Transaction, row: Row[Any]) -> None:
    """Raises BadInput where groups have the type."""
    if await in_use(tx, row.id):
        raise BadInput(f"Group Type {row.id} is currently in use.")


async def delete(tx: Transaction, row: Row[Any]) -> None:
    """Raises BadInput where groups have it."""
    if row.name == OF_CONSISTENCY_GROUPS:
        raise BadInput(
            f"Group type {row.name} is that of consistency groups and cannot be deleted."
        )
    if await in_use(tx, row.id):
        raise BadInput(
            f"Group Type {row.id} deletion is not allowed with groups present with the type."
        )
    await tx.execute(table.delete().where(table.c.id == row.id))


async def set_specs(
    tx: Transaction, row: Row[Any], specs: Mapping[str, str], now: datetime
) -> None:
    """Raises BadInput where groups have the type, and would have replicas from now on, or none any more."""
    if replicated(specs) != replicated(row.specs):
        await check_unused(tx, row)
    check_specs(specs)
    await change(tx, row, {"specs": dict(specs)}, now)


def held(row: Row[Any], key: str) -> str:
    """Raises NotFound."""
    if key not in row.specs:
        raise NotFound(f"Group Type {row.id} has no specs with key {key[:255]}.")
    return str(row.specs[key])
