"""The processes of the service, pools of back ends, zones.

Source: Shared File Systems API reference, "Services", "Back-end storage pools", "Availability zones".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from starlette.responses import Response

from hanok.base.clock import naive_micro
from hanok.base.errors import BadInput, NotFound
from hanok.services.shared_file_system.logic import backends, specs, types
from hanok.services.shared_file_system.operations import begin
from hanok.services.shared_file_system.room import Shares
from hanok.services.shared_file_system.routes import lists
from hanok.services.shared_file_system.schemas import answers, bodies
from hanok.services.shared_file_system.schemas.values import FALSE, TRUE, given
from hanok.store import Transaction
from hanok.web.request import Request, json_answer, no_content
from hanok.web.routes import Handler, Route
from hanok.web.versions import Parameter, Query

_FILTERS = ("binary", "host", "zone", "state", "status")

# ---- services ----


def _service(room: Shares, row: Row[Any], view: Any) -> dict[str, Any]:
    up = backends.is_up(row, room)
    found: dict[str, Any] = view(
        {
            "id": row.sequence,
            "binary": row.binary,
            "host": row.host,
            "zone": row.zone,
            "status": "disabled" if row.disabled else "enabled",
            "state": "up" if up else "down",
            "updated_at": naive_micro(row.seen_at),
            "disabled_reason": row.disabled_reason,
            "ensuring": row.ensuring,
        }
    )
    return found


def _fits(row: dict[str, Any], query: dict[str, str], ensuring: bool | None) -> bool:
    if any(name in query and row[name] != query[name] for name in _FILTERS):
        return False
    return ensuring is None or row.get("ensuring") is ensuring


async def list_services(request: Request, room: Shares) -> Response:
    """GET /services: a filter for what there is not finds nothing."""
    request.allow("", request.own)
    query = request.query
    sent = query.get("ensuring", "").lower()
    if sent and sent not in (*TRUE, *FALSE):
        return json_answer({"services": []})
    async with request.reading() as tx:
        rows = await backends.everything(tx)
    view = request.shown(answers.SERVICE)
    shown = [_service(room, row, view) for row in rows]
    ensuring = (sent in TRUE) if sent else None
    return json_answer({"services": [one for one in shown if _fits(one, query, ensuring)]})


def _switcher(*, disabled: bool) -> Handler:
    async def switch(request: Request, room: Shares) -> Response:
        request.allow("", request.own)
        body = await request.body(bodies.DisabledService if disabled else bodies.ServiceHost)
        reason = given(getattr(body, "disabled_reason", None)) or None
        if reason is not None and not reason.strip():
            raise BadInput("Disabled reason contains invalid characters or is too long")
        async with request.transaction() as tx:
            row = await backends.by_name(tx, body.binary, body.host)
            kept = reason.strip() if disabled and reason else None
            await backends.change(tx, row, disabled=disabled, disabled_reason=kept)
            request.made(row.id)
        shown: dict[str, Any] = {
            "host": row.host,
            "binary": row.binary,
            "status": "disabled" if disabled else "enabled",
            "disabled": disabled,
            "disabled_reason": kept,
        }
        view = request.shown(answers.SERVICE)
        if view.shows("disabled_reason"):
            del shown["disabled"]
        return json_answer(view(shown))

    return switch


async def ensure_shares(request: Request, room: Shares) -> Response:
    """POST /services/ensure-shares: all shares of a back end are put right."""
    request.allow("", request.own)
    body = await request.body(bodies.EnsuredShares, key="ensure_shares")
    async with request.transaction() as tx:
        try:
            row = await backends.get(tx, body.host)
        except NotFound:
            raise NotFound(f"manila-share binary for '{body.host}' host not found") from None
        await begin.ensure_shares(tx, room, request.reaching(), row)
    return no_content(202)


# ---- pools ----


def _matches(text: str, value: str | None) -> bool:
    """Whether a name is what a filter says: "*" at its end stands for anything, as does ".*"."""
    if value is None:
        return True
    for rest in (".*", "*"):
        if value.endswith(rest):
            return text.startswith(value.removesuffix(rest).rstrip("$").lstrip("^"))
    return text == value.removeprefix("^").removesuffix("$")


def capabilities(row: Row[Any]) -> dict[str, Any]:
    """What a pool is and can, as operators see it."""
    state = backends.read_state(row)
    flags = {name: specs.flag(value) for name, value in state.capabilities.items()}
    said = {
        name: state.capabilities[name] if value is None else value for name, value in flags.items()
    }
    return {
        "share_backend_name": state.name,
        "pool_name": state.name,
        "driver_handles_share_servers": backends.has_servers(state),
        "vendor_name": "Hanok",
        "driver_version": "1.0",
        "storage_protocol": "NFS",
        "total_capacity_gb": state.total_gib,
        "free_capacity_gb": state.free_gib,
        "allocated_capacity_gb": row.allocated_gib,
        "provisioned_capacity_gb": state.provisioned_gib,
        "max_over_subscription_ratio": state.over_subscription,
        "reserved_percentage": state.reserved_percentage,
        "reserved_snapshot_percentage": state.reserved_percentage,
        "reserved_share_extend_percentage": state.reserved_percentage,
        "qos": False,
        "dedupe": [False],
        "compression": [False],
        "replication_type": None,
        "replication_domain": None,
        "sg_consistent_snapshot_support": None,
        "filter_function": None,
        "goodness_function": None,
        "timestamp": naive_micro(row.seen_at),
        **said,
    }


async def _pools(request: Request, tx: Transaction) -> list[Row[Any]]:
    """The pools that a query asks for. Raises BadInput."""
    query = request.query
    extra: dict[str, str] = {}
    if sent := query.get("share_type"):
        try:
            extra = (await types.named(tx, request.reaching(), sent)).extra_specs
        except NotFound:
            raise BadInput(f"Share type {sent[:255]} not found.") from None
    if sent := query.get("capabilities"):
        extra = lists.map_of(sent, "capabilities")
    found = []
    for row in await backends.backends(tx):
        fits = _matches(row.node, query.get("host")) and _matches(row.backend, query.get("backend"))
        if fits and _matches(row.backend, query.get("pool")) and row.state is not None:
            if not (extra and backends.wanting(row, extra)):
                found.append(row)
    return found


def _pooler(*, detailed: bool) -> Handler:
    async def pools(request: Request, room: Shares) -> Response:
        request.allow("", request.own)
        async with request.reading() as tx:
            rows = await _pools(request, tx)
        found = []
        for row in rows:
            one = {
                "name": backends.pool_of(row.node, row.backend),
                "host": row.node,
                "backend": row.backend,
                "pool": row.backend,
            }
            found.append({**one, "capabilities": capabilities(row)} if detailed else one)
        return json_answer({"pools": found})

    return pools


# ---- zones ----


async def list_zones(request: Request, room: Shares) -> Response:
    request.allow("", request.own)
    async with request.reading() as tx:
        rows = await backends.zones(tx)
    found = [
        {"id": row.id, "name": row.zone, "created_at": naive_micro(row.seen_at), "updated_at": None}
        for row in rows
    ]
    return json_answer({"availability_zones": found})


_POOLS = "/v2/scheduler-stats/pools"
_QUERY = Query(
    "host", "backend", "pool", "capabilities", Parameter(name="share_type", since=(2, 23))
)


def _services(prefix: str, **span: Any) -> tuple[Route, ...]:
    path = f"/v2/{prefix}services"
    query = Query(
        "binary", "host", "zone", "state", "status", Parameter(name="ensuring", since=(2, 93))
    )
    event = "shared_file_system.service.update"
    return (
        Route("GET", path, list_services, ("service:index",), query=query, **span),
        Route(
            "PUT", f"{path}/enable", _switcher(disabled=False), ("service:update",), strict=True,
            body=bodies.ServiceHost, event=event, **span,
        ),
        Route(
            "PUT", f"{path}/disable", _switcher(disabled=True), ("service:update",), strict=True,
            body=bodies.DisabledService, event=event, **span,
        ),
    )  # fmt: skip


ROUTES = (
    *_services("os-", maximum=(2, 6)),
    *_services("", minimum=(2, 7)),
    Route(
        "POST", "/v2/services/ensure-shares", ensure_shares, ("service:ensure_shares",),
        body=bodies.EnsuredShares, member="ensure_shares", strict=True, minimum=(2, 86),
    ),
    Route("GET", _POOLS, _pooler(detailed=False), ("scheduler_stats:pools:index",), query=_QUERY),
    Route("GET", f"{_POOLS}/detail", _pooler(detailed=True), ("scheduler_stats:pools:detail",), query=_QUERY),
    Route("GET", "/v2/os-availability-zone", list_zones, ("availability_zone:index",), maximum=(2, 6)),
    Route("GET", "/v2/availability-zones", list_zones, ("availability_zone:index",), minimum=(2, 7)),
)  # fmt: skip
