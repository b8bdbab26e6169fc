"""Metrics and their measures.

Source: Gnocchi's REST API reference, "Metrics" and "Measures".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, NotFound
from hanok.services.metric.logic import (
    calendar,
    lists,
    measures,
    metrics,
    policies,
    resources,
    series,
    shapes,
    times,
    types,
)
from hanok.services.metric.logic.measures import Selection
from hanok.services.metric.room import Metric
from hanok.services.metric.routes import common
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Route


async def list_metrics(request: Request, room: Metric) -> Response:
    request.allow("list metric", common.mine(request))
    page = common.page(request, room, "id:asc")
    wishes = {name: request.query_all(name) for name in lists.FILTERS if name in request.query}
    async with request.reading() as tx:
        rows, following = await lists.page(tx, request.reaching(), wishes, page)
        by_name = await policies.every(tx)
    shown = [metrics.shown(row, by_name[row.archive_policy_name]) for row in rows]
    return common.spaced(shown, 200, common.link(request, page, following))


async def create_metric(request: Request, room: Metric) -> Response:
    request.allow("create metric", common.mine(request))
    body = await request.json()
    sent = shapes.mapping(
        body,
        None,
        {
            **metrics.DEFINITION,
            "resource_id": shapes.optional_text(),
            "user_id": shapes.optional_text(),
            "project_id": shapes.optional_text(),
            "creator": shapes.optional_text(),
        },
    )
    for name in ("user_id", "project_id", "creator"):
        if sent.get(name) not in (None, *common.who(request), common.creator(request)):
            raise shapes.wrong("a metric can only be created for the caller", (name,))
    if sent.get("resource_id") is not None and sent.get("name") is None:
        reason = "Name cannot be null if resource_id is not null"
        raise shapes.structured("Attribute value error", reason, "name")
    who = common.who(request)
    async with request.transaction() as tx:
        owner = await _owner(request, tx, sent.get("resource_id"))
        await metrics.check_limit(tx, room, who[1])
        try:
            row = await metrics.create(tx, who, sent, resource_id=owner)
        except Conflict as error:
            said = ("Named metric already exists", error.message, sent["name"])
            raise shapes.structured(*said) from None
        request.made(row.id)
    headers = common.location(request, "metric", row.id)
    return common.spaced(metrics.shown(row, None), 201, headers)


async def _owner(request: Request, tx: Transaction, resource_id: str | None) -> str | None:
    """The resource that a new metric is of."""
    if resource_id is None:
        return None
    try:
        row = await resources.find(tx, resource_id, common.creator(request))
        target = resources.target(row)
        common.hold(
            request, "update resource", "get resource", target, resources.not_found(resource_id)
        )
    except NotFound:
        raise BadInput(f"Resource {resource_id[:255]} does not exist") from None
    return str(row.id)


async def show_metric(request: Request, room: Metric) -> Response:
    async with request.reading() as tx:
        row = await common.metric(request, tx, "get metric")
        by_name = await policies.every(tx)
        shown = metrics.shown(row, by_name[row.archive_policy_name])
        shown["resource"] = await _resource_of(tx, row)
    return common.spaced(shown)


async def _resource_of(tx: Transaction, row: Row[Any]) -> dict[str, Any] | None:
    if row.resource_id is None:
        return None
    owner = await resources.find(tx, row.resource_id, "")
    return resources.view(owner, await types.find(tx, owner.type))


async def delete_metric(request: Request, room: Metric) -> Response:
    async with request.transaction() as tx:
        row = await common.metric(request, tx, "delete metric")
        await metrics.bury(tx, [row.id])
        request.made(row.id)
    return no_content()


# ---- measures ----


async def push_measures(request: Request, room: Metric) -> Response:
    async with request.transaction() as tx:
        row = await common.metric(request, tx, "post measures")
        points = measures.read_measures(await request.json(), room.clock.now())
        await measures.take(tx, room, [(row.sequence, points)])
    return no_content(202)


def _no_method(row: Row[Any], method: str) -> NotFound:
    said = {
        "cause": "Aggregation method does not exist for this metric",
        "detail": {"metric": row.id, "aggregation_method": method},
    }
    text = f"Aggregation method '{method[:100]}' for metric {row.id} does not exist"
    return NotFound(text, extra={"description": said})


def _grains(row: Row[Any], rules: series.Rules, grain: int | None, method: str) -> list[int]:
    """The granularities that are asked for, the coarsest first.

    Raises:
        NotFound
    """
    found = sorted((one.granularity for one in rules.kept), reverse=True)
    if method not in rules.methods:
        raise _no_method(row, method)
    if grain is None:
        return found
    if grain not in found:
        raise NotFound(
            f"Aggregation method '{method}' at granularity '{times.seconds(grain)}' for metric {row.id} does not exist"
        )
    return [grain]


async def get_measures(request: Request, room: Metric) -> Response:
    shapes.flag(
        "refresh", request.query.get("refresh", "true")
    )  # what came is always part of the answer
    grain = common.span_of("granularity", request.query.get("granularity"))
    start = common.moment_of(room, "start", request.query.get("start"))
    stop = common.moment_of(room, "stop", request.query.get("stop"))
    resample = (
        calendar.resampling(request.query["resample"]) if "resample" in request.query else None
    )
    method = request.query["aggregation"] if "aggregation" in request.query else "mean"
    if resample is not None and grain is None:
        raise BadInput("A granularity must be specified to resample")
    async with request.reading() as tx:
        row = await common.metric(request, tx, "get measures")
        by_name = await policies.every(tx)
        rules = {name: policies.rules_of(one) for name, one in by_name.items()}
        known = await measures.states(tx, [row], rules)
        lines: list[list[Any]] = []
        for one in _grains(row, rules[row.archive_policy_name], grain, method):
            first = None if start is None else start // one * one
            requested = Selection(method, one, first, stop)
            points = (await measures.read(tx, [row], requested, rules, known))[row.sequence]
            lines += _lines(points, one, method, resample)
    return json_answer(lines)


def _lines(
    points: series.Points, grain: int, method: str, resample: calendar.Resampling | None
) -> list[list[Any]]:
    if resample is not None:
        return calendar.resampled(points, method.removeprefix("rate:"), resample)
    size = times.seconds(grain)
    return [[times.text(at), size, value] for at, value in points]


async def batch_metrics(request: Request, room: Metric) -> Response:
    """POST /v1/batch/metrics/measures."""
    body = await request.json()
    if not isinstance(body, dict):
        raise shapes.wrong("expected a dictionary", ())
    now = room.clock.now()
    sent = {
        metrics.uuid_of(name) or name: measures.read_measures(value, now, (name,))
        for name, value in body.items()
    }
    async with request.transaction() as tx:
        rows = await metrics.found(tx, list(sent))
        unknown = sorted(set(sent) - set(rows))
        if unknown:
            raise BadInput(f"Unknown metrics: {', '.join(one[:255] for one in unknown[:100])}")
        await _hold_each(request, tx, list(rows.values()))
        await measures.take(
            tx, room, [(rows[one].sequence, points) for one, points in sent.items()]
        )
    return no_content(202)


async def _hold_each(request: Request, tx: Transaction, rows: Sequence[Row[Any]]) -> None:
    """Of one creator's metrics without resources of others', one is looked at for all."""
    request.allowed_by_hand()
    seen: set[str] = set()
    for row in rows:
        if row.creator_project not in seen:
            await common.hold_metric(request, tx, "post measures", row)
            seen.add(row.creator_project)


def _named_measures(
    value: Any, room: Metric, path: shapes.Path
) -> tuple[dict[str, Any], series.Points]:
    """What a new metric would be like, and its measures."""
    if isinstance(value, dict):
        checks = {**metrics.DEFINITION, "measures": shapes.anything}
        del checks["name"]
        sent = shapes.mapping(value, {"measures": shapes.anything}, checks, path)
        points = measures.read_measures(sent.pop("measures"), room.clock.now(), path)
        return sent, points
    return {}, measures.read_measures(value, room.clock.now(), path)


async def batch_resources(request: Request, room: Metric) -> Response:
    """POST /v1/batch/resources/metrics/measures."""
    create = shapes.flag("create_metrics", request.query.get("create_metrics", "false"))
    body = await request.json()
    sent = _batch(request, room, body)
    async with request.transaction() as tx:
        request.allowed_by_hand()
        theirs = await _known(
            request, tx, {key: body_id for key, (body_id, _) in sent.items()}, create
        )
        new = sum(len(set(one[1]) - set(theirs.get(key, {}))) for key, one in sent.items())
        if create and new:
            await metrics.check_limit(tx, room, common.who(request)[1], new)
        came = []
        lacking = []
        for key, (_, wishes) in sent.items():
            for name, (definition, points) in wishes.items():
                row = theirs.get(key, {}).get(name)
                if row is None and create:
                    row = await metrics.create(
                        tx, common.who(request), definition, resource_id=key, metric=name
                    )
                if row is None:
                    lacking.append(f"{key}/{name}")
                else:
                    came.append((row, points))
        if lacking:
            raise BadInput(f"Unknown metrics: {', '.join(sorted(lacking)[:100])}")
        await _hold_each(request, tx, [row for row, _ in came])
        await measures.take(tx, room, [(row.sequence, points) for row, points in came])
    return no_content(202)


def _batch(request: Request, room: Metric, body: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    """What was sent by the resource's id: as it was called, and the measures by the metric's name.

    Raises:
        BadInput
    """
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    if not isinstance(body, dict):
        raise shapes.wrong("expected a dictionary", ())
    for called, wishes in body.items():
        try:
            key = resources.id_of(called, common.creator(request))
        except ValueError as error:
            raise shapes.wrong(str(error), (called,)) from None
        if not isinstance(wishes, dict):
            raise shapes.wrong("expected a dictionary", (called,))
        found[key] = (
            called,
            {
                metrics.name(name, (called, name)): _named_measures(one, room, (called, name))
                for name, one in wishes.items()
            },
        )
    return found


async def _known(
    request: Request, tx: Transaction, called: dict[str, str], create: bool
) -> dict[str, dict[str | None, Row[Any]]]:
    """The metrics of resources by name.

    Raises:
        BadInput: new ones are to be made, and a resource is not there.
    """
    rows = await resources.found(tx, list(called))
    if create:
        lacking = [
            {"resource_id": key, "original_resource_id": name}
            for key, name in called.items()
            if key not in rows or not request.may("update resource", resources.target(rows[key]))
        ]
        if lacking:
            raise shapes.structured("Unknown resources", "Unknown resources", lacking[:100])
    theirs = await metrics.of_resources(tx, list(rows))
    return {key: {row.name: row for row in some} for key, some in theirs.items()}


_ONE = "/v1/metric/{metric_id}"
_NAMED = "/v1/resource/{resource_type}/{resource_id}/metric/{metric_name}"
_SEES = ("get metric", "get resource")
_READ = ("aggregation", "granularity", "refresh", "resample", "start", "stop")
ROUTES = (
    Route(
        "GET",
        "/v1/metric",
        list_metrics,
        ("list metric",),
        query=(*lists.FILTERS, *common.PAGES),
    ),
    Route(
        "POST",
        "/v1/metric",
        create_metric,
        ("create metric", "update resource", "get resource"),
        strict=True,
        event="metric.metric.created",
    ),
    Route("GET", _ONE, show_metric, ("get metric",)),
    Route(
        "DELETE",
        _ONE,
        delete_metric,
        ("delete metric", "get metric"),
        event="metric.metric.deleted",
    ),
    Route("GET", f"{_ONE}/measures", get_measures, ("get measures", "get metric"), query=_READ),
    Route("POST", f"{_ONE}/measures", push_measures, ("post measures", "get metric")),
    Route("GET", _NAMED, show_metric, _SEES),
    Route(
        "DELETE", _NAMED, delete_metric, ("delete metric", *_SEES), event="metric.metric.deleted"
    ),
    Route("GET", f"{_NAMED}/measures", get_measures, ("get measures", *_SEES), query=_READ),
    Route("POST", f"{_NAMED}/measures", push_measures, ("post measures", *_SEES)),
    Route("POST", "/v1/batch/metrics/measures", batch_metrics, ("post measures", "get metric")),
    Route(
        "POST",
        "/v1/batch/resources/metrics/measures",
        batch_resources,
        ("post measures", "get metric", "update resource"),
        query=("create_metrics",),
    ),
)
