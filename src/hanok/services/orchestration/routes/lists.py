"""Lists: stacks, resources, events.

Source: Orchestration API reference, "List stacks", "List stack resources", "List stack events".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.orchestration.logic import lists, stacks
from hanok.services.orchestration.room import Orchestration
from hanok.services.orchestration.routes import common, views
from hanok.services.orchestration.routes.common import STACK
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route

_STACKS = ("limit", "marker", "sort_keys", "sort_dir", "show_deleted", "show_nested", "show_hidden", "global_tenant",
           "tags", "tags_any", "not_tags", "not_tags_any", "with_count", "tenant", "project", "stack_status",
           *lists.STATES)  # fmt: skip
_EVENTS = ("limit", "marker", "sort_keys", "sort_dir", "nested_depth", "resource_action", "resource_status",
           "resource_name", "resource_type")  # fmt: skip
_RESOURCES = ("nested_depth", "with_detail", "type", "status", "name", "action", "id", "physical_resource_id", "limit",
              "marker", "owner_id")  # fmt: skip
_DEEPEST = 100


def _query(request: Request, known: tuple[str, ...]) -> dict[str, list[str]]:
    """
    Raises:
        BadInput: a parameter that is none.
    """
    found: dict[str, list[str]] = {}
    for name, value in request.pairs:
        if name not in known:
            raise BadInput(f"Invalid filter parameters {name[:100]}")
        found.setdefault(name, []).append(value)
    return found


async def list_stacks(request: Request, room: Orchestration) -> Response:
    """GET /stacks."""
    request.allow("stacks:index", project_id=common.project(request))
    query = _query(request, _STACKS)
    everywhere = lists.yes(lists.last(query, "global_tenant"))
    if everywhere:
        request.allow("stacks:global_index", project_id=common.project(request))
    hidden = room.settings.hidden_stack_tags
    where = lists.condition(query, None if everywhere else common.project(request), hidden)
    async with request.reading() as tx:
        rows = await lists.of_stacks(tx, where)
    found = lists.page(lists.in_order(rows, query), query)
    shown: dict[str, Any] = {"stacks": [views.summary(request, row) for row in found]}
    if lists.yes(lists.last(query, "with_count")):
        shown["count"] = len(rows)
    return json_answer(shown)


async def _within(request: Request, tx: Any, row: Any, query: dict[str, list[str]]) -> list[Any]:
    """A stack and those within it, as deep as is asked for."""
    text = (query.get("nested_depth") or ["0"])[-1]
    deep = lists.number("1" if text.lower() == "true" else text, "nested_depth") or 0
    found, level = [row], [row]
    for _ in range(min(deep, _DEEPEST)):
        level = [one for parent in level for one in await stacks.children(tx, parent.id)]
        if not level:
            break
        found += level
    return found


# ---- resources ----


def shown_resource(
    request: Request,
    row: Any,
    stack: Any,
    names: dict[str, str],
    needed: list[str],
    children: set[str],
) -> dict[str, Any]:
    links = [
        {"href": common.href(request, stack, "resources", row.name), "rel": "self"},
        {"href": common.href(request, stack), "rel": "stack"},
    ]
    if row.physical_id in children:
        base = f"{request.origin}/heat-api/v1/{stack.project_id}/stacks"
        address = f"{base}/{names.get(row.physical_id, row.name)}/{row.physical_id}"
        links.append({"href": address, "rel": "nested"})
    shown = {
        "resource_name": row.name,
        "logical_resource_id": row.name,
        "physical_resource_id": row.physical_id or "",
        "resource_type": row.type,
        "resource_status": f"{row.action}_{row.status}",
        "resource_status_reason": row.reason,
        "creation_time": common.time(row.created_at or stack.created_at),
        "updated_time": common.time(row.updated_at or row.created_at or stack.created_at),
        "required_by": needed,
        "links": links,
    }
    if stack.parent_resource:
        shown["parent_resource"] = stack.parent_resource
    return shown


def needed_by(rows: list[Any]) -> dict[str, list[str]]:
    """By a resource's row, the names of those of its stack that are made of it."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for one in row.requires or ():
            found.setdefault(one, []).append(row.name)
    return found


async def list_resources(request: Request, room: Orchestration) -> Response:
    """GET /stacks/{name}/{id}/resources."""
    query = _query(request, _RESOURCES)
    async with request.reading() as tx:
        row = await common.found(request, tx)
        below = await _within(request, tx, row, query)
        rows = await lists.of_resources(tx, [one.id for one in below])
        inner = [one for stack in below for one in await stacks.children(tx, stack.id)]
    names = {one.id: one.name for one in inner}
    by_id = {one.id: one for one in below}
    needed = needed_by(rows)
    shown = []
    for one in lists.page([one for one in rows if _is_desired(one, query)], query):
        shown.append(
            shown_resource(
                request, one, by_id[one.stack_id], names, needed.get(one.id, []), set(names)
            )
        )
    return json_answer({"resources": shown})


def _is_desired(row: Any, query: dict[str, list[str]]) -> bool:
    told = {"type": row.type, "status": row.status, "name": row.name, "action": row.action, "id": row.id,
            "physical_resource_id": row.physical_id}  # fmt: skip
    return all(value in query[name] for name, value in told.items() if name in query)


# ---- events ----


def shown_event(request: Request, row: Any, stack: Any) -> dict[str, Any]:
    links = [
        {
            "href": common.href(request, stack, "resources", row.resource_name, "events", row.id),
            "rel": "self",
        },
        {"href": common.href(request, stack, "resources", row.resource_name), "rel": "resource"},
        {"href": common.href(request, stack), "rel": "stack"},
    ]
    return {
        "id": row.id,
        "event_time": common.time(row.created_at),
        "resource_name": row.resource_name,
        "logical_resource_id": row.resource_name,
        "physical_resource_id": row.physical_id,
        "resource_status": f"{row.action}_{row.status}",
        "resource_status_reason": row.reason,
        "links": links,
    }


async def list_events(request: Request, room: Orchestration) -> Response:
    """GET …/events, of a stack or of one of its resources."""
    query = _query(request, _EVENTS)
    only = request.path.get("resource_name")
    async with request.reading() as tx:
        row = await common.found(request, tx)
        below = await _within(request, tx, row, query)
        rows = await lists.of_events(tx, [one.id for one in below])
    by_id = {one.id: one for one in below}
    desired = [
        one
        for one in rows
        if (only is None or one.resource_name == only) and _event_is_desired(one, query)
    ]
    desired = lists.events_in_order(desired, query)
    if only is not None and not any(one.resource_name == only for one in rows):
        raise common.not_found(only, row.name)
    found = [shown_event(request, one, by_id[one.stack_id]) for one in lists.page(desired, query)]
    return json_answer({"events": found})


def _event_is_desired(row: Any, query: dict[str, list[str]]) -> bool:
    told = {"resource_action": row.action, "resource_status": row.status, "resource_name": row.resource_name,
            "resource_type": row.resource_type}  # fmt: skip
    return all(value in query[name] for name, value in told.items() if name in query)


async def show_event(request: Request, room: Orchestration) -> Response:
    """GET …/resources/{name}/events/{id}."""
    event_id = request.path["event_id"]
    async with request.reading() as tx:
        row = await common.found(request, tx)
        rows = [one for one in await lists.of_events(tx, [row.id]) if one.id == event_id]
    if not rows or rows[0].resource_name != request.path["resource_name"]:
        raise NotFound(f"The Event ({event_id[:100]}) could not be found.", code="EntityNotFound")
    shown = {
        **shown_event(request, rows[0], row),
        "resource_type": rows[0].resource_type,
        "resource_properties": {},
    }
    return json_answer({"event": shown})


_RESOURCE = f"{STACK}/resources/{{resource_name}}"
ROUTES = (
    Route("GET", "/v1/stacks", list_stacks, ("stacks:index", "stacks:global_index"), query=_STACKS),
    Route("GET", f"{STACK}/resources", list_resources, ("resource:index",), query=_RESOURCES),
    Route("GET", f"{STACK}/events", list_events, ("events:index",), query=_EVENTS),
    Route("GET", f"{_RESOURCE}/events", list_events, ("events:index",), query=_EVENTS),
    Route("GET", f"{_RESOURCE}/events/{{event_id}}", show_event, ("events:show",)),
)
