"""QoS types: named sets of specs that types of shares refer to.

Source: Shared File Systems API reference, "QoS types".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.tables import share_qos_types as table
from hanok.services.shared_file_system.tables import share_types, shares
from hanok.store import Duplicate, Transaction, still_there

WHOLE = sa.select(table)
SPECS_MAXIMUM = 128
DEFAULT = "default_qos_type"  # the extra spec by which a share type names one
_by_id = WHOLE.where(table.c.id == bindparam("id"))
_by_either = WHOLE.where(
    sa.or_(table.c.id == bindparam("named"), table.c.name == bindparam("named"))
)
_used = sa.select(shares.c.id).where(shares.c.qos_type_id == bindparam("id")).limit(1)
_types = sa.select(share_types.c.extra_specs)


async def get(tx: Transaction, type_id: str) -> Row[Any]:
    """Raises NotFound."""
    row = await tx.first(_by_id, {"id": type_id})
    if row is None:
        raise NotFound(f"No QoS Type exists with ID {type_id[:100]}.")
    return row


async def of_type(tx: Transaction, kind: Row[Any]) -> str | None:
    """The id of the QoS type that a share type gives its shares; None: it gives none.

    Raises:
        BadInput: there is no such one, or no back end holds a share to what it says.
    """
    named = kind.extra_specs.get(DEFAULT)
    if not named:
        return None
    row = await tx.first(_by_either, {"named": named})
    if row is None:
        raise BadInput(
            f"Share type {kind.name} extra-specs 'default_qos_type' specified qos_type does not exist."
        )
    if row.specs:
        raise BadInput(
            f"Share type {kind.name} extra-specs 'default_qos_type' names {row.name}, and no back end holds shares to "
            f"its specs: {', '.join(sorted(row.specs))[:255]}."
        )
    return str(row.id)


def _check(specs: Mapping[str, str]) -> None:
    if len(specs) > SPECS_MAXIMUM:
        raise BadInput(f"A QoS type has at most {SPECS_MAXIMUM} specs.")


async def create(
    tx: Transaction, room: Shares, name: str, description: str | None, specs: Mapping[str, str]
) -> Row[Any]:
    """Raises BadInput, Conflict."""
    _check(specs)
    row = {
        "id": new_uuid(),
        "name": name,
        "description": description,
        "specs": dict(specs),
        "created_at": room.clock.now(),
    }
    try:
        await tx.insert(table, row)
    except Duplicate:
        raise Conflict(f"QoS Type with name {name} already exists.") from None
    return still_there(await tx.first(_by_id, {"id": row["id"]}))


async def change(
    tx: Transaction, room: Shares, row: Row[Any], values: Mapping[str, Any]
) -> Row[Any]:
    """Raises BadInput: too many specs, or some for shares that no back end can hold to them."""
    _check(values.get("specs", {}))
    if values.get("specs") and await tx.first(_used, {"id": row.id}):
        raise BadInput(f"QoS Type {row.id} is in use, and no back end holds shares to specs.")
    mine = table.update().where(table.c.id == row.id)
    await tx.execute(mine.values(**values, updated_at=room.clock.now()))
    return await get(tx, row.id)


def held(row: Row[Any], key: str) -> str:
    """Raises NotFound."""
    if key not in row.specs:
        raise NotFound(f"QoS Type {row.id} has no specs with key {key[:255]}.")
    return str(row.specs[key])


async def delete(tx: Transaction, row: Row[Any]) -> None:
    """Raises BadInput while a share has it or a share type names it."""
    named = [specs.get(DEFAULT) for specs in await tx.scalars(_types)]
    if row.id in named or row.name in named or await tx.first(_used, {"id": row.id}):
        raise BadInput(f"QoS Type {row.id} is in use.")
    await tx.execute(table.delete().where(table.c.id == row.id))
