"""Unified limits: registered ones, those of projects and domains, and the model that says how they fit together."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.services.identity import schemas
from hanok.services.identity.logic import limits
from hanok.services.identity.room import Identity
from hanok.services.identity.routes import lists
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route

# ---- registered limits ----


async def _registered(request: Request, tx: Transaction) -> Row[Any]:
    return await limits.registered(tx, request.path["registered_limit_id"])


async def list_registered(request: Request, room: Identity) -> Response:
    """GET /v3/registered_limits."""
    request.allow()
    show = schemas.registered_limit
    async with request.reading() as tx:
        return await lists.answer(request, tx, lists.REGISTERED_LIMITS, limits.REGISTERED, show)


async def create_registered(request: Request, room: Identity) -> Response:
    """POST /v3/registered_limits: all that are named, or none."""
    request.allow()
    body = await request.body(schemas.RegisteredLimitsBody)
    requested = [schemas.given(one) for one in body.registered_limits]
    async with request.transaction() as tx:
        ids = await limits.register(tx, requested)
        rows = [await limits.registered(tx, one) for one in ids]
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
    visible = limits.visible(
        everywhere=token.system or request.may("service_or_admin"),
        domain_id=token.domain_id,
        project_id=token.project_id,
    )
    async with request.reading() as tx:
        return await lists.answer(request, tx, lists.LIMITS, visible, schemas.limit)


async def create_limits(request: Request, room: Identity) -> Response:
    """POST /v3/limits: all that are named, or none."""
    request.allow()
    body = await request.body(schemas.LimitsBody)
    for one in body.limits:
        schemas.check_limit(one)
    requested = [schemas.given(one) for one in body.limits]
    async with request.transaction() as tx:
        ids = await limits.create(tx, requested, room.settings.limit_model)
        rows = [await limits.get(tx, one) for one in ids]
    return json_answer({"limits": [schemas.limit(request, row) for row in rows]}, 201)


async def show_limit(request: Request, room: Identity) -> Response:
    """GET /v3/limits/{id}."""
    limit_id = request.path["limit_id"]
    async with request.reading() as tx:
        row = await limits.find(tx, limit_id)
        request.allow("identity:get_limit", {} if row is None else await limits.owner(tx, row))
        row = await limits.get(tx, limit_id)
    return json_answer({"limit": schemas.limit(request, row)})


async def update_limit(request: Request, room: Identity) -> Response:
    request.allow()
    body = await request.body(schemas.LimitChangesBody)
    async with request.transaction() as tx:
        row = await limits.get(tx, request.path["limit_id"])
        await limits.change(tx, row, schemas.given(body.limit), room.settings.limit_model)
        row = await limits.get(tx, row.id)
    return json_answer({"limit": schemas.limit(request, row)})


async def delete_limit(request: Request, room: Identity) -> Response:
    request.allow()
    async with request.transaction() as tx:
        row = await limits.get(tx, request.path["limit_id"])
        await limits.delete(tx, row)
    return no_content()


_R, _RS = "/v3/registered_limits/{registered_limit_id}", "/v3/registered_limits"
_L, _LS = "/v3/limits/{limit_id}", "/v3/limits"
ROUTES = (
    Route(
        "GET",
        _RS,
        list_registered,
        ("identity:list_registered_limits",),
        query=lists.REGISTERED_LIMITS.parameters,
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
        query=lists.LIMITS.parameters,
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
