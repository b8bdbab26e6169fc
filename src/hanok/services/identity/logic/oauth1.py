"""OAuth 1: consumers, request tokens, access tokens, and the signatures of requests.

A signature counts once, and only for the minutes around its time: what was overheard cannot be sent again.

Source: RFC 5849; Identity API v3 extensions, "OS-OAUTH1".
"""

from __future__ import annotations

import hmac
import secrets
import string
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.request import parse_http_list

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Row, bindparam

from hanok.base.errors import BadInput, NotFound, NotSignedIn
from hanok.base.ids import new_hex
from hanok.services.identity.logic import rights, sealed
from hanok.services.identity.logic.keys import Keys
from hanok.services.identity.room import Identity
from hanok.services.identity.tables import (
    oauth_access_tokens,
    oauth_consumers,
    oauth_nonces,
    oauth_request_tokens,
)
from hanok.store import Database, Duplicate, Transaction

VERIFIER = string.ascii_letters + string.digits
VERIFIER_LENGTH = 8  # as upstream; good for one request token, for hours

_METHODS = {  # of signatures, with the functions of oauthlib that check them
    "HMAC-SHA1": "verify_hmac_sha1",
    "HMAC-SHA256": "verify_hmac_sha256",
    "HMAC-SHA512": "verify_hmac_sha512",
    "PLAINTEXT": "verify_plaintext",
}
_consumer = sa.select(oauth_consumers).where(oauth_consumers.c.id == bindparam("id"))
CONSUMERS = sa.select(oauth_consumers)
_request_token = sa.select(oauth_request_tokens).where(oauth_request_tokens.c.id == bindparam("id"))
_access_token = sa.select(oauth_access_tokens).where(oauth_access_tokens.c.id == bindparam("id"))


class Signed(Struct, frozen=True, kw_only=True):
    """A signed request: what is signed, and the parameters of the Authorization header.

    urls: the addresses that the client may have asked and signed; all lead here.
    """

    http_method: str
    urls: Sequence[str]
    parameters: Mapping[str, str]
    query: Sequence[tuple[str, str]]

    def needs(self, name: str) -> str:
        """A parameter that must be there.

        Raises:
            BadInput: it is not.
        """
        value = self.parameters.get(name)
        if not value or len(value) > 255:
            raise BadInput(f"Expecting to find {name} in request.")
        return value


def read(
    http_method: str,
    urls: Sequence[str],
    query: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
) -> Signed:
    """The signed request.

    Raises:
        BadInput: there is no Authorization header of OAuth, or it names something twice.
    """
    from oauthlib.oauth1.rfc5849.utils import parse_authorization_header, unescape

    header = headers.get("authorization", "")
    try:
        pairs = parse_authorization_header(header)
    except ValueError:
        raise BadInput("An OAuth Authorization header is required.") from None
    parameters = {name: unescape(value) for name, value in pairs}
    if len(pairs) != len(parse_http_list(header.partition(" ")[2])):
        raise BadInput("The Authorization header names a parameter twice.")
    return Signed(http_method=http_method, urls=urls, parameters=parameters, query=query)


def _matches(signed: Signed, consumer_secret: str, token_secret: str) -> bool:
    from oauthlib.common import Request as SignedRequest  # 1 MiB, for who signs so
    from oauthlib.oauth1.rfc5849 import signature

    method = signed.parameters.get("oauth_signature_method", "")
    given = signed.parameters.get("oauth_signature", "")
    if method not in _METHODS or signed.parameters.get("oauth_version", "1.0") != "1.0":
        return False
    params = [
        *signed.query,
        *(
            (name, value)
            for name, value in signed.parameters.items()
            if name not in ("oauth_signature", "realm")
        ),
    ]
    for url in signed.urls:
        request = SignedRequest(url, http_method=signed.http_method)
        request.params, request.signature = params, given
        try:
            if getattr(signature, _METHODS[method])(request, consumer_secret, token_secret):
                return True
        except ValueError:
            return False
    return False


async def _check(
    database: Database, room: Identity, signed: Signed, token_row: Row[Any] | None
) -> Row[Any]:
    """The consumer whose request this is, once.

    Raises:
        NotSignedIn: the signature is wrong, old, or was used.
    """
    refused = NotSignedIn("Invalid signature")
    consumer_id = signed.needs("oauth_consumer_key")
    async with database.read() as tx:
        consumer = await tx.first(_consumer, {"id": consumer_id})
    if consumer is None or (token_row is not None and token_row.consumer_id != consumer_id):
        raise refused
    token_secret = "" if token_row is None else sealed.unseal(room.secrets, token_row)
    if not _matches(signed, sealed.unseal(room.secrets, consumer), token_secret):
        raise refused
    nonce, at = signed.needs("oauth_nonce"), signed.needs("oauth_timestamp")
    if not (at.isascii() and at.isdecimal() and len(at) <= 10) or len(nonce) > 64:
        raise refused
    now, window = room.clock.now(), timedelta(seconds=room.settings.signature_window_s)
    signed_at = datetime.fromtimestamp(int(at), UTC)
    if not now - window <= signed_at <= now + window:
        raise refused
    async with database.write() as tx:
        await tx.execute(oauth_nonces.delete().where(oauth_nonces.c.forget_at < now))
        try:
            await tx.insert(
                oauth_nonces,
                {
                    "consumer_id": consumer_id,
                    "nonce": nonce,
                    "forget_at": signed_at + window + timedelta(seconds=1),
                },
            )
        except Duplicate:
            raise refused from None
    return consumer


def _ended(row: Row[Any], now: datetime) -> bool:
    return row.expires_at is not None and row.expires_at <= now


def _until(now: datetime, seconds: int) -> datetime | None:
    return now + timedelta(seconds=seconds) if seconds else None


def new_secret(keys: Keys) -> tuple[str, dict[str, str]]:
    """A new secret, and the columns that keep it."""
    secret = new_hex()
    return secret, sealed.seal(keys, secret)


async def consumer(tx: Transaction, consumer_id: str) -> Row[Any]:
    """A consumer.

    Raises:
        NotFound: there is none with this id.
    """
    row = await tx.first(_consumer, {"id": consumer_id})
    if row is None:
        raise NotFound("Consumer not found")
    return row


async def create_consumer(
    tx: Transaction, keys: Keys, values: Mapping[str, Any], extra: Mapping[str, Any]
) -> tuple[Row[Any], str]:
    """A new consumer, and its secret, which is not shown again."""
    consumer_id, (secret, columns) = new_hex(), new_secret(keys)
    row = {"id": consumer_id, "description": None, **values, "extra": extra, **columns}
    await tx.insert(oauth_consumers, row)
    return await consumer(tx, consumer_id), secret


async def update_consumer(
    tx: Transaction, row: Row[Any], values: Mapping[str, Any], extra: Mapping[str, Any]
) -> Row[Any]:
    """Change all but the secret.

    Raises:
        BadInput: nothing is changed.
    """
    if not values and not extra:
        raise BadInput("Expecting to find something to change in consumer.")
    changed = oauth_consumers.update().where(oauth_consumers.c.id == row.id)
    await tx.execute(changed.values(**values, extra={**row.extra, **extra}))
    return await consumer(tx, row.id)


def access_tokens(user_id: str) -> sa.Select[Any]:
    """The access tokens that a user has authorized."""
    return sa.select(oauth_access_tokens).where(oauth_access_tokens.c.user_id == user_id)


async def access_token(tx: Transaction, user_id: str, token_id: str) -> Row[Any]:
    """
    Raises:
        NotFound: the user has authorized no such access token.
    """
    row = await tx.first(_access_token, {"id": token_id})
    if row is None or row.user_id != user_id:
        raise NotFound("Access token not found")
    return row


class Telling(Protocol):
    """A request that changes something: its transaction, and what of it is told."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]: ...

    def made(self, subject: str) -> None: ...


async def request_access(
    database: Database, room: Identity, telling: Telling, signed: Signed, project_id: str
) -> tuple[str, str, datetime | None]:
    """A new request token of the consumer that signed: id, secret, end."""
    found = await _check(database, room, signed, None)
    now = room.clock.now()
    token_id, (secret, columns) = new_hex(), new_secret(room.secrets)
    expires_at = _until(now, room.settings.request_token_s)
    async with telling.transaction() as tx:
        telling.made(token_id)
        await tx.execute(
            oauth_request_tokens.delete().where(oauth_request_tokens.c.expires_at < now)
        )
        await tx.insert(
            oauth_request_tokens,
            {
                "id": token_id,
                "consumer_id": found.id,
                "project_id": project_id,
                "expires_at": expires_at,
                **columns,
            },
        )
    return token_id, secret, expires_at


async def authorize(
    tx: Transaction, room: Identity, token_id: str, user_id: str, role_ids: Sequence[str]
) -> str:
    """Lend roles of a user to whoever has a request token; gives the verifier that completes it.

    Raises:
        NotFound: no such request token.
        NotSignedIn: it has ended, somebody else has authorized it, or the user does not have the roles.
    """
    row = await tx.first(_request_token, {"id": token_id})
    if row is None:
        raise NotFound("Request token not found")
    if _ended(row, room.clock.now()):
        raise NotSignedIn("Request token is expired")
    held = await rights.on_project(tx, user_id, row.project_id)
    if not set(held).issuperset(role_ids):
        raise NotSignedIn("authorizing user does not have role required")
    verifier = "".join(secrets.choice(VERIFIER) for _ in range(VERIFIER_LENGTH))
    table = oauth_request_tokens
    mine = (
        table.update()
        .where(table.c.id == token_id)
        .where(sa.or_(table.c.user_id.is_(None), table.c.user_id == user_id))
        .values(user_id=user_id, verifier=verifier, role_ids=list(dict.fromkeys(role_ids)))
    )
    if not await tx.count(mine):
        raise NotSignedIn("Request token is authorized by another user")
    return verifier


async def complete(
    database: Database, room: Identity, telling: Telling, signed: Signed
) -> tuple[str, str, datetime | None]:
    """The access token for an authorized request token, which is used up: id, secret, end.

    Raises:
        NotFound: no such request token. NotSignedIn: it has ended, is not authorized, or something does not match.
    """
    token_id, verifier = signed.needs("oauth_token"), signed.needs("oauth_verifier")
    async with database.read() as tx:
        row = await tx.first(_request_token, {"id": token_id})
    if row is None:
        raise NotFound("Request token not found")
    await _check(database, room, signed, row)
    now = room.clock.now()
    if _ended(row, now):
        raise NotSignedIn("Request token is expired")
    if row.verifier is None or not hmac.compare_digest(row.verifier.encode(), verifier.encode()):
        raise NotSignedIn("Provided verifier does not match stored verifier")
    access_id, (secret, columns) = new_hex(), new_secret(room.secrets)
    expires_at = _until(now, room.settings.access_token_s)
    used = oauth_request_tokens.delete().where(
        oauth_request_tokens.c.id == token_id, oauth_request_tokens.c.verifier == row.verifier
    )
    async with telling.transaction() as tx:
        if not await tx.count(used):
            raise NotFound("Request token not found")
        telling.made(access_id)
        await tx.insert(
            oauth_access_tokens,
            {
                "id": access_id,
                "consumer_id": row.consumer_id,
                "user_id": row.user_id,
                "project_id": row.project_id,
                "role_ids": row.role_ids,
                "expires_at": expires_at,
                **columns,
            },
        )
    return access_id, secret, expires_at


async def prove_access(database: Database, room: Identity, signed: Signed) -> Row[Any]:
    """The access token that a request is signed with.

    Raises:
        NotSignedIn: there is none, it has ended, or the signature is wrong.
    """
    async with database.read() as tx:
        row = await tx.first(_access_token, {"id": signed.needs("oauth_token")})
    if row is None or _ended(row, room.clock.now()):
        raise NotSignedIn("Could not validate the access token")
    await _check(database, room, signed, row)
    return row
