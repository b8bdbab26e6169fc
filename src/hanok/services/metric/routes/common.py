"""What the routes have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import Forbidden, HanokError
from hanok.services.metric.logic import metrics, paging, queries, resources, shapes, times, types
from hanok.services.metric.room import Metric
from hanok.store import Transaction
from hanok.web.request import Request, answer

PAGES = ("limit", "marker", "sort")


def spaced(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with a space behind each colon and comma, as tools look for it in the text."""
    return answer(
        json.dumps(value, ensure_ascii=False).encode(), "application/json", status, headers
    )


def who(request: Request) -> tuple[str, str]:
    """The user and the project that ask."""
    return metrics.creator(request.reaching())


def creator(request: Request) -> str:
    """The same as ids are made of it."""
    return ":".join(who(request))


def mine(request: Request) -> dict[str, Any]:
    """What rules look at of what is not there yet, or of a list: it is the caller's own."""
    project = request.token.project_id
    return {
        "project_id": project,
        "created_by_project_id": project,
        "resource.project_id": project,
        "creator": creator(request),
    }


def location(request: Request, *parts: str) -> dict[str, str]:
    path = "/".join(quote(one, safe="") for one in parts)
    return {"Location": f"{request.base_url}/v1/{path}"}


def hold(
    request: Request, rule: str, read_rule: str, target: Mapping[str, Any], hidden: HanokError
) -> None:
    """Go on if the caller may do this to what is there.

    Args:
        read_rule: the rule for looking at it; whoever may not is told that it is not there.
    """
    if request.may(rule, target):
        return
    if rule == read_rule or not request.may(read_rule, target):
        raise hidden
    raise Forbidden(f"Policy doesn't allow {rule} to be performed.")


async def resource(request: Request, tx: Transaction, rule: str) -> Row[Any]:
    """The resource that the path names, if the caller may do this to it.

    Raises:
        NotFound, Forbidden
    """
    kind, requested = request.path["resource_type"], request.path["resource_id"]
    row = await resources.find(tx, requested, creator(request), kind)
    hold(request, rule, "get resource", resources.target(row), resources.not_found(requested))
    return row


async def metric_target(tx: Transaction, row: Row[Any]) -> dict[str, Any]:
    """What rules look at of a metric, with its resource's project."""
    found = metrics.target(row)
    if row.resource_id is not None:
        owner = await resources.find(tx, row.resource_id, "")
        found["resource.project_id"] = owner.project_id
    return found


async def hold_metric(request: Request, tx: Transaction, rule: str, row: Row[Any]) -> None:
    """
    Raises:
        NotFound, Forbidden
    """
    hold(request, rule, "get metric", await metric_target(tx, row), metrics.missing(row.id))


async def metric(request: Request, tx: Transaction, rule: str) -> Row[Any]:
    """The metric that the path names, by its id or by a resource and its name, if the caller may do this to it.

    Raises:
        NotFound, Forbidden
    """
    if "metric_id" in request.path:
        row = await metrics.find(tx, request.path["metric_id"])
    else:
        owner = await resource(request, tx, "get resource")
        row = await metrics.named(tx, owner.id, request.path["metric_name"])
    await hold_metric(request, tx, rule, row)
    return row


def span_of(name: str, sent: str | None) -> int | None:
    """A parameter of the query that is a span of time.

    Raises:
        BadInput
    """
    if sent is None:
        return None
    try:
        return times.span(sent)
    except ValueError as error:
        raise shapes.structured("Argument value error", str(error), name) from None


def moment_of(room: Metric, name: str, sent: str | None) -> int | None:
    """A parameter of the query that is a moment.

    Raises:
        BadInput
    """
    if sent is None:
        return None
    try:
        return times.moment(sent, room.clock.now())
    except ValueError:
        raise shapes.structured(
            "Argument value error", "Must be a datetime or a timestamp", name
        ) from None


def page(request: Request, room: Metric, *default: str) -> paging.Page:
    """The page that a query asks for."""
    pairs = [(name, value) for name, value in request.parameters if name in PAGES]
    return paging.page_of(pairs, default, room.settings.max_limit)


def link(request: Request, found: paging.Page, following: str) -> dict[str, str]:
    return paging.link(request.full_url, request.parameters, found, following)


async def body(request: Request) -> Any:
    """The body; None without one."""
    return await request.json() if await request.raw() else None


def test_of(kind: Row[Any], tree: Any, text: str | None = None) -> queries.Test:
    """What a resource of a type must be, by a text (`filter`) or by a body.

    Raises:
        BadInput
    """
    reader = queries.Reader({name: one["type"] for name, one in kind.attributes.items()})
    if text is not None:
        return reader.tree(queries.Text(text).tree())
    return reader.tree(tree) if tree else lambda one: True


async def matching(
    request: Request,
    tx: Transaction,
    kind: Row[Any],
    test: queries.Test,
    only: list[str] | None = None,
) -> list[Row[Any]]:
    """The resources of a type that the caller reaches and that a query means.

    Raises:
        BadInput: there are too many to look at.
    """
    kinds = await types.every(tx)
    found = []
    async for row in resources.each(tx, request.reaching(), kind.name, only):
        if test(resources.view(row, kinds[row.type])):
            found.append(row)
            if len(found) > 100_000:
                raise shapes.structured(
                    "Argument value error", "too many resources: narrow the query", "filter"
                )
    return found
