"""Credentials: secrets that users keep here, whatever their type; the keys of EC2 and S3 among them.

What a credential is bounded by (a trust, an application credential, an OAuth access token) stands in columns that come
from the token it was made with. The blob shows the same, and may claim nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, Conflict, Forbidden
from hanok.base.ids import new_hex
from hanok.services.identity.logic import lookup, sealed
from hanok.services.identity.logic.keys import Keys
from hanok.services.identity.logic.lookup import get
from hanok.services.identity.room import Identity
from hanok.services.identity.tables import credentials, projects, users
from hanok.store import Duplicate, Transaction
from hanok.web.token import Token

EC2 = "ec2"
TOTP = "totp"
BOUNDS = {
    "trust_id": "trust_id",
    "app_cred_id": "application_credential_id",
    "access_token_id": "access_token_id",
}
"""Names in the blob of an EC2 key, and the columns they show."""

_FIXED = (*BOUNDS, "access_id")
_PLACE = ("user_id", "project_id", "type")

_count = (
    sa.select(sa.func.count())
    .select_from(credentials)
    .where(credentials.c.user_id == bindparam("id"))
)
_all = sa.select(credentials)
_every = sa.select(*(credentials.c[name] for name in ("id", "user_id", "project_id", "type")))
_of_type = _all.where(
    credentials.c.user_id == bindparam("user_id"), credentials.c.type == bindparam("type")
)
_ec2 = _all.where(credentials.c.id == bindparam("id"), credentials.c.type == EC2)


def id_of_access(access: str) -> str:
    """The id of the credential with this access key."""
    return hashlib.sha256(access.encode()).hexdigest()


async def find(tx: Transaction, credential_id: str) -> Row[Any] | None:
    """A credential, if there is one with this id."""
    return await lookup.find(tx, credentials, credential_id)


async def every(tx: Transaction) -> Sequence[Row[Any]]:
    """Id, user, project and type of all credentials: what rules look at."""
    return await tx.all(_every)


def among(ids: Sequence[str] | None) -> sa.Select[Any]:
    """Credentials of these ids; None: all of them."""
    return _all if ids is None else _all.where(credentials.c.id.in_(ids))


async def by_access(tx: Transaction, access: str) -> Row[Any] | None:
    """The EC2 key with this access key, if there is one."""
    return await tx.first(_ec2, {"id": id_of_access(access)})


def ec2_keys(user_id: str, token: Token) -> sa.Select[Any]:
    """A user's EC2 keys, as far as a token reaches."""
    found = _all.where(credentials.c.user_id == user_id, credentials.c.type == EC2)
    return found.where(credentials.c.project_id == token.project_id) if token.delegated else found


def in_reach(token: Token, project_id: str | None, kind: str) -> bool:
    """Whether a delegated token reaches a credential: only those of its own project, and none that its owner signs in
    with, for whoever signs in with that has all that the owner may do. kind: its type.
    """
    own = project_id is not None and project_id == token.project_id
    return not token.delegated or (own and kind.lower() != TOTP)


def blob_of(keys: Keys, row: Row[Any]) -> str:
    return sealed.unseal(keys, row)


def _parsed(blob: str) -> dict[str, Any]:
    """The blob of an EC2 key.

    Raises:
        BadInput: it is no JSON object, or has no access key.
    """
    try:
        parsed = msgspec.json.decode(blob)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise BadInput("Invalid blob in credential") from None
    if not isinstance(parsed, dict) or not parsed:
        raise BadInput("Expecting to find blob in credential: a JSON object.")
    if not isinstance(parsed.get("access"), str) or not parsed["access"]:
        raise BadInput("Expecting to find access in the blob of the credential.")
    if not isinstance(parsed.get("secret", ""), str):
        raise BadInput("The secret in the blob of the credential is not a string.")
    return parsed


async def _make_space(tx: Transaction, room: Identity, user_id: str) -> None:
    """Hold on to the user, who may have one credential more.

    Raises:
        NotFound: no such user. Forbidden: the user has as many as one may have.
    """
    await tx.keep(user_id)
    await get(tx, users, "user", user_id)
    await tx.serialize("credentials", user_id)
    maximum = room.settings.credentials_each
    if maximum and int(await tx.scalar(_count, {"id": user_id})) >= maximum:
        raise Forbidden(f"Unable to create additional credentials, maximum of {maximum} reached.")


async def create(
    tx: Transaction,
    room: Identity,
    token: Token,
    values: dict[str, Any],
    extra: dict[str, Any],
) -> Row[Any]:
    """A new credential, no wider than the token it is made with.

    Raises:
        BadInput: an EC2 key without project or access key, or one that claims other bounds than its maker's.
        NotFound: no such user or project. Conflict: the access key is taken.
        Forbidden: the user has as many as one may have.
    """
    user_id, project_id = values["user_id"], values.get("project_id")
    await _make_space(tx, room, user_id)
    if project_id is not None:
        await tx.keep(project_id)
        await get(tx, projects, "project", project_id)
    bounds = {name: getattr(token, name) for name in BOUNDS.values()}
    credential_id, blob = new_hex(), values["blob"]
    if values["type"].lower() == EC2:
        if project_id is None:
            raise BadInput("'project_id' is a required property of EC2 credentials")
        parsed = _parsed(blob)
        for name, column in BOUNDS.items():
            if parsed.get(name) not in (None, bounds[column]):
                raise BadInput(f"{name} is not the credential's to choose.")
            if bounds[column] is not None:
                parsed[name] = bounds[column]
        credential_id = id_of_access(parsed["access"])
        blob = msgspec.json.encode(parsed).decode() if any(bounds.values()) else blob
    try:
        await tx.insert(
            credentials,
            {
                "id": credential_id,
                "user_id": user_id,
                "project_id": project_id,
                "type": values["type"],
                "extra": extra,
                **bounds,
                **sealed.seal(room.secrets, blob),
            },
        )
    except Duplicate as error:
        raise Conflict(
            "Conflict occurred attempting to store credential - the access key is taken."
        ) from error
    return await get(tx, credentials, "credential", credential_id)


def moved(row: Row[Any], values: dict[str, Any]) -> dict[str, Any]:
    """What of owner, project and type is to be another.

    Raises:
        BadInput: there is something, and it is an EC2 key, or would be one.
    """
    changed = {
        name: values[name]
        for name in _PLACE
        if values.get(name, getattr(row, name)) != getattr(row, name)
    }
    if changed and EC2 in (row.type.lower(), values.get("type", "").lower()):
        raise BadInput(f"{min(changed)} can not be updated for credential")
    return changed


async def update(
    tx: Transaction, room: Identity, row: Row[Any], values: dict[str, Any], extra: dict[str, Any]
) -> Row[Any]:
    """Change a credential. Whose, what for and of what type it is changes unless it is an EC2 key, or was one.

    Raises:
        BadInput: something of an EC2 key that stays is not as it was.
        NotFound: no such user or project. Forbidden: the user has as many as one may have.
    """
    changed = moved(row, values)
    if "user_id" in changed:
        await _make_space(tx, room, values["user_id"])
    if "project_id" in changed and values["project_id"] is not None:
        await tx.keep(values["project_id"])
        await get(tx, projects, "project", values["project_id"])
    changes: dict[str, Any] = {"extra": {**row.extra, **extra}, **changed}
    if "blob" in values:
        if row.type.lower() == EC2:
            before, after = _parsed(blob_of(room.secrets, row)), _parsed(values["blob"])
            for name in _FIXED:
                if before.get(name) != after.get(name):
                    raise BadInput(f"{name} can not be updated for credential")
        changes.update(sealed.seal(room.secrets, values["blob"]))
    await tx.execute(credentials.update().where(credentials.c.id == row.id).values(**changes))
    return await get(tx, credentials, "credential", row.id)


async def delete(tx: Transaction, row: Row[Any]) -> None:
    """Remove a credential; tokens got with it end."""
    await tx.execute(credentials.delete().where(credentials.c.id == row.id))


async def of_type(tx: Transaction, user_id: str, kind: str) -> list[Row[Any]]:
    """A user's credentials of a type."""
    return list(await tx.all(_of_type, {"user_id": user_id, "type": kind}))


def ec2_parts(keys: Keys, row: Row[Any]) -> tuple[str, str]:
    """Access key and secret of an EC2 credential."""
    parsed = _parsed(blob_of(keys, row))
    return parsed["access"], parsed.get("secret", "")
