"""What sign-in methods share: the attempt they look at, the proof they give, and whom a body names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotSignedIn
from hanok.services.identity import schemas
from hanok.services.identity.logic import standing
from hanok.services.identity.logic.lookup import exact_first, named
from hanok.services.identity.logic.tokens import Bounds, Payload
from hanok.services.identity.room import Identity
from hanok.services.identity.tables import projects, users
from hanok.store import Database, Transaction

REFUSED = "The request you have made requires authentication."

_project_by_name = (
    sa.select(projects)
    .where(projects.c.name_scope == bindparam("domain_id"), named(projects, bindparam("name")))
    .order_by(exact_first(projects, bindparam("name")))
)
_project_by_id = sa.select(projects).where(projects.c.id == bindparam("id"))
_user_by_name = (
    sa.select(users)
    .where(users.c.domain_id == bindparam("domain_id"), named(users, bindparam("name")))
    .order_by(exact_first(users, bindparam("name")))
)
_user_by_id = sa.select(users).where(users.c.id == bindparam("id"))


class Attempt(Struct, frozen=True, kw_only=True):
    """A request to sign in. http_method, urls, query, headers: for methods that sign it itself."""

    database: Database
    room: Identity
    http_method: str
    urls: Sequence[str]
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]


class Proof(Struct, frozen=True, kw_only=True):
    """Who signed in, how, and what bounds the token. bound_project_id: the only project it may be for."""

    user_id: str
    default_project_id: str | None
    methods: tuple[str, ...]
    bounds: Bounds
    no_later_than: datetime | None = None
    parent_audit_ids: tuple[str, ...] = ()
    parent: Payload | None = None
    bound_project_id: str = ""


class Method(Struct, frozen=True, kw_only=True):
    """A way to sign in: its name in the body, the shape of its part, and what checks it.

    prove raises NotSignedIn when the part does not hold; the user is not told why.
    """

    name: str
    shape: type[Struct]
    prove: Callable[[Attempt, Any], Awaitable[Proof]]


def refused(detail: str) -> NotSignedIn:
    """The one refusal; the detail is for the log."""
    return NotSignedIn(REFUSED, detail=detail)


async def domain(tx: Transaction, ref: schemas.DomainRef | None) -> Row[Any] | None:
    """The domain meant, switched on or not."""
    if ref is None or (ref.id is None and ref.name is None):
        raise BadInput("A name needs its domain: expecting to find domain in request body.")
    if ref.id is not None:
        row = await tx.first(_project_by_id, {"id": ref.id})
        return row if row is not None and row.is_domain else None
    return await tx.first(_project_by_name, {"domain_id": "*", "name": ref.name})


async def project(tx: Transaction, ref: schemas.ProjectRef) -> Row[Any] | None:
    """The project meant, switched on or not."""
    if ref.id is not None:
        return await project_by_id(tx, ref.id)
    if ref.name is None:
        raise BadInput("Expecting to find id or name in project.")
    home = await domain(tx, ref.domain)
    if home is None:
        return None
    row = await tx.first(_project_by_name, {"domain_id": home.id, "name": ref.name})
    return home if row is None and home.name.casefold() == ref.name.casefold() else row


async def project_by_id(tx: Transaction, project_id: str) -> Row[Any] | None:
    return await tx.first(_project_by_id, {"id": project_id})


async def user(tx: Transaction, room: Identity, ref: schemas.UserRef) -> Row[Any] | None:
    """The user meant; None when there is none, or it or its domain is switched off."""
    row = home = None
    if ref.id is not None:
        row = await tx.first(_user_by_id, {"id": ref.id})
        if row is not None:
            home = await tx.first(_project_by_id, {"id": row.domain_id})
    elif ref.name is not None:
        home = await domain(tx, ref.domain)
        if home is not None:
            row = await tx.first(_user_by_name, {"domain_id": home.id, "name": ref.name})
    else:
        raise BadInput("Expecting to find id or name in user.")
    if row is None or not standing.is_enabled(row, room):
        return None
    return row if home is not None and home.enabled else None


async def user_by_id(tx: Transaction, user_id: str) -> Row[Any] | None:
    """A user, switched on or not."""
    return await tx.first(_user_by_id, {"id": user_id})
