"""Secrets: what they are, and their payloads, sealed.

Source: Key Manager API v1 reference, "Secrets".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict
from hanok.base.ids import new_uuid
from hanok.services.key_manager.logic import common, payloads
from hanok.services.key_manager.logic.errors import no_secret, unfit
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.schemas import NewSecret
from hanok.services.key_manager.tables import consumers, contents, readers, secrets, user_metadata
from hanok.store import Transaction

FILTERS = (
    "name", "alg", "mode", "bits", "secret_type", "created", "updated", "expiration", "acl_only", "sort",
)  # fmt: skip
AT_ONCE = 200  # rows that a transaction forgets
_SORTED = {
    "algorithm": secrets.c.algorithm, "bit_length": secrets.c.bit_length, "created": secrets.c.created_at,
    "expiration": secrets.c.expiration, "mode": secrets.c.mode, "name": secrets.c.name,
    "secret_type": secrets.c.secret_type, "updated": secrets.c.updated_at,
}  # fmt: skip
_EQUAL = {
    "name": secrets.c.name,
    "alg": secrets.c.algorithm,
    "mode": secrets.c.mode,
    "secret_type": secrets.c.secret_type,
}
_TIMES = {
    "created": secrets.c.created_at,
    "updated": secrets.c.updated_at,
    "expiration": secrets.c.expiration,
}
_SECOND = timedelta(seconds=1)
_END = datetime.max.replace(tzinfo=UTC)


def _later(at: datetime) -> datetime:
    """A second later, as far as there are times."""
    return at + _SECOND if at <= _END - _SECOND else _END


# Times are shown to the second, and so they are compared. down, up: the moment as whole seconds, around it.
_COMPARED: dict[str, Callable[[Any, datetime, datetime], sa.ColumnElement[bool]]] = {
    "gt": lambda column, down, up: column >= _later(down),
    "gte": lambda column, down, up: column >= up,
    "lt": lambda column, down, up: column < up,
    "lte": lambda column, down, up: column < _later(down),
    "eq": lambda column, down, up: sa.and_(column >= up, column < _later(down)),
}
_there = sa.or_(secrets.c.expiration.is_(None), secrets.c.expiration > bindparam("now"))
_by_id = sa.select(secrets).where(secrets.c.id == bindparam("id"), _there)
_used_by = (
    sa.select(consumers)
    .where(consumers.c.owner_id.in_(bindparam("ids", expanding=True)))
    .order_by(consumers.c.sequence)
)
_past = sa.select(secrets.c.id).where(secrets.c.expiration <= bindparam("now")).limit(AT_ONCE)
_forget = (
    contents.delete().where(contents.c.secret_id == bindparam("of")),
    user_metadata.delete().where(user_metadata.c.secret_id == bindparam("of")),
    secrets.delete().where(secrets.c.id == bindparam("of")),
)


async def find(tx: Transaction, room: KeyManager, secret_id: str) -> Row[Any]:
    """Of whatever project; one that has expired is not there. Raises NotFound."""
    row = await tx.first(_by_id, {"id": secret_id, "now": room.clock.now()})
    if row is None:
        raise no_secret(secret_id)
    return row


async def create(
    tx: Transaction, room: KeyManager, body: NewSecret, project_id: str, creator_id: str
) -> str:
    """Gives its id. Raises BadInput, Forbidden, TooLarge."""
    now = room.clock.now()
    ends = expiration(body.expiration, now)
    payload = payloads.of_body(room, body)
    await common.count(tx, room, project_id, "secrets")
    row = {
        "id": new_uuid(),
        "project_id": project_id,
        "creator_id": creator_id,
        "name": None if body.name is None else body.name.strip(),
        "secret_type": body.secret_type,
        "algorithm": body.algorithm,
        "mode": body.mode,
        "bit_length": body.bit_length,
        "expiration": ends,
        "content_type": None if payload is None else payload[1],
        "sealed": None if payload is None else room.key.seal(payload[0]),
        "created_at": now,
        "updated_at": now,
        "project_access": True,
    }
    await tx.insert(secrets, row)
    return str(row["id"])


def expiration(sent: str | None, now: datetime) -> datetime | None:
    """Raises BadInput."""
    if sent is None or not sent.strip():
        return None
    try:
        at = common.when(sent)
    except ValueError:
        raise unfit("Secret", "Invalid date for 'expiration'", "expiration") from None
    if at <= now:
        raise unfit("Secret", "'expiration' is before current time", "expiration")
    return at


async def put_payload(
    tx: Transaction, room: KeyManager, row: Row[Any], payload: bytes, kind: str
) -> None:
    """The second step of two. Raises Conflict: it has one."""
    if row.sealed is not None:
        raise Conflict("Secret already has data, cannot modify it.")
    values = {
        "sealed": room.key.seal(payload),
        "content_type": kind,
        "updated_at": room.clock.now(),
    }
    await tx.execute(secrets.update().where(secrets.c.id == row.id).values(**values))


async def delete(tx: Transaction, secret_id: str) -> None:
    """With all that is known of it; containers have it no more."""
    await common.forget(tx, secret_id)
    for statement in _forget:
        await tx.execute(statement, {"of": secret_id})


async def check_unused(tx: Transaction, secret_id: str) -> None:
    """Raises BadInput: something says to use it."""
    if await tx.all(_used_by, {"ids": [secret_id]}):
        raise BadInput(
            'Secret has one or more consumers. Call delete with the "force" parameter to delete.'
        )


async def forget_expired(room: KeyManager) -> int:
    """Remove secrets whose time is over; gives their number."""
    done = 0
    while True:
        async with room.database.write() as tx:
            ids = list(await tx.scalars(_past, {"now": room.clock.now()}))
            for one in ids:
                await delete(tx, one)
        done += len(ids)
        if len(ids) < AT_ONCE:
            return done


async def shown(tx: Transaction, rows: Sequence[Row[Any]], base: str) -> list[dict[str, Any]]:
    """Secrets as the API shows them, without payloads. base: the service's address."""
    used: dict[str, list[dict[str, str]]] = {row.id: [] for row in rows}
    for one in await tx.all(_used_by, {"ids": list(used)}) if used else ():
        used[one.owner_id].append(
            {name: one._mapping[name] for name in ("service", "resource_type", "resource_id")}
        )
    return [_shown(row, used[row.id], base) for row in rows]


def _shown(row: Row[Any], used: list[dict[str, str]], base: str) -> dict[str, Any]:
    named = ("name", "secret_type", "algorithm", "bit_length", "mode", "creator_id")
    found = {name: row._mapping[name] for name in named}
    found |= {
        "status": "ACTIVE",
        "expiration": common.text(row.expiration),
        "created": common.text(row.created_at),
        "updated": common.text(row.updated_at),
        "consumers": used,
        "secret_ref": f"{base}/v1/secrets/{row.id}",
    }
    return found if row.content_type is None else {**found, "content_types": {"default": row.content_type}}  # fmt: skip


def listed(
    room: KeyManager, query: Mapping[str, str], project_id: str, user_id: str
) -> sa.Select[Any]:
    """The secrets of a project that a query asks for, in its order.

    Raises:
        BadInput
    """
    where: list[Any] = [
        sa.or_(secrets.c.expiration.is_(None), secrets.c.expiration > room.clock.now()),
        *(column == query[name] for name, column in _EQUAL.items() if query.get(name)),
    ]
    if _truth(query.get("acl_only") or "false"):
        theirs = sa.select(readers.c.owner_id).where(readers.c.user_id == user_id)
        where.append(secrets.c.id.in_(theirs))
    else:
        where.append(secrets.c.project_id == project_id)
    if bits := query.get("bits"):
        where.append(secrets.c.bit_length == _bits(bits))
    for name, column in _TIMES.items():
        if query.get(name):
            where += _between(name, column, query[name])
    return sa.select(secrets).where(*where).order_by(*_order(query.get("sort") or ""))


def _truth(sent: str) -> bool:
    if sent.lower() not in ("true", "false"):
        raise BadInput(f"{sent[:100]} is not a valid acl_only.")
    return sent.lower() == "true"


def _bits(sent: str) -> int:
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 6):
        raise BadInput(f"{sent[:100]} is not a valid bits.")
    return int(sent)


def _between(name: str, column: Any, sent: str) -> list[sa.ColumnElement[bool]]:
    """ "gte:2026-01-01,lt:2026-02-01". Raises BadInput."""
    found = {}
    for part in sent.split(",", 3):
        way, colon, rest = part.partition(":")
        if not colon or way not in _COMPARED:
            way, rest = "eq", part
        try:
            at = common.when(rest)
            down = at.replace(microsecond=0)
            compared = _COMPARED[way](column, down, _later(down) if at > down else down)
        except (ValueError, OverflowError):
            raise BadInput(f"{sent[:100]} is not a valid {name}.") from None
        if way in found:
            raise BadInput(f"{sent[:100]} is not a valid {name}.")
        found[way] = compared
    return list(found.values())


def _order(sent: str) -> list[Any]:
    """ "name,created:desc". Raises BadInput."""
    found: dict[str, Any] = {}
    for part in sent.split(",") if sent else ():
        name, _, way = part.partition(":")
        if name not in _SORTED or name in found or way not in ("", "asc", "desc"):
            raise BadInput(f"{sent[:100]} is not a valid sort.")
        found[name] = _SORTED[name].desc() if way == "desc" else _SORTED[name].asc()
    return [*found.values(), secrets.c.sequence]
