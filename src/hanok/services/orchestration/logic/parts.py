"""A stack's resources as rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct, field
from sqlalchemy import Row, bindparam

from hanok.base.ids import new_uuid
from hanok.services.orchestration.tables import resources
from hanok.store import Transaction

_of_stack = (
    sa.select(resources)
    .where(resources.c.stack_id == bindparam("stack"))
    .order_by(resources.c.sequence)
)
_one = sa.select(resources).where(resources.c.id == bindparam("id"))
_forget = resources.delete().where(resources.c.id.in_(bindparam("ids", expanding=True)))
_forget_all = resources.delete().where(resources.c.stack_id == bindparam("stack"))
_fields = (
    "physical_id",
    "action",
    "status",
    "reason",
    "created_at",
    "updated_at",
    "metadata",
    "secret",
    "requires",
    "replaced_by",
    "traversal",
    "attempt",
    "type",
)
_write = (
    resources.update()
    .where(resources.c.id == bindparam("of"))
    .values({name: bindparam(f"new_{name}", type_=resources.c[name].type) for name in _fields})
)


class Part(Struct, kw_only=True):
    """A resource of a stack.

    action, status: as Heat has them ("CREATE", "IN_PROGRESS"). properties: as they were last applied. data: what its
    driver keeps. requires: the ids of the rows that it was made of. replaced_by: the row that takes its place.
    traversal: the change of the stack in which it was last settled. attempt: the request that makes it, until that is
    known to have been done.
    """

    id: str
    stack_id: str
    name: str
    type: str
    physical_id: str | None = None
    action: str = "INIT"
    status: str = "COMPLETE"
    reason: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    requires: list[str] = field(default_factory=list)
    replaced_by: str | None = None
    replaces: str | None = None
    traversal: str = ""
    attempt: str = ""
    is_new: bool = False

    @property
    def state(self) -> str:
        return f"{self.action}_{self.status}"


class Sealer:
    """Keeps properties and data closed in the database: they may hold what was hidden."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def seal(self, value: Any) -> str:
        return str(self._key.seal(msgspec.json.encode(value)))

    def open(self, text: str) -> Any:
        raw = self._key.open(text) if text else None
        return {} if raw is None else msgspec.json.decode(raw)


def of_row(row: Row[Any], key: Sealer) -> Part:
    kept = key.open(row.secret)
    return Part(
        id=row.id,
        stack_id=row.stack_id,
        name=row.name,
        type=row.type,
        physical_id=row.physical_id,
        action=row.action,
        status=row.status,
        reason=row.reason,
        created_at=row.created_at,
        updated_at=row.updated_at,
        metadata=row.metadata or {},
        properties=kept.get("properties") or {},
        data=kept.get("data") or {},
        requires=list(row.requires or ()),
        replaced_by=row.replaced_by,
        replaces=row.replaces,
        traversal=row.traversal,
        attempt=row.attempt,
    )


async def of_stack(tx: Transaction, stack_id: str, key: Sealer) -> list[Part]:
    """All rows of a stack, in the order in which they were made."""
    return [of_row(row, key) for row in await tx.all(_of_stack, {"stack": stack_id})]


async def rows_of(tx: Transaction, stack_id: str) -> Sequence[Row[Any]]:
    return await tx.all(_of_stack, {"stack": stack_id})


async def get(tx: Transaction, part_id: str, key: Sealer) -> Part | None:
    row = await tx.first(_one, {"id": part_id})
    return None if row is None else of_row(row, key)


def new(stack_id: str, name: str, kind: str) -> Part:
    return Part(id=new_uuid(), stack_id=stack_id, name=name, type=kind, is_new=True)


async def save(tx: Transaction, some: Sequence[Part], key: Sealer) -> None:
    """Write rows as they are now."""
    for part in some:
        secret = key.seal({"properties": part.properties, "data": part.data})
        values = {name: getattr(part, name) for name in _fields if name != "secret"}
        values["secret"] = secret
        if part.is_new:
            fixed = {
                "id": part.id,
                "stack_id": part.stack_id,
                "name": part.name,
                "replaces": part.replaces,
            }
            await tx.execute(resources.insert(), {**fixed, **values})
            part.is_new = False
        else:
            named = {f"new_{name}": value for name, value in values.items()}
            await tx.execute(_write, {"of": part.id, **named})


async def forget(tx: Transaction, ids: Sequence[str]) -> None:
    if ids:
        await tx.execute(_forget, {"ids": list(ids)})


async def forget_all(tx: Transaction, stack_id: str) -> None:
    await tx.execute(_forget_all, {"stack": stack_id})
