"""What all objects of a load balancer have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.ids import new_uuid
from hanok.services.load_balancer.room import LoadBalancing
from hanok.services.load_balancer.tables import tags
from hanok.store import Transaction

_tags = (
    sa.select(tags.c.resource_id, tags.c.tag)
    .where(tags.c.resource_id.in_(bindparam("ids", expanding=True)))
    .order_by(tags.c.position)
)
_untag = tags.delete().where(tags.c.resource_id == bindparam("of"))
_SHOWN = ("id", "project_id", "provisioning_status", "operating_status", "admin_state_up")


def when(at: datetime | None) -> str | None:
    """2026-01-31T12:00:00: this service's text of a time."""
    return None if at is None else at.isoformat(timespec="seconds")[:19]


async def tags_of(tx: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {one: [] for one in ids}
    for row in await tx.all(_tags, {"ids": list(ids)}):
        found[row.resource_id].append(row.tag)
    return found


async def set_tags(tx: Transaction, resource_id: str, requested: Sequence[str]) -> None:
    await tx.execute(_untag, {"of": resource_id})
    rows = [
        {"resource_id": resource_id, "tag": tag, "position": at}
        for at, tag in enumerate(dict.fromkeys(requested))
    ]
    if rows:
        await tx.insert(tags, rows)


def shown(row: Row[Any], named: Sequence[str] = (), more: Sequence[str] = ()) -> dict[str, Any]:
    """The attributes that all objects have, and those that are columns of the same name."""
    values = row._mapping
    return {
        **{name: values[name] for name in (*_SHOWN, *named, *more)},
        "created_at": when(row.created_at),
        "updated_at": when(row.updated_at),
    }


def columns(table: sa.Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some values that are columns."""
    return {name: value for name, value in values.items() if name in table.c}


async def write(
    tx: Transaction,
    room: LoadBalancing,
    table: sa.Table,
    project_id: str,
    values: Mapping[str, Any],
    **more: Any,
) -> str:
    """A new row that its provider does not know yet, with its tags; gives its id.

    Raises:
        Duplicate
    """
    row = {
        **columns(table, values),
        "id": new_uuid(),
        "project_id": project_id,
        "provisioning_status": "PENDING_CREATE",
        "operating_status": "OFFLINE",
        "created_at": room.clock.now(),
        **more,
    }
    await tx.insert(table, row)
    if values.get("tags"):
        await set_tags(tx, row["id"], values["tags"])
    return str(row["id"])


async def change(
    tx: Transaction, room: LoadBalancing, table: sa.Table, row: Row[Any], values: Mapping[str, Any]
) -> None:
    """Write what was sent, and that the provider does not know it yet."""
    requested = {
        **columns(table, values),
        "provisioning_status": "PENDING_UPDATE",
        "updated_at": room.clock.now(),
    }
    await tx.execute(table.update().where(table.c.id == row.id).values(**requested))
    if "tags" in values:
        await set_tags(tx, row.id, values["tags"])


def grouped(rows: Sequence[Row[Any]], by: str, ids: Sequence[str]) -> dict[str, list[Any]]:
    """Rows by one of their columns."""
    found: dict[str, list[Any]] = {one: [] for one in ids}
    for row in rows:
        key = row._mapping[by]
        if key in found:
            found[key].append(row)
    return found


def ids_of(rows: Sequence[Row[Any]]) -> list[dict[str, str]]:
    """[{"id": …}, …], as objects name others."""
    return [{"id": row.id} for row in rows]
