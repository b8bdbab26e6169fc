"""Allocations of consumers, reshaping, and usages of projects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.base.ids import is_uuid
from hanok.services.placement import schemas
from hanok.services.placement.logic import allocations
from hanok.services.placement.logic.allocations import Requested
from hanok.services.placement.logic.providers import dashed
from hanok.services.placement.room import Placement
from hanok.services.placement.routes.fresh import fresh
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route
from hanok.web.versions import Attribute, Parameter, Query, Shape

UNKNOWN = "00000000-0000-0000-0000-000000000000"


def _consumer_id(request: Request) -> str:
    requested = request.path["consumer_uuid"]
    if not is_uuid(requested):
        raise BadInput(f"Malformed consumer_uuid: {requested}")
    return dashed(requested)


async def show_allocations(request: Request, room: Placement) -> Response:
    """GET /allocations/{consumer_uuid}: empty when there is none."""
    request.allow()
    consumer_id = _consumer_id(request)
    async with request.reading() as tx:
        rows = await allocations.at_providers(tx, consumer_id)
        consumer = await allocations.consumer(tx, consumer_id)
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = found.setdefault(row.provider_id, {"generation": row.generation, "resources": {}})
        entry["resources"][row.resource_class] = row.used
    answer: dict[str, Any] = {"allocations": found}
    if consumer is not None:
        answer.update(
            project_id=consumer.project_id,
            user_id=consumer.user_id,
            consumer_generation=consumer.generation,
            consumer_type=consumer.consumer_type or "unknown",
        )
    return json_answer(request.shown(ALLOCATIONS)(answer), 200, fresh(room))


ALLOCATIONS = Shape(
    Attribute(name="project_id", since=(1, 12)),
    Attribute(name="user_id", since=(1, 12)),
    Attribute(name="consumer_generation", since=(1, 28)),
    Attribute(name="consumer_type", since=(1, 38)),
)


def _requested(consumer_id: str, body: schemas.AllocationsBody) -> Requested:
    return Requested(
        consumer_id=consumer_id,
        resources={dashed(one): dict(item.resources) for one, item in body.allocations.items()},
        project_id=body.project_id,
        user_id=body.user_id,
        expected_generation=... if body.consumer_generation is UNSET else body.consumer_generation,
        consumer_type=body.consumer_type if isinstance(body.consumer_type, str) else None,
    )


async def put_listed(request: Request, room: Placement) -> Response:
    """PUT /allocations/{consumer_uuid} until 1.11: a list."""
    request.allow()
    consumer_id = _consumer_id(request)
    body = await request.body(schemas.ListedAllocationsBody)
    resources: dict[str, Mapping[str, int]] = {
        dashed(item.resource_provider.uuid): item.resources for item in body.allocations
    }
    requested = Requested(
        consumer_id=consumer_id,
        resources=resources,
        project_id=body.project_id if isinstance(body.project_id, str) else UNKNOWN,
        user_id=body.user_id if isinstance(body.user_id, str) else UNKNOWN,
    )
    async with request.transaction() as tx:
        await allocations.replace(tx, requested, room.clock.now())
    return no_content()


async def put_allocations(request: Request, room: Placement) -> Response:
    """PUT /allocations/{consumer_uuid}: by provider."""
    request.allow()
    consumer_id = _consumer_id(request)
    requested = _requested(consumer_id, await request.body(schemas.ConsumerBody))
    async with request.transaction() as tx:
        await allocations.replace(tx, requested, room.clock.now())
    return no_content()


async def post_allocations(request: Request, room: Placement) -> Response:
    """POST /allocations: several consumers, all or nothing."""
    request.allow()
    body = await request.body(dict[schemas.UUIDText, schemas.AllocationsBody])
    if not body:
        raise BadInput("JSON does not validate: {} does not have enough properties")
    requested = [_requested(dashed(one), item) for one, item in body.items()]
    async with request.transaction() as tx:
        await allocations.replace_all(tx, requested, room.clock.now())
    return no_content()


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
    requested = [_requested(dashed(one), item) for one, item in body.allocations.items()]
    async with request.transaction() as tx:
        await allocations.reshape(tx, body.inventories, requested, now)
    return no_content()


def _whose(request: Request) -> tuple[str, str | None]:
    """The project, and the user, whose usages are asked for, if the caller may know them."""
    query = request.query
    if not query.get("project_id"):
        request.allow("", project_id=None)
        raise BadInput("Invalid query string parameters: 'project_id' is a required property")
    request.allow("", project_id=query["project_id"])
    return query["project_id"], query.get("user_id")


NAME_MAXIMUM = 255  # characters of the id of a project or a user


def _somebody(name: str, values: list[str]) -> None:
    if "" in values:
        raise BadInput(f"Invalid query string parameters: {name} must not be empty")
    if any(len(value) > NAME_MAXIMUM for value in values):
        raise BadInput(f"Invalid query string parameters: {name} is too long")


_TYPE = re.compile(r"[A-Z0-9_]{1,255}")


def _type(name: str, values: list[str]) -> None:
    for value in values:
        if value not in ("all", "unknown") and not _TYPE.fullmatch(value):
            raise BadInput(f"Invalid query string parameters: consumer_type={value[:100]}")


async def show_usages(request: Request, room: Placement) -> Response:
    """GET /usages?project_id=…&user_id=…, by consumer type."""
    whose, requested = _whose(request), request.query.get("consumer_type")
    usages: dict[str, Any] = {}

    def add(kind: str | None, name: str, amount: int) -> None:
        shown = "all" if requested == "all" else (kind or "unknown")
        if requested in (None, "all", shown):
            entry = usages.setdefault(shown, {})
            entry[name] = entry.get(name, 0) + amount

    async with request.reading() as tx:
        for row in await allocations.usages(tx, *whose):
            add(row.consumer_type, row.resource_class, int(row.used))
        for kind, count in (await allocations.consumer_counts(tx, *whose)).items():
            add(kind, "consumer_count", count)
    return json_answer({"usages": usages}, 200, fresh(room))


async def show_plain_usages(request: Request, room: Placement) -> Response:
    """GET /usages until 1.37: of all consumers together."""
    usages: dict[str, int] = {}
    whose = _whose(request)
    async with request.reading() as tx:
        for row in await allocations.usages(tx, *whose):
            usages[row.resource_class] = usages.get(row.resource_class, 0) + int(row.used)
    return json_answer({"usages": usages}, 200, fresh(room))


_WHOSE = (
    Parameter(name="project_id", check=_somebody),
    Parameter(name="user_id", check=_somebody),
)
_PLAIN = Query(*_WHOSE, closed=(1, 0))
_BY_TYPE = Query(*_WHOSE, Parameter(name="consumer_type", check=_type), closed=(1, 0))
ROUTES = (
    Route("GET", "/allocations/{consumer_uuid}", show_allocations, ("placement:allocations:list",)),
    Route(
        "PUT",
        "/allocations/{consumer_uuid}",
        put_listed,
        ("placement:allocations:update",),
        maximum=(1, 11),
        strict=True,
        body=schemas.ListedAllocationsBody,
    ),
    Route(
        "PUT",
        "/allocations/{consumer_uuid}",
        put_allocations,
        ("placement:allocations:update",),
        minimum=(1, 12),
        strict=True,
        body=schemas.ConsumerBody,
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
        show_plain_usages,
        ("placement:usages",),
        minimum=(1, 9),
        maximum=(1, 37),
        query=_PLAIN,
    ),
    Route(
        "GET",
        "/usages",
        show_usages,
        ("placement:usages",),
        minimum=(1, 38),
        query=_BY_TYPE,
    ),
)
