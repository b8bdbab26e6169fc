"""Trusts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.clock import zulu_micro
from hanok.base.errors import Forbidden, NotFound
from hanok.services.identity import schemas
from hanok.services.identity.logic import delegations, trusts
from hanok.services.identity.logic.lookup import expiry, roles_named
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.token import Delegation


def _short(request: Request, row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "trustor_user_id": row.trustor_user_id,
        "trustee_user_id": row.trustee_user_id,
        "project_id": row.project_id,
        "impersonation": row.impersonation,
        "expires_at": zulu_micro(row.expires_at),
        "remaining_uses": row.remaining_uses,
        "redelegated_trust_id": row.redelegated_trust_id,
        "redelegation_count": row.redelegation_count,
        "deleted_at": None,
        "links": schemas.link(request, "OS-TRUST", "trusts", row.id),
    }


async def _roles(request: Request, tx: Transaction, row: Row[Any]) -> list[dict[str, Any]]:
    return [schemas.role(request, role) for role in await trusts.roles_of(tx, row.id)]


def _roles_links(request: Request, row: Row[Any]) -> dict[str, Any]:
    own = schemas.link(request, "OS-TRUST", "trusts", row.id, "roles")
    return {**own, "next": None, "previous": None}


async def _whole(request: Request, tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    return {
        **_short(request, row),
        "roles": await _roles(request, tx, row),
        "roles_links": _roles_links(request, row),
    }


async def _one(request: Request, tx: Transaction, room: Identity, rule: str) -> Row[Any]:
    """The trust of the path, if the caller may do this to it.

    One that is not there is answered like somebody else's; its own parties are told that it has ended.
    """
    trust_id = request.path["trust_id"]
    row = await trusts.find(tx, trust_id)
    if row is None:
        request.allow(rule)
        raise NotFound(f"Could not find trust: {trust_id}.")
    target = {
        "target.trust.trustor_user_id": row.trustor_user_id,
        "target.trust.trustee_user_id": row.trustee_user_id,
    }
    request.allow(rule, target)
    if trusts.has_ended(row, room.clock.now()):
        raise NotFound(f"Could not find trust: {trust_id}.")
    return row


async def list_trusts(request: Request, room: Identity) -> Response:
    """GET /v3/OS-TRUST/trusts: all, or those of a trustor or a trustee."""
    query = request.query
    if trustor := query.get("trustor_user_id"):
        request.allow("identity:list_trusts_for_trustor", {"target.trust.trustor_user_id": trustor})
    elif trustee := query.get("trustee_user_id"):
        request.allow("identity:list_trusts_for_trustee", {"target.trust.trustee_user_id": trustee})
    else:
        request.allow("identity:list_trusts")
    async with request.reading() as tx:
        return await lists.answer(request, tx, lists.TRUSTS, trusts.ALL, _short)


async def create_trust(request: Request, room: Identity) -> Response:
    """POST /v3/OS-TRUST/trusts: the caller is the trustor; with a trust's token, it is handed on.

    Source: Identity API v3 extensions, "OS-TRUST".
    """
    body, _ = await schemas.read(request, "trust", schemas.TrustBody)
    token = request.token
    target = {"target.trust.trustor_user_id": body.trustor_user_id}
    request.allow("identity:create_trust", target)
    if body.trustor_user_id != token.user_id:
        raise Forbidden("The authenticated user should match the trustor")
    if token.project_id is None:
        raise Forbidden("A trust is made with a token for a project.")
    if body.project_id is not None and not body.roles:
        raise Forbidden("At least one role should be specified")
    expires_at = _expiry(body.expires_at, room)
    async with request.transaction() as tx:
        row = await trusts.create(
            tx,
            trusts.NewTrust(
                trustor_user_id=body.trustor_user_id,
                trustee_user_id=body.trustee_user_id,
                impersonation=body.impersonation,
                project_id=body.project_id,
                role_ids=await roles_named(tx, body.roles or []),
                remaining_uses=body.remaining_uses,
                expires_at=expires_at,
                allow_redelegation=bool(body.allow_redelegation),
                redelegation_count=body.redelegation_count,
            ),
            parent_id=token.trust_id,
            maximum=room.settings.redelegations,
            now=room.clock.now(),
        )
        request.made(row.id)
        answer = await _whole(request, tx, row)
    return json_answer({"trust": answer}, 201)


def _expiry(text: str | None, room: Identity) -> datetime | None:
    return None if text is None else expiry(text, room.clock.now())


async def show_trust(request: Request, room: Identity) -> Response:
    """GET /v3/OS-TRUST/trusts/{id}."""
    async with request.reading() as tx:
        row = await _one(request, tx, room, "identity:get_trust")
        answer = await _whole(request, tx, row)
    return json_answer({"trust": answer})


async def delete_trust(request: Request, room: Identity) -> Response:
    """DELETE /v3/OS-TRUST/trusts/{id}: with all that were handed on from it; ends their tokens."""
    async with request.transaction() as tx:
        row = await _one(request, tx, room, "identity:delete_trust")
        await delegations.delete_trust(tx, row.id, room.clock.now())
    return no_content()


async def list_trust_roles(request: Request, room: Identity) -> Response:
    """GET /v3/OS-TRUST/trusts/{id}/roles."""
    async with request.reading() as tx:
        row = await _one(request, tx, room, "identity:list_roles_for_trust")
        found = await _roles(request, tx, row)
    return json_answer({"roles": found, "links": _roles_links(request, row)})


async def _role(request: Request, room: Identity) -> dict[str, Any]:
    async with request.reading() as tx:
        row = await _one(request, tx, room, "identity:get_role_for_trust")
        for role in await _roles(request, tx, row):
            if role["id"] == request.path["role_id"]:
                return role
    raise NotFound(f"Could not find role: {request.path['role_id']}.")


async def show_trust_role(request: Request, room: Identity) -> Response:
    """GET /v3/OS-TRUST/trusts/{id}/roles/{id}."""
    return json_answer({"role": await _role(request, room)})


async def check_trust_role(request: Request, room: Identity) -> Response:
    """HEAD /v3/OS-TRUST/trusts/{id}/roles/{id}."""
    await _role(request, room)
    return no_content(200)


_ALL = "/v3/OS-TRUST/trusts"
_ONE = _ALL + "/{trust_id}"
_ROLE = _ONE + "/roles/{role_id}"
# Trusts lead further than the one project that an application credential is for.
_CLOSED: tuple[Delegation, ...] = ("application_credential",)
ROUTES = (
    Route(
        "GET",
        _ALL,
        list_trusts,
        (
            "identity:list_trusts",
            "identity:list_trusts_for_trustor",
            "identity:list_trusts_for_trustee",
        ),
        closed_to=_CLOSED,
        query=lists.TRUSTS.parameters,
    ),
    Route(
        "POST",
        _ALL,
        create_trust,
        ("identity:create_trust",),
        delegated="trust",
        body=schemas.TrustBody,
        member="trust",
        event="identity.OS-TRUST:trust.created",
    ),
    Route("GET", _ONE, show_trust, ("identity:get_trust",), closed_to=_CLOSED),
    Route(
        "DELETE",
        _ONE,
        delete_trust,
        ("identity:delete_trust",),
        delegated="trust",
        event="identity.OS-TRUST:trust.deleted",
    ),
    Route(
        "GET",
        _ONE + "/roles",
        list_trust_roles,
        ("identity:list_roles_for_trust",),
        closed_to=_CLOSED,
    ),
    Route("GET", _ROLE, show_trust_role, ("identity:get_role_for_trust",), closed_to=_CLOSED),
    Route("HEAD", _ROLE, check_trust_role, ("identity:get_role_for_trust",), closed_to=_CLOSED),
)
