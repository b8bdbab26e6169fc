"""Measures by the protocols of InfluxDB and Prometheus.

Source: Gnocchi's documentation, "InfluxDB integration" and "Prometheus remote write".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from hanok.base.errors import BadInput, Conflict, NotSupported, UnsupportedType
from hanok.base.pieces import Pieces
from hanok.base.threads import in_thread
from hanok.services.metric.logic import measures, metrics, protocols, resources, times, types
from hanok.services.metric.logic.series import Points
from hanok.services.metric.room import Metric
from hanok.services.metric.routes import common
from hanok.store import Transaction
from hanok.web.request import Request, no_content
from hanok.web.routes import SIGNED_IN, Route

AT_ONCE = (
    50  # metrics of one transaction, some 150 ms where they are new: nobody else writes meanwhile
)
_OfOne = tuple[str, Mapping[str, Points], Mapping[str, Any]]
"""What a resource is called, its measures by metric, and its attributes."""
_CREATE = re.compile(r"(?i)create\s+database\s+\"?([A-Za-z0-9][A-Za-z0-9_-]*)\"?\s*;?")


async def ping(request: Request, room: Metric) -> Response:
    request.allowed_by_hand()
    return no_content(204, {"X-Influxdb-Version": "gnocchi"})


async def query(request: Request, room: Metric) -> Response:
    """POST /v1/influxdb/query: a database is a type of resources; nothing else is asked so."""
    found = _CREATE.fullmatch(request.query["q"].strip()) if "q" in request.query else None
    if found is None:
        said = {
            "cause": "Not implemented error",
            "reason": "Query not implemented",
            "detail": "q",
        }
        request.allow("create resource type")
        raise NotSupported("Query not implemented", extra={"description": said})
    request.allow("create resource type")
    async with request.transaction() as tx:
        if found[1] in await types.every(tx):
            request.unchanged()
        else:
            row = await types.create(tx, {"name": found[1]})
            request.made(row.name)
    return no_content(204)


async def write_lines(request: Request, room: Metric) -> Response:
    """POST /v1/influxdb/write."""
    try:
        text = (await request.raw()).decode()
    except UnicodeDecodeError:
        raise BadInput("Unable to parse line 1: it is not UTF-8") from None
    tag = request.headers.get("x-gnocchi-influxdb-tag-resource-id", "host")
    unit = protocols.precision(request.query["precision"] if "precision" in request.query else "n")
    now = times.of_datetime(room.clock.now())
    sent = await in_thread(protocols.lines, text, tag, now, unit)
    kind = request.query["db"] if "db" in request.query else "influxdb"
    theirs: list[_OfOne] = [(called.replace("/", "_"), named, {}) for called, named in sent.items()]
    await _take_all(request, room, kind, theirs)
    return no_content(204)


async def remote_write(request: Request, room: Metric) -> Response:
    """POST /v1/prometheus/write."""
    coding = request.headers.get("content-encoding", "snappy").lower()
    if coding != "snappy":
        raise UnsupportedType(f"Unsupported Content-Encoding: {coding[:64]}")
    raw = await in_thread(protocols.unsnapped, await request.raw())
    sent = await in_thread(protocols.written, raw)
    theirs: list[_OfOne] = [
        (f"{job}@{instance}".replace("/", "_"), named, {"job": job, "instance": instance})
        for (job, instance), named in sent.items()
    ]
    await _take_all(request, room, "prometheus", theirs)
    return no_content(202)


async def _take_all(request: Request, room: Metric, kind: str, sent: Sequence[_OfOne]) -> None:
    """Take measures of many resources in, some in one transaction: what came before a refused one stays.

    Raises:
        BadInput, Conflict, Forbidden, NotFound
    """
    if not sent:  # Prometheus tells of metrics' meanings so, and that a series has ended
        request.allow("create resource", common.mine(request))
    async with request.reading() as tx:
        await types.find(tx, kind)
    pieces = Pieces()
    for some in _parts(sent):
        async with request.transaction() as tx:
            for called, named, attributes in some:
                await _take(request, room, tx, kind, called, named, attributes)
        await pieces.rest()


def _parts(sent: Sequence[_OfOne]) -> Iterator[list[_OfOne]]:
    """Resources together as long as they have few metrics."""
    part: list[_OfOne] = []
    metrics_of = 0
    for one in sent:
        part.append(one)
        metrics_of += len(one[1])
        if metrics_of >= AT_ONCE:
            yield part
            part, metrics_of = [], 0
    if part:
        yield part


async def _take(
    request: Request,
    room: Metric,
    tx: Transaction,
    kind: str,
    called: str,
    named: Mapping[str, Points],
    attributes: Mapping[str, Any],
) -> None:
    """Take measures of a resource in; it and its metrics are made where they are not there.

    Raises:
        BadInput, Conflict, Forbidden
    """
    who = common.who(request)
    try:
        key = resources.id_of(called, common.creator(request))
    except ValueError as error:
        raise BadInput(str(error)) from None
    row = (await resources.found(tx, [key])).get(key)
    if row is None:
        request.allow("create resource", common.mine(request))
        of = await types.find(tx, kind)
        row = await resources.create(tx, room, who, of, {"id": called, **attributes})
    if row.type != kind:
        said = {"cause": "Resource already exists", "reason": called, "detail": key}
        raise Conflict(f"Resource {key} already exists", extra={"description": said})
    target = resources.target(row)
    common.hold(request, "update resource", "get resource", target, resources.not_found(called))
    theirs = {one.name: one for one in (await metrics.of_resources(tx, [key]))[key]}
    lacking = [name for name in named if name not in theirs]
    if lacking:
        await metrics.check_limit(tx, room, who[1], len(lacking))
    for name in lacking:
        theirs[name] = await metrics.create(tx, who, {}, resource_id=key, metric=name)
    came = [(theirs[name].sequence, points) for name, points in named.items()]
    await measures.take(tx, room, came)


_RULES = ("create resource", "update resource", "get resource")
ROUTES = (
    Route("GET", "/v1/influxdb/ping", ping, (SIGNED_IN,)),
    Route("HEAD", "/v1/influxdb/ping", ping, (SIGNED_IN,)),
    Route(
        "POST",
        "/v1/influxdb/query",
        query,
        ("create resource type",),
        query=("q",),
        event="metric.resource_type.created",
    ),
    Route(
        "POST",
        "/v1/influxdb/write",
        write_lines,
        _RULES,
        query=("db", "precision"),
        media_type="text/plain",
        body=bytes,
    ),
    Route(
        "POST",
        "/v1/prometheus/write",
        remote_write,
        _RULES,
        media_type="application/x-protobuf",
        body=bytes,
    ),
)
