"""Allocations of consumers, reshaping, and usages of projects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from msgspec import UNSET
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import is_uuid
from hanok.services.placement import schemas
from hanok.services.placement.logic import allocations, providers
from hanok.services.placement.logic.allocations import Wanted
from hanok.services.placement.logic.providers import dashed
from hanok.services.placement.room import Placement
from hanok.services.placement.tables import allocations as table
from hanok.services.placement.tables import consumers
from hanok.services.placement.tables import providers as provider_table
from hanok.web.request import Request, convert, json_answer, no_content
from hanok.web.routes import Route

UNKNOWN = "00000000-0000-0000-0000-000000000000"


def _consumer_id(request: Request) -> str:
    wanted = request.path["consumer_uuid"]
    if not is_uuid(wanted):
        raise BadInput(f"Malformed consumer_uuid: {wanted}")
    return dashed(wanted)


async def show_allocations(request: Request, room: Placement) -> Response:
    """GET /allocations/{consumer_uuid}: empty when there is none."""
    request.allow()
    consumer_id = _consumer_id(request)
    async with request.reading() as tx:
        rows = await tx.all(
            sa.select(table, provider_table.c.generation)
            .join(provider_table, provider_table.c.id == table.c.provider_id)
            .where(table.c.consumer_id == consumer_id)
        )
        consumer = await allocations.consumer(tx, consumer_id)
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = found.setdefault(row.provider_id, {"generation": row.generation, "resources": {}})
        entry["resources"][row.resource_class] = row.used
    answer: dict[str, Any] = {"allocations": found}
    if consumer is not None and request.microversion >= (1, 12):
        answer.update(project_id=consumer.project_id, user_id=consumer.user_id)
        if request.microversion >= (1, 28):
            answer["consumer_generation"] = consumer.generation
        if request.microversion >= (1, 38):
            answer["consumer_type"] = consumer.consumer_type or "unknown"
    fresh = {"Cache-Control": "no-cache"} if request.microversion >= (1, 15) else None
    return json_answer(answer, 200, fresh)


def _wanted(request: Request, consumer_id: str, body: schemas.AllocationsBody) -> Wanted:
    expected: Any = ...
    if request.microversion >= (1, 28):
        if body.consumer_generation is UNSET:
            raise BadInput("JSON does not validate: 'consumer_generation' is a required property")
        expected = body.consumer_generation
    elif body.consumer_generation is not UNSET:
        raise BadInput("JSON does not validate: consumer_generation is not known in this version.")
    if request.microversion >= (1, 38):
        if body.consumer_type is UNSET:
            raise BadInput("JSON does not validate: 'consumer_type' is a required property")
    elif body.consumer_type is not UNSET:
        raise BadInput("JSON does not validate: consumer_type is not known in this version.")
    if body.mappings is not UNSET and request.microversion < (1, 34):
        raise BadInput("JSON does not validate: mappings is not known in this version.")
    return Wanted(
        consumer_id=consumer_id,
        resources={dashed(one): dict(item.resources) for one, item in body.allocations.items()},
        project_id=body.project_id,
        user_id=body.user_id,
        expected_generation=expected,
        consumer_type=body.consumer_type if isinstance(body.consumer_type, str) else None,
    )


async def put_allocations(request: Request, room: Placement) -> Response:
    """PUT /allocations/{consumer_uuid}: a list until 1.11, then by provider."""
    request.allow()
    consumer_id = _consumer_id(request)
    if request.microversion < (1, 12):
        listed = await request.body(schemas.ListedAllocationsBody)
        owners = (listed.project_id, listed.user_id)
        if request.microversion >= (1, 8) and UNSET in owners:
            raise BadInput(
                "JSON does not validate: 'project_id' and 'user_id' are required properties"
            )
        resources: dict[str, Mapping[str, int]] = {}
        for item in listed.allocations:
            resources[dashed(item.resource_provider.uuid)] = item.resources
        wanted = Wanted(
            consumer_id=consumer_id,
            resources=resources,
            project_id=owners[0] if isinstance(owners[0], str) else UNKNOWN,
            user_id=owners[1] if isinstance(owners[1], str) else UNKNOWN,
        )
    else:
        body = await request.body(schemas.AllocationsBody)
        if not body.allocations and request.microversion < (1, 28):
            raise BadInput("JSON does not validate: {} does not have enough properties")
        wanted = _wanted(request, consumer_id, body)
    async with request.transaction() as tx:
        await allocations.replace(tx, wanted, room.clock.now())
    return no_content()


async def post_allocations(request: Request, room: Placement) -> Response:
    """POST /allocations: several consumers, all or nothing."""
    request.allow()
    body = convert(await request.json(), dict[schemas.UUIDText, schemas.AllocationsBody])
    if not body:
        raise BadInput("JSON does not validate: {} does not have enough properties")
    await _replace_all(request, room, body)
    return no_content()


async def _replace_all(
    request: Request, room: Placement, body: Mapping[str, schemas.AllocationsBody]
) -> None:
    wanted = [_wanted(request, dashed(one), item) for one, item in body.items()]
    async with request.transaction() as tx:
        # Who gives back comes first, so that a move between consumers fits.
        for one in sorted(wanted, key=lambda w: bool(w.resources)):
            await allocations.replace(tx, one, room.clock.now())


async def delete_allocations(request: Request, room: Placement) -> Response:
    request.allow()
    consumer_id = _consumer_id(request)
    async with request.transaction() as tx:
        if not await allocations.release(tx, consumer_id, room.clock.now()):
            raise NotFound(f"No allocations for consumer '{consumer_id}'")
    return no_content()


async def reshape(request: Request, room: Placement) -> Response:
    """POST /reshaper: inventories and allocations of a tree at once."""
    request.allow()
    body = await request.body(schemas.ReshapeBody)
    now = room.clock.now()
    wanted = [_wanted(request, dashed(one), item) for one, item in body.allocations.items()]
    async with request.transaction() as tx:
        for one in wanted:
            for row in await allocations.of_consumer(tx, one.consumer_id):
                await tx.execute(
                    allocations.GIVE_BACK,
                    {"at": row.provider_id, "what": row.resource_class, "amount": row.used},
                )
            await tx.execute(table.delete().where(table.c.consumer_id == one.consumer_id))
        for provider_id, inventory in body.inventories.items():
            row = await providers.get(tx, dashed(provider_id))
            await providers.raise_generation(tx, row, inventory.resource_provider_generation, now)
            await providers.set_inventories(tx, row, inventory.inventories)
        for one in wanted:
            await allocations.replace(tx, one, now)
    return no_content()


async def show_usages(request: Request, room: Placement) -> Response:
    """GET /usages?project_id=…&user_id=…; from 1.38 by consumer type."""
    query = request.query
    known = {"project_id", "user_id"} | (
        {"consumer_type"} if request.microversion >= (1, 38) else set()
    )
    unknown = sorted(set(query) - known)
    if unknown or not query.get("project_id"):
        request.allow("", project_id=query.get("project_id"))
        raise BadInput(
            f"Invalid query string parameters: {', '.join(unknown) or 'project_id is needed'}"
        )
    request.allow("", project_id=query["project_id"])
    statement = (
        sa.select(
            consumers.c.consumer_type,
            table.c.resource_class,
            sa.func.sum(table.c.used).label("used"),
            sa.func.count(sa.distinct(consumers.c.id)).label("count"),
        )
        .join(consumers, consumers.c.id == table.c.consumer_id)
        .where(consumers.c.project_id == query["project_id"])
        .group_by(consumers.c.consumer_type, table.c.resource_class)
    )
    if "user_id" in query:
        statement = statement.where(consumers.c.user_id == query["user_id"])
    async with request.reading() as tx:
        rows = await tx.all(statement)
    usages: dict[str, Any] = {}
    if request.microversion >= (1, 38):
        wanted = query.get("consumer_type")
        for row in rows:
            kind = "all" if wanted == "all" else (row.consumer_type or "unknown")
            if wanted not in (None, "all", kind):
                continue
            entry = usages.setdefault(kind, {"consumer_count": 0})
            entry[row.resource_class] = entry.get(row.resource_class, 0) + int(row.used)
            entry["consumer_count"] = max(entry["consumer_count"], row.count)
    else:
        for row in rows:
            usages[row.resource_class] = usages.get(row.resource_class, 0) + int(row.used)
    return json_answer({"usages": usages})


ROUTES = (
    Route("GET", "/allocations/{consumer_uuid}", show_allocations, ("placement:allocations:list",)),
    Route(
        "PUT",
        "/allocations/{consumer_uuid}",
        put_allocations,
        ("placement:allocations:update",),
        strict=True,
        body=schemas.AllocationsBody,
    ),
    Route(
        "DELETE",
        "/allocations/{consumer_uuid}",
        delete_allocations,
        ("placement:allocations:delete",),
    ),
    Route(
        "POST",
        "/allocations",
        post_allocations,
        ("placement:allocations:manage",),
        minimum=(1, 13),
        body=dict[schemas.UUIDText, schemas.AllocationsBody],
    ),
    Route(
        "POST",
        "/reshaper",
        reshape,
        ("placement:reshaper:reshape",),
        minimum=(1, 30),
        strict=True,
        body=schemas.ReshapeBody,
    ),
    Route(
        "GET",
        "/usages",
        show_usages,
        ("placement:usages",),
        minimum=(1, 9),
        query=("consumer_type", "project_id", "user_id"),
    ),
)
