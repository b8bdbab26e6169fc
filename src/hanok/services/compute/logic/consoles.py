"""Addresses of consoles: each has a token, of which the database has the hash only."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import Conflict, NotFound
from hanok.services.compute.room import Compute
from hanok.services.compute.states import PAUSED, RUNNING
from hanok.services.compute.tables import console_tokens, servers
from hanok.store import Transaction
from hanok.web.token import Token

_valid = sa.select(console_tokens).where(
    console_tokens.c.token_hash == bindparam("hash"), console_tokens.c.expires_at > bindparam("now")
)
_leading = (
    sa.select(console_tokens, servers.c.host, servers.c.project_id)
    .join(servers, servers.c.id == console_tokens.c.server_id)
    .where(
        console_tokens.c.token_hash == bindparam("hash"),
        console_tokens.c.expires_at > bindparam("now"),
        servers.c.deleted.is_(False),
        servers.c.host.is_not(None),
    )
)
_use = (
    console_tokens.update()
    .where(
        console_tokens.c.token_hash == bindparam("hash"),
        console_tokens.c.uses < bindparam("maximum"),
    )
    .values(uses=console_tokens.c.uses + 1)
)


WITH_SCREEN = ("active", "paused", "rescued", "resized", "error")
"""vm states in which a guest may have a screen."""


def token_hash(token: str) -> str:
    """What is kept of a console's token: who reads the database cannot open consoles."""
    return hashlib.sha256(token.encode()).hexdigest()


class Requester(Struct, frozen=True):
    """The token that a console was asked for with, and the roles it carried."""

    token: str
    roles: tuple[str, ...]


def _box(token: str) -> Fernet:
    key = hashlib.sha256(b"console rights " + token.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def seal(token: str, caller_token: str, roles: Sequence[str]) -> str:
    plain = msgspec.msgpack.encode(Requester(caller_token, tuple(roles)))
    return _box(token).encrypt(plain).decode()


def unseal(token: str, sealed: str) -> Requester | None:
    """None when it was not sealed with this token."""
    try:
        return msgspec.msgpack.decode(_box(token).decrypt(sealed.encode()), type=Requester)
    except InvalidToken:
        return None


async def create(
    tx: Transaction, room: Compute, row: Row[Any], kind: str, caller: Token, caller_token: str
) -> str:
    """A new token for one server's console: short-lived, and only its hash is kept.

    Args:
        kind: "vnc" or "serial". caller_token: the text of the token that it is asked for with.

    Raises:
        Conflict: the server has no guest to look at.
    """
    if not row.host or row.vm_state not in WITH_SCREEN or row.power_state not in (RUNNING, PAUSED):
        raise Conflict(f"Instance {row.id} is not ready")
    token = secrets.token_urlsafe(32)
    values = {
        "token_hash": token_hash(token),
        "server_id": row.id,
        "user_id": caller.user_id,
        "kind": kind,
        "asked_with": seal(token, caller_token, caller.roles),
        "uses": 0,
        "expires_at": room.clock.now() + timedelta(seconds=room.settings.console_s),
    }
    await tx.execute(console_tokens.insert(), values)
    return token


async def get(tx: Transaction, token: str, now: datetime) -> Row[Any]:
    """What a token leads to.

    Raises:
        NotFound: nowhere, or no longer.
    """
    row = await tx.first(_valid, {"hash": token_hash(token), "now": now})
    if row is None:
        raise NotFound("Token not found")
    return row


async def leading(tx: Transaction, token: str, now: datetime) -> Row[Any] | None:
    """A token that leads to a server with a guest, with the server's host and project; None: it does not."""
    return await tx.first(_leading, {"hash": token_hash(token), "now": now})


async def use(tx: Transaction, row: Row[Any], maximum: int) -> bool:
    """Count a use of a token. False when it has been used as often as it may be."""
    return bool(await tx.count(_use, {"hash": row.token_hash, "maximum": maximum}))
