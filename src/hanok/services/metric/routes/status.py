"""What versions there are, what is served, and what waits.

Source: Gnocchi's REST API reference, "Status" and "Capabilities".
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hanok.services.metric.logic import measures, series, shapes
from hanok.services.metric.room import Metric
from hanok.services.metric.routes import common
from hanok.web.request import Request
from hanok.web.routes import PUBLIC, SIGNED_IN, Route

PARTS = (
    "aggregates",
    "aggregation",
    "archive_policy",
    "archive_policy_rule",
    "batch",
    "capabilities",
    "influxdb",
    "metric",
    "prometheus",
    "resource",
    "resource_type",
    "search",
    "status",
)


async def list_versions(request: Request, room: Metric) -> Response:
    link = {"rel": "self", "href": f"{request.base_url}/v1/"}
    version = {"status": "CURRENT", "links": [link], "id": "v1.0", "updated": "2015-03-19"}
    return common.spaced({"build": "4.7.1", "versions": [version]})


async def show_version(request: Request, room: Metric) -> Response:
    request.allowed_by_hand()
    links: list[dict[str, Any]] = [{"rel": "self", "href": f"{request.base_url}/v1"}]
    links += [{"rel": one, "href": f"{request.base_url}/v1/{one}"} for one in PARTS]
    return common.spaced({"version": "1.0", "links": links})


async def show_capabilities(request: Request, room: Metric) -> Response:
    request.allowed_by_hand()
    return common.spaced({"aggregation_methods": sorted(series.METHODS)})


async def show_status(request: Request, room: Metric) -> Response:
    request.allow()
    details = shapes.flag("details", request.query.get("details", "true"))
    async with request.reading() as tx:
        waiting = await measures.backlog(tx, details=details)
    return common.spaced({"storage": waiting, "metricd": {"processors": [], "statistics": {}}})


ROUTES = (
    Route("GET", "/", list_versions, (PUBLIC,)),
    Route("GET", "/v1", show_version, (SIGNED_IN,)),
    Route("GET", "/v1/capabilities", show_capabilities, (SIGNED_IN,)),
    Route("GET", "/v1/status", show_status, ("get status",), query=("details",)),
)
