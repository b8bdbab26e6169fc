"""Roles, and which role implies which."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, Forbidden, NotFound
from hanok.base.ids import new_hex
from hanok.services.identity import schemas
from hanok.services.identity.logic import delegations, rights
from hanok.services.identity.logic.lookup import filtered, get, renamed
from hanok.services.identity.logic.projects import check_mutable, domain
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.services.identity.routes.lists import PAGING
from hanok.services.identity.tables import assignments, implied_roles
from hanok.services.identity.tables import roles as table
from hanok.store import Duplicate, Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def list_roles(request: Request, room: Identity) -> Response:
    """GET /v3/roles: those of no domain, or with ?domain_id= those of that domain."""
    query = request.query
    domain_id = query.get("domain_id")
    request.allow("identity:list_domain_roles" if domain_id else "identity:list_roles")
    statement = filtered(sa.select(table), table, query, ("name",))
    statement = statement.where(table.c.domain_id == (domain_id or "*"))
    async with request.reading() as tx:
        page = await lists.ROLES.page(request, tx, statement)
    items = [schemas.role(request, row) for row in page.rows]
    return await lists.paged(request, lists.ROLES, page, items)


async def create_role(request: Request, room: Identity) -> Response:
    """POST /v3/roles."""
    body, extra = await schemas.read(request, "role", schemas.RoleBody)
    values = schemas.given(body)
    domain_id = values.get("domain_id")
    request.allow("identity:create_domain_role" if domain_id else "identity:create_role")
    if "name" not in values:
        raise BadInput("'name' is a required property")
    role_id = new_hex()
    async with request.transaction() as tx:
        if domain_id:
            await domain(tx, domain_id)
        try:
            await tx.insert(
                table,
                {
                    "id": role_id,
                    "name": values["name"],
                    "domain_id": domain_id or "*",
                    "description": values.get("description"),
                    "options": schemas.options(body.options),
                    "extra": extra,
                },
            )
        except Duplicate as error:
            raise Conflict(
                "Conflict occurred attempting to store role - it is not permitted to have two roles "
                f"with the same name: {values['name']}."
            ) from error
        row = await get(tx, table, "role", role_id)
    return json_answer({"role": schemas.role(request, row)}, 201)


async def _role(request: Request, tx: Transaction, verb: str) -> Any:
    row = await tx.first(sa.select(table).where(table.c.id == request.path["role_id"]))
    if row is None:
        request.allowed_by_hand()  # roles are no secret: everybody is told that there is none
        raise NotFound(f"Could not find role: {request.path['role_id']}.")
    rule = f"identity:{verb}_role" if row.domain_id == "*" else f"identity:{verb}_domain_role"
    request.allow(rule, {"target.role.name": row.name, "target.role.domain_id": row.domain_id})
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
        check_mutable(row, values, "role")
        if values.get("domain_id", None if row.domain_id == "*" else row.domain_id) != (
            None if row.domain_id == "*" else row.domain_id
        ):
            raise BadInput("A role's domain cannot be changed.")
        values.pop("domain_id", None)
        if extra:
            values["extra"] = {**row.extra, **extra}
        if values:
            try:
                await tx.alter(table.update().where(table.c.id == row.id).values(**renamed(values)))
            except Duplicate as error:
                raise Conflict(f"The name {values['name']} is taken by another role.") from error
        row = await get(tx, table, "role", row.id)
    return json_answer({"role": schemas.role(request, row)})


async def delete_role(request: Request, room: Identity) -> Response:
    """DELETE /v3/roles/{id}: with every assignment of it and every trust that delegates it."""
    async with request.transaction() as tx:
        row = await _role(request, tx, "delete")
        check_mutable(row, {}, "role")
        await tx.execute(assignments.delete().where(assignments.c.role_id == row.id))
        await delegations.forget_role(tx, row.id)
        await tx.execute(
            implied_roles.delete().where(
                sa.or_(implied_roles.c.prior_id == row.id, implied_roles.c.implied_id == row.id)
            )
        )
        await tx.execute(table.delete().where(table.c.id == row.id))
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
        prior = await get(tx, table, "role", request.path["prior_role_id"])
        rows = await tx.all(
            sa.select(table)
            .join(implied_roles, implied_roles.c.implied_id == table.c.id)
            .where(implied_roles.c.prior_id == prior.id)
            .order_by(table.c.name)
        )
    return json_answer(
        {
            "role_inference": {
                "prior_role": _short(request, prior),
                "implies": [_short(request, row) for row in rows],
            },
            "links": {"self": request.full_url, "next": None, "previous": None},
        }
    )


async def _pair(request: Request, tx: Transaction) -> tuple[Any, Any, bool]:
    prior = await get(tx, table, "role", request.path["prior_role_id"])
    implied = await get(tx, table, "role", request.path["implied_role_id"])
    row = await tx.first(
        sa.select(implied_roles).where(
            implied_roles.c.prior_id == prior.id, implied_roles.c.implied_id == implied.id
        )
    )
    return prior, implied, row is not None


def _inference(request: Request, prior: Any, implied: Any) -> dict[str, Any]:
    return {
        "role_inference": {
            "prior_role": _short(request, prior),
            "implies": _short(request, implied),
        },
        "links": {"self": request.full_url, "next": None, "previous": None},
    }


async def create_implied(request: Request, room: Identity) -> Response:
    """PUT /v3/roles/{id}/implies/{id}."""
    request.allow("identity:create_implied_role")
    async with request.transaction() as tx:
        await tx.serialize("implied roles")  # two at once could make a circle
        prior, implied, _ = await _pair(request, tx)
        if implied.name.casefold() == "admin":
            raise Forbidden("The role admin cannot be implied by another role.")
        if prior.domain_id == "*" and implied.domain_id != "*":
            raise Forbidden("A role of no domain cannot imply a role of a domain.")
        if prior.id in await rights.with_implied(tx, [implied.id]):
            raise BadInput("That would make the role imply itself.")
        pair = {"prior_id": prior.id, "implied_id": implied.id}
        await tx.insert_missing(implied_roles, pair)
    return json_answer(_inference(request, prior, implied), 201)


async def show_implied(request: Request, room: Identity) -> Response:
    request.allow("identity:get_implied_role")
    async with request.reading() as tx:
        prior, implied, there = await _pair(request, tx)
    if not there:
        raise NotFound(f"Role {prior.id} does not imply role {implied.id}.")
    return json_answer(_inference(request, prior, implied))


async def check_implied(request: Request, room: Identity) -> Response:
    request.allow("identity:check_implied_role")
    async with request.reading() as tx:
        prior, implied, there = await _pair(request, tx)
    if not there:
        raise NotFound(f"Role {prior.id} does not imply role {implied.id}.")
    return no_content()


async def delete_implied(request: Request, room: Identity) -> Response:
    request.allow("identity:delete_implied_role")
    async with request.transaction() as tx:
        prior, implied, there = await _pair(request, tx)
        if not there:
            raise NotFound(f"Role {prior.id} does not imply role {implied.id}.")
        await tx.execute(
            implied_roles.delete().where(
                implied_roles.c.prior_id == prior.id, implied_roles.c.implied_id == implied.id
            )
        )
    return no_content()


async def list_inferences(request: Request, room: Identity) -> Response:
    """GET /v3/role_inferences: all rules, by prior role."""
    request.allow("identity:list_role_inference_rules")
    async with request.reading() as tx:
        names = {row.id: row for row in await tx.all(sa.select(table))}
        rows = await tx.all(sa.select(implied_roles))
    by_prior: dict[str, list[str]] = {}
    for row in rows:
        by_prior.setdefault(row.prior_id, []).append(row.implied_id)
    return json_answer(
        {
            "role_inferences": [
                {
                    "prior_role": _short(request, names[prior]),
                    "implies": [_short(request, names[one]) for one in implied],
                }
                for prior, implied in by_prior.items()
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
        query=("domain_id", "name", *PAGING),
    ),
    Route(
        "POST",
        "/v3/roles",
        create_role,
        ("identity:create_role", "identity:create_domain_role"),
        body=schemas.RoleBody,
        member="role",
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
    ),
    Route(
        "DELETE",
        "/v3/roles/{role_id}",
        delete_role,
        ("identity:delete_role", "identity:delete_domain_role"),
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
