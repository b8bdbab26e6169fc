"""Resources, their history and searches for them.

Source: Gnocchi's REST API reference, "Resources".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput
from hanok.services.metric.logic import metrics, paging, policies, resources, shapes, types
from hanok.services.metric.logic.queries import BASE, Test
from hanok.services.metric.room import Metric
from hanok.services.metric.routes import common
from hanok.store import Transaction
from hanok.web.request import Request, no_content
from hanok.web.routes import Route

_ORDER = ("revision_start:asc", "started_at:asc")


async def _page(
    request: Request, room: Metric, tx: Transaction, kind: Row[Any], test: Test
) -> Response:
    """The resources that a query means, with what all of the type have; by `details` with all that each has."""
    kinds = await types.every(tx)
    detailed = shapes.flag("details", request.query.get("details", "false"))
    others = {name for one in kinds.values() for name in one.attributes} - set(kind.attributes)
    hidden = {"mark"} if detailed else {"mark", *others}
    page = common.page(request, room, *_ORDER)
    rows = await common.matching(request, tx, kind, test)
    if shapes.flag("history", request.query.get("history", "false")):
        views = [one for one in await resources.history(tx, rows, kinds) if test(one)]
        marked = "mark"
        views = [{**one, "mark": f"{one['id']}@{place}"} for place, one in enumerate(views, 1)]
    else:
        views, marked = [resources.view(row, kinds[row.type]) for row in rows], "id"
    known = (*resources_keys(kind), marked)
    some, following = paging.cut(views, page, known, marked)
    some = [{key: one[key] for key in one if key not in hidden} for one in some]
    shown = await resources.with_metrics(tx, some)
    headers = common.link(request, page, following)
    return common.spaced([_attributes(request, one) for one in shown], 200, headers)


def resources_keys(kind: Row[Any]) -> tuple[str, ...]:
    """What resources of a type are sorted by."""
    return (*sorted(BASE), *kind.attributes)


def _attributes(request: Request, one: dict[str, Any]) -> dict[str, Any]:
    """Of a resource, what the query asks to be shown."""
    names = request.query_all("attrs")
    return {key: one[key] for key in one if key in names} if names else one


async def list_resources(request: Request, room: Metric) -> Response:
    request.allow("list resource", common.mine(request))
    async with request.reading() as tx:
        kind = await types.find(tx, request.path["resource_type"])
        return await _page(request, room, tx, kind, lambda one: True)


async def search_resources(request: Request, room: Metric) -> Response:
    """POST /v1/search/resource/{resource_type}."""
    request.allow("search resource", common.mine(request))
    tree = await common.body(request)
    async with request.reading() as tx:
        kind = await types.find(tx, request.path["resource_type"])
        return await _page(
            request, room, tx, kind, common.test_of(kind, tree, request.query.get("filter"))
        )


async def create_resource(request: Request, room: Metric) -> Response:
    request.allow("create resource", common.mine(request))
    async with request.reading() as tx:
        kind = await types.find(tx, request.path["resource_type"])
    body = await request.json()
    async with request.transaction() as tx:
        row = await resources.create(tx, room, common.who(request), kind, body)
        (view,) = await resources.with_metrics(tx, [resources.view(row, kind)])
        request.made(row.id)
    headers = common.location(request, "resource", kind.name, row.id)
    return common.spaced(view, 201, headers)


async def show_resource(request: Request, room: Metric) -> Response:
    async with request.reading() as tx:
        row = await common.resource(request, tx, "get resource")
        kind = await types.find(tx, row.type)
        (view,) = await resources.with_metrics(tx, [resources.view(row, kind)])
    return common.spaced(view)


async def update_resource(request: Request, room: Metric) -> Response:
    async with request.transaction() as tx:
        row = await common.resource(request, tx, "update resource")
        body = await request.json()
        kind = await types.find(tx, row.type)
        row = await resources.update(tx, room, common.who(request), row, kind, body)
        (view,) = await resources.with_metrics(tx, [resources.view(row, kind)])
        request.made(row.id)
    return common.spaced(view)


async def delete_resource(request: Request, room: Metric) -> Response:
    async with request.transaction() as tx:
        row = await common.resource(request, tx, "delete resource")
        await resources.delete(tx, [row.id])
        request.made(row.id)
    return no_content()


async def delete_resources(request: Request, room: Metric) -> Response:
    """DELETE /v1/resource/{resource_type}: all that a query means, and that the caller's project has made."""
    request.allow("delete resources", common.mine(request))
    tree = await common.body(request)
    if not tree and "filter" not in request.query:
        raise BadInput("caution: the query can not be empty, or it will delete entire database")
    async with request.transaction() as tx:
        kind = await types.find(tx, request.path["resource_type"])
        rows = await common.matching(
            request, tx, kind, common.test_of(kind, tree, request.query.get("filter"))
        )
        gone = [row.id for row in rows if request.may("delete resource", resources.target(row))]
        await resources.delete(tx, gone)
        for one in gone:
            request.made(one)
        if not gone:
            request.unchanged()
    return common.spaced({"deleted": len(gone)})


async def show_history(request: Request, room: Metric) -> Response:
    page = common.page(request, room, *_ORDER)
    async with request.reading() as tx:
        row = await common.resource(request, tx, "get resource")
        kinds = await types.every(tx)
        views = await resources.history(tx, [row], kinds)
        marked = [{**one, "mark": f"{one['id']}@{place}"} for place, one in enumerate(views, 1)]
        some, following = paging.cut(marked, page, resources_keys(kinds[row.type]), "mark")
        some = [{key: one[key] for key in one if key != "mark"} for one in some]
        shown = await resources.with_metrics(tx, some)
    headers = common.link(request, page, following)
    return common.spaced([_attributes(request, one) for one in shown], 200, headers)


async def _metrics_of(tx: Transaction, resource_id: str) -> list[dict[str, Any]]:
    rows = (await metrics.of_resources(tx, [resource_id]))[resource_id]
    by_name = await policies.every(tx)
    return [metrics.shown(row, by_name[row.archive_policy_name]) for row in rows]


async def list_metrics(request: Request, room: Metric) -> Response:
    async with request.reading() as tx:
        row = await common.resource(request, tx, "get resource")
        shown = await _metrics_of(tx, row.id)
    return common.spaced(shown)


async def add_metrics(request: Request, room: Metric) -> Response:
    async with request.transaction() as tx:
        row = await common.resource(request, tx, "update resource")
        wishes = resources.metric_wishes(await request.json())
        await resources.add_metrics(tx, room, common.who(request), row.id, wishes)
        shown = await _metrics_of(tx, row.id)
        request.made(row.id)
    return common.spaced(shown)


_ALL = "/v1/resource/{resource_type}"
_ONE = f"{_ALL}/{{resource_id}}"
_READS = ("attrs", "details", "history", *common.PAGES)
ROUTES = (
    Route("GET", _ALL, list_resources, ("list resource",), query=_READS),
    Route(
        "POST",
        _ALL,
        create_resource,
        ("create resource",),
        strict=True,
        event="metric.resource.created",
    ),
    Route(
        "DELETE",
        _ALL,
        delete_resources,
        ("delete resources", "delete resource"),
        query=("filter",),
        event="metric.resource.deleted",
    ),
    Route("GET", _ONE, show_resource, ("get resource",)),
    Route(
        "PATCH",
        _ONE,
        update_resource,
        ("update resource", "get resource"),
        strict=True,
        event="metric.resource.updated",
    ),
    Route(
        "DELETE",
        _ONE,
        delete_resource,
        ("delete resource", "get resource"),
        event="metric.resource.deleted",
    ),
    Route(
        "GET", f"{_ONE}/history", show_history, ("get resource",), query=("attrs", *common.PAGES)
    ),
    Route("GET", f"{_ONE}/metric", list_metrics, ("get resource",)),
    Route(
        "POST",
        f"{_ONE}/metric",
        add_metrics,
        ("update resource", "get resource"),
        event="metric.resource.updated",
    ),
    Route(
        "POST",
        "/v1/search/resource/{resource_type}",
        search_resources,
        ("search resource",),
        query=("filter", *_READS),
    ),
)
