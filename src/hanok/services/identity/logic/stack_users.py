"""Users that stacks have made: in a domain of their own, with a role that lets them signal, in its stack's project.

Nobody signs in to that domain but they; a project of it is a stack's, and goes with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.ids import new_hex
from hanok.services.identity.logic import credentials, first_rows, projects, sealed, users
from hanok.services.identity.logic.tokens import Bounds, since
from hanok.services.identity.room import Identity
from hanok.services.identity.tables import credentials as credential_rows
from hanok.services.identity.tables import projects as project_rows
from hanok.services.identity.tables import users as user_rows
from hanok.store import Transaction

DOMAIN, ROLE = "heat", "heat_stack_user"
_domain = sa.select(project_rows.c.id).where(
    project_rows.c.is_domain.is_(True), project_rows.c.name == DOMAIN
)
_of_project = sa.select(user_rows).where(user_rows.c.default_project_id == bindparam("project"))
_set_password = (
    user_rows.update()
    .where(user_rows.c.id == bindparam("of"))
    .values(password_hash=bindparam("hash"), password_changed_at=bindparam("at"))
)


class StackUser(Struct, frozen=True, kw_only=True):
    """user_id: made by the caller, so that a second try finds it. project_id: of its stack, likewise."""

    user_id: str
    name: str
    project_id: str


async def domain(tx: Transaction) -> str:
    """The id of the domain of stacks' users."""
    await tx.serialize("stack users", DOMAIN)
    there = await tx.scalar(_domain)
    if there is not None:
        return str(there)
    row = {
        **_COMMON,
        "id": new_hex(),
        "name": DOMAIN,
        "name_scope": "*",
        "is_domain": True,
        "description": "Users and projects of stacks",
    }
    await tx.insert(project_rows, row)
    return str(row["id"])


_COMMON: dict[str, Any] = {"enabled": True, "options": {}, "extra": {}}


async def ensure(tx: Transaction, requested: StackUser, password_hash: str, now: datetime) -> str:
    """The user is there with this password and its role; gives the domain's id."""
    domain_id = await domain(tx)
    await _ensure_project(tx, requested.project_id, domain_id)
    if await users.find(tx, requested.user_id) is None:
        await tx.insert(user_rows, _row(requested, domain_id, password_hash=password_hash, now=now))
    else:
        named = {"of": requested.user_id, "hash": password_hash, "at": now}
        await tx.execute(_set_password, named)
    role_id = (await first_rows.ensure_roles(tx, (ROLE,)))[ROLE]
    await first_rows.ensure_grant(tx, requested.user_id, "project", requested.project_id, role_id)
    return domain_id


def _row(
    requested: StackUser, domain_id: str, *, password_hash: str, now: datetime
) -> dict[str, Any]:
    return {
        **_COMMON,
        "id": requested.user_id,
        "name": requested.name,
        "domain_id": domain_id,
        "default_project_id": requested.project_id,
        "password_hash": password_hash,
        "password_changed_at": now,
        "password_own": False,
        "past_hashes": [],
        "failed_sign_ins": 0,
        "last_active_at": now,
        "created_at": now,
    }


async def _ensure_project(tx: Transaction, project_id: str, domain_id: str) -> None:
    if await projects.find(tx, project_id) is not None:
        return
    row = {
        **_COMMON,
        "id": project_id,
        "name": project_id,
        "name_scope": domain_id,
        "domain_id": domain_id,
        "parent_id": domain_id,
        "is_domain": False,
        "description": "Users of a stack",
    }
    await tx.insert(project_rows, row)


async def forget(tx: Transaction, user_id: str, now: datetime) -> None:
    """The user is gone, with its keys."""
    row = await users.find(tx, user_id)
    if row is not None and row.domain_id == await tx.scalar(_domain):
        await users.delete(tx, row, now)


async def forget_project(tx: Transaction, project_id: str, now: datetime) -> None:
    """A stack's project is gone, with all of its users."""
    row = await projects.find(tx, project_id)
    if row is None or row.domain_id != await tx.scalar(_domain):
        return
    there: Sequence[Row[Any]] = await tx.all(_of_project, {"project": project_id})
    for one in there:
        await users.delete(tx, one, now)
    await projects.delete(tx, row, now)


async def token(tx: Transaction, room: Identity, user_id: str, project_id: str) -> str:
    """A token of the user, as if it had signed in now."""
    row = await users.get(tx, user_id)
    text, _ = room.tokens.issue(
        user_id=user_id,
        methods=("password",),
        scope="p",
        scope_id=project_id,
        bounds=Bounds(since_us=since(row)),
    )
    return text


async def key(tx: Transaction, room: Identity, user_id: str, project_id: str, access: str) -> str:
    """A key of EC2 of the user; gives its secret, a new one where the key is there.

    Args:
        access: made by the caller, so that a second try finds it.
    """
    secret = secrets.token_hex(16)
    await forget_key(tx, access)
    blob = msgspec.json.encode({"access": access, "secret": secret}).decode()
    row: dict[str, Any] = {
        "id": credentials.id_of_access(access),
        "user_id": user_id,
        "project_id": project_id,
        "type": credentials.EC2,
        "extra": {},
        **dict.fromkeys(credentials.BOUNDS.values()),
        **sealed.seal(room.secrets, blob),
    }
    await tx.insert(credential_rows, row)
    return secret


async def forget_key(tx: Transaction, access: str) -> None:
    """A key of a user of a stack is gone."""
    row = await credentials.by_access(tx, access)
    user = None if row is None else await users.find(tx, row.user_id)
    if row is not None and user is not None and user.domain_id == await tx.scalar(_domain):
        await credentials.delete(tx, row)
