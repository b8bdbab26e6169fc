"""QoS specs: what volumes of some types may do in a second.

Source: Block Storage API reference, "Quality of service (QoS) specifications".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.services.block_storage.logic import qos_limits
from hanok.services.block_storage.tables import volume_qos_specs as table
from hanok.services.block_storage.tables import volume_types
from hanok.store import Duplicate, Transaction, still_there

WHOLE = sa.select(table)
MAXIMUM = 256  # keys of one
CONSUMERS = ("front-end", "back-end", "both")
_by_id = WHOLE.where(table.c.id == bindparam("id"))
_types = (
    sa.select(volume_types)
    .where(volume_types.c.qos_specs_id == bindparam("id"))
    .order_by(volume_types.c.sequence)
)


async def get(tx: Transaction, qos_id: str) -> Row[Any]:
    """Raises NotFound."""
    row = await tx.first(_by_id, {"id": qos_id})
    if row is None:
        raise NotFound(f"No such QoS spec {qos_id[:255]}.")
    return row


async def types_of(tx: Transaction, qos_id: str) -> Sequence[Row[Any]]:
    """The types whose volumes they hold for."""
    return await tx.all(_types, {"id": qos_id})


def check(specs: Mapping[str, str], consumer: str) -> None:
    """Raises BadInput."""
    if consumer not in CONSUMERS:
        raise BadInput(f"Invalid qos specs: Valid consumer of QoS specs are: {list(CONSUMERS)}")
    if len(specs) > MAXIMUM:
        raise BadInput(f"Invalid qos specs: there are at most {MAXIMUM} keys.")
    qos_limits.check(specs)


async def create(
    tx: Transaction, name: str, consumer: str, specs: Mapping[str, str], now: datetime
) -> Row[Any]:
    """Raises BadInput, or Conflict when the name is taken."""
    check(specs, consumer)
    row = {
        "id": new_uuid(),
        "name": name,
        "consumer": consumer,
        "specs": dict(specs),
        "created_at": now,
    }
    try:
        await tx.insert(table, row)
    except Duplicate:
        raise Conflict(f"QoS Specs {name} already exists.") from None
    return still_there(await tx.first(_by_id, {"id": row["id"]}))


async def change(
    tx: Transaction, row: Row[Any], specs: Mapping[str, str], consumer: str, now: datetime
) -> None:
    """Raises BadInput."""
    check(specs, consumer)
    values = {"specs": dict(specs), "consumer": consumer, "updated_at": now}
    await tx.execute(table.update().where(table.c.id == row.id).values(**values))


async def drop_keys(tx: Transaction, row: Row[Any], keys: Sequence[str], now: datetime) -> None:
    """Raises NotFound where it has no such key."""
    for key in keys:
        if key not in row.specs:
            raise NotFound(f"QoS Specs {row.id} has no spec with key {key[:255]}.")
    left = {name: value for name, value in row.specs.items() if name not in keys}
    await change(tx, row, left, row.consumer, now)


async def delete(tx: Transaction, row: Row[Any], *, force: bool) -> None:
    """Raises BadInput where types have it, unless it is forced."""
    if not force and await types_of(tx, row.id):
        raise BadInput(f"QoS Specs {row.id} is still associated with entities.")
    await disassociate(tx, row.id, None)
    await tx.execute(table.delete().where(table.c.id == row.id))


async def associate(tx: Transaction, row: Row[Any], kind: Row[Any]) -> None:
    """Raises BadInput where the type has others."""
    if kind.qos_specs_id not in (None, row.id):
        raise BadInput(
            f"Type {kind.id} is already associated with another qos specs: {kind.qos_specs_id}"
        )
    await tx.execute(
        volume_types.update().where(volume_types.c.id == kind.id).values(qos_specs_id=row.id)
    )


async def disassociate(tx: Transaction, qos_id: str, type_id: str | None) -> None:
    """Take it from a type, or from all."""
    statement = volume_types.update().where(volume_types.c.qos_specs_id == qos_id)
    if type_id is not None:
        statement = statement.where(volume_types.c.id == type_id)
    await tx.execute(statement.values(qos_specs_id=None))
