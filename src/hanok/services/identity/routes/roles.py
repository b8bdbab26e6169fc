"""Roles, and which role implies which."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.identity import schemas
from hanok.services.identity.logic import roles
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def list_roles(request: Request, room: Identity) -> Response:
    """GET /v3/roles: those of no domain, or with ?domain_id= those of that domain."""
    domain_id = request.query.get("domain_id")
    request.allow("identity:list_domain_roles" if domain_id else "identity:list_roles")
    async with request.reading() as tx:
        return await lists.answer(request, tx, lists.ROLES, roles.all_of(domain_id), schemas.role)


async def create_role(request: Request, room: Identity) -> Response:
    """POST /v3/roles."""
    body, extra = await schemas.read(request, "role", schemas.RoleBody)
    values = schemas.given(body)
    of_domain = values.get("domain_id")
    request.allow("identity:create_domain_role" if of_domain else "identity:create_role")
    if "name" not in values:
        raise BadInput("'name' is a required property")
    async with request.transaction() as tx:
        row = await roles.create(tx, values, schemas.options(body.options), extra)
        request.made(row.id)
    return json_answer({"role": schemas.role(request, row)}, 201)


async def _role(request: Request, tx: Transaction, verb: str) -> Any:
    row = await roles.find(tx, request.path["role_id"])
    if row is None:
        request.allowed_by_hand()  # roles are no secret: everybody is told that there is none
        raise NotFound(f"Could not find role: {request.path['role_id']}.")
    kind = "role" if row.domain_id == roles.NOWHERE else "domain_role"
    target = {"target.role.name": row.name, "target.role.domain_id": row.domain_id}
    request.allow(f"identity:{verb}_{kind}", target)
    return row


async def show_role(request: Request, room: Identity) -> Response:
    async with request.reading() as tx:
        row = await _role(request, tx, "get")
    return json_answer({"role": schemas.role(request, row)})


async def update_role(request: Request, room: Identity) -> Response:
    body, extra = await schemas.read(request, "role", schemas.RoleBody)
    values = schemas.given(body)
    async with request.transaction() as tx:
        row = await _role(request, tx, "update")
        if "options" in values:
            values["options"] = schemas.options(body.options, row.options)
        row = await roles.update(tx, row, values, extra)
    return json_answer({"role": schemas.role(request, row)})


async def delete_role(request: Request, room: Identity) -> Response:
    """DELETE /v3/roles/{id}: with every assignment of it and every trust that delegates it."""
    async with request.transaction() as tx:
        await roles.delete(tx, await _role(request, tx, "delete"))
    return no_content()


def _short(request: Request, row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "links": schemas.link(request, "roles", row.id),
    }


async def list_implied(request: Request, room: Identity) -> Response:
    """GET /v3/roles/{id}/implies."""
    request.allow("identity:list_implied_roles")
    async with request.reading() as tx:
        prior, rows = await roles.implied_by(tx, request.path["prior_role_id"])
    return json_answer(
        {
            "role_inference": {
                "prior_role": _short(request, prior),
                "implies": [_short(request, row) for row in rows],
            },
            "links": {"self": request.full_url, "next": None, "previous": None},
        }
    )


def _named(request: Request) -> tuple[str, str]:
    return request.path["prior_role_id"], request.path["implied_role_id"]


def _inference(request: Request, pair: roles.Pair) -> dict[str, Any]:
    return {
        "role_inference": {
            "prior_role": _short(request, pair.prior),
            "implies": _short(request, pair.implied),
        },
        "links": {"self": request.full_url, "next": None, "previous": None},
    }


async def create_implied(request: Request, room: Identity) -> Response:
    """PUT /v3/roles/{id}/implies/{id}."""
    request.allow("identity:create_implied_role")
    async with request.transaction() as tx:
        pair = await roles.imply(tx, *_named(request))
    return json_answer(_inference(request, pair), 201)


async def show_implied(request: Request, room: Identity) -> Response:
    """GET /v3/roles/{id}/implies/{id}."""
    request.allow("identity:get_implied_role")
    async with request.reading() as tx:
        pair = await roles.implication(tx, *_named(request))
    return json_answer(_inference(request, pair))


async def check_implied(request: Request, room: Identity) -> Response:
    """HEAD /v3/roles/{id}/implies/{id}."""
    request.allow("identity:check_implied_role")
    async with request.reading() as tx:
        await roles.implication(tx, *_named(request))
    return no_content()


async def delete_implied(request: Request, room: Identity) -> Response:
    """DELETE /v3/roles/{id}/implies/{id}."""
    request.allow("identity:delete_implied_role")
    async with request.transaction() as tx:
        await roles.imply_no_more(tx, *_named(request))
    return no_content()


async def list_inferences(request: Request, room: Identity) -> Response:
    """GET /v3/role_inferences: all rules, by prior role."""
    request.allow("identity:list_role_inference_rules")
    async with request.reading() as tx:
        found = await roles.inferences(tx)
    return json_answer(
        {
            "role_inferences": [
                {
                    "prior_role": _short(request, prior),
                    "implies": [_short(request, one) for one in implied],
                }
                for prior, implied in found
            ],
            "links": {"self": request.full_url, "next": None, "previous": None},
        }
    )


_IMPLIED = "/v3/roles/{prior_role_id}/implies/{implied_role_id}"
ROUTES = (
    Route(
        "GET",
        "/v3/roles",
        list_roles,
        ("identity:list_roles", "identity:list_domain_roles"),
        query=("domain_id", *lists.ROLES.parameters),
    ),
    Route(
        "POST",
        "/v3/roles",
        create_role,
        ("identity:create_role", "identity:create_domain_role"),
        body=schemas.RoleBody,
        member="role",
        event="identity.role.created",
    ),
    Route(
        "GET", "/v3/roles/{role_id}", show_role, ("identity:get_role", "identity:get_domain_role")
    ),
    Route(
        "PATCH",
        "/v3/roles/{role_id}",
        update_role,
        ("identity:update_role", "identity:update_domain_role"),
        body=schemas.RoleBody,
        member="role",
        event="identity.role.updated",
    ),
    Route(
        "DELETE",
        "/v3/roles/{role_id}",
        delete_role,
        ("identity:delete_role", "identity:delete_domain_role"),
        event="identity.role.deleted",
    ),
    Route(
        "GET", "/v3/roles/{prior_role_id}/implies", list_implied, ("identity:list_implied_roles",)
    ),
    Route("PUT", _IMPLIED, create_implied, ("identity:create_implied_role",)),
    Route("GET", _IMPLIED, show_implied, ("identity:get_implied_role",)),
    Route("HEAD", _IMPLIED, check_implied, ("identity:check_implied_role",)),
    Route("DELETE", _IMPLIED, delete_implied, ("identity:delete_implied_role",)),
    Route("GET", "/v3/role_inferences", list_inferences, ("identity:list_role_inference_rules",)),
)
