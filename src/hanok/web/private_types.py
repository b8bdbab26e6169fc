"""Types that everybody may use, or the projects that an operator names: found, seen, and let to projects."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import Conflict, NotFound
from hanok.base.ids import is_uuid
from hanok.store import Duplicate, Transaction, still_there
from hanok.web.token import Caller


class PrivateTypes:
    """Types by id or name, and who may use those that are not public. noun: "volume"."""

    def __init__(self, table: sa.Table, access: sa.Table, noun: str) -> None:
        """access: type_id and project_id of those who may."""
        self._access, self._noun = access, noun
        self.whole = sa.select(table)
        self._by_id = self.whole.where(table.c.id == bindparam("id"))
        self._by_name = self.whole.where(table.c.name == bindparam("name"))
        of_type = access.c.type_id == bindparam("type")
        self._projects = sa.select(access.c.project_id).where(of_type).order_by(access.c.project_id)
        mine = access.c.project_id == bindparam("project")
        self._let = sa.select(access.c.type_id).where(of_type, mine)
        self._unlet = access.delete().where(of_type, mine)

    def not_found(self, requested: str) -> NotFound:
        return NotFound(f"{self._noun.capitalize()} type {requested[:265]} could not be found.")

    async def get_any(self, tx: Transaction, type_id: str) -> Row[Any] | None:
        """A type, whoever asks; None: there is none."""
        return await tx.first(self._by_id, {"id": type_id})

    async def called(self, tx: Transaction, name: str) -> Row[Any] | None:
        """The same by its name."""
        return await tx.first(self._by_name, {"name": name})

    async def _sees(self, tx: Transaction, caller: Caller, row: Row[Any]) -> bool:
        if row.is_public or caller.everywhere:
            return True
        let = {"type": row.id, "project": caller.project_id or ""}
        return await tx.first(self._let, let) is not None

    async def get(self, tx: Transaction, caller: Caller, type_id: str) -> Row[Any]:
        """A type with the caller's eyes. Raises NotFound."""
        row = await self.get_any(tx, type_id)
        if row is None or not await self._sees(tx, caller, row):
            raise self.not_found(type_id)
        return row

    async def named(self, tx: Transaction, caller: Caller, requested: str) -> Row[Any]:
        """A type by id or name, with the caller's eyes. Raises NotFound."""
        row = await self.get_any(tx, requested) if is_uuid(requested) else None
        row = row or await self.called(tx, requested)
        if row is not None and await self._sees(tx, caller, row):
            return row
        if is_uuid(requested):
            raise self.not_found(requested)
        raise self.not_found(f"with name {requested}")

    async def kept(self, tx: Transaction, row: Row[Any]) -> Row[Any]:
        """A type that something new is to name: it stays as it is as long as that is written."""
        await tx.keep(row.id)
        return still_there(await self.get_any(tx, row.id))

    # ---- the projects that may use a private one ----

    def check_private(self, row: Row[Any]) -> None:
        """Raises Conflict for a type that everybody may use."""
        if row.is_public:
            raise Conflict(
                f"Type access modification is not applicable to public {self._noun} type."
            )

    async def access(self, tx: Transaction, type_id: str) -> list[str]:
        """The projects that may use a private type."""
        return list(await tx.scalars(self._projects, {"type": type_id}))

    async def add_access(self, tx: Transaction, row: Row[Any], project_id: str) -> None:
        """Raises Conflict when it has it, or the type is public."""
        self.check_private(row)
        try:
            await tx.insert(self._access, {"type_id": row.id, "project_id": project_id})
        except Duplicate:
            raise Conflict(
                f"{self._noun.capitalize()} type access for {row.id} / {project_id} combination already exists."
            ) from None

    async def remove_access(self, tx: Transaction, row: Row[Any], project_id: str) -> None:
        """Raises NotFound when it has none, Conflict when the type is public."""
        self.check_private(row)
        if not await tx.count(self._unlet, {"type": row.id, "project": project_id}):
            raise NotFound(
                f"{self._noun.capitalize()} type access not found for {row.id} / {project_id} combination."
            )
