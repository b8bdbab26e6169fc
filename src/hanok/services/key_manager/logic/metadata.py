"""What users note of their secrets: keys of small letters, digits, _ and -, each with a text.

Source: Key Manager API v1 reference, "Secret Metadata".
"""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_letters, digits

import sqlalchemy as sa
from sqlalchemy import bindparam

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.services.key_manager.room import KeyManager
from hanok.services.key_manager.tables import user_metadata
from hanok.store import Transaction

_KEY = frozenset(ascii_letters + digits + "_-")
_of = sa.select(user_metadata.c.key, user_metadata.c.value).where(
    user_metadata.c.secret_id == bindparam("of")
)
_clear = user_metadata.delete().where(user_metadata.c.secret_id == bindparam("of"))


async def of(tx: Transaction, secret_id: str) -> dict[str, str]:
    return {row.key: row.value for row in await tx.all(_of, {"of": secret_id})}


def key(sent: str) -> str:
    """As it is kept. Raises BadInput."""
    if not sent or len(sent) > 255 or not _KEY.issuperset(sent):
        raise BadInput("Invalid Key. Key must be URL safe.")
    return sent.lower()


async def replace(
    tx: Transaction, room: KeyManager, secret_id: str, requested: Mapping[str, str]
) -> None:
    """Raises BadInput."""
    pairs = {key(name): value for name, value in requested.items()}
    _fits(room, len(pairs))
    await tx.execute(_clear, {"of": secret_id})
    rows = [{"secret_id": secret_id, "key": name, "value": value} for name, value in pairs.items()]
    if rows:
        await tx.insert(user_metadata, rows)


async def add(tx: Transaction, room: KeyManager, secret_id: str, name: str, value: str) -> str:
    """Gives the key as it is kept. Raises BadInput, Conflict."""
    kept, there = key(name), await of(tx, secret_id)
    if kept in there:
        raise Conflict("Conflict. Key in request is already in the secret metadata")
    _fits(room, len(there) + 1)
    await tx.insert(user_metadata, {"secret_id": secret_id, "key": kept, "value": value})
    return kept


async def change(tx: Transaction, secret_id: str, name: str, sent: str, value: str) -> None:
    """name: in the path. sent: in the body. Raises BadInput, Conflict, NotFound."""
    here = (user_metadata.c.secret_id == secret_id, user_metadata.c.key == name)
    if name not in await of(tx, secret_id):
        raise not_found()
    if key(sent) != name:
        raise Conflict("Key in request data does not match key in the request url.")
    await tx.execute(user_metadata.update().where(*here).values(value=value))


async def remove(tx: Transaction, secret_id: str, name: str) -> None:
    """Raises NotFound."""
    here = (user_metadata.c.secret_id == secret_id, user_metadata.c.key == name)
    if not await tx.count(user_metadata.delete().where(*here)):
        raise not_found()


def not_found() -> NotFound:
    return NotFound("Secret metadata not found.")


def _fits(room: KeyManager, number: int) -> None:
    if number > room.settings.metadata_each:
        raise BadInput(f"A secret has at most {room.settings.metadata_each} keys of metadata.")
