"""What a new identity service begins with. What is there already stays as it is.

Source: Identity administration guide, "Bootstrapping Identity".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from hanok.base.ids import new_hex
from hanok.rooms import CatalogEntry
from hanok.services.identity.logic.lookup import exact_first, named
from hanok.services.identity.tables import (
    assignments,
    endpoints,
    implied_roles,
    projects,
    regions,
    roles,
    services,
    state,
    users,
)
from hanok.store import Transaction

_first_project = (
    sa.select(projects.c.id)
    .where(projects.c.name_scope == "default", named(projects, "admin"))
    .order_by(exact_first(projects, "admin"))
)
_first_user = (
    sa.select(users.c.id)
    .where(users.c.domain_id == "default", named(users, "admin"))
    .order_by(exact_first(users, "admin"))
)
_roles = sa.select(roles.c.id, roles.c.name, roles.c.name_key).where(
    roles.c.domain_id == "*",
    sa.or_(
        roles.c.name_key.in_(sa.bindparam("keys", expanding=True)),
        roles.c.name.in_(sa.bindparam("names", expanding=True)),
    ),
)
_implied = sa.select(implied_roles.c.prior_id, implied_roles.c.implied_id)
_types = sa.select(services.c.type)
_COMMON = {"enabled": True, "options": {}, "extra": {}}
ROLES = ("admin", "manager", "member", "reader", "service")
IMMUTABLE = frozenset(ROLES) - {"service"}
IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))


async def _ensure(tx: Transaction, table: sa.Table, key: dict[str, Any], **more: Any) -> None:
    """A row with this key is there; a new one has the rest, too."""
    if await tx.first(_by_key(table, tuple(key)), key) is None:
        await tx.insert(table, {**more, **key})


@cache
def _by_key(table: sa.Table, names: tuple[str, ...]) -> sa.Select[Any]:
    return sa.select(table).where(*(table.c[name] == sa.bindparam(name) for name in names))


async def ensure_domain(tx: Transaction) -> None:
    """The counter of rights, and the default domain."""
    await _ensure(tx, state, {"id": 1}, revision=1)
    await _ensure(
        tx,
        projects,
        {"id": "default"},
        **_COMMON,
        name="Default",
        name_scope="*",
        is_domain=True,
        description="The default domain",
    )


async def project(tx: Transaction) -> str | None:
    """The id of the project admin."""
    found = await tx.scalar(_first_project)
    return None if found is None else str(found)


async def ensure_project(tx: Transaction) -> str:
    """The project admin; gives its id."""
    there = await project(tx)
    if there is not None:
        return there
    row = {
        **_COMMON,
        "id": new_hex(),
        "name": "admin",
        "name_scope": "default",
        "domain_id": "default",
        "parent_id": "default",
        "is_domain": False,
        "description": "Bootstrap project for initializing the cloud.",
    }
    await tx.insert(projects, row)
    return str(row["id"])


async def ensure_administrator(
    tx: Transaction, password_hash: Callable[[], Awaitable[str]], now: datetime
) -> str:
    """The user admin; gives its id.

    Args:
        password_hash: asked only where there is no such user yet.
    """
    there = await tx.scalar(_first_user)
    if there is not None:
        return str(there)
    row = {
        **_COMMON,
        "id": new_hex(),
        "name": "admin",
        "domain_id": "default",
        "password_hash": await password_hash(),
        "password_changed_at": now,
        "past_hashes": [],
        "failed_sign_ins": 0,
        "created_at": now,
    }
    await tx.insert(users, row)
    return str(row["id"])


async def set_password(tx: Transaction, password_hash: str, now: datetime) -> None:
    """The user admin, if there is one, has a password that lasts, is enabled and not locked out."""
    fresh = {"password_expires_at": None, "failed_sign_ins": 0, "failed_at": None}
    await tx.execute(
        users.update()
        .where(users.c.id == await tx.scalar(_first_user))
        .values(password_hash=password_hash, password_changed_at=now, enabled=True, **fresh)
    )


async def ensure_first_roles(tx: Transaction) -> dict[str, str]:
    """The roles that rules name, those that imply others; gives ids by name."""
    ids = await ensure_roles(tx, ROLES)
    pairs = {tuple(row) for row in await tx.all(_implied)}
    for prior, implied in IMPLIED:
        pair = (ids[prior], ids[implied])
        if pair not in pairs:
            await tx.insert(implied_roles, {"prior_id": pair[0], "implied_id": pair[1]})
    return ids


async def ensure_roles(tx: Transaction, names: Sequence[str]) -> dict[str, str]:
    """Roles of these names are there; gives their ids by name."""
    keys = [name.casefold() for name in names]
    found = await tx.all(_roles, {"names": list(names), "keys": keys})
    exact = {row.name: row.id for row in found}
    alike = {row.name_key: row.id for row in found}
    return {
        name: exact.get(name) or alike.get(key) or await _new_role(tx, name)
        for name, key in zip(names, keys, strict=True)
    }


async def _new_role(tx: Transaction, name: str) -> str:
    role_id = new_hex()
    row = {"id": role_id, "name": name, "domain_id": "*", "extra": {}}
    await tx.insert(roles, {**row, "options": {"immutable": True} if name in IMMUTABLE else {}})
    return role_id


async def ensure_grant(
    tx: Transaction, user_id: str, kind: str, target_id: str, role_id: str
) -> None:
    """The user has the role there."""
    grant = {
        "actor_kind": "user",
        "actor_id": user_id,
        "target_kind": kind,
        "target_id": target_id,
        "role_id": role_id,
        "inherited": False,
    }
    await _ensure(tx, assignments, grant)


async def ensure_region(tx: Transaction, region: str) -> None:
    await _ensure(tx, regions, {"id": region}, parent_region_id=None, description="", extra={})


async def ensure_services(tx: Transaction, catalog: Sequence[CatalogEntry], region: str) -> None:
    """Services of this house with their endpoints; one of its type that is there is left alone."""
    there = set(await tx.scalars(_types))
    for entry in catalog:
        if entry.type not in there:
            there.add(entry.type)
            await _new_service(tx, entry, region)


async def _new_service(tx: Transaction, entry: CatalogEntry, region: str) -> None:
    service_id = new_hex()
    row: dict[str, Any] = {"id": service_id, "type": entry.type, "name": entry.name}
    row |= {"description": entry.description, "enabled": True, "extra": {}}
    await tx.insert(services, row)
    origin = f"$(origin:{entry.own_port})s" if entry.own_port else "$(origin)s"
    for interface in ("public", "internal", "admin"):
        await tx.insert(
            endpoints,
            {
                "id": new_hex(),
                "service_id": service_id,
                "interface": interface,
                "region_id": region,
                "url": f"{origin}{entry.path}",
                "enabled": True,
                "extra": {},
            },
        )
