"""Unified limits: registered ones, those of projects and domains, and the model that says how they fit together."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from hanok.base.errors import NotFound
from hanok.services.identity import schemas
from hanok.services.identity.logic import limits
from hanok.services.identity.logic.lookup import get
from hanok.services.identity.room import Identity
from hanok.services.identity.tables import limits as table
from hanok.services.identity.tables import projects, registered_limits
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

# ---- registered limits ----


def _by_resource(statement: sa.Select[Any], request: Request) -> sa.Select[Any]:
    for name in ("service_id", "region_id", "resource_name"):
        if name in request.query:
            statement = statement.where(registered_limits.c[name] == request.query[name])
    return statement.order_by(registered_limits.c.resource_name, registered_limits.c.id)


async def _registered(request: Request, tx: Transaction) -> Any:
    row = await tx.first(
        sa.select(registered_limits).where(
            registered_limits.c.id == request.path["registered_limit_id"]
        )
    )
    if row is None:
        raise NotFound(
            f"Could not find registered limit for {request.path['registered_limit_id']}."
        )
    return row


async def list_registered(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        rows = await tx.all(_by_resource(sa.select(registered_limits), request))
    items = [schemas.registered_limit(request, row) for row in rows]
    return json_answer(schemas.collection(request, "registered_limits", items))


async def create_registered(request: Request, room: Identity) -> Response:
    """POST /v3/registered_limits: all that are named, or none."""
    request.allow()
    body = await request.body(schemas.RegisteredLimitsBody)
    wanted = [schemas.given(one) for one in body.registered_limits]
    async with request.transaction() as tx:
        ids = await limits.register(tx, wanted)
        rows = [await get(tx, registered_limits, "registered limit", one) for one in ids]
    items = [schemas.registered_limit(request, row) for row in rows]
    return json_answer({"registered_limits": items}, 201)


async def show_registered(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.reading() as tx:
        row = await _registered(request, tx)
    return json_answer({"registered_limit": schemas.registered_limit(request, row)})


async def update_registered(request: Request, room: Identity) -> Response:
    request.allow()
    body = await request.body(schemas.RegisteredLimitChangesBody)
    async with request.transaction() as tx:
        row = await _registered(request, tx)
        await limits.change_registered(tx, row, schemas.given(body.registered_limit))
        row = await _registered(request, tx)
    return json_answer({"registered_limit": schemas.registered_limit(request, row)})


async def delete_registered(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        await limits.delete_registered(tx, await _registered(request, tx))
    return no_content()


# ---- limits of projects and domains ----


async def show_model(request: Request, room: Identity) -> Response:
    request.allow()
    name = room.settings.limit_model
    return json_answer({"model": {"name": name, "description": limits.MODELS[name]}})


async def list_limits(request: Request, room: Identity) -> Response:
    """GET /v3/limits: all of them for who looks after the cloud; others see those of their scope."""
    request.allow()
    token = request.token
    statement = _by_resource(limits.statement(), request)
    for name in ("project_id", "domain_id"):
        if name in request.query:
            statement = statement.where(table.c[name] == request.query[name])
    if not (token.system or request.may("service_or_admin")):
        if token.domain_id:
            own = sa.select(projects.c.id).where(projects.c.domain_id == token.domain_id)
            statement = statement.where(
                sa.or_(table.c.domain_id == token.domain_id, table.c.project_id.in_(own))
            )
        elif token.project_id:
            statement = statement.where(table.c.project_id == token.project_id)
        else:
            statement = statement.where(sa.false())
    async with request.reading() as tx:
        rows = await tx.all(statement)
    items = [schemas.limit(request, row) for row in rows]
    return json_answer(schemas.collection(request, "limits", items))


async def create_limits(request: Request, room: Identity) -> Response:
    """POST /v3/limits: all that are named, or none."""
    request.allow()
    body = await request.body(schemas.LimitsBody)
    for one in body.limits:
        schemas.check_limit(one)
    wanted = [schemas.given(one) for one in body.limits]
    async with request.transaction() as tx:
        ids = await limits.create(tx, wanted, room.settings.limit_model)
        rows = [await _limit(tx, one) for one in ids]
    return json_answer({"limits": [schemas.limit(request, row) for row in rows]}, 201)


async def _limit(tx: Transaction, limit_id: str) -> Any:
    row = await limits.find(tx, limit_id)
    if row is None:
        raise NotFound(f"Could not find limit for {limit_id}.")
    return row


async def show_limit(request: Request, room: Identity) -> Response:
    limit_id = request.path["limit_id"]
    async with request.reading() as tx:
        row = await limits.find(tx, limit_id)
        target: dict[str, Any] = {}
        if row is not None and row.project_id:
            owner = await get(tx, projects, "project", row.project_id)
            target["target.limit.project_id"] = owner.id
            target["target.limit.project.domain_id"] = owner.domain_id
        elif row is not None:
            target["target.limit.domain.id"] = row.domain_id
        request.allow("identity:get_limit", target)
        row = await _limit(tx, limit_id)
    return json_answer({"limit": schemas.limit(request, row)})


async def update_limit(request: Request, room: Identity) -> Response:
    request.allow()
    body = await request.body(schemas.LimitChangesBody)
    async with request.transaction() as tx:
        row = await _limit(tx, request.path["limit_id"])
        await limits.change(tx, row, schemas.given(body.limit), room.settings.limit_model)
        row = await _limit(tx, row.id)
    return json_answer({"limit": schemas.limit(request, row)})


async def delete_limit(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await _limit(tx, request.path["limit_id"])
        await tx.execute(table.delete().where(table.c.id == row.id))
    return no_content()


_R, _RS = "/v3/registered_limits/{registered_limit_id}", "/v3/registered_limits"
_L, _LS = "/v3/limits/{limit_id}", "/v3/limits"
ROUTES = (
    Route(
        "GET",
        _RS,
        list_registered,
        ("identity:list_registered_limits",),
        query=("region_id", "resource_name", "service_id"),
    ),
    Route(
        "POST",
        _RS,
        create_registered,
        ("identity:create_registered_limits",),
        strict=True,
        body=schemas.RegisteredLimitsBody,
    ),
    Route("GET", _R, show_registered, ("identity:get_registered_limit",)),
    Route(
        "PATCH",
        _R,
        update_registered,
        ("identity:update_registered_limit",),
        strict=True,
        body=schemas.RegisteredLimitChangesBody,
    ),
    Route("DELETE", _R, delete_registered, ("identity:delete_registered_limit",)),
    Route(
        "GET",
        _LS,
        list_limits,
        ("identity:list_limits", "service_or_admin"),
        query=("domain_id", "project_id", "region_id", "resource_name", "service_id"),
    ),
    Route(
        "POST",
        _LS,
        create_limits,
        ("identity:create_limits",),
        strict=True,
        body=schemas.LimitsBody,
    ),
    Route("GET", "/v3/limits/model", show_model, ("identity:get_limit_model",)),
    Route("GET", _L, show_limit, ("identity:get_limit",)),
    Route(
        "PATCH",
        _L,
        update_limit,
        ("identity:update_limit",),
        strict=True,
        body=schemas.LimitChangesBody,
    ),
    Route("DELETE", _L, delete_limit, ("identity:delete_limit",)),
)
