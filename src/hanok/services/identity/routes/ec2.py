"""Keys of EC2 and S3, and the exchange of a signed request for a token, for services that take such requests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Forbidden, NotFound, NotSignedIn
from hanok.base.ids import new_hex
from hanok.services.identity import schemas
from hanok.services.identity.logic import credentials, ec2, proofs, signatures, users
from hanok.services.identity.logic.signatures import Signed
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.services.identity.routes.auth import token_body
from hanok.services.identity.routes.users import readable
from hanok.store import Transaction
from hanok.web.request import Request, convert, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.token import Token


def _answer(request: Request, room: Identity, row: Row[Any]) -> dict[str, Any]:
    access, secret = credentials.ec2_parts(room.secrets, row)
    return {
        "access": access,
        "secret": secret,
        "user_id": row.user_id,
        "tenant_id": row.project_id,
        "trust_id": row.trust_id,
        "links": schemas.link(request, "users", row.user_id, "credentials", "OS-EC2", access),
    }


def _check_reach(token: Token, project_id: str | None) -> None:
    if not credentials.in_reach(token, project_id, credentials.EC2):
        raise Forbidden("A delegated token reaches the credentials of its own project only.")


async def list_keys(request: Request, room: Identity) -> Response:
    """GET /v3/users/{id}/credentials/OS-EC2."""
    async with request.reading() as tx:
        user = await readable(request, tx, "identity:ec2_list_credentials")
        mine = credentials.ec2_keys(user.id, request.token)
        page = await lists.EC2_KEYS.page(request, tx, mine)
    items = [_answer(request, room, row) for row in page.rows]
    return await lists.paged(request, lists.EC2_KEYS, page, items)


async def create_key(request: Request, room: Identity) -> Response:
    """POST /v3/users/{id}/credentials/OS-EC2: a pair of access key and secret for a project.

    Source: Identity API v3 extensions, "OS-EC2".
    """
    body = await request.body(schemas.EC2Body)
    user_id = request.path["user_id"]
    for rule in ("identity:ec2_create_credential", "identity:create_credential"):
        request.allow(rule, {"target.credential.user_id": user_id})
    _check_reach(request.token, body.tenant_id)
    blob = {"access": new_hex(), "secret": new_hex()}
    values = {
        "user_id": user_id,
        "project_id": body.tenant_id,
        "type": credentials.EC2,
        "blob": msgspec.json.encode(blob).decode(),
    }
    async with request.transaction() as tx:
        row = await credentials.create(tx, room, request.token, values, {})
        request.made(row.id)
    return json_answer({"credential": _answer(request, room, row)}, 201)


# The same keys are served as credentials of a type, too: each door asks the rules of both.
_OF_CREDENTIALS = {
    "identity:ec2_get_credential": "identity:get_credential",
    "identity:ec2_delete_credential": "identity:delete_credential",
}


async def _key(request: Request, tx: Transaction, rule: str) -> Row[Any]:
    """The key of the path. An access key is its own secret name: one that is not there is 404 to everybody."""
    access = request.path["access"]
    row = await credentials.by_access(tx, access)
    if row is None:
        request.allowed_by_hand()
        raise NotFound(f"Could not find credential: {access}.")
    for one in (rule, _OF_CREDENTIALS[rule]):
        request.allow(one, {"target.credential.user_id": row.user_id})
    await users.get(tx, request.path["user_id"])
    _check_reach(request.token, row.project_id)
    return row


async def show_key(request: Request, room: Identity) -> Response:
    """GET /v3/users/{id}/credentials/OS-EC2/{access}."""
    async with request.reading() as tx:
        row = await _key(request, tx, "identity:ec2_get_credential")
    return json_answer({"credential": _answer(request, room, row)})


async def delete_key(request: Request, room: Identity) -> Response:
    """DELETE /v3/users/{id}/credentials/OS-EC2/{access}: ends the tokens got with it."""
    async with request.transaction() as tx:
        row = await _key(request, tx, "identity:ec2_delete_credential")
        await credentials.delete(tx, row)
        request.made(row.id)
    return no_content()


# ---- signed requests ----

_Check = Callable[[str, Signed], None]
_CheckTime = Callable[[Signed, datetime, timedelta], None]


async def _signed(request: Request) -> Signed:
    body = await request.json()
    if not isinstance(body, dict) or not body:
        raise BadInput("request must include a request body")
    part = body.get("credentials") or body.get("credential") or body.get("ec2Credentials") or {}
    signed = convert(part, Signed)
    if not signed.access:
        raise NotSignedIn("EC2 Signature not supplied")
    return signed


async def _exchange(
    request: Request, room: Identity, check: _Check, check_time: _CheckTime
) -> tuple[str, dict[str, Any]]:
    """A token with the rights of the key that signed; and its body.

    Raises:
        NotFound: no such access key.
        NotSignedIn: it was not signed so, not now, or the key is worth nothing any more.
    """
    signed = await _signed(request)
    async with request.reading() as tx:
        row = await credentials.by_access(tx, signed.access)
        if row is None:
            raise NotFound("EC2 access key not found.")
        _, secret = credentials.ec2_parts(room.secrets, row)
        check(secret, signed)
        window = timedelta(seconds=room.settings.signature_window_s)
        check_time(signed, room.clock.now(), window)
        text, payload = await ec2.issue(tx, room, row)
        token = await room.tokens.worth(tx, payload)
        if token is None:
            raise proofs.refused("the key is worth nothing any more")
        return text, await token_body(request, room, tx, token, "nocatalog" not in request.query)


async def exchange_ec2(request: Request, room: Identity) -> Response:
    """POST /v3/ec2tokens: for services, and administrators.

    Source: Identity API v3 extensions, "OS-EC2".
    """
    request.allow("identity:ec2tokens_validate")
    text, body = await _exchange(request, room, signatures.check_ec2, signatures.check_ec2_time)
    return json_answer({"token": body}, 200, {"X-Subject-Token": text})


async def exchange_s3(request: Request, room: Identity) -> Response:
    """POST /v3/s3tokens: for services, and administrators; whose rights they are is told, the token itself is not."""
    request.allow("identity:s3tokens_validate")
    presigned = timedelta(seconds=room.settings.presigned_s)
    check_time = partial(signatures.check_s3_time, presigned=presigned)
    _, body = await _exchange(request, room, signatures.check_s3, check_time)
    return json_answer({"token": body})


_OWN = "/v3/users/{user_id}/credentials/OS-EC2"
_ONE = _OWN + "/{access}"
ROUTES = (
    Route(
        "GET",
        _OWN,
        list_keys,
        ("identity:ec2_list_credentials",),
        query=lists.EC2_KEYS.parameters,
    ),
    Route(
        "POST",
        _OWN,
        create_key,
        ("identity:ec2_create_credential", "identity:create_credential"),
        event="identity.credential.created",
        strict=True,
        delegated="bounded",
        body=schemas.EC2Body,
    ),
    Route("GET", _ONE, show_key, ("identity:ec2_get_credential", "identity:get_credential")),
    Route(
        "DELETE",
        _ONE,
        delete_key,
        ("identity:ec2_delete_credential", "identity:delete_credential"),
        event="identity.credential.deleted",
        delegated="bounded",
    ),
    # These make no authority: whose request it is was decided by who signed it.
    Route(
        "POST",
        "/v3/ec2tokens",
        exchange_ec2,
        ("identity:ec2tokens_validate",),
        delegated="always",
        query=("nocatalog",),
    ),
    Route(
        "POST",
        "/v3/s3tokens",
        exchange_s3,
        ("identity:s3tokens_validate",),
        delegated="always",
        query=("nocatalog",),
    ),
)
