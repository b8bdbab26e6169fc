"""Credentials of any type. The secrets in them are only their owners' and the administrators' to see."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Forbidden, NotFound
from hanok.services.identity import schemas
from hanok.services.identity.logic import credentials
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


def _answer(request: Request, room: Identity, row: Row[Any]) -> dict[str, Any]:
    return {
        **row.extra,
        "id": row.id,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "type": row.type,
        "blob": credentials.blob_of(room.secrets, row),
        "links": schemas.link(request, "credentials", row.id),
    }


def _target(row: Row[Any]) -> dict[str, Any]:
    return {
        "target.credential.id": row.id,
        "target.credential.user_id": row.user_id,
        "target.credential.project_id": row.project_id,
        "target.credential.type": row.type,
    }


async def _one(request: Request, tx: Transaction, rule: str) -> Row[Any]:
    """The credential of the path, if the caller may do this to it."""
    credential_id = request.path["credential_id"]
    row = await credentials.find(tx, credential_id)
    if row is None:
        request.allow(rule)
        raise NotFound(f"Could not find credential: {credential_id}.")
    request.allow(rule, _target(row))
    _allow_key(request, rule, row.type, row.user_id)
    _check_reach(request, row.project_id, row.type)
    return row


# Keys of EC2 have doors of their own: each door asks the rules of both.
_KEYS = {
    "identity:create_credential": "identity:ec2_create_credential",
    "identity:get_credential": "identity:ec2_get_credential",
    "identity:update_credential": "identity:ec2_create_credential",
    "identity:delete_credential": "identity:ec2_delete_credential",
}


def _allow_key(request: Request, rule: str, kind: str, user_id: str) -> None:
    if kind.lower() == credentials.EC2:
        request.allow(_KEYS[rule], {"target.credential.user_id": user_id})


def _check_reach(request: Request, project_id: str | None, kind: str) -> None:
    if not credentials.in_reach(request.token, project_id, kind):
        raise Forbidden(
            "A delegated token reaches the credentials of its own project only, and none of type totp."
        )


async def list_credentials(request: Request, room: Identity) -> Response:
    """GET /v3/credentials: those the caller may see, with filters on user and type."""
    token = request.token
    owner = None if token.system else token.user_id
    request.allow("identity:list_credentials", {"target.credential.user_id": owner})
    async with request.reading() as tx:
        rows = await credentials.every(tx)
        ids = [row.id for row in rows if _sees(request, row)]
        mine = credentials.among(None if len(ids) == len(rows) else ids)
        page = await lists.CREDENTIALS.page(request, tx, mine)
    items = [_answer(request, room, row) for row in page.rows]
    return await lists.paged(request, lists.CREDENTIALS, page, items)


def _sees(request: Request, row: Row[Any]) -> bool:
    return request.may("identity:get_credential", _target(row)) and credentials.in_reach(
        request.token, row.project_id, row.type
    )


async def create_credential(request: Request, room: Identity) -> Response:
    """POST /v3/credentials.

    Source: Identity API reference, "Credentials".
    """
    body, extra = await schemas.read(request, "credential", schemas.CredentialBody)
    values = schemas.given(body)
    for name in ("blob", "type", "user_id"):
        if name not in values:
            raise BadInput(f"'{name}' is a required property")
    request.allow("identity:create_credential", {"target.credential.user_id": values["user_id"]})
    _allow_key(request, "identity:create_credential", values["type"], values["user_id"])
    _check_reach(request, values.get("project_id"), values["type"])
    async with request.transaction() as tx:
        row = await credentials.create(tx, room, request.token, values, extra)
        request.made(row.id)
    return json_answer({"credential": _answer(request, room, row)}, 201)


async def show_credential(request: Request, room: Identity) -> Response:
    """GET /v3/credentials/{id}."""
    async with request.reading() as tx:
        row = await _one(request, tx, "identity:get_credential")
    return json_answer({"credential": _answer(request, room, row)})


async def update_credential(request: Request, room: Identity) -> Response:
    """PATCH /v3/credentials/{id}; asked again for whom it is to be, so that nobody makes another's."""
    body, extra = await schemas.read(request, "credential", schemas.CredentialBody)
    values = schemas.given(body)
    async with request.transaction() as tx:
        row = await _one(request, tx, "identity:update_credential")
        if not values and not extra:
            raise BadInput("Expecting to find something to change in credential.")
        moved = credentials.moved(row, values)
        target = _target(row) | {f"target.credential.{name}": moved[name] for name in moved}
        request.allow("identity:update_credential", target)
        project_id, kind = (values.get(one, getattr(row, one)) for one in ("project_id", "type"))
        _check_reach(request, project_id, kind)
        row = await credentials.update(tx, room, row, values, extra)
    return json_answer({"credential": _answer(request, room, row)})


async def delete_credential(request: Request, room: Identity) -> Response:
    """DELETE /v3/credentials/{id}: ends the tokens got with it."""
    async with request.transaction() as tx:
        row = await _one(request, tx, "identity:delete_credential")
        await credentials.delete(tx, row)
    return no_content()


_ONE = "/v3/credentials/{credential_id}"
ROUTES = (
    Route(
        "GET",
        "/v3/credentials",
        list_credentials,
        ("identity:list_credentials", "identity:get_credential"),
        query=lists.CREDENTIALS.parameters,
    ),
    Route(
        "POST",
        "/v3/credentials",
        create_credential,
        ("identity:create_credential", "identity:ec2_create_credential"),
        delegated="bounded",
        body=schemas.CredentialBody,
        member="credential",
        event="identity.credential.created",
    ),
    Route(
        "GET",
        _ONE,
        show_credential,
        ("identity:get_credential", "identity:ec2_get_credential"),
    ),
    Route(
        "PATCH",
        _ONE,
        update_credential,
        ("identity:update_credential", "identity:ec2_create_credential"),
        delegated="bounded",
        body=schemas.CredentialBody,
        member="credential",
        event="identity.credential.updated",
    ),
    Route(
        "DELETE",
        _ONE,
        delete_credential,
        ("identity:delete_credential", "identity:ec2_delete_credential"),
        delegated="bounded",
        event="identity.credential.deleted",
    ),
)
