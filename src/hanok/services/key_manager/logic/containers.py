"""Containers: secrets that belong together, each under a name.

Source: Key Manager API v1 reference, "Containers".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.base.ids import new_uuid
from hanok.services.key_manager.logic import common, secrets
from hanok.services.key_manager.logic.errors import no_container, unfit
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.schemas import NewContainer, SecretRef
from hanok.services.key_manager.tables import consumers, containers, contents
from hanok.store import Duplicate, Transaction

FILTERS = ("name", "type")
_KNOWN: Mapping[str, tuple[Collection[str], Collection[str]]] = {
    "rsa": (("public_key", "private_key"), ("private_key_passphrase",)),
    "certificate": (("certificate",), ("private_key", "private_key_passphrase", "intermediates")),
}
"""The names that a type has to have, and those that it may have besides."""
_by_id = sa.select(containers).where(containers.c.id == bindparam("id"))


def _of(table: sa.Table, column: sa.Column[Any]) -> sa.Select[Any]:
    these = column.in_(bindparam("ids", expanding=True))
    return sa.select(table).where(these).order_by(table.c.sequence)


_contents = _of(contents, contents.c.container_id)
_used_by = _of(consumers, consumers.c.owner_id)


async def find(tx: Transaction, container_id: str) -> Row[Any]:
    """Of whatever project. Raises NotFound."""
    row = await tx.first(_by_id, {"id": container_id})
    if row is None:
        raise no_container(container_id)
    return row


async def held(tx: Transaction, container_id: str) -> dict[str, str]:
    """The ids of the secrets in a container, by name."""
    return {row.name: row.secret_id for row in await tx.all(_contents, {"ids": [container_id]})}


async def create(
    tx: Transaction, room: KeyManager, body: NewContainer, project_id: str, creator_id: str
) -> str:
    """Gives its id. Raises BadInput, Forbidden, NotFound."""
    _fits(room, body)
    for one in body.secret_refs:
        await _secret(tx, room, one, project_id)
    await common.count(tx, room, project_id, "containers")
    now = room.clock.now()
    row = {
        "id": new_uuid(),
        "project_id": project_id,
        "creator_id": creator_id,
        "name": None if body.name is None else body.name.strip(),
        "type": body.type,
        "created_at": now,
        "updated_at": now,
        "project_access": True,
    }
    await tx.insert(containers, row)
    rows = [
        {
            "container_id": row["id"],
            "secret_id": common.id_of(one.secret_ref),
            "name": one.name or "",
        }
        for one in body.secret_refs
    ]
    if rows:
        await tx.insert(contents, rows)
    return str(row["id"])


def _fits(room: KeyManager, body: NewContainer) -> None:
    """Raises BadInput: names that the type does not have, or twice the same."""
    if len(body.secret_refs) > room.settings.secrets_each:
        why = f"A container has at most {room.settings.secrets_each} secrets"
        raise unfit("Container", why, "secret_refs")
    names = [one.name or "" for one in body.secret_refs]
    if len(set(names)) < len(names):
        why = "Duplicate reference names are not allowed"
        raise unfit("Container", why, "secret_refs")
    if len({common.id_of(one.secret_ref) for one in body.secret_refs}) < len(names):
        raise unfit("Container", "Duplicate secret ids are not allowed", "secret_refs")
    if not names or body.type not in _KNOWN:
        return
    needed, more = _KNOWN[body.type]
    if set(names) - {*needed, *more}:
        why = f"only {', '.join(map(repr, (*needed, *more)))} reference names are allowed for {body.type} type"
        raise unfit("Container", why, "secret_refs")
    if set(needed) - set(names):
        why = f"The minimum required reference names are {', '.join(map(repr, needed))} for {body.type} type"
        raise unfit("Container", why, "secret_refs")


async def _secret(tx: Transaction, room: KeyManager, one: SecretRef, project_id: str) -> str:
    """The id of a secret of a project that is referred to; it stays until the transaction ends.

    Raises:
        NotFound
    """
    secret_id = common.id_of(one.secret_ref)
    missing = NotFound(f"Secret provided for '{one.name or ''}' doesn't exist.")
    if not secret_id:
        raise missing
    await tx.keep(secret_id)
    try:
        row = await secrets.find(tx, room, secret_id)
    except NotFound:
        raise missing from None
    if row.project_id != project_id:
        raise missing
    return secret_id


async def add(tx: Transaction, room: KeyManager, row: Row[Any], one: SecretRef) -> None:
    """Raises BadInput, Conflict, NotFound."""
    if row.type != "generic":
        raise BadInput("Only 'generic' containers can be modified.")
    secret_id = await _secret(tx, room, one, row.project_id)
    if len(await tx.all(_contents, {"ids": [row.id]})) >= room.settings.secrets_each:
        raise BadInput(f"A container has at most {room.settings.secrets_each} secrets.")
    try:
        values = {"container_id": row.id, "secret_id": secret_id, "name": one.name or ""}
        await tx.insert(contents, values)
    except Duplicate:
        raise Conflict(
            "Conflict. A secret with that name and ID is already stored in this container."
        ) from None
    await _touched(tx, room, row)


async def take(tx: Transaction, room: KeyManager, row: Row[Any], one: SecretRef) -> None:
    """Raises BadInput, NotFound."""
    if row.type != "generic":
        raise BadInput("Only 'generic' containers can be modified.")
    here = (
        contents.c.container_id == row.id,
        contents.c.secret_id == common.id_of(one.secret_ref),
        contents.c.name == (one.name or ""),
    )
    if not await tx.count(contents.delete().where(*here)):
        raise NotFound("Secret provided is not in the container")
    await _touched(tx, room, row)


async def _touched(tx: Transaction, room: KeyManager, row: Row[Any]) -> None:
    here = containers.c.id == row.id
    await tx.execute(containers.update().where(here).values(updated_at=room.clock.now()))


async def delete(tx: Transaction, container_id: str) -> None:
    """The secrets in it stay."""
    await common.forget(tx, container_id)
    await tx.execute(contents.delete().where(contents.c.container_id == container_id))
    await tx.execute(containers.delete().where(containers.c.id == container_id))


def listed(query: Mapping[str, str], project_id: str) -> sa.Select[Any]:
    where = [containers.c.project_id == project_id]
    where += [containers.c[name] == query[name] for name in FILTERS if query.get(name)]
    return sa.select(containers).where(*where).order_by(containers.c.sequence)


async def shown(tx: Transaction, rows: Sequence[Row[Any]], base: str) -> list[dict[str, Any]]:
    """base: the service's address."""
    ids = [row.id for row in rows]
    refs: dict[str, list[Any]] = {one: [] for one in ids}
    used: dict[str, list[Any]] = {one: [] for one in ids}
    for one in await tx.all(_contents, {"ids": ids}) if ids else ():
        ref = {"secret_ref": f"{base}/v1/secrets/{one.secret_id}"}
        refs[one.container_id].append({**ref, "name": one.name} if one.name else ref)
    for one in await tx.all(_used_by, {"ids": ids}) if ids else ():
        used[one.owner_id].append({"name": one.service, "URL": one.resource_id})
    return [
        {
            "name": row.name,
            "type": row.type,
            "status": "ACTIVE",
            "creator_id": row.creator_id,
            "created": common.text(row.created_at),
            "updated": common.text(row.updated_at),
            "container_ref": f"{base}/v1/containers/{row.id}",
            "secret_refs": refs[row.id],
            "consumers": used[row.id],
        }
        for row in rows
    ]
