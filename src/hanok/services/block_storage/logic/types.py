"""Types of volumes: extra specs, access, encryption.

Source: Block Storage API reference, "Volume types", "Volume type access".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.base.spec_operators import is_true
from hanok.services.block_storage.room import Volumes
from hanok.services.block_storage.tables import (
    volume_default_types,
    volume_snapshots,
    volume_type_access,
    volume_type_encryption,
    volume_types,
    volumes,
)
from hanok.store import Duplicate, Transaction, still_there
from hanok.web.private_types import PrivateTypes
from hanok.web.token import Caller

DEFAULT = "__DEFAULT__"
SPECS_MAXIMUM = 256  # extra specs of a type
PUBLIC_SPECS = frozenset(("RESKEY:availability_zones", "multiattach", "replication_enabled"))
"""What anybody who may see a type sees of its extra specs."""

_all = sa.select(volume_types).order_by(volume_types.c.sequence)
_names = sa.select(volume_types.c.id, volume_types.c.name)
_encryption = sa.select(volume_type_encryption).where(
    volume_type_encryption.c.type_id == bindparam("type")
)
_default_of = sa.select(volume_types).join(
    volume_default_types, volume_default_types.c.type_id == volume_types.c.id
)
_volumes_of = sa.select(volumes.c.id, volumes.c.host).where(volumes.c.type_id == bindparam("type"))
_volume_of = sa.select(volumes.c.id).where(volumes.c.type_id == bindparam("type")).limit(1)
_snapshot_of = (
    sa.select(volume_snapshots.c.id).where(volume_snapshots.c.type_id == bindparam("type")).limit(1)
)
_types = PrivateTypes(volume_types, volume_type_access, "volume")
WHOLE, get_any, get, kept = _types.whole, _types.get_any, _types.get, _types.kept
requested, not_found = _types.named, _types.not_found
access, add_access, remove_access = _types.access, _types.add_access, _types.remove_access


def visible_to(caller: Caller, *, public: bool | None) -> sa.Select[Any]:
    """The types that a caller's list shows.

    Args:
        public: only those; False: only the others; None: all.
    """
    statement = WHOLE
    if not caller.everywhere:
        mine = sa.select(volume_type_access.c.type_id).where(
            volume_type_access.c.project_id == caller.project_id
        )
        statement = statement.where(
            sa.or_(volume_types.c.is_public.is_(True), volume_types.c.id.in_(mine))
        )
    elif public is not None:
        statement = statement.where(volume_types.c.is_public.is_(public))
    return statement


async def ensure_default(tx: Transaction, now: datetime) -> None:
    """The type of volumes whose request names none."""
    if await _types.called(tx, DEFAULT) is None:
        await tx.insert_missing(volume_types, _row(DEFAULT, "Default Volume Type", {}, True, now))


def _row(
    name: str, description: str | None, specs: Mapping[str, str], public: bool, now: datetime
) -> dict[str, Any]:
    return {
        "id": new_uuid(),
        "name": name,
        "description": description,
        "is_public": public,
        "extra_specs": dict(specs),
        "created_at": now,
    }


async def names(tx: Transaction) -> dict[str, str]:
    """The names of all types, by id."""
    return {row.id: row.name for row in await tx.all(_names)}


async def everything(tx: Transaction) -> Sequence[Row[Any]]:
    return await tx.all(_all)


async def default(tx: Transaction, room: Volumes, project_id: str | None = None) -> Row[Any]:
    """What a volume gets whose request names no type.

    Raises:
        NotFound: the operator's choice is not there.
    """
    own = _default_of.where(volume_default_types.c.project_id == (project_id or ""))
    row = await tx.first(own) if project_id else None
    row = row or await _types.called(tx, room.settings.default_volume_type)
    if row is None:
        name = room.settings.default_volume_type
        raise NotFound(f"Volume type with name {name} could not be found.")
    return row


async def create(
    tx: Transaction,
    *,
    name: str,
    description: str | None,
    specs: Mapping[str, str],
    public: bool,
    now: datetime,
) -> Row[Any]:
    """A new type.

    Raises:
        Conflict: the name is taken. BadInput: an extra spec that cannot be one.
    """
    check_specs(specs)
    row = _row(name, description, specs, public, now)
    try:
        await tx.insert(volume_types, row)
    except Duplicate:
        raise Conflict(f"Volume Type {name} already exists.") from None
    return still_there(await get_any(tx, row["id"]))


async def update(tx: Transaction, row: Row[Any], values: dict[str, Any], now: datetime) -> Row[Any]:
    """Raises Conflict when the name is taken."""
    try:
        await tx.alter(
            volume_types.update()
            .where(volume_types.c.id == row.id)
            .values(**values, updated_at=now)
        )
    except Duplicate:
        raise Conflict(f"Volume Type {values['name']} already exists.") from None
    return still_there(await get_any(tx, row.id))


async def volumes_of(tx: Transaction, type_id: str) -> Sequence[Row[Any]]:
    """Ids and hosts of a type's volumes."""
    return await tx.all(_volumes_of, {"type": type_id})


async def in_use(tx: Transaction, type_id: str) -> bool:
    """Whether there are volumes or snapshots of a type."""
    of = {"type": type_id}
    return (await tx.first(_volume_of, of) or await tx.first(_snapshot_of, of)) is not None


async def delete(tx: Transaction, room: Volumes, row: Row[Any]) -> None:
    """Raises BadInput where volumes have it, or it is the default."""
    if row.name == room.settings.default_volume_type:
        raise BadInput(f"The volume type {row.id} is a default volume type and cannot be deleted.")
    if await tx.first(_default_of.where(volume_types.c.id == row.id)) is not None:
        raise BadInput(f"The volume type {row.id} is a default volume type and cannot be deleted.")
    if await in_use(tx, row.id):
        raise BadInput(
            f"Volume type {row.id} deletion is not allowed with volumes present with the type."
        )
    for table in (volume_type_access, volume_type_encryption):
        await tx.execute(table.delete().where(table.c.type_id == row.id))
    await tx.execute(volume_types.delete().where(volume_types.c.id == row.id))


# ---- extra specs ----


def check_specs(specs: Mapping[str, str]) -> None:
    """Raises BadInput for what no type can ask for."""
    if len(specs) > SPECS_MAXIMUM:
        raise BadInput(f"A volume type has at most {SPECS_MAXIMUM} extra specs.")
    if is_true(specs.get("multiattach")) and is_true(specs.get("replication_enabled")):
        raise BadInput("multiattach and replication_enabled cannot be combined in a volume type.")


async def set_specs(
    tx: Transaction, row: Row[Any], specs: Mapping[str, str], now: datetime
) -> dict[str, str]:
    """Add specs, or give them other values. Returns all.

    Raises:
        BadInput: one whose change would change what existing volumes are.
    """
    merged = {**row.extra_specs, **specs}
    check_specs(merged)
    await _check_multiattach(tx, row, merged)
    await tx.execute(
        volume_types.update()
        .where(volume_types.c.id == row.id)
        .values(extra_specs=merged, updated_at=now)
    )
    return merged


async def _check_multiattach(tx: Transaction, row: Row[Any], merged: Mapping[str, str]) -> None:
    """What volumes of the type may be used by is no longer changed once there are some."""
    names = ("multiattach", "volume_backend_name", "RESKEY:availability_zones")
    changed = [one for one in names if row.extra_specs.get(one) != merged.get(one)]
    if changed and await in_use(tx, row.id):
        raise BadInput(
            f"Volume Type is currently in use; the extra spec {changed[0]} cannot be changed."
        )


async def drop_spec(tx: Transaction, row: Row[Any], key: str, now: datetime) -> None:
    """Raises NotFound when there is no such spec, BadInput as `set_specs`."""
    if key not in row.extra_specs:
        raise no_spec(row.id, key)
    left = {name: value for name, value in row.extra_specs.items() if name != key}
    await _check_multiattach(tx, row, left)
    await tx.execute(
        volume_types.update()
        .where(volume_types.c.id == row.id)
        .values(extra_specs=left, updated_at=now)
    )


def no_spec(type_id: str, key: str) -> NotFound:
    return NotFound(f"Volume Type {type_id} has no extra specs with key {key[:255]}.")


# ---- encryption ----


async def encryption(tx: Transaction, type_id: str) -> Row[Any] | None:
    """How the volumes of a type are encrypted."""
    return await tx.first(_encryption, {"type": type_id})


async def encrypted(tx: Transaction, type_ids: Collection[str]) -> set[str]:
    """Those of these types whose volumes are encrypted."""
    return {one for one in type_ids if await encryption(tx, one) is not None}


async def _check_unused(tx: Transaction, type_id: str) -> None:
    if await in_use(tx, type_id):
        raise BadInput("Cannot change the encryption of a volume type. Volume type is in use.")


async def set_encryption(
    tx: Transaction, type_id: str, values: dict[str, Any], now: datetime
) -> Row[Any]:
    """Have the volumes of a type encrypted, or in another way.

    Raises:
        BadInput: there are volumes of it, or no provider is said.
    """
    await _check_unused(tx, type_id)
    there = await encryption(tx, type_id)
    if there is None:
        row = {"control_location": "front-end", "cipher": None, "key_size": None, **values}
        row |= {"type_id": type_id, "encryption_id": new_uuid(), "created_at": now}
        await tx.insert(volume_type_encryption, row)
    else:
        mine = volume_type_encryption.c.type_id == type_id
        await tx.execute(
            volume_type_encryption.update().where(mine).values(**values, updated_at=now)
        )
    return still_there(await encryption(tx, type_id))


async def drop_encryption(tx: Transaction, type_id: str, encryption_id: str) -> None:
    """Raises NotFound, or BadInput when there are volumes of the type."""
    there = await encryption(tx, type_id)
    if there is None or there.encryption_id != encryption_id:
        raise NotFound(f"Volume type encryption for type {type_id} does not exist.")
    await _check_unused(tx, type_id)
    await tx.execute(
        volume_type_encryption.delete().where(volume_type_encryption.c.type_id == type_id)
    )


def multiattach(specs: Mapping[str, str]) -> bool:
    """Whether several servers may use a volume of a type at once."""
    return is_true(specs.get("multiattach"))
