"""Several metrics at once.

Source: Gnocchi's REST API reference, "Dynamic Aggregates", "Aggregation" and "Searching for values in metrics".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.errors import BadInput, NotFound
from hanok.services.metric.logic import (
    aggregates,
    metrics,
    operations,
    policies,
    queries,
    resources,
    shapes,
    times,
    types,
    values,
)
from hanok.services.metric.logic.aggregates import Column, Wish
from hanok.services.metric.logic.operations import Checked
from hanok.services.metric.room import Metric
from hanok.services.metric.routes import common
from hanok.store import Transaction
from hanok.web.request import Request, json_answer
from hanok.web.routes import Route


def _number(sent: str, name: str) -> float:
    try:
        found = float(sent)
    except ValueError:
        raise shapes.structured("Argument value error", "Must be a number", name) from None
    return found


def _fill(request: Request) -> float | str | None:
    """What stands where a metric has nothing.

    Raises:
        BadInput
    """
    if "fill" not in request.query:
        return None
    text = request.query["fill"]
    if text in aggregates.FILLS:
        return text
    try:
        return float(text)
    except ValueError:
        reason = "Must be a float, 'dropna', 'null', 'ffill', 'bfill', 'full_ffill' or 'full_bfill'"
        raise shapes.structured("Argument value error", reason, "fill") from None


def _wish(request: Request, room: Metric) -> Wish:
    overlap = _number(request.query.get("needed_overlap", "100"), "needed_overlap")
    fill = _fill(request)
    return Wish(
        start=common.moment_of(room, "start", request.query.get("start")),
        stop=common.moment_of(room, "stop", request.query.get("stop")),
        granularity=common.span_of("granularity", request.query.get("granularity")),
        fill=fill,
        overlap=overlap,
    )


# ---- /v1/aggregates ----


async def compute(request: Request, room: Metric) -> Response:
    wish = _wish(request, room)
    if wish.fill is None and "needed_overlap" not in request.query:
        wish = _with_fill(wish, "dropna")
    details = shapes.flag("details", request.query.get("details", "false"))
    if shapes.flag("use_history", request.query.get("use_history", "false")):
        raise BadInput("Grouping by earlier attributes of resources (use_history) is not supported")
    body = shapes.mapping(
        await request.json(),
        {"operations": shapes.anything},
        {"search": shapes.anything, "resource_type": shapes.text()},
    )
    checked = operations.checked(body["operations"])
    if "resource_type" not in body:
        return json_answer(await _by_ids(request, checked, wish, details=details))
    groups = request.query_all("groupby")
    search = body.get("search") or {}
    async with request.reading() as tx:
        kind = await types.find(tx, body["resource_type"])
        parts = await _parts(request, tx, kind, search, groups)
    if not groups:
        (only,) = parts
        return json_answer(await _of_part(request, checked, wish, only, details=details))
    found = []
    for part in parts:
        made = await _of_group(request, checked, wish, part, details=details)
        if made is not None:
            found.append({"group": part.group, "measures": made})
    if not found and checked.metrics:
        names = sorted({name for name, _ in checked.metrics})
        raise metrics.missing(str(names) if len(names) > 1 else names[0])
    return json_answer(found)


def _with_fill(wish: Wish, fill: str) -> Wish:
    return Wish(
        start=wish.start,
        stop=wish.stop,
        granularity=wish.granularity,
        fill=fill,
        overlap=wish.overlap,
    )


async def _by_ids(
    request: Request, checked: Checked, wish: Wish, *, details: bool
) -> dict[str, Any]:
    request.allowed_by_hand()
    async with request.reading() as tx:
        rows = await _reached(request, tx, [name for name, _ in checked.metrics])
        columns = aggregates.of_ids(checked, rows)
        laid = await aggregates.grids(tx, columns, wish)
        references = await _shown(tx, list(rows.values())) if details else []
    made = {"measures": await aggregates.computed(checked, columns, laid, wish)}
    return {"references": references, **made} if details else made


async def _reached(request: Request, tx: Transaction, ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Those of these metrics that are there and that the caller may read, by id."""
    known = [one for one in map(metrics.uuid_of, dict.fromkeys(ids)) if one is not None]
    rows = await metrics.found(tx, known)
    return {
        key: row
        for key, row in rows.items()
        if request.may("get measures", await common.metric_target(tx, row))
    }


async def _readable(
    request: Request, tx: Transaction, views: Sequence[dict[str, Any]]
) -> dict[str, list[Row[Any]]]:
    """The metrics of resources that the caller may read, by the resource's id.

    Rules look at who made a metric and whose its resource is: of each two such, one answer is enough.
    """
    owners = {one["id"]: one["project_id"] for one in views}
    theirs = await metrics.of_resources(tx, list(owners))
    known: dict[tuple[str, str, Any], bool] = {}
    found: dict[str, list[Row[Any]]] = {}
    for key, rows in theirs.items():
        found[key] = []
        for row in rows:
            pair = (row.creator_user, row.creator_project, owners[key])
            if pair not in known:
                target = {**metrics.target(row), "resource.project_id": owners[key]}
                known[pair] = request.may("get measures", target)
            if known[pair]:
                found[key].append(row)
    return found


async def _shown(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    by_name = await policies.every(tx)
    return [metrics.shown(row, by_name[row.archive_policy_name]) for row in rows]


class _Part:
    """Resources that are computed together, and what they have in common."""

    def __init__(self, group: dict[str, Any]) -> None:
        self.group = group
        self.views: list[dict[str, Any]] = []


async def _parts(
    request: Request,
    tx: Transaction,
    kind: Row[Any],
    search: Any,
    groups: Sequence[str],
    text: str | None = None,
) -> list[_Part]:
    """The resources that a query means, by what they are grouped by."""
    request.allow("search resource", common.mine(request))
    known = (*sorted(queries.BASE), *kind.attributes)
    for one in groups:
        if one not in known:
            raise BadInput(
                f"Invalid groupby attribute: Invalid pagination: `Sort key supplied is invalid: {one[:100]}'"
            )
    tree = queries.Text(search).tree() if isinstance(search, str) else search
    rows = await common.matching(request, tx, kind, common.test_of(kind, tree, text))
    kinds = await types.every(tx)
    return grouped([resources.view(row, kinds[row.type]) for row in rows], groups)


def grouped(views: Sequence[dict[str, Any]], groups: Sequence[str]) -> list[_Part]:
    """In the order of the values that they are grouped by."""
    names = list(dict.fromkeys(groups))
    if not names:
        only = _Part({})
        only.views = list(views)
        return [only]
    parts: dict[tuple[str, ...], _Part] = {}
    for view in sorted(views, key=lambda one: tuple(str(one[name] or "") for name in names)):
        key = tuple(str(view[name] or "") for name in names)
        part = parts.setdefault(key, _Part({name: view[name] for name in names}))
        part.views.append(view)
    return list(parts.values())


async def _of_part(
    request: Request, checked: Checked, wish: Wish, part: _Part, *, details: bool
) -> dict[str, Any]:
    """What operations make of the metrics of some resources.

    Raises:
        NotFound: none of them has such a metric.
    """
    async with request.reading() as tx:
        theirs = await _readable(request, tx, part.views)
        columns = aggregates.of_names(checked, theirs)
        laid = await aggregates.grids(tx, columns, wish)
        references = await resources.with_metrics(tx, part.views) if details else []
    made = {"measures": await aggregates.computed(checked, columns, laid, wish)}
    return {"references": references, **made} if details else made


async def _of_group(
    request: Request, checked: Checked, wish: Wish, part: _Part, *, details: bool
) -> dict[str, Any] | None:
    try:
        return await _of_part(request, checked, wish, part, details=details)
    except NotFound as error:
        if error.extra:
            raise
        return None  # no resource of this group has such a metric


# ---- /v1/aggregation ----


async def across_listed(request: Request, room: Metric) -> Response:
    """GET /v1/aggregation/metric."""
    return await _across(request, room, request.query_all("metric"))


async def across_metrics(request: Request, room: Metric) -> Response:
    """POST /v1/aggregation/metric."""
    return await _across(request, room, await request.json())


async def _across(request: Request, room: Metric, sent: Any) -> Response:
    wish = _wish(request, room)
    ids = shapes.items(shapes.text(1), 1, 500)(sent, ("metric",))
    for one in ids:
        if metrics.uuid_of(one) is None:
            raise shapes.structured(
                "Argument value error", "badly formed hexadecimal UUID string", "metric"
            )
    request.allowed_by_hand()
    async with request.reading() as tx:
        rows = await _reached(request, tx, ids)
        for one in ids:
            if metrics.uuid_of(one) not in rows:
                raise metrics.missing(one)
        lines = await _aggregated(request, tx, list(rows.values()), wish)
    return json_answer(await lines.computed())


class _Lines:
    """What is laid side by side, to be computed when the database is left."""

    def __init__(self, checked: Checked, columns: Any, laid: Any, wish: Wish) -> None:
        self._parts = checked, columns, laid, wish

    async def computed(self) -> list[Any]:
        made = await aggregates.computed(*self._parts)
        return list(made.get("aggregated", []))


def _wishes(request: Request) -> tuple[str, str, str]:
    """By what each metric is aggregated, and all together, and the span that it is made coarser by."""
    method = request.query.get("aggregation", "mean")
    again = request.query.get("reaggregation", method)
    shapes.flag("refresh", request.query.get("refresh", "true"))
    span = common.span_of("resample", request.query.get("resample"))
    if span is not None and "granularity" not in request.query:
        raise BadInput("A granularity must be specified to resample")
    return method, again, "" if span is None else str(times.seconds(span))


async def _aggregated(
    request: Request, tx: Transaction, rows: Sequence[Row[Any]], wish: Wish
) -> _Lines:
    method, again, span = _wishes(request)
    inner: Any = ["metric", *([row.id, method] for row in rows)]
    if span:
        inner = ["resample", again.removeprefix("rate:"), float(span), inner]
    try:
        checked = operations.checked(
            ["aggregate", again if again in operations.OVER else "mean", inner]
        )
        columns = aggregates.of_ids(checked, {row.id: row for row in rows})
        laid = await aggregates.grids(tx, columns, wish)
    except NotFound:
        raise _no_method(rows[0], method) from None
    except BadInput as error:
        if wish.granularity is not None and "Granularities are missing" in error.message:
            raise NotFound(
                f"Aggregation method '{method[:100]}' at granularity '{times.seconds(wish.granularity)}' for metric "
                f"{rows[0].id} does not exist"
            ) from None
        raise
    return _Lines(checked, columns, laid, wish)


def _no_method(row: Row[Any], method: str) -> NotFound:
    said = {
        "cause": "Aggregation method does not exist for this metric",
        "detail": {"metric": row.id, "aggregation_method": method},
    }
    text = f"Aggregation method '{method[:100]}' for metric {row.id} does not exist"
    return NotFound(text, extra={"description": said})


async def across_resources(request: Request, room: Metric) -> Response:
    """POST /v1/aggregation/resource/{resource_type}/metric/{metric_name}."""
    wish = _wish(request, room)
    search = await common.body(request)
    groups = request.query_all("groupby")
    async with request.reading() as tx:
        kind = await types.find(tx, request.path["resource_type"])
        text = request.query.get("filter")
        parts = await _parts(request, tx, kind, search or {}, groups, text)
        found = []
        for part in parts:
            theirs = await _readable(request, tx, part.views)
            name = request.path["metric_name"]
            rows = [row for some in theirs.values() for row in some if row.name == name]
            if rows:
                found.append((part.group, await _aggregated(request, tx, rows, wish)))
    if not groups:
        return json_answer(await found[0][1].computed() if found else [])
    return json_answer([{"group": group, "measures": await one.computed()} for group, one in found])


# ---- /v1/search/metric ----


async def search_values(request: Request, room: Metric) -> Response:
    """POST /v1/search/metric: the values of metrics that meet a condition."""
    request.allow("search metric", common.mine(request))
    test = values.test_of(await request.json())
    wish = Wish(
        start=_at(room, "start", request.query.get("start")),
        stop=_at(room, "stop", request.query.get("stop")),
        fill="dropna",
    )
    grains = [values.span(one) for one in request.query_all("granularity")]
    method = request.query["aggregation"] if "aggregation" in request.query else "mean"
    found: dict[str, Any] = {}
    async with request.reading() as tx:
        rows = await _reached(request, tx, request.query_all("metric_id"))
        if len(rows) != len(set(request.query_all("metric_id"))):
            raise metrics.missing(
                request.query["metric_id"] if "metric_id" in request.query else ""
            )
        for row in rows.values():
            found[row.id] = await _values(tx, row, method, grains, wish, test)
    return json_answer(found)


def _at(room: Metric, name: str, sent: str | None) -> int | None:
    try:
        return common.moment_of(room, name, sent)
    except BadInput:
        raise BadInput(f"Invalid value for {name}") from None


async def _values(
    tx: Transaction,
    row: Row[Any],
    method: str,
    grains: Sequence[int],
    wish: Wish,
    test: values.Test,
) -> list[Any]:
    checked = operations.checked(["metric", row.id, method])
    columns: list[Column] = aggregates.of_ids(checked, {row.id: row})
    found: list[Any] = []
    for grain in grains or (None,):
        one = Wish(start=wish.start, stop=wish.stop, granularity=grain, fill=wish.fill)
        try:
            laid = await aggregates.grids(tx, columns, one)
        except (BadInput, NotFound) as error:
            raise _no_aggregation(row, method, grain, error) from None
        for grid in laid:
            size = times.seconds(grid.granularity)
            points = operations.finite(grid.moments, grid.columns[0])
            found += [[times.text(at), size, value] for at, value in points if test(value)]
    return found


def _no_aggregation(
    row: Row[Any], method: str, grain: int | None, error: BadInput | NotFound
) -> BadInput:
    detail: Mapping[str, Any] = {
        "granularity": None if grain is None else times.seconds(grain),
        "aggregation_method": method,
        "metric": row.id,
    }
    return shapes.structured("Aggregation does not exist", error.message, detail)


_SPAN = ("start", "stop", "granularity", "fill", "needed_overlap")
_LEGACY = (*_SPAN, "aggregation", "reaggregation", "resample", "refresh")
_OF_TYPE = "/v1/aggregation/resource/{resource_type}/metric/{metric_name}"
_READS = ("get measures", "search resource")
ROUTES = (
    Route(
        "POST",
        "/v1/aggregates",
        compute,
        _READS,
        query=(*_SPAN, "groupby", "details", "use_history"),
    ),
    Route(
        "GET",
        "/v1/aggregation/metric",
        across_listed,
        ("get measures",),
        query=("metric", *_LEGACY),
    ),
    Route("POST", "/v1/aggregation/metric", across_metrics, ("get measures",), query=_LEGACY),
    Route("POST", _OF_TYPE, across_resources, _READS, query=("groupby", "filter", *_LEGACY)),
    Route(
        "POST",
        "/v1/search/metric",
        search_values,
        ("search metric", "get measures"),
        query=("metric_id", "start", "stop", "aggregation", "granularity"),
    ),
)
