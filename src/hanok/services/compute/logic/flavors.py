"""Flavors."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import Conflict, NotFound
from hanok.services.compute.tables import flavor_access, flavors
from hanok.store import Duplicate, Transaction
from hanok.store.kept import KEPT
from hanok.web.token import Caller

_by_id = sa.select(flavors).where(flavors.c.id == bindparam("id"))
_access = sa.select(flavor_access.c.project_id).where(flavor_access.c.flavor_id == bindparam("id"))


def visible(project_id: str | None) -> sa.ColumnElement[bool]:
    """The flavors that a project may see."""
    mine = sa.select(flavor_access.c.flavor_id).where(flavor_access.c.project_id == project_id)
    return sa.or_(flavors.c.is_public.is_(True), flavors.c.id.in_(mine))


def listed(caller: Caller, public: bool | None) -> sa.Select[Any]:
    """The flavors that the caller may see.

    Args:
        public: for who reaches everywhere: public ones, private ones, or (None) both.
    """
    if not caller.everywhere:
        return _visible_to(caller.project_id)
    return _every if public is None else _of_sort[public]


@lru_cache(maxsize=KEPT)
def _visible_to(project_id: str | None) -> sa.Select[Any]:
    """What a project sees: the same statement each time, so that its plan is found."""
    return sa.select(flavors).where(visible(project_id))


_every = sa.select(flavors)
_of_sort = {one: _every.where(flavors.c.is_public.is_(one)) for one in (True, False)}


async def get_any(tx: Transaction, flavor_id: str) -> Row[Any]:
    """A flavor, whoever asks; for admins."""
    row = await tx.first(_by_id, {"id": flavor_id})
    if row is None:
        raise NotFound(f"Flavor {flavor_id} could not be found.")
    return row


async def get(tx: Transaction, caller: Caller, flavor_id: str) -> Row[Any]:
    """A flavor that the caller may see.

    Raises:
        NotFound: there is none, or it is private and not for this project.
    """
    row = await tx.first(_by_id, {"id": flavor_id})
    if row is not None and (
        row.is_public
        or caller.everywhere
        or caller.project_id in await tx.scalars(_access, {"id": flavor_id})
    ):
        return row
    raise NotFound(f"Flavor {flavor_id} could not be found.")


async def create(tx: Transaction, values: dict[str, Any], now: datetime) -> Row[Any]:
    try:
        await tx.insert(flavors, {**values, "extra_specs": {}, "created_at": now})
    except Duplicate as error:
        if await tx.first(_by_id, {"id": values["id"]}) is not None:
            raise Conflict(f"Flavor with ID {values['id']} already exists.") from error
        raise Conflict(f"Flavor with name {values['name']} already exists.") from error
    return await get_any(tx, values["id"])


async def describe(
    tx: Transaction, flavor_id: str, description: str | None, now: datetime
) -> Row[Any]:
    """Raises NotFound."""
    row = await get_any(tx, flavor_id)
    changed = flavors.update().where(flavors.c.id == row.id)
    await tx.execute(changed.values(description=description, updated_at=now))
    return await get_any(tx, row.id)


async def delete(tx: Transaction, flavor_id: str) -> None:
    """Servers made of it keep what they have."""
    await get_any(tx, flavor_id)
    await tx.execute(flavor_access.delete().where(flavor_access.c.flavor_id == flavor_id))
    await tx.execute(flavors.delete().where(flavors.c.id == flavor_id))


async def set_specs(tx: Transaction, row: Row[Any], specs: dict[str, str]) -> Row[Any]:
    """The flavor with these extra specs, and no others."""
    await tx.execute(flavors.update().where(flavors.c.id == row.id).values(extra_specs=specs))
    return await get_any(tx, row.id)


async def access_of(tx: Transaction, flavor_id: str) -> list[str]:
    return list(await tx.scalars(_access, {"id": flavor_id}))


async def grant(tx: Transaction, flavor_id: str, project_id: str) -> None:
    try:
        await tx.insert(flavor_access, {"flavor_id": flavor_id, "project_id": project_id})
    except Duplicate as error:
        raise Conflict(
            f"Flavor access already exists for flavor {flavor_id} and project {project_id} combination."
        ) from error


async def revoke(tx: Transaction, flavor_id: str, project_id: str) -> None:
    gone = flavor_access.delete().where(
        flavor_access.c.flavor_id == flavor_id, flavor_access.c.project_id == project_id
    )
    if not await tx.count(gone):
        raise NotFound(f"Flavor access not found for {flavor_id} / {project_id} combination.")
