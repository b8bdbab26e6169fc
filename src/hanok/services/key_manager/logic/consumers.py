"""Who says to use a secret or a container.

A secret's consumer has a service, a type and an id; a container's a name and an address, which are kept as a service
and an id without a type.

Source: Key Manager API v1 reference, "Consumers", "Secret Consumers".
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import Forbidden, NotFound
from hanok.base.ids import new_uuid
from hanok.services.key_manager.logic import common
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.tables import consumers
from hanok.store import Transaction

_release = consumers.delete().where(consumers.c.holder.in_(bindparam("ids", expanding=True)))


class Consumer(Struct, frozen=True):
    service: str
    resource_type: str
    resource_id: str

    @property
    def mark(self) -> str:
        """What tells it from others."""
        return sha256(msgspec.json.encode(msgspec.structs.astuple(self))).hexdigest()


def _at(owner_id: str, one: Consumer) -> tuple[sa.ColumnElement[bool], ...]:
    return consumers.c.owner_id == owner_id, consumers.c.mark == one.mark


async def add(
    tx: Transaction,
    room: KeyManager,
    owner_id: str,
    one: Consumer,
    project_id: str,
    *,
    holder: str = "",
) -> None:
    """Saying it twice is saying it once. Raises Forbidden: a quota."""
    if await tx.first(sa.select(consumers.c.id).where(*_at(owner_id, one))):
        return
    if not holder:
        await common.count(tx, room, project_id, "consumers")
    row = {
        "id": new_uuid(),
        "owner_id": owner_id,
        "project_id": project_id,
        "service": one.service,
        "resource_type": one.resource_type,
        "resource_id": one.resource_id,
        "holder": holder,
        "mark": one.mark,
        "created_at": room.clock.now(),
    }
    await tx.insert_missing(consumers, row)


async def remove(tx: Transaction, owner: Row[Any], one: Consumer, project_id: str) -> None:
    """Raises Forbidden, NotFound."""
    here = _at(owner.id, one)
    row = await tx.first(sa.select(consumers.c.project_id).where(*here))
    if row is None:
        raise NotFound("Consumer not found.")
    if project_id not in (row.project_id, owner.project_id):
        raise Forbidden("Not Allowed. Sorry, only the creator of a consumer can delete it.")
    await tx.execute(consumers.delete().where(*here))


async def release(tx: Transaction, holders: Sequence[str]) -> None:
    """These things of other services use nothing more."""
    if holders:
        await tx.execute(_release, {"ids": list(holders)})


def listed(owner_id: str) -> sa.Select[Any]:
    return (
        sa.select(consumers).where(consumers.c.owner_id == owner_id).order_by(consumers.c.sequence)
    )


def of_secret(row: Row[Any]) -> dict[str, Any]:
    named = ("service", "resource_type", "resource_id")
    return {**{name: row._mapping[name] for name in named}, **_times(row)}


def of_container(row: Row[Any]) -> dict[str, Any]:
    return {"name": row.service, "URL": row.resource_id, **_times(row)}


def _times(row: Row[Any]) -> dict[str, Any]:
    at = common.text(row.created_at)
    return {"status": "ACTIVE", "created": at, "updated": at}
